/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file in memory that remembers every write, change of size, hole and sync,
 * so that what a power cut may have left can be made of it.
 *
 * Until a sync has returned, each operation before it may be on the disk or
 * not, whatever came of those before and after it; and of a write any of its
 * pieces of 512 bytes.  One of 512 bytes is never torn.
 */
#ifndef VHDFS_TESTS_IO_CRASH_H
#define VHDFS_TESTS_IO_CRASH_H

#include "unit/io-mem.h"

enum crash_kind { CRASH_WRITE, CRASH_ZERO, CRASH_RESIZE, CRASH_SYNC };

struct crash_op {
	enum crash_kind kind;
	uint64_t off, len; /* the size is in off */
	uint8_t *data;     /* CRASH_WRITE only */
};

struct crash_file {
	struct mem_file now;    /* what a process sees */
	struct mem_file before; /* what it was when the recording began */
	struct crash_op *ops;
	size_t n, room;
};

/* A copy of from. */
void crash_file_init(struct crash_file *file, const struct mem_file *from);
void crash_file_fini(struct crash_file *file);
/* file is a struct crash_file, which must outlive the io. */
int io_crash_open(void *file, const char *name, bool writable, struct io **ret);

/* What became of those operations that were not synced. */
enum crash_fate {
	FATE_LOST,
	FATE_KEPT,
	FATE_ONE_LOST,
	FATE_ONE_KEPT,
	FATE_SOME,     /* each kept or lost */
	FATE_TORN,     /* of each write some pieces */
	FATE_ONE_TORN, /* the rest kept */
	FATE_SHUFFLED, /* some, in another order */
	FATES
};

/* Makes states of one recording, at later and later points of it. */
struct crash_states {
	const struct crash_file *file;
	struct mem_file durable; /* what had been synced */
	size_t n_durable;        /* operations that are in it */
};

void crash_states_init(struct crash_states *states,
		       const struct crash_file *file);
void crash_states_fini(struct crash_states *states);
/*
 * The power goes after the first n operations; n is not less than in the call
 * before.  ret is initialised.
 */
void crash_state(struct crash_states *states, size_t n, enum crash_fate fate,
		 uint64_t *seed, struct mem_file *ret);
/* How many of the first n operations were not synced. */
size_t crash_unsynced(const struct crash_file *file, size_t n);

#endif
