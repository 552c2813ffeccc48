/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Output image: a new image in an atomic file, open for its first writes. */
#include "config.h"

#include "img/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "format/registry.h"
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
int output_open(const struct atomic_file *file, const struct image_ops *ops,
		struct image **ret)
{
	char link[64];
	struct io *io;
	int fd, r;

	snprintf(link, sizeof link, "/proc/self/fd/%d", file->io->fd);
	fd = open(link, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(-errno, "%s", file->path);
	r = io_file_from_fd(fd, file->path, true, &io);
	if (r < 0)
		return r;
	r = image_open(io, ops, ret);
	if (r < 0)
		io_close(io);
	return r;
}

int output_reserve(struct image *img)
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
