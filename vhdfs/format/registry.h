/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry of image formats, and opening an image of any of them.
 *
 * The list in registry.c is the only place that names the formats.  A new
 * format adds its driver's files (a struct image_ops, see image.h) and one line
 * to that list: file-name endings, probing, --format with its help and
 * completion, messages, the views of a mount and tgt-glue follow.
 *
 * All functions may be called from any thread.
 */
#ifndef VHDFS_FORMAT_REGISTRY_H
#define VHDFS_FORMAT_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "format/image.h"

enum { IMAGE_FORMATS_MAX = 8 };

/* The formats in the order in which they are probed; raw is the last, then
 * null. */
extern const struct image_ops *const image_formats[IMAGE_FORMATS_MAX + 1];

/* The format of a new image where neither an option nor a name chooses one. */
const struct image_ops *image_format_default(void);

/* Raw has no signature: every file is a raw disk. */
static inline bool image_format_is_raw(const struct image_ops *ops)
{
	return !ops->probe;
}

/* Can an image of the format be made?  Not a raw disk: it is a plain file. */
bool image_format_can_create(const struct image_ops *ops);
/* Can convert make a file of the format?  A raw disk, too. */
bool image_format_can_convert(const struct image_ops *ops);

/*
 * Lists for messages and help, separated by spaces (format_or makes words of
 * one): the names of the formats that has accepts ("raw vhd vhdx"), the titles
 * of all but raw ("VHD VHDX"), and their endings (".vhd .avhd .vhdx .avhdx").
 * Valid until the thread's next call of one of these.
 */
const char *image_format_names(bool (*has)(const struct image_ops *ops));
const char *image_format_titles(void);
const char *image_format_endings(void);

/* The format that --format calls name, or null. */
const struct image_ops *image_format_by_name(const char *name);

/* The format whose ending the file name has, in any case, or null. */
const struct image_ops *image_format_by_file_name(const char *name);

/* The same for the first len bytes of name; null also for a raw disk's. */
const struct image_ops *image_format_by_image_name(const char *name,
						   size_t len);

/*
 * The format that the file's bytes show; raw where no format recognizes them.
 * Where two formats do, the ending of io->name decides.  A negative errno where
 * the file cannot be read.
 */
int image_format_probe(struct io *io, const struct image_ops **ret);

/*
 * Opens an image of the format ops, or of the format that probing finds where
 * ops is null; a raw disk only where ops is raw's.  Takes io over on success.
 * -EBADMSG where the bytes are not of that format or, ops being null, of none;
 * -EMEDIUMTYPE for another program's container (foreign.h); else what the
 * driver's open returns.
 */
int image_open(struct io *io, const struct image_ops *ops, struct image **ret);

/* The same for a raw disk, whatever its bytes look like. */
int image_open_raw(struct io *io, struct image **ret);

/* Checks the file as struct check says, with the probed format's driver. */
int image_check(struct io *io, struct check *check);

#endif
