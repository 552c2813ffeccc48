/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Root directory with files in memory: chains of images without a directory.
 *
 * It is confined.  Paths are resolved as text: "a/./b/../c" is "a/c"; a path
 * that begins with "/" or leaves the root fails with -EXDEV.
 */
#ifndef TESTS_UNIT_ROOTDIR_MEM_H
#define TESTS_UNIT_ROOTDIR_MEM_H

#include "io/rootdir.h"
#include "unit/io-mem.h"

enum { ROOTDIR_MEM_FILES = 16 };

/* Opens a file, as io_mem_open. */
typedef int rootdir_mem_open(void *file, const char *name, bool writable,
			     struct io **ret);

struct rootdir_mem {
	struct root_dir rootdir; /* first member: for parent_cache_new */
	struct {
		const char *path;
		rootdir_mem_open *open;
		void *file;
	} files[ROOTDIR_MEM_FILES];
	size_t n_files;
};

void rootdir_mem_init(struct rootdir_mem *rootdir);
/* Adds a file at path ("a/b.vhd"); both must outlive the root directory.  The
 * file's address is its identity: added twice, it has two links. */
void rootdir_mem_add(struct rootdir_mem *rootdir, const char *path,
		     struct mem_file *file);
/* Adds a file of another type, which open opens. */
void rootdir_mem_add_other(struct rootdir_mem *rootdir, const char *path,
			   rootdir_mem_open *open, void *file);

#endif
