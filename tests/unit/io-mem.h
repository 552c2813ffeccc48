/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In-memory file as a back-end of struct io, with operation counters and
 * simulated failures.
 *
 * The file outlives the struct io, so a test can close an image and open it
 * again.  Pages of 4 KiB that were never written, or were punched, are holes.
 */
#ifndef VHDFS_TESTS_IO_MEM_H
#define VHDFS_TESTS_IO_MEM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/io.h"

enum { MEM_PAGE = 4096 };

/* A test may read and change all members between two calls of the library. */
struct mem_file {
	pthread_mutex_t lock;
	uint8_t **pages; /* null: a hole */
	size_t n_pages;
	uint64_t size;

	/* Number of calls of each operation. */
	unsigned n_pread, n_pwrite, n_sync, n_resize, n_punch, n_reserve;
	/*
	 * After fail_after further calls of pwrite, sync, resize, punch and
	 * reserve, all of them fail with fail_code (a negative errno); with
	 * fail_once only one.  fail_after negative: no failure.
	 */
	int fail_after;
	int fail_code;
	bool fail_once;
	/* Maximum number of allocated pages: then -ENOSPC.  0: no limit. */
	size_t room;
};

void mem_file_init(struct mem_file *file);
void mem_file_fini(struct mem_file *file);
void mem_file_reset_counters(struct mem_file *file);
/* Number of allocated pages. */
size_t mem_file_used(const struct mem_file *file);

/* Access to the content, not counted, without simulated failures. */
void mem_file_peek(const struct mem_file *file, void *buf, size_t len,
		   uint64_t off);
void mem_file_poke(struct mem_file *file, const void *buf, size_t len,
		   uint64_t off);
void mem_file_resize(struct mem_file *file, uint64_t size);
/* Copies the content of from to to, which is initialised. */
void mem_file_copy(struct mem_file *to, const struct mem_file *from);

/* Opens the file, which must outlive *ret. */
int io_mem_open(struct mem_file *file, const char *name, bool writable,
		struct io **ret);

#endif
