/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a VHDX file's structures into a struct vhdx, and freeing them.
 *
 * The order is that of the file: headers, log, region tables, metadata; each
 * names the place of the next.  They are checked as they are read.  Of the BAT
 * only the truncation check reads all; entries and pages of bitmaps are read
 * and checked on first use.
 */
#include "config.h"

#include "format/vhdx-internal.h"

static int load_page(void *ctx, void *data, uint64_t file_off)
{
	return vhdx_read_tables(ctx, data, VHDX_PAGE, file_off);
}

/* The BAT's pages, and a child's sector bitmaps: one bit for each sector. */
static uint64_t max_pages(const struct vhdx *v)
{
	uint64_t bits = v->img.size / v->img.sector_size;

	return div_up(v->n_entries, VHDX_BAT_PER_PAGE) +
	       (v->img.type == IMAGE_DIFFERENCING ? bits / 8 / VHDX_PAGE : 0);
}

int vhdx_load(struct vhdx *v)
{
	int r = io_size(v->img.io, &v->file_size);

	if (r == 0)
		r = vhdx_headers_load(v);
	if (r == 0 && v->img.dirty)
		r = vhdx_log_load(v);
	if (r < 0)
		return r;
	v->size_at_open = v->file_size;
	v->file_size = max_u64(v->file_size, v->overlay.file_size);
	r = vhdx_regions_load(v);
	if (r == 0)
		r = vhdx_metadata_load(v);
	if (r == 0)
		r = table_cache_init(&v->tables, v->img.io, 0, VHDX_PAGE,
				     max_pages(v), load_page, v);
	if (r < 0)
		return r;
	v->tables.room = vhdx_log_room;
	v->img.tables[0] = &v->tables;
	return 0;
}

void vhdx_unload(struct vhdx *v)
{
	table_cache_fini(&v->tables);
	vhdx_overlay_fini(&v->overlay);
	extent_set_fini(&v->structures);
	extent_set_fini(&v->space);
	vhdx_flush_fini(&v->flushing);
	log_sequence_fini(&v->active);
	free(v->items);
	extent_set_fini(&v->freed);
	extent_set_fini(&v->flushed_freed);
}

static int check_entry(struct vhdx *v, uint64_t index, uint64_t entry,
		       void *ctx)
{
	(void)ctx;
	return vhdx_is_in_file(v, index, entry)
		       ? 0
		       : vhdx_fail_truncated(v, index, entry);
}

static int read_creator(struct vhdx *v)
{
	static const uint8_t qemu[] = { 'Q', 0, 'E', 0, 'M', 0, 'U', 0 };
	uint8_t creator[sizeof qemu];
	int r = io_read_padded(v->img.io, creator, sizeof creator,
			       VHDX_CREATOR);

	v->made_by_qemu = r == 0 && !memcmp(creator, qemu, sizeof qemu);
	return r;
}

/*
 * While another program writes the image (info and map do not lock it), the
 * file may have grown since its size was read: a failed scan is repeated with
 * the new size.
 */
int vhdx_check_truncation(struct vhdx *v)
{
	uint64_t before, now;
	int r = read_creator(v);

	if (r < 0)
		return r;
	do {
		before = v->file_size;
		r = vhdx_bat_scan(v, check_entry, NULL);
		if (r != -EBADMSG || io_size(v->img.io, &now) < 0)
			return r;
		v->file_size = max_u64(before, now);
	} while (v->file_size > before);
	return r;
}
