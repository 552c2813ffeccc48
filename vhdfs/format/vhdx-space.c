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

static int add_entry(struct vhdx *v, uint64_t index, uint64_t entry, void *ctx)
{
	uint64_t len = vhdx_bat_space(v, index, entry);
	int r = vhdx_bat_validate(v, index, entry);

	(void)ctx;
	return r < 0 ? r
		     : extent_set_append(&v->space, VHDX_BAT_OFFSET(entry),
					 len);
}

static int add_all(struct vhdx *v)
{
	int r = extent_set_add_all(&v->space, &v->structures);

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

/* A block that is free already was named by an entry that changed on disk after
 * vhdx_space_load: the image fails. */
int vhdx_space_reclaim(struct vhdx *v)
{
	int r;

	if (!atomic_load(&v->freed_durable))
		return 0;
	r = extent_set_remove_all(&v->space, &v->flushed_freed);
	if (r == -EBADMSG)
		return image_fail(&v->img, fail(r, "%s: %s", v->img.io->name,
						error_text()));
	if (r == 0)
		atomic_store(&v->freed_durable, false);
	return r;
}

/* Extends the file to at least size. */
static int grow(struct vhdx *v, uint64_t size)
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
	uint64_t off = round_up(end, MIB(1));
	int r = grow(v, off + len);

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
		r = vhdx_space_reclaim(v);
	if (r < 0)
		return r;
	r = extent_set_alloc(&v->space, len, MIB(1), 0, VHDX_AREA, v->file_size,
			     &off);
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
	/* Without memory it stays in use: a leak, which check finds. */
	(void)extent_set_add(&v->freed, off, len);
}

int vhdx_space_zero(struct vhdx *v, uint64_t off, uint64_t len, bool keep)
{
	uint64_t size;
	int r = io_size(v->img.io, &size);

	if (r < 0 || off >= size)
		return r;
	return io_zero(v->img.io, off, min_u64(len, size - off), keep);
}

uint64_t vhdx_space_used_end(struct vhdx *v)
{
	/* Without a change since the open, the end is unchanged. */
	if (!v->space_loaded || vhdx_space_reclaim(v) < 0)
		return 0;
	return extent_set_end(&v->space);
}
