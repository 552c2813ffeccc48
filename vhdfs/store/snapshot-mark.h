/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names and marks of snapshots.
 *
 * A snapshot named S of the image STEM.ENDING is the file STEM@S.ENDING in the
 * same directory.  Its mark, an extended attribute, says of which image it is a
 * snapshot, and when and why it was made.
 *
 * THREADS: any.
 */
#ifndef VHDFS_STORE_SNAPSHOT_MARK_H
#define VHDFS_STORE_SNAPSHOT_MARK_H

#include <stdbool.h>

/* The extended attribute of a snapshot's file that has its mark. */
#define SNAPSHOT_MARK "user.vhdfs.snapshot"
/* Its first line. */
#define SNAPSHOT_MARK_HEAD "vhdfs snapshot 1\n"

/* The longest note, in bytes. */
enum { SNAPSHOT_NOTE_MAX = 1000 };

/*
 * 0, or -EINVAL with a message: a name is one that a file name can hold, of
 * printable characters, without '/' and '@' and not beginning with a dot; and
 * neither a number nor "test", which are names of versions and channels.
 */
int snapshot_check_name(const char *name);
/* 0, or -EINVAL with a message: a note is one line of printable text. */
int snapshot_check_note(const char *note);

/*
 * The file name of the snapshot of the image whose path or file name is given;
 * the caller frees it.  Null: out of memory.
 */
char *snapshot_file_name(const char *image, const char *name);
/* The name S in the file name of a snapshot of this image, a file name; the
 * caller frees it.  Null: the file has another form, or out of memory. */
char *snapshot_name_within(const char *image, const char *file);
/* The file name of the image of which this can be a snapshot by its file name;
 * the caller frees it.  Null: of none, or out of memory. */
char *snapshot_image_name(const char *file);

/* The mark of a snapshot that is made now; the caller frees it.  note and
 * token, of the request that makes it, may be null.  Null: out of memory. */
char *snapshot_mark(const char *image, const char *note, const char *token);
/* Has the open file a mark, of any image? */
bool snapshot_has_mark(int fd);
/* Says the mark of the open file that it is a snapshot of the image? */
bool snapshot_is_marked(int fd, const char *image);
/* The value of "date", "note" or "token" in the mark of the open file; the
 * caller frees it.  Null: none, or out of memory. */
char *snapshot_mark_value(int fd, const char *key);
/* Was the snapshot in this file of the directory made by the request with the
 * token? */
bool snapshot_has_token(int dir, const char *file, const char *token);
/*
 * Makes the mark of the open file, which the caller has locked, name another
 * image; all else in it stays.
 * The next sync of the file makes it durable.  0, or -errno with a message,
 * which calls the file by its name.
 */
int snapshot_mark_rename(int fd, const char *name, const char *image);

#endif
