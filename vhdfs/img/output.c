/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Output image: the new image that a command makes. */
#include "config.h"

#include "img/output.h"

#include <fcntl.h>

#include "base/error.h"
#include "format/registry.h"
#include "img/interrupt.h"
#include "io/io-file.h"

int output_format(const struct cli_command *command, const char *value,
		  bool (*takes)(const struct image_ops *ops),
		  const struct image_ops **ret)
{
	const struct image_ops *ops;

	if (!value)
		return 0;
	ops = image_format_by_name(value);
	if (!ops || !takes(ops))
		return cli_usage_error(&vhdfs_img, command,
				       "--format: expected %s, found '%s'",
				       format_or(image_format_names(takes)),
				       value);
	*ret = ops;
	return 0;
}

/* Opens the file a second time, because an image closes its own descriptor; by
 * descriptor, because the name may be another file's by now. */
static int open_image(const struct atomic_file *file,
		      const struct image_ops *ops, struct image **ret)
{
	struct io *io;
	int fd = fd_reopen(file->io->fd, O_RDWR), r;

	if (fd < 0)
		return fail_errno(fd, "%s", file->path);
	r = io_file_from_fd(fd, file->path, true, &io);
	if (r < 0)
		return r;
	r = image_open(io, ops, ret);
	if (r < 0)
		io_close(io);
	return r;
}

/* Allocates the space of a new fixed image, whose blocks are holes in the file,
 * so that a full file system cannot stop later writes. */
static int reserve(struct image *img)
{
	struct extent e;

	/* A format without blocks stores the disk at the start of the file. */
	if (!img->block_size)
		return io_zero(img->io, 0, img->size, true);
	for (uint64_t off = 0; off < img->size; off += e.len) {
		int r;

		image_lock_map(img);
		r = image_map(img, off, img->size - off, &e);
		image_unlock_map(img);
		if (r == 0 && e.kind == EXTENT_STORED)
			r = io_zero(img->io, e.file_off, e.len, true);
		if (r < 0)
			return r;
	}
	return 0;
}

static int fill_image(const struct atomic_file *file,
		      const struct image_ops *ops, bool fixed,
		      int (*fill)(void *ctx, struct image *img), void *ctx)
{
	struct image *img;
	struct error why;
	int r = open_image(file, ops, &img), rc;

	if (r < 0)
		return r;
	if (fixed)
		r = reserve(img);
	if (r == 0 && fill)
		r = fill(ctx, img);
	why = *error_last();
	rc = image_close(img);
	if (r < 0)
		error_set(&why);
	return r < 0 ? r : rc;
}

const char *output_default_format(void)
{
	return image_format_default()->name;
}

int output_create(const char *path, const char *store,
		  const struct image_ops *ops,
		  const struct image_params *params,
		  int (*fill)(void *ctx, struct image *img), void *ctx)
{
	const bool fixed = params->type == IMAGE_FIXED;
	_cleanup_(atomic_file_fini) struct atomic_file file = { 0 };
	int r = interrupt_atomic_file_create(path, store, &file);

	if (r == 0)
		r = image_create(file.io, ops, params);
	if (r == 0 && (fixed || fill))
		r = fill_image(&file, ops, fixed, fill, ctx);
	return r == 0 ? atomic_file_publish(&file) : r;
}
