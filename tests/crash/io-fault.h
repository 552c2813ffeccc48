/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults: the Nth access to a file fails, or the Nth allocation of memory, once
 * or from then on.
 *
 * Accesses of all files that share a struct faults are counted together.  For
 * memory the program is linked with --wrap for malloc, calloc, realloc, strdup,
 * asprintf and free (alloc.c): what the library allocates is counted, and what
 * it has not given back.  Only what happens while faults are armed counts.
 */
#ifndef VHDFS_TESTS_IO_FAULT_H
#define VHDFS_TESTS_IO_FAULT_H

#include "unit/rootdir-mem.h"

enum fault_kind {
	FAULT_EIO,
	FAULT_ENOSPC, /* of what takes space only; others are not counted */
	FAULT_SHORT,  /* EIO after half of a transfer */
	FAULT_MEMORY,
	/* No fault of one access: the disk has room for so many more pages of
	 * 4 KiB (at), until a guest was told so.  The world sees to it. */
	FAULT_ROOM,
};

struct faults {
	enum fault_kind kind;
	bool forever;
	unsigned at; /* from 1 on; 0: none */
	unsigned count;
	bool fired;
};

/* From now on, for this thread; null: none. */
void faults_arm(struct faults *faults);
struct faults *faults_armed(void);
/* Files opened by io_fault_open that are still open. */
long faults_open_files(void);
/* Allocations by the library that live (alloc.c). */
long faults_live(void);
/* Counts them from 0. */
void faults_forget_live(void);

/* A file of another kind, with faults. */
struct fault_file {
	rootdir_mem_open *open;
	void *file;
};
/* file is a struct fault_file. */
int io_fault_open(void *file, const char *name, bool writable, struct io **ret);

/* Is it the turn of this access? For alloc.c too. */
bool faults_turn(struct faults *faults);

#endif
