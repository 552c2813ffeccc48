/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Crash file: a file in memory that records each write, resize, hole and sync,
 * and makes the states that a power cut can leave.
 *
 * MODEL.  Until a sync returns, each operation before it may have reached the
 * disk or not, independently of the others; and of a write, any of its pieces
 * of 512 bytes.  A piece is never torn.
 */
#ifndef VHDFS_TESTS_IO_CRASH_H
#define VHDFS_TESTS_IO_CRASH_H

#include "unit/io-mem.h"

enum crash_kind { CRASH_WRITE, CRASH_ZERO, CRASH_RESIZE, CRASH_SYNC };

struct crash_op {
	enum crash_kind kind;
	uint64_t off, len; /* CRASH_RESIZE: the size is in off */
	uint8_t *data;     /* CRASH_WRITE only */
};

struct crash_file {
	struct mem_file now;    /* as processes read it */
	struct mem_file before; /* at the start of the recording */
	struct crash_op *ops;
	size_t n, room;
};

/* Begins the recording with a copy of from. */
void crash_file_init(struct crash_file *file, const struct mem_file *from);
void crash_file_fini(struct crash_file *file);
/* file is a struct crash_file, which must live longer than the io. */
int io_crash_open(void *file, const char *name, bool writable, struct io **ret);

/* The fate of the operations that were not synced. */
enum crash_fate {
	FATE_LOST,
	FATE_KEPT,
	FATE_ONE_LOST,
	FATE_ONE_KEPT,
	FATE_SOME,     /* each kept or lost, at random */
	FATE_TORN,     /* some pieces of each write */
	FATE_ONE_TORN, /* the others kept */
	FATE_SHUFFLED, /* in another order, some torn */
	FATES
};

/* Makes states of a recording, at ascending points of it. */
struct crash_states {
	const struct crash_file *file;
	struct mem_file durable; /* the synced operations */
	size_t n_durable;        /* their number */
};

void crash_states_init(struct crash_states *states,
		       const struct crash_file *file);
void crash_states_fini(struct crash_states *states);
/*
 * Sets ret, which is initialized, to a state after a power cut behind the first
 * n operations.  n must not be less than in the call before.
 */
void crash_state(struct crash_states *states, size_t n, enum crash_fate fate,
		 uint64_t *seed, struct mem_file *ret);
/* The number of the first n operations that were not synced. */
size_t crash_unsynced(const struct crash_file *file, size_t n);

#endif
