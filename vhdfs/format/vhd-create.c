/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Creation of VHD images, with the layout of Windows 10:
 *
 *   fixed         data, sparse | footer
 *   dynamic       footer copy | header at 512 | table at 1536, its space a
 *                 multiple of 4 KiB | footer
 *   differencing  footer copy | header at 512 | W2ku at 4 KiB | table at 8 KiB
 *                 | W2ru, 64 KiB reserved | footer
 *
 * If the W2ku path or the table needs more than 4 KiB, all that follows it is
 * further back.
 */
#include "config.h"

#include <time.h>

#include "format/vhd-internal.h"

enum {
	DYNAMIC_HEADER_OFF = 512,
	DYNAMIC_TABLE_OFF = 1536,
	W2KU_OFF = 4096,
	W2RU_SPACE = 64 * 1024,
};

struct plan {
	uint8_t footer[FOOTER_SIZE];
	uint8_t header[HEADER_SIZE];
	uint64_t table_off, table_space, end;
	struct vhd_parent_paths paths;
};

static void plan_fini(struct plan *plan)
{
	vhd_parent_paths_fini(&plan->paths);
}

static void build_footer(uint8_t *footer, uint32_t type, uint64_t size,
			 struct guid id)
{
	bool fixed = type == VHD_TYPE_FIXED;

	memset(footer, 0, FOOTER_SIZE);
	memcpy(footer + FOOTER_COOKIE, FOOTER_COOKIE_TEXT, 8);
	put_be32(footer + FOOTER_FEATURES, VHD_FEATURES);
	put_be32(footer + FOOTER_VERSION, VHD_VERSION);
	put_be64(footer + FOOTER_DATA_OFFSET,
		 fixed ? VHD_NO_OFFSET : DYNAMIC_HEADER_OFF);
	put_be32(footer + FOOTER_TIME, vhd_time_of(time(NULL)));
	/* As Windows 10, so that all readers use the current size. */
	memcpy(footer + FOOTER_CREATOR, "win ", 4);
	put_be32(footer + FOOTER_CREATOR_VERSION, 0x000a0000);
	memcpy(footer + FOOTER_CREATOR_OS, "Wi2k", 4);
	put_be64(footer + FOOTER_ORIGINAL_SIZE, size);
	put_be64(footer + FOOTER_CURRENT_SIZE, size);
	put_be32(footer + FOOTER_GEOMETRY, vhd_geometry(size));
	put_be32(footer + FOOTER_TYPE, type);
	guid_to_be(footer + FOOTER_ID, &id);
	vhd_footer_seal(footer);
}

static int check_size(uint64_t size)
{
	if (!size || size % VHD_SECTOR)
		return fail(-EINVAL,
			    "size %" PRIu64
			    ": expected a multiple of 512 bytes, more than 0",
			    size);
	if (size > VHD_SIZE_MAX)
		return fail(-EFBIG,
			    "size %" PRIu64
			    ": expected at most 2040 GiB for a VHD; use VHDX",
			    size);
	return 0;
}

static int complete_blocks(struct image_params *params)
{
	if (params->type == IMAGE_FIXED) {
		if (params->block_size)
			return fail(-EINVAL, "a fixed VHD has no blocks; "
					     "do not give a block size");
		return 0;
	}
	if (!params->block_size)
		params->block_size = VHD_BLOCK_DEFAULT;
	if (!is_pow2(params->block_size) ||
	    params->block_size < VHD_BLOCK_MIN ||
	    params->block_size > VHD_BLOCK_MAX)
		return fail(
			-EINVAL,
			"block size %" PRIu64
			": expected a power of two from 512 bytes to 256 MiB",
			params->block_size);
	if (div_up(params->size, params->block_size) > VHD_ENTRIES_MAX)
		return fail(-EINVAL,
			    "block size %" PRIu64
			    ": too small for a disk of %" PRIu64
			    " bytes; use a larger block size",
			    params->block_size, params->size);
	return 0;
}

static int complete_parent(const struct image_params *params)
{
	if (params->type != IMAGE_DIFFERENCING)
		return 0;
	if (guid_is_null(&params->parent->id))
		return fail(-EINVAL,
			    "%s: has no unique id, so no child of it can be "
			    "created",
			    params->parent->io->name);
	if (!params->parent_relative || !params->parent_absolute)
		return fail(-EINVAL, "%s: the paths for a child are missing",
			    params->parent->io->name);
	return 0;
}

int vhd_params_complete(struct image_params *params)
{
	int r = check_size(params->size);

	if (r < 0)
		return r;
	if (!params->sector_size)
		params->sector_size = VHD_SECTOR;
	if (!params->physical_sector_size)
		params->physical_sector_size = VHD_SECTOR;
	if (params->sector_size != VHD_SECTOR ||
	    params->physical_sector_size != VHD_SECTOR)
		return fail(
			-EINVAL,
			"sector size: expected 512 bytes for a VHD; use VHDX");
	r = complete_blocks(params);
	return r < 0 ? r : complete_parent(params);
}

static void place_parent(struct plan *plan)
{
	struct vhd_path *absolute = &plan->paths.absolute;
	struct vhd_path *relative = &plan->paths.relative;

	absolute->off = W2KU_OFF;
	absolute->space =
		max_u64(VHD_ALIGN, round_up(absolute->len, VHD_ALIGN));
	plan->table_off = absolute->off + absolute->space;
	relative->off = plan->table_off + plan->table_space;
	relative->space = W2RU_SPACE;
	plan->end = relative->off + relative->space;
	vhd_locators_put(plan->header, &plan->paths);
}

static int make_plan(struct plan *plan, const struct image_params *params)
{
	bool child = params->type == IMAGE_DIFFERENCING;
	uint64_t entries = div_up(params->size, params->block_size);
	uint8_t *header = plan->header;
	int r = child ? vhd_parent_encode(header, params, &plan->paths) : 0;

	if (r < 0)
		return r;
	plan->table_space = round_up(entries * BAT_ENTRY, VHD_ALIGN);
	plan->table_off = DYNAMIC_TABLE_OFF;
	plan->end = plan->table_off + plan->table_space;
	if (child)
		place_parent(plan);
	build_footer(plan->footer,
		     child ? VHD_TYPE_DIFFERENCING : VHD_TYPE_DYNAMIC,
		     params->size,
		     guid_is_null(&params->id) ? guid_random() : params->id);
	memcpy(header + HEADER_COOKIE, HEADER_COOKIE_TEXT, 8);
	put_be64(header + HEADER_DATA_OFFSET, VHD_NO_OFFSET);
	put_be64(header + HEADER_TABLE_OFFSET, plan->table_off);
	put_be32(header + HEADER_VERSION, VHD_VERSION);
	put_be32(header + HEADER_ENTRIES, (uint32_t)entries);
	put_be32(header + HEADER_BLOCK_SIZE, (uint32_t)params->block_size);
	vhd_header_seal(header);
	return 0;
}

static int write_table(struct io *io, const struct plan *plan)
{
	enum { CHUNK = 64 * 1024 };
	_cleanup_free_ uint8_t *unused = malloc(CHUNK);
	int r = 0;

	if (!unused)
		return fail(-ENOMEM, "%s: out of memory", io->name);
	memset(unused, 0xff, CHUNK);
	for (uint64_t at = 0; at < plan->table_space && r == 0; at += CHUNK)
		r = io_write(io, unused, min_u64(CHUNK, plan->table_space - at),
			     plan->table_off + at);
	return r;
}

static int write_plan(struct io *io, const struct plan *plan)
{
	uint64_t footer_off = vhd_footer_offset(plan->end);
	int r = io_resize(io, footer_off + FOOTER_SIZE);

	if (r == 0)
		r = io_write(io, plan->footer, FOOTER_SIZE, 0);
	if (r == 0)
		r = io_write(io, plan->header, HEADER_SIZE, DYNAMIC_HEADER_OFF);
	if (r == 0)
		r = write_table(io, plan);
	if (r == 0)
		r = vhd_parent_paths_write(io, &plan->paths);
	if (r == 0)
		r = io_write(io, plan->footer, FOOTER_SIZE, footer_off);
	return r < 0 ? r : io_sync(io);
}

static int create_fixed(struct io *io, uint64_t size)
{
	uint8_t footer[FOOTER_SIZE];
	int r = io_resize(io, size + FOOTER_SIZE);

	build_footer(footer, VHD_TYPE_FIXED, size, guid_random());
	if (r == 0)
		r = io_write(io, footer, FOOTER_SIZE, size);
	return r < 0 ? r : io_sync(io);
}

int vhd_create(struct io *io, const struct image_params *params)
{
	_cleanup_(plan_fini) struct plan plan = { 0 };
	int r;

	if (params->type == IMAGE_FIXED)
		return create_fixed(io, params->size);
	r = make_plan(&plan, params);
	return r < 0 ? r : write_plan(io, &plan);
}

int vhd_append_footer(struct io *io)
{
	uint64_t size;
	int r = io_size(io, &size);

	if (r < 0)
		return r;
	if (vhd_probe(io) > 0)
		return fail(-EINVAL, "%s: is a VHD image already", io->name);
	size = round_up(size, VHD_SECTOR);
	r = check_size(size);
	return r < 0 ? r : create_fixed(io, size);
}
