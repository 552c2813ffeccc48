/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A place whose files are in memory: whole chains run over it, a leaf and its
 * parents, without a directory.
 *
 * It is confined, and paths are taken apart as text: "a/./b/../c" is "a/c",
 * and what climbs above the root or begins with "/" leads out (-EXDEV).
 */
#ifndef TESTS_UNIT_ROOTDIR_MEM_H
#define TESTS_UNIT_ROOTDIR_MEM_H

#include "chain/chain.h"
#include "unit/io-mem.h"

enum { PLACE_MEM_FILES = 16 };

/* How a file is opened, io_mem_open for one. */
typedef int rootdir_mem_open(void *file, const char *name, bool writable,
			     struct io **ret);

struct rootdir_mem {
	struct root_dir rootdir; /* first: what parent_cache_new takes */
	struct {
		const char *path;
		rootdir_mem_open *open;
		void *file;
	} files[PLACE_MEM_FILES];
	size_t n_files;
};

void rootdir_mem_init(struct rootdir_mem *rootdir);
/* Under path ("a/b.vhd"), which like the file stays the caller's and must
 * outlive the place. One file under two paths is one file, as its address is
 * its identity. */
void rootdir_mem_add(struct rootdir_mem *rootdir, const char *path,
		     struct mem_file *file);
/* The same for a file of another kind. */
void rootdir_mem_add_other(struct rootdir_mem *rootdir, const char *path,
			   rootdir_mem_open *open, void *file);

#endif
