/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image roots: the directories in which a command looks for images.
 *
 * The first root is the directory of --store, or the whole file system.
 * Operands and parents are looked for in it.  With --store no path and no
 * symbolic link leads out of it.  Each --parents directory is one more root;
 * in these, parents are looked for by base name only.
 */
#ifndef VHDFS_IMG_IMAGE_ROOTS_H
#define VHDFS_IMG_IMAGE_ROOTS_H

#include "chain/chain.h"
#include "img/command.h"
#include "io/rootdir.h"

struct image_roots {
	struct root_dir *dirs; /* owned */
	size_t n;
	struct parent_cache *cache; /* owned; of all chains that are opened */
};

/* roots is zeroed.  Call image_roots_fini after a failure, too. */
int image_roots_init(struct image_roots *roots,
		     const struct command_line *line);
void image_roots_fini(struct image_roots *roots);

/* *ret: the operand path as chain_open takes it; the caller frees it.  -EXDEV
 * with a message: path lies outside the store. */
int image_roots_path(const struct image_roots *roots, const char *path,
		     char **ret);
/* *ret: the real path of the file, as chain_path returns it, of a path that
 * image_roots_path returned; the caller frees it. */
int image_roots_real(const struct image_roots *roots, const char *path,
		     char **ret);
/* *ret: the absolute path of the operand's file, links followed; the caller
 * frees it. */
int image_roots_real_operand(const struct image_roots *roots, const char *path,
			     char **ret);
/* 0, or -ELOOP with a message: the image at path, as image_roots_path returns
 * it, has as many parents as a chain may have, so it must not get a child.  Or
 * why its parents cannot be opened. */
int image_roots_check_depth(const struct image_roots *roots, const char *path);
/* The directory in which a new file must lie, as atomic_file_create takes it;
 * null: anywhere. */
const char *image_roots_store(const struct image_roots *roots);
/* Opens the file of the operand path itself. */
int image_roots_open_file(const struct image_roots *roots, const char *path,
			  bool writable, struct io **ret);
/* chain_open of the operand path. */
int image_roots_open(const struct image_roots *roots, const char *path,
		     int flags, struct chain **ret);
/* A path that chain_path returned, made absolute; the caller frees it.  Null:
 * out of memory. */
char *image_roots_absolute(const struct image_roots *roots, const char *path);

#endif
