/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file in memory as struct io: it outlives the io that it is opened with, so
 * a test closes an image and opens it again; it counts what is done to it, and
 * fails or fills up when it is told to.
 *
 * Holes are 4 KiB pages that nothing was written to, or that were punched.
 */
#ifndef VHDFS_TESTS_IO_MEM_H
#define VHDFS_TESTS_IO_MEM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/io.h"

enum { MEM_PAGE = 4096 };

/* The test may read and change all of it between two calls of the library. */
struct mem_file {
	pthread_mutex_t lock;
	uint8_t **pages; /* null: a hole */
	size_t n_pages;
	uint64_t size;

	/* How often each was called. */
	unsigned n_pread, n_pwrite, n_sync, n_resize, n_punch, n_reserve;
	/*
	 * pwrite, sync, resize, punch and reserve fail with fail_code (a
	 * negative errno) from the call on that finds fail_after at 0;
	 * negative: never. fail_once: only that one call.
	 */
	int fail_after;
	int fail_code;
	bool fail_once;
	/* Pages that may exist before a write answers -ENOSPC; 0: any number.
	 */
	size_t room;
};

void mem_file_init(struct mem_file *file);
void mem_file_fini(struct mem_file *file);
/* Takes no more than the counters back to 0. */
void mem_file_reset_counters(struct mem_file *file);
/* Pages that hold data. */
size_t mem_file_used(const struct mem_file *file);

/* Without counting and without failing. */
void mem_file_peek(const struct mem_file *file, void *buf, size_t len,
		   uint64_t off);
void mem_file_poke(struct mem_file *file, const void *buf, size_t len,
		   uint64_t off);
void mem_file_resize(struct mem_file *file, uint64_t size);
/* Makes to, which is initialised, hold what from holds. */
void mem_file_copy(struct mem_file *to, const struct mem_file *from);

/* The file, which must outlive the io. */
int io_mem_open(struct mem_file *file, const char *name, bool writable,
		struct io **ret);

#endif
