/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A source disk: an operand that is an image with its parents, or a raw disk.
 */
#include "config.h"

#include "img/source.h"

#include <string.h>
#include <sys/xattr.h>

#include "format/foreign.h"
#include "format/registry.h"

bool source_named_as_image(const char *path)
{
	return image_format_by_image_name(path, strlen(path));
}

/*
 * A file named .raw, such as a view of a mount, is never probed: a guest wrote
 * it, and could forge an image in it whose parent is any file.
 */
static int flags_of(const char *path)
{
	if (source_named_as_image(path))
		return 0;
	return image_format_by_file_name(path) ? CHAIN_ALWAYS_RAW : CHAIN_RAW;
}

int source_check_raw(struct io *io)
{
	if (fgetxattr(io->fd, "user.vhdfs.format", NULL, 0) >= 0)
		return 0;
	return foreign_refuse(io, image_format_titles());
}

int source_open(const struct image_roots *roots, const char *path,
		struct chain **ret)
{
	const struct image *leaf;
	struct chain *chain;
	int r = image_roots_open(roots, path, flags_of(path), &chain);

	if (r < 0)
		return r;
	leaf = chain_leaf(chain);
	if (image_format_is_raw(leaf->ops))
		r = source_check_raw(leaf->io);
	if (r < 0)
		chain_close(chain);
	else
		*ret = chain;
	return r;
}
