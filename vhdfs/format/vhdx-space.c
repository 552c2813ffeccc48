/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Free space of the file: the map of used space is made from the BAT before the
 * first allocation after an open.
 *
 * INVARIANT: a freed block is allocated again only after the BAT entry that no
 * longer names it was logged.  Until then a crash restores the old entry, which
 * must not show another block's data.
 */
#include "config.h"

#include "format/vhdx-internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"

static int add_entry(struct vhdx *v, uint64_t index, uint64_t entry, void *ctx)
{
	uint64_t len = vhdx_bat_space(v, index, entry);
	int r = vhdx_bat_validate(v, index, entry);

	(void)ctx;
	return r < 0 ? r
		     : extent_set_add(&v->space, VHDX_BAT_OFFSET(entry), len);
}

static int add_all(struct vhdx *v)
{
	int r = extent_set_add_all(&v->space, &v->structures);

	for (size_t i = 0; r == 0 && i < v->n_freed; i++)
		r = extent_set_add(&v->space, v->freed[i].off, v->freed[i].len);
	if (r == 0)
		r = vhdx_bat_scan(v, add_entry, NULL);
	extent_set_sort(&v->space);
	return r;
}

void vhdx_space_unload(struct vhdx *v)
{
	extent_set_fini(&v->space);
	v->space_loaded = false;
}

int vhdx_space_load(struct vhdx *v)
{
	int r;

	if (v->space_loaded)
		return 0;
	r = add_all(v);
	if (r == -EFBIG)
		r = fail(r, "%s: %s", v->img.io->name, error_text());
	if (r == 0 && v->space.overlaps)
		r = fail_found(-EBADMSG, v->img.io->name, "block",
			       v->space.overlap_off,
			       "one BAT entry for each block",
			       "two entries that share it");
	if (r < 0)
		vhdx_space_unload(v);
	else
		v->space_loaded = true;
	return r;
}

/*
 * Frees the blocks whose new BAT entries are logged.  A block that is free
 * already was named by an entry that changed on disk after vhdx_space_load: the
 * image fails.
 */
static int free_logged(struct vhdx *v)
{
	uint64_t logged = atomic_load(&v->flushes_logged);
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < v->n_freed; i++) {
		struct vhdx_freed f = v->freed[i];

		/* -ENOMEM leaves it in use: a leak. */
		if (f.flush > logged)
			v->freed[kept++] = f;
		else if (v->space_loaded &&
			 extent_set_remove(&v->space, f.off, f.len) == -EBADMSG)
			r = image_fail(&v->img,
				       fail(-EBADMSG, "%s: %s", v->img.io->name,
					    error_text()));
	}
	v->n_freed = kept;
	return r;
}

int vhdx_space_grow(struct vhdx *v, uint64_t size)
{
	uint64_t now;
	int r = io_size(v->img.io, &now);

	/* A write into a block that the file's end cut may have extended it. */
	if (r == 0 && now < size)
		r = io_resize(v->img.io, size);
	if (r < 0)
		return r;
	v->file_size = max_u64(v->file_size, max_u64(now, size));
	return 0;
}

static int append(struct vhdx *v, uint64_t len, uint64_t *ret_off)
{
	uint64_t end = max_u64(v->file_size, extent_set_end(&v->space));
	uint64_t off = round_up(end, VHDX_MIB);
	int r = vhdx_space_grow(v, off + len);

	if (r == 0)
		r = extent_set_insert(&v->space, off, len);
	if (r == 0)
		*ret_off = off;
	return r;
}

int vhdx_space_alloc(struct vhdx *v, uint64_t len, uint64_t *ret_off)
{
	uint64_t off;
	int r = vhdx_space_load(v);

	if (r == 0)
		r = free_logged(v);
	if (r < 0)
		return r;
	r = extent_set_alloc(&v->space, len, VHDX_MIB, 0, VHDX_AREA,
			     v->file_size, &off);
	if (r == -ENOSPC)
		return append(v, len, ret_off);
	if (r < 0)
		return r;
	r = io_zero(v->img.io, off, len, false);
	if (r < 0) {
		vhdx_space_alloc_undo(v, off, len);
		return r;
	}
	*ret_off = off;
	return 0;
}

void vhdx_space_alloc_undo(struct vhdx *v, uint64_t off, uint64_t len)
{
	extent_set_remove(&v->space, off, len);
}

void vhdx_space_free(struct vhdx *v, uint64_t off, uint64_t len)
{
	if (v->n_freed == v->freed_room) {
		size_t room = v->freed_room ? 2 * v->freed_room : 16;
		struct vhdx_freed *freed =
			realloc(v->freed, room * sizeof *freed);

		/* Stays in use: a leak, which check finds. */
		if (!freed)
			return;
		v->freed = freed;
		v->freed_room = room;
	}
	v->freed[v->n_freed++] = (struct vhdx_freed){
		.off = off,
		.len = len,
		.flush = v->flushes + 1,
	};
}

uint64_t vhdx_space_used_end(struct vhdx *v)
{
	bool freed = v->n_freed;

	if (free_logged(v) < 0)
		return 0;
	/* Without an allocation or a freed block the end is unchanged. */
	if (!v->space_loaded && (!freed || vhdx_space_load(v) < 0))
		return 0;
	return extent_set_end(&v->space);
}
