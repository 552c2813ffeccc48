/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Removal of the parent: a child becomes a dynamic image, which has neither
 * blocks that are partially present nor sector bitmaps ([MS-VHDX] 2.5).
 *
 * Each block that is partially present stores all of its sectors, durably
 * (image_ops), and where no block is present the parents are zeros, as an
 * absent block of a dynamic image is.
 *
 * ORDER.  R1 and R2 are between START and STOP (vhdx-log-write.c).
 *  R1  In the BAT, blocks that are partially present become fully present:
 *      FLUSH.  The file shows the same with the old entry and the new one, and
 *      from here on no block needs a bitmap.
 *  R2  The BAT's entries of the sector bitmaps are cleared, and their space is
 *      freed and zeroed: FLUSH.  R1 is durable before, as a flush in several
 *      entries logs the BAT from its end, and so a bitmap's entry before those
 *      of its blocks.  No bitmap was changed since START, so a checkpoint
 *      writes none into space that is free.
 *  R3  One CHANGE removes the parent locator from the metadata table, and
 *      HasParent from the file parameters.  From here on readers see a dynamic
 *      image.
 *  R4  Clear the locator, so that no program finds it; not synced, as nothing
 *      refers to it.
 * A crash before R3 is durable leaves a child that shows the same.
 *
 * The layout of the BAT stays: that of a dynamic image has the entries of the
 * bitmaps, too, but for the last one.
 */
#include "config.h"

#include "format/vhdx-internal.h"

/* Bounds the pages in memory. */
static int bound_pages(struct vhdx *v)
{
	int r = v->tables.n_dirty > v->img.dirty_max
			? image_flush_tables(&v->img)
			: 0;

	if (r == 0 && table_cache_over_limit(&v->tables))
		table_cache_evict(&v->tables);
	return r;
}

static int set_entry(struct vhdx *v, uint64_t index, uint64_t value)
{
	uint64_t entry;
	int r = vhdx_bat_get(v, index, &entry);

	return r < 0 ? r : vhdx_bat_set(v, index, value);
}

/* R1 */
static int complete_block(struct vhdx *v, uint64_t index, uint64_t entry,
			  void *ctx)
{
	int r;

	(void)ctx;
	if (vhdx_is_bitmap_index(v, index) ||
	    VHDX_BAT_STATE(entry) != VHDX_PARTIAL)
		return 0;
	r = set_entry(v, index, VHDX_BAT_OFFSET(entry) | VHDX_PRESENT);
	return r < 0 ? r : bound_pages(v);
}

/* R2 */
static int drop_bitmap(struct vhdx *v, uint64_t index, uint64_t entry,
		       void *ctx)
{
	uint64_t off = VHDX_BAT_OFFSET(entry);
	int r;

	(void)ctx;
	if (!vhdx_is_bitmap_index(v, index))
		return 0;
	r = set_entry(v, index, VHDX_NOT_PRESENT);
	if (r < 0 || !vhdx_bat_space(v, index, entry))
		return r;
	table_cache_drop(&v->tables, off, VHDX_BITMAP_SIZE);
	vhdx_space_free(v, off, VHDX_BITMAP_SIZE);
	r = vhdx_space_zero(v, off, VHDX_BITMAP_SIZE, false);
	return r < 0 ? r : bound_pages(v);
}

/* Changes entries of the BAT and flushes, also those before a failure: each of
 * them may be the last. */
static int change_entries(struct vhdx *v,
			  int (*change)(struct vhdx *v, uint64_t index,
					uint64_t entry, void *ctx))
{
	int r = vhdx_bat_scan(v, change, NULL);
	struct error why = *error_last();
	int rc = atomic_load(&v->img.failed) ? 0 : image_flush_tables(&v->img);

	if (r < 0)
		error_set(&why);
	return r < 0 ? r : rc;
}

/* R1 and R2 */
static int remove_bitmaps(struct vhdx *v)
{
	struct error why;
	int r = vhdx_begin_writes(&v->img), rc = 0;

	if (r < 0)
		return r;
	r = change_entries(v, complete_block); /* R1 */
	if (r == 0)
		r = change_entries(v, drop_bitmap); /* R2 */
	why = *error_last();
	/* Of a failed image the next open replays the log. */
	if (!atomic_load(&v->img.failed))
		rc = vhdx_end_writes(&v->img);
	if (rc < 0)
		image_fail(&v->img, rc);
	if (r < 0)
		error_set(&why);
	return r < 0 ? r : rc;
}

/* Removes the entry of the item from the table. */
static void remove_entry(uint8_t *table, size_t i)
{
	unsigned n = get_le16(table + VHDX_META_COUNT);
	uint8_t *entry = table + VHDX_META_FIRST + i * VHDX_META_ENTRY;
	uint8_t *last = table + VHDX_META_FIRST + (n - 1) * VHDX_META_ENTRY;

	memmove(entry, entry + VHDX_META_ENTRY, last - entry);
	memset(last, 0, VHDX_META_ENTRY);
	put_le16(table + VHDX_META_COUNT, n - 1);
}

/* R3 */
static int change_metadata(struct vhdx *v, const struct vhdx_meta *locator)
{
	const struct vhdx_meta *parameters =
		vhdx_meta_find(v, VHDX_GUID_FILE_PARAMETERS);
	uint64_t item = v->metadata.off + parameters->off;
	struct range table = { v->metadata.off,
			       v->metadata.off + VHDX_META_FIRST +
				       v->n_items * VHDX_META_ENTRY };
	uint8_t none[4] = {
		0
	}; /* no HasParent; nor is a dynamic image fixed */
	struct dirty_snapshot pages;
	int r = vhdx_pages_read(
		v, table, (struct range){ item, item + VHDX_PARAMETERS_SIZE },
		&pages);

	if (r == 0) {
		size_t at = round_up(table.end, VHDX_PAGE) - table.off +
			    item % VHDX_PAGE;

		remove_entry(pages.data, locator - v->items);
		memcpy(pages.data + at + 4, none, sizeof none);
		r = vhdx_log_change(v, &pages);
	}
	dirty_snapshot_fini(&pages);
	return r;
}

int vhdx_remove_parent(struct image *img)
{
	struct vhdx *v = vhdx_of(img);
	struct vhdx_meta locator;
	int r = remove_bitmaps(v);

	if (r == 0)
		r = vhdx_header_may_write(v);
	if (r < 0)
		return r;
	locator = *vhdx_meta_find(v, VHDX_GUID_PARENT_LOCATOR);
	r = change_metadata(v, vhdx_meta_find(v, VHDX_GUID_PARENT_LOCATOR));
	if (r < 0)
		return r;
	free(steal(v->items));
	r = vhdx_metadata_load(v);
	if (r == 0)
		(void)io_zero(img->io, v->metadata.off + locator.off,
			      locator.len, true); /* R4 */
	return r;
}
