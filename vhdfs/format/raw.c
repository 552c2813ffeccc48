/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The raw driver.  A last part that is no whole sector is padded with zeros:
 * the disk is larger than the file (chain_read pads).
 */
#include "config.h"

#include "format/raw.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"

enum { RAW_SECTOR = 512 };

static int raw_open(struct io *io, struct image **ret)
{
	struct image *img = calloc(1, sizeof *img);
	uint64_t file_size;
	int r;

	if (!img)
		return fail(-ENOMEM, "%s: out of memory", io->name);
	r = io_size(io, &file_size);
	if (r == 0)
		r = image_init(img, &raw_ops, io);
	if (r < 0) {
		free(img);
		return r;
	}
	img->type = IMAGE_FIXED;
	img->size = round_up(file_size, RAW_SECTOR);
	img->sector_size = RAW_SECTOR;
	img->physical_sector_size = RAW_SECTOR;
	*ret = img;
	return 0;
}

static int raw_close(struct image *img)
{
	image_fini(img);
	free(img);
	return 0;
}

static int raw_map(struct image *img, uint64_t off, uint64_t len,
		   struct extent *ret)
{
	(void)img;
	*ret = (struct extent){ EXTENT_STORED, len, off };
	return 0;
}

static int raw_write(struct image *img, const void *buf, uint64_t off,
		     size_t len)
{
	return io_write(img->io, buf, len, off);
}

static int raw_zero(struct image *img, uint64_t off, uint64_t len, int flags)
{
	return io_zero(img->io, off, len, !(flags & ZERO_PUNCH));
}

static int raw_create(struct io *io, const struct image_params *params)
{
	int r = io_resize(io, params->size);

	return r < 0 ? r : io_sync(io);
}

static int raw_params_complete(struct image_params *params)
{
	if (params->type == IMAGE_DIFFERENCING)
		return fail(-EINVAL, "a raw image cannot have a parent");
	params->sector_size = RAW_SECTOR;
	params->physical_sector_size = RAW_SECTOR;
	return 0;
}

/* Every file is a valid raw disk. */
static int raw_check(struct io *io, struct check *check)
{
	(void)io;
	(void)check;
	return 0;
}

const struct image_ops raw_ops = {
	.name = "raw",
	.title = "raw",
	.endings = { "raw" },
	.open = raw_open,
	.close = raw_close,
	.map = raw_map,
	.write = raw_write,
	.zero = raw_zero,
	.create = raw_create,
	.params_complete = raw_params_complete,
	.check = raw_check,
};
