/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults: the Nth access to a file or the Nth allocation of memory fails, once
 * or from then on.
 *
 * Accesses to all files of a struct faults are counted together.  For memory,
 * the program is linked with --wrap for malloc, calloc, realloc, strdup,
 * asprintf and free (alloc.c), which also counts the library's live
 * allocations.  Only events while faults are armed are counted.
 */
#ifndef VHDFS_TESTS_IO_FAULT_H
#define VHDFS_TESTS_IO_FAULT_H

#include "unit/rootdir-mem.h"

enum fault_kind {
	FAULT_EIO,
	FAULT_ENOSPC, /* counts only accesses that take disk space */
	FAULT_SHORT,  /* EIO after half of a transfer */
	FAULT_MEMORY,
	/* No fault of one access: the disk has room for `at' more pages of
	 * 4 KiB, until the guest got -ENOSPC (world.c). */
	FAULT_ROOM,
};

struct faults {
	enum fault_kind kind;
	bool forever;
	unsigned at; /* N, from 1 on; 0: no fault */
	unsigned count;
	bool fired;
};

/* Arms faults for this thread; null disarms. */
void faults_arm(struct faults *faults);
struct faults *faults_armed(void);
/* The number of open files of io_fault_open. */
long faults_open_files(void);
/* The number of live allocations by the library (alloc.c). */
long faults_live(void);
/* Sets that number to 0. */
void faults_forget_live(void);

/* A file of another kind, to open with faults. */
struct fault_file {
	rootdir_mem_open *open;
	void *file;
};
/* file is a struct fault_file. */
int io_fault_open(void *file, const char *name, bool writable, struct io **ret);

/* Counts an access: must it fail?  Also for alloc.c. */
bool faults_turn(struct faults *faults);

#endif
