/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Output image: the new image that a command makes. */
#ifndef VHDFS_IMG_OUTPUT_H
#define VHDFS_IMG_OUTPUT_H

#include "format/image.h"
#include "img/command.h"

/*
 * *ret: the format that the value of --format names; unchanged if value is
 * null.  takes: does the command take a format?  0, or CLI_USAGE with a
 * message.
 */
int output_format(const struct cli_command *command, const char *value,
		  bool (*takes)(const struct image_ops *ops),
		  const struct image_ops **ret);
/* The name of the format of an output image that neither --format nor the
 * file's name chooses, for help. */
const char *output_default_format(void);
/*
 * Creates an image at path, which appears when it is complete.  store: null, or
 * the directory in which path must lie.  The space of a fixed image is
 * allocated.  fill, unless null, writes the disk.
 */
int output_create(const char *path, const char *store,
		  const struct image_ops *ops,
		  const struct image_params *params,
		  int (*fill)(void *ctx, struct image *img), void *ctx);

#endif
