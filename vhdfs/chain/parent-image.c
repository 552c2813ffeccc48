/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An open parent: read its merged disk, compare it with its file, close it. */
#include "config.h"

#include "chain/parent-image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "chain/map-cache.h"
#include "format/registry.h"

void parent_image_free(struct parent_image *entry)
{
	map_cache_free(entry->map);
	if (entry->img)
		image_close(entry->img);
	free(entry->path);
	free(entry);
}

int parent_image_matches_file(const struct image *open)
{
	struct io *io;
	struct image *img;
	int r = io_file_reopen(open->io, &io);

	if (r < 0)
		return r;
	r = image_open(io, NULL, &img);
	if (r < 0) {
		io_close(io);
		return error_is_passing(r) ? r : 0;
	}
	r = image_is_same(open, img);
	image_close(img);
	return r;
}

static int fail_replaced(const char *child)
{
	return fail(-ESTALE,
		    "%s: a parent was replaced by another image while it was "
		    "in use; restore the parent, then open the image again",
		    child);
}

int parent_image_read(struct parent_image *entry, const char *child,
		      uint8_t *buf, uint64_t off, size_t len)
{
	if (entry &&
	    atomic_load_explicit(&entry->replaced, memory_order_relaxed))
		return fail_replaced(child);
	while (len) {
		struct chain_extent e = { .len = len };
		int r = 0;

		if (entry)
			r = map_cache_lookup(entry->map, off, len, &e);
		if (r < 0)
			return r;
		if (!e.io)
			memset(buf, 0, e.len);
		else
			r = io_read_padded(e.io, buf, e.len, e.file_off);
		if (r < 0)
			return r;
		buf += e.len;
		off += e.len;
		len -= e.len;
	}
	return 0;
}
