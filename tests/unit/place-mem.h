/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A place whose files are in memory: whole chains run over it, a leaf and its
 * parents, without a directory.
 *
 * It is confined, and paths are taken apart as text: "a/./b/../c" is "a/c",
 * and what climbs above the root or begins with "/" leads out (-EXDEV).
 */
#ifndef VHDFS_TESTS_PLACE_MEM_H
#define VHDFS_TESTS_PLACE_MEM_H

#include "chain/chain.h"
#include "unit/io-mem.h"

enum { PLACE_MEM_FILES = 16 };

/* How a file is opened, io_mem_open for one. */
typedef int place_mem_open(void *file, const char *name, bool writable,
			   struct io **ret);

struct place_mem {
	struct place place; /* first: what family_new takes */
	struct {
		const char *path;
		place_mem_open *open;
		void *file;
	} files[PLACE_MEM_FILES];
	size_t n_files;
};

void place_mem_init(struct place_mem *place);
/* Under path ("a/b.vhd"), which like the file stays the caller's and must
 * outlive the place. One file under two paths is one file, as its address is
 * its identity. */
void place_mem_add(struct place_mem *place, const char *path,
		   struct mem_file *file);
/* The same for a file of another kind. */
void place_mem_add_other(struct place_mem *place, const char *path,
			 place_mem_open *open, void *file);

#endif
