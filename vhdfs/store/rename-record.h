/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record of a rename of an image with its snapshots, from which an
 * interrupted one is finished or undone (image-rename.c).
 *
 * It is one file with two names, .FROM.rename and .TO.rename, so that a command
 * on either image finds it.
 *
 * THREADS: any; the caller has the image locked.
 */
#ifndef VHDFS_STORE_RENAME_RECORD_H
#define VHDFS_STORE_RENAME_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "store/leaf-steps.h"

struct rename_record {
	char *from, *to; /* file names of the image; owned */
	ino_t inode;     /* of the image's file */
	char **files;    /* names that are to be replaced; owned */
	size_t n_files;
};

/* The caller frees it.  Null: out of memory. */
char *rename_record_name(const char *image);
/* Adds a copy of the name; 0, or -ENOMEM with a message. */
int rename_record_add(struct rename_record *record, const char *file);
/*
 * Makes it durable under both names: first under that of the image whose name
 * is own, from or to.  0, or -errno with a message.
 */
int rename_record_write(const struct leaf_place *place,
			const struct rename_record *record, const char *own);
/* 1; 0: the image has none; or -errno with a message. */
int rename_record_read(const struct leaf_place *place, const char *image,
		       struct rename_record *ret);
/* Has the record both names?  Else nothing was done, or nothing is left to do.
 */
bool rename_record_is_complete(const struct leaf_place *place,
			       const struct rename_record *record);
/* The name of the image whose name is own is the last that is removed, so that
 * a command on that image finds it. */
int rename_record_remove(const struct leaf_place *place,
			 const struct rename_record *record, const char *own);
/* Removes a record that was not written to its end. */
void rename_record_remove_new(const struct leaf_place *place,
			      const char *image);
void rename_record_fini(struct rename_record *record);

/*
 * The name that a file of the image gets when that is renamed from one to
 * another file name with the same ending: the image, a snapshot, or an image
 * that was put aside.  The caller frees it.  Null: out of memory.
 */
char *rename_file_name(const char *file, const char *from, const char *to);

#endif
