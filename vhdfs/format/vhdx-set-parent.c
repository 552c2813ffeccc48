/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Change of the parent that a child names: a new parent locator item in the
 * metadata region, logged together with its entry of the metadata table, so
 * that a crash leaves the old reference or the new one (vhdx-log-write.c,
 * CHANGE).
 *
 * The new item takes the first gap of the region between the other items; the
 * space of the old locator is such a gap.  The disk's contents and the
 * DataWriteGuid stay: children of this image stay valid.
 */
#include "config.h"

#include "format/vhdx-internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

/* Items begin at multiples of this in the region, as in a new image. */
#define ITEM_ALIGN 8

/* The first gap of len bytes that no item but the locator uses: its offset in
 * the region, or 0. */
static uint64_t find_gap(const struct vhdx *v, const struct vhdx_meta *locator,
			 size_t len)
{
	uint64_t at = VHDX_META_TABLE_SIZE;

	/* Each item that overlaps moves the gap behind it. */
	for (size_t i = 0; i < v->n_items; i++) {
		const struct vhdx_meta *item = &v->items[i];

		if (item == locator || !item->len ||
		    !ranges_overlap(at, len, item->off, item->len))
			continue;
		at = round_up((uint64_t)item->off + item->len, ITEM_ALIGN);
		i = (size_t)-1;
	}
	return range_within(at, len, v->metadata.len) ? at : 0;
}

static struct range whole_pages(struct range range)
{
	return (struct range){ round_down(range.off, VHDX_PAGE),
			       round_up(range.end, VHDX_PAGE) };
}

/* Reads the pages of the range behind the n pages that pages has. */
static int add_pages(struct vhdx *v, struct range range, size_t n,
		     struct dirty_snapshot *pages)
{
	for (uint64_t at = range.off; at < range.end; at += VHDX_PAGE)
		pages->file_off[n + (at - range.off) / VHDX_PAGE] = at;
	return vhdx_read_tables(v, pages->data + n * VHDX_PAGE,
				range.end - range.off, range.off);
}

int vhdx_pages_read(struct vhdx *v, struct range a, struct range b,
		    struct dirty_snapshot *ret)
{
	size_t n_a, n;
	int r;

	a = whole_pages(a);
	b = whole_pages(b);
	n_a = (a.end - a.off) / VHDX_PAGE;
	n = n_a + (b.end - b.off) / VHDX_PAGE;
	*ret = (struct dirty_snapshot){
		.n = n,
		.page_size = VHDX_PAGE,
		.file_off = calloc(n, sizeof *ret->file_off),
		.data = calloc(n, VHDX_PAGE),
	};
	if (!ret->file_off || !ret->data)
		return fail(-ENOMEM, "%s: out of memory", v->img.io->name);
	r = add_pages(v, a, 0, ret);
	return r < 0 ? r : add_pages(v, b, n_a, ret);
}

/* Puts the item and its entry into the pages. */
static void change_pages(const struct dirty_snapshot *pages, uint64_t entry_off,
			 uint64_t item_off, uint64_t in_region,
			 const uint8_t *item, size_t len)
{
	uint8_t *entry = pages->data + entry_off % VHDX_PAGE;

	put_le32(entry + VHDX_META_ENTRY_OFFSET, in_region);
	put_le32(entry + VHDX_META_ENTRY_LENGTH, len);
	memcpy(pages->data + VHDX_PAGE + item_off % VHDX_PAGE, item, len);
}

static int change_locator(struct vhdx *v, const uint8_t *item, size_t len)
{
	const struct vhdx_meta *locator =
		vhdx_meta_find(v, VHDX_GUID_PARENT_LOCATOR);
	uint64_t in_region = find_gap(v, locator, len);
	uint64_t item_off = v->metadata.off + in_region;
	uint64_t entry_off = v->metadata.off + VHDX_META_FIRST +
			     (locator - v->items) * VHDX_META_ENTRY;
	struct dirty_snapshot pages;
	int r;

	if (!in_region)
		return fail_found(-ENOSPC, v->img.io->name, "metadata region",
				  v->metadata.off,
				  format_arg("%zu unused bytes for the parent "
					     "locator",
					     len),
				  "fewer");
	/* A page of the table, then those of the item. */
	r = vhdx_pages_read(
		v, (struct range){ entry_off, entry_off + VHDX_META_ENTRY },
		(struct range){ item_off, item_off + len }, &pages);
	if (r == 0) {
		change_pages(&pages, entry_off, item_off, in_region, item, len);
		r = vhdx_log_change(v, &pages);
	}
	dirty_snapshot_fini(&pages);
	return r;
}

int vhdx_set_parent(struct image *img, const struct image_params *params)
{
	struct vhdx *v = vhdx_of(img);
	_cleanup_free_ uint8_t *item = NULL;
	size_t len;
	int r = vhdx_header_may_write(v);

	if (r == 0)
		r = vhdx_locator_make(params, &item, &len);
	if (r == 0)
		r = change_locator(v, item, len);
	if (r < 0)
		return r;
	free(steal(v->items));
	return vhdx_metadata_load(v);
}
