/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The structures of an open VHD file: load and free them. */
#include "config.h"

#include "format/vhd-internal.h"

static int load_tables(struct vhd *v)
{
	int r = vhd_header_load(v);

	if (r == 0)
		r = vhd_bat_init(v);
	if (r == 0)
		r = table_cache_init(&v->bitmaps, v->img.io, 0, VHD_SECTOR,
				     (uint64_t)v->n_blocks * v->bitmap_size /
					     VHD_SECTOR,
				     NULL, NULL);
	if (r < 0)
		return r;
	v->img.tables[0] = &v->bat;
	v->img.tables[1] = &v->bitmaps;
	v->img.dirty_max = VHD_DIRTY_MAX;
	return 0;
}

static int check_fixed(const struct vhd *v)
{
	if (v->img.size <= v->footer_off)
		return 0;
	return fail_found(-EBADMSG, v->img.io->name, "footer current size",
			  v->footer_off + FOOTER_CURRENT_SIZE,
			  format_arg("at most the %" PRIu64 " bytes before it",
				     v->footer_off),
			  "%" PRIu64, v->img.size);
}

static const enum image_type types[] = {
	[VHD_TYPE_FIXED] = IMAGE_FIXED,
	[VHD_TYPE_DYNAMIC] = IMAGE_DYNAMIC,
	[VHD_TYPE_DIFFERENCING] = IMAGE_DIFFERENCING,
};

int vhd_load(struct vhd *v)
{
	struct vhd_footers f;
	const uint8_t *footer;
	uint64_t off;
	int r = vhd_footers_read(v->img.io, &f);

	if (r == 0)
		r = vhd_footers_choose(v->img.io, &f, &footer, &off);
	if (r == 0)
		r = vhd_footer_check(v->img.io, footer, off);
	if (r < 0)
		return r;
	memcpy(v->footer, footer, FOOTER_SIZE);
	v->file_size = f.file_size;
	v->footer_off = f.trailing_ok ? f.trailing_off : f.file_size;
	v->leading_same = !memcmp(v->footer, f.leading, FOOTER_SIZE_OLD);
	v->img.dirty = !f.trailing_ok;
	v->img.type = types[get_be32(footer + FOOTER_TYPE)];
	v->img.size = vhd_footer_size(footer);
	v->img.sector_size = VHD_SECTOR;
	v->img.physical_sector_size = VHD_SECTOR;
	v->img.id = guid_from_be(footer + FOOTER_ID);
	return v->img.type == IMAGE_FIXED ? check_fixed(v) : load_tables(v);
}

void vhd_unload(struct vhd *v)
{
	table_cache_fini(&v->bat);
	table_cache_fini(&v->bitmaps);
	dirty_snapshot_fini(&v->flushing.bitmaps);
	dirty_snapshot_fini(&v->flushing.bat);
	extent_set_fini(&v->flushing.fresh);
	extent_set_fini(&v->flushing.freed);
	extent_set_fini(&v->space);
	extent_set_fini(&v->fresh);
	extent_set_fini(&v->freed);
}

int vhd_fail_metadata(struct vhd *v, int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EFBIG
		       ? r
		       : image_fail(&v->img, r);
}
