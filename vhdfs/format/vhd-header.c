/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dynamic header, and what it refers to: the table, the parent locators,
 * and XenServer's batmap.
 */
#include "config.h"

#include "format/vhd-internal.h"

static void add_structure(struct vhd *v, uint64_t off, uint64_t len)
{
	v->structures[v->n_structures++] = (struct range){ off, off + len };
}

static int read_header(struct vhd *v)
{
	const char *name = v->img.io->name;
	uint64_t off = get_be64(v->footer + FOOTER_DATA_OFFSET);
	uint32_t sum, stored;
	int r;

	if (off < FOOTER_SIZE || !range_within(off, HEADER_SIZE, v->footer_off))
		return fail_found(
			-EBADMSG, name, "footer data offset",
			FOOTER_DATA_OFFSET,
			format_arg("a dynamic header between 512 and %" PRIu64,
				   v->footer_off),
			"%" PRIu64, off);
	v->header_off = off;
	r = io_read(v->img.io, v->header, HEADER_SIZE, off);
	if (r < 0)
		return r;
	if (memcmp(v->header, HEADER_COOKIE_TEXT, 8))
		return fail_found(-EBADMSG, name, "dynamic header", off,
				  "the cookie \"" HEADER_COOKIE_TEXT "\"",
				  "%02x %02x %02x %02x ...", v->header[0],
				  v->header[1], v->header[2], v->header[3]);
	sum = vhd_checksum(v->header, HEADER_SIZE, HEADER_CHECKSUM);
	stored = get_be32(v->header + HEADER_CHECKSUM);
	if (sum != stored)
		return fail_found(-EBADMSG, name, "dynamic header checksum",
				  off + HEADER_CHECKSUM,
				  format_arg("0x%08" PRIx32, sum),
				  "0x%08" PRIx32, stored);
	return 0;
}

void vhd_header_seal(uint8_t *header)
{
	put_be32(header + HEADER_CHECKSUM,
		 vhd_checksum(header, HEADER_SIZE, HEADER_CHECKSUM));
}

static int check_blocks(struct vhd *v)
{
	const char *name = v->img.io->name;
	uint32_t version = get_be32(v->header + HEADER_VERSION);
	uint32_t block_size = get_be32(v->header + HEADER_BLOCK_SIZE);
	uint32_t entries = get_be32(v->header + HEADER_ENTRIES);
	uint64_t blocks;

	if (version >> 16 != VHD_VERSION >> 16)
		return fail_found(-EOPNOTSUPP, name, "dynamic header version",
				  v->header_off + HEADER_VERSION, "1.0",
				  "%" PRIu32 ".%" PRIu32, version >> 16,
				  version & 0xffff);
	if (!is_pow2(block_size) || block_size < VHD_BLOCK_MIN ||
	    block_size > VHD_BLOCK_MAX)
		return fail_found(-EBADMSG, name, "block size",
				  v->header_off + HEADER_BLOCK_SIZE,
				  "a power of two from 512 bytes to 256 MiB",
				  "%" PRIu32, block_size);
	blocks = div_up(v->img.size, block_size);
	if (entries < blocks || entries > VHD_ENTRIES_MAX)
		return fail_found(-EBADMSG, name, "number of table entries",
				  v->header_off + HEADER_ENTRIES,
				  format_arg("%" PRIu64 " to %" PRIu32, blocks,
					     VHD_ENTRIES_MAX),
				  "%" PRIu32, entries);
	v->img.block_size = block_size;
	v->n_entries = entries;
	v->n_blocks = (uint32_t)blocks;
	v->bitmap_size =
		round_up(div_up(block_size / VHD_SECTOR, 8), VHD_SECTOR);
	v->block_len = (uint64_t)v->bitmap_size + block_size;
	return 0;
}

static int check_table_place(struct vhd *v)
{
	uint64_t off = get_be64(v->header + HEADER_TABLE_OFFSET);
	uint64_t len = (uint64_t)v->n_entries * BAT_ENTRY;

	if (off < FOOTER_SIZE || !range_within(off, len, v->footer_off) ||
	    ranges_overlap(off, len, v->header_off, HEADER_SIZE))
		return fail_found(
			-EBADMSG, v->img.io->name, "table offset",
			v->header_off + HEADER_TABLE_OFFSET,
			format_arg(
				"%" PRIu64
				" bytes between the header and offset %" PRIu64,
				len, v->footer_off),
			"%" PRIu64, off);
	v->bat_off = off;
	return 0;
}

struct vhd_locator vhd_locator_get(const uint8_t *header, unsigned slot)
{
	const uint8_t *p = header + HEADER_LOCATORS + slot * LOCATOR_SIZE;
	uint32_t space = get_be32(p + LOCATOR_SPACE);
	struct vhd_locator loc = { .code = get_be32(p + LOCATOR_CODE),
				   .len = get_be32(p + LOCATOR_LENGTH),
				   .off = get_be64(p + LOCATOR_OFFSET) };

	/* Sectors in the specification, bytes in the images of Windows: a bound
	 * only if its unit is certain. */
	loc.space_known = space < VHD_SECTOR || space % VHD_SECTOR == 0;
	if (loc.space_known)
		loc.space = space < VHD_SECTOR ? (uint64_t)space * VHD_SECTOR
					       : space;
	return loc;
}

static bool is_utf16(uint32_t code)
{
	return code == LOCATOR_W2RU || code == LOCATOR_W2KU;
}

/* Whether vhd-parent.c reads locators of that code; others are not checked. */
static bool is_read(uint32_t code)
{
	return is_utf16(code) || code == LOCATOR_WI2R || code == LOCATOR_WI2K ||
	       code == LOCATOR_MACX;
}

static int check_locator(struct vhd *v, unsigned slot)
{
	struct vhd_locator loc = vhd_locator_get(v->header, slot);
	uint64_t at = v->header_off + HEADER_LOCATORS + slot * LOCATOR_SIZE;
	const char *name = v->img.io->name;

	if (!is_read(loc.code) || !loc.len)
		return 0;
	if (loc.len > LOCATOR_LENGTH_MAX ||
	    (loc.len > loc.space && loc.space_known))
		return fail_found(
			-EBADMSG, name, "parent locator length",
			at + LOCATOR_LENGTH,
			format_arg("at most the %" PRIu64
				   " bytes reserved for it, and 64 KiB",
				   loc.space),
			"%" PRIu32, loc.len);
	if (is_utf16(loc.code) && loc.len % 2)
		return fail_found(-EBADMSG, name, "parent locator length",
				  at + LOCATOR_LENGTH,
				  "an even number of bytes", "%" PRIu32,
				  loc.len);
	if (loc.off < FOOTER_SIZE ||
	    !range_within(loc.off, loc.len, v->footer_off))
		return fail_found(-EBADMSG, name, "parent locator offset",
				  at + LOCATOR_OFFSET,
				  format_arg("%" PRIu32
					     " bytes between 512 and "
					     "%" PRIu64,
					     loc.len, v->footer_off),
				  "%" PRIu64, loc.off);
	add_structure(v, loc.off, loc.len);
	return 0;
}

static int check_parent(struct vhd *v)
{
	const uint8_t *id = v->header + HEADER_PARENT_ID;
	uint64_t at = v->header_off + HEADER_PARENT_ID;
	int r = 0;

	if (bytes_are_zero(id, 16))
		return fail_found(-EOPNOTSUPP, v->img.io->name,
				  "parent unique id", at,
				  "the identifier of a VHD",
				  "zeros (XenServer's mark of a raw parent)");
	if (!memcmp(id, v->footer + FOOTER_ID, 16))
		return fail_found(-ELOOP, v->img.io->name, "parent unique id",
				  at, "the identifier of another image",
				  "this image's own");
	for (unsigned i = 0; i < LOCATOR_SLOTS && r == 0; i++)
		r = check_locator(v, i);
	return r;
}

/*
 * Only XenServer writes a batmap, so it is read in its images only: in others a
 * block may follow the table, and a guest chooses the block's contents.
 */
static int find_batmap(struct vhd *v)
{
	uint64_t at = round_up(vhd_entry_off(v, v->n_entries), VHD_SECTOR);
	uint8_t b[VHD_SECTOR];
	uint64_t off, len;
	int r;

	if (memcmp(v->footer + FOOTER_CREATOR, "tap", 4))
		return 0;
	r = io_read_padded(v->img.io, b, sizeof b, at);
	if (r < 0 || memcmp(b, BATMAP_COOKIE_TEXT, 8))
		return r;
	off = get_be64(b + BATMAP_OFFSET);
	len = (uint64_t)get_be32(b + BATMAP_SECTORS) * VHD_SECTOR;
	if (off < FOOTER_SIZE || !range_within(off, len, v->footer_off) ||
	    ranges_overlap(off, len, v->header_off, HEADER_SIZE) ||
	    ranges_overlap(off, len, v->bat_off, at + VHD_SECTOR - v->bat_off))
		return fail_found(-EBADMSG, v->img.io->name, "batmap header",
				  at + BATMAP_OFFSET,
				  format_arg("a batmap before offset %" PRIu64,
					     v->footer_off),
				  "%" PRIu64 " bytes at offset %" PRIu64, len,
				  off);
	v->batmap_off = off;
	v->batmap_len = len;
	add_structure(v, at, VHD_SECTOR);
	add_structure(v, off, len);
	return 0;
}

int vhd_header_load(struct vhd *v)
{
	int r;

	v->n_structures = 0;
	r = read_header(v);
	if (r == 0)
		r = check_blocks(v);
	if (r == 0)
		r = check_table_place(v);
	if (r < 0)
		return r;
	add_structure(v, 0, FOOTER_SIZE);
	add_structure(v, v->header_off, HEADER_SIZE);
	add_structure(v, v->bat_off, (uint64_t)v->n_entries * BAT_ENTRY);
	if (v->img.type == IMAGE_DIFFERENCING)
		r = check_parent(v);
	return r < 0 ? r : find_batmap(v);
}
