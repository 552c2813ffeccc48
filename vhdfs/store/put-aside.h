/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of images that were put aside: .NAME.STAMP, where NAME is the image's
 * file name.
 *
 * A stamp looks like a date of UTC, 20260131T235959.000001Z, and is a number
 * of microseconds.  The order of the stamps is the order in which images were
 * put aside, whatever the clock was: each new stamp is greater than all that
 * the image has.
 *
 * THREADS: any.
 */
#ifndef VHDFS_STORE_PUT_ASIDE_H
#define VHDFS_STORE_PUT_ASIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "io/rootdir.h"

enum { STAMP_SIZE = sizeof "00000000T000000.000000Z" };

/* Parses a stamp that has a next one; false for any other text. */
bool stamp_read(const char *text, int64_t *ret);
void stamp_write(int64_t stamp, char text[STAMP_SIZE]);
/* The time: microseconds since 1970. */
int64_t stamp_now(void);
/* The stamp of an image that is put aside at the time now, microseconds since
 * 1970, where newest is the greatest stamp so far; none: INT64_MIN. */
int64_t stamp_next(int64_t newest, int64_t now);

/* Is the file name one that the image, a file name, may have got when it was
 * put aside? */
bool put_aside_is_of(const char *file, const char *image);
/* The file name of the image that was put aside under this one; the caller
 * frees it.  Null: it is of another form, or out of memory. */
char *put_aside_image_name(const char *file);

/*
 * *ret: the file name for the image at path, which is put aside now; the caller
 * frees it.  0, or -errno with a message.
 */
int put_aside_name(const struct root_dir *rootdir, const char *image,
		   char **ret);

#endif
