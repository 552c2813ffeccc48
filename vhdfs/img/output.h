/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Output image: a new image in an atomic file, open for its first writes. */
#ifndef VHDFS_IMG_OUTPUT_H
#define VHDFS_IMG_OUTPUT_H

#include "format/image.h"
#include "img/command.h"
#include "io/atomic-file.h"

/*
 * *ret: the format that the value of --format names; unchanged if value is
 * null.  takes: does the command take a format?  0, or STATUS_USAGE with a
 * message.
 */
int output_format(const struct cli_command *command, const char *value,
		  bool (*takes)(const struct image_ops *ops),
		  const struct image_ops **ret);
/* Opens the image that image_create made in file, for writing; ops is its
 * format. */
int output_open(const struct atomic_file *file, const struct image_ops *ops,
		struct image **ret);
/*
 * Allocates the space of a new fixed image, whose blocks are holes in the file,
 * so that a full file system cannot stop later writes.
 */
int output_reserve(struct image *img);

#endif
