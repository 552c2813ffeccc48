/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The images that inputs start from: of each format two chains of three images,
 * of different kinds, block and sector sizes, with some data in every image.
 */
#include "config.h"

#include "fuzz/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "chain/chain.h"
#include "format/registry.h"
#include "format/vhd-internal.h"
#include "format/vhd.h"
#include "format/vhdx.h"
#include "format/vhdx-layout.h"
#include "unit/rootdir-mem.h"

enum { LEAF, MIDDLE, BASE };

static const struct plan {
	const struct image_ops *format;
	const char *paths[FAMILY_FILES];
	enum image_type base;
	uint64_t size;
	uint64_t block_sizes[FAMILY_FILES];
	uint32_t sector_size;
} plans[FAMILIES] = {
	{ &vhd_ops,
	  { "c/leaf.vhd", "c/middle.vhd", "base.vhd" },
	  IMAGE_DYNAMIC,
	  MIB(3) + 5 * 512,
	  { MIB(2), MIB(1), KIB(512) },
	  512 },
	{ &vhd_ops,
	  { "leaf.vhd", "m/middle.vhd", "base.vhd" },
	  IMAGE_FIXED,
	  MIB(1),
	  { KIB(4), KIB(256), 0 },
	  512 },
	{ &vhdx_ops,
	  { "c/leaf.vhdx", "c/middle.vhdx", "base.vhdx" },
	  IMAGE_DYNAMIC,
	  MIB(6) + 512,
	  { MIB(2), MIB(1), MIB(1) },
	  512 },
	{ &vhdx_ops,
	  { "leaf.vhdx", "m/middle.vhdx", "base.vhdx" },
	  IMAGE_FIXED,
	  MIB(4),
	  { MIB(1), MIB(2), MIB(1) },
	  4096 },
};

/* An error of the library here is a bug of this file. */
static void must(int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "making an image: %s\n", error_text());
	abort();
}

static void add_part(struct family_image *image, enum part_kind kind,
		     uint64_t off, uint64_t len, uint64_t twin)
{
	if (image->n_parts < PARTS_MAX)
		image->parts[image->n_parts++] =
			(struct part){ kind, off, len, twin };
}

static void make(struct image_family *family, const struct plan *plan,
		 unsigned level)
{
	struct image_params params = {
		.type = level == BASE ? plan->base : IMAGE_DIFFERENCING,
		.size = plan->size,
		.block_size = plan->block_sizes[level],
		.sector_size = plan->sector_size,
	};
	struct image *parent = NULL;
	char relative[64], absolute[64];
	struct io *io;

	if (level != BASE) {
		const char *path = plan->paths[level + 1];

		snprintf(relative, sizeof relative, "%s%s",
			 strchr(plan->paths[level], '/') ? "../" : "./", path);
		snprintf(absolute, sizeof absolute, "/store/%s", path);
		must(sparse_open(&family->images[level + 1].file, path, false,
				 &io));
		must(image_open(io, plan->format, &parent));
		params.parent = parent;
		params.parent_relative = relative;
		params.parent_absolute = absolute;
	}
	must(sparse_open(&family->images[level].file, plan->paths[level], true,
			 &io));
	must(image_create(io, plan->format, &params));
	io_close(io);
	if (parent)
		image_close(parent);
}

/* Writes data at the start, across a block's end, and at the end. */
static void fill(struct rootdir_mem *rootdir, const struct plan *plan,
		 unsigned level)
{
	struct parent_cache *cache;
	struct chain *chain;
	char data[8192];

	memset(data, 'a' + (char)level, sizeof data);
	must(parent_cache_new(&rootdir->rootdir, 1, &cache));
	must(chain_open(cache, plan->paths[level], CHAIN_WRITABLE, &chain));
	/* Enough data in the base that a wrong bit above it shows some of
	 * it. */
	for (unsigned i = 0; i < (level == BASE ? 32 : 1); i++)
		must(chain_write(chain, data, 4096 * level + i * sizeof data,
				 sizeof data));
	must(chain_write(chain, data, plan->size / 2 - 4096, sizeof data));
	must(chain_write(chain, data, plan->size - 4096, 4096));
	if (level == LEAF)
		must(chain_zero(chain, KIB(64), KIB(64), false));
	must(chain_close(chain));
	parent_cache_free(cache);
}

static void add_vhd_parts(struct family_image *image)
{
	const struct sparse *file = &image->file;
	uint64_t end = file->size - FOOTER_SIZE, bat;
	uint8_t footer[FOOTER_SIZE], header[HEADER_SIZE], table[64];

	sparse_peek(file, footer, sizeof footer, end);
	add_part(image, PART_FILE, 0, 0, 0);
	add_part(image, PART_FILE, 0, file->size, 0);
	if (get_be32(footer + FOOTER_TYPE) == VHD_TYPE_FIXED) {
		add_part(image, PART_FOOTER, end, FOOTER_SIZE, 0);
		return;
	}
	add_part(image, PART_FOOTER, 0, 96, end);
	add_part(image, PART_FOOTER, 0, FOOTER_SIZE, 0);
	add_part(image, PART_FOOTER, end, FOOTER_SIZE, 0);
	sparse_peek(file, header, sizeof header, FOOTER_SIZE);
	bat = get_be64(header + HEADER_TABLE_OFFSET);
	add_part(image, PART_VHD_HEADER, FOOTER_SIZE, 64, 0);
	add_part(image, PART_VHD_HEADER, FOOTER_SIZE + HEADER_PARENT_NAME,
		 HEADER_PARENT_NAME_SIZE, 0);
	add_part(image, PART_VHD_HEADER, FOOTER_SIZE + HEADER_LOCATORS,
		 LOCATOR_SLOTS * LOCATOR_SIZE, 0);
	for (unsigned i = 0; i < 2; i++)
		add_part(image, PART_VHD_HEADER, vhd_locator_get(header, i).off,
			 128, 0);
	add_part(image, PART_VHD_TABLE | PART_VHD_HEADER,
		 round_up(bat + 4 * get_be32(header + HEADER_ENTRIES), 512),
		 512, 0);
	add_part(image, PART_VHD_TABLE, bat, sizeof table, 0);
	sparse_peek(file, table, sizeof table, bat);
	for (unsigned i = 0; i < sizeof table / 4; i++)
		if (get_be32(table + 4 * i) != BAT_UNUSED)
			add_part(image, PART_VHD_TABLE,
				 get_be32(table + 4 * i) * UINT64_C(512), 512,
				 0);
}

/* A table as XenServer makes it, with a map of whole blocks behind it. */
static void add_batmap(struct sparse *file)
{
	uint8_t header[HEADER_SIZE], map[VHD_SECTOR] = BATMAP_COOKIE_TEXT;
	uint64_t at;

	sparse_poke(file, "tap", 4, FOOTER_CREATOR);
	sparse_poke(file, "tap", 4, file->size - FOOTER_SIZE + FOOTER_CREATOR);
	sparse_peek(file, header, sizeof header, FOOTER_SIZE);
	at = round_up(get_be64(header + HEADER_TABLE_OFFSET) +
			      get_be32(header + HEADER_ENTRIES) * 4,
		      VHD_SECTOR);
	put_be64(map + BATMAP_OFFSET, at + VHD_SECTOR);
	put_be32(map + BATMAP_SECTORS, 1);
	sparse_poke(file, map, sizeof map, at);
	image_seal(false, file, 0);
}

/* The offsets of structures in the plans' images (vhdx-create.c). */
enum { LOG_OFF = 1 << 20, META_OFF = 2 << 20, BAT_OFF = 3 << 20 };

static void add_vhdx_parts(struct family_image *image, const struct plan *plan,
			   unsigned level)
{
	uint64_t ratio = VHDX_CHUNK_SECTORS * plan->sector_size /
			 plan->block_sizes[level];
	uint64_t regions = VHDX_REGION_TABLE_OFFSET(0);
	uint8_t raw[8];

	add_part(image, PART_FILE, 0, 0, 0);
	add_part(image, PART_FILE, 0, image->file.size, 0);
	add_part(image, PART_VHDX_HEADER, VHDX_HEADER_OFFSET(0), 80,
		 VHDX_HEADER_OFFSET(1));
	add_part(image, PART_VHDX_HEADER, VHDX_HEADER_OFFSET(0) + 64, 16,
		 VHDX_HEADER_OFFSET(1) + 64);
	add_part(image, PART_REGION, regions, 16 + 5 * 32,
		 VHDX_REGION_TABLE_OFFSET(1));
	add_part(image, PART_META, META_OFF, 32 + 8 * 32, 0);
	add_part(image, PART_META, META_OFF + 64 * 1024, 64, 0);
	/* Five items of together at least 40 bytes, then the locator. */
	add_part(image, PART_LOCATOR, META_OFF + 64 * 1024 + 40, 128, 0);
	add_part(image, PART_LOCATOR, META_OFF + 64 * 1024 + 40, 1024, 0);
	add_part(image, PART_VHDX_TABLE, BAT_OFF, 64, 0);
	add_part(image, PART_VHDX_TABLE, BAT_OFF + 8 * ratio, 8, 0);
	add_part(image, PART_VHDX_TABLE, BAT_OFF + 8 * ratio - 32, 128, 0);
	sparse_peek(&image->file, raw, sizeof raw, BAT_OFF + 8 * ratio);
	if (level != BASE && VHDX_BAT_OFFSET(get_le64(raw)))
		add_part(image, PART_VHDX_TABLE, VHDX_BAT_OFFSET(get_le64(raw)),
			 4096, 0);
	for (unsigned i = 0; i < 8; i++)
		add_part(image, PART_LOG, LOG_OFF + (253 + i) % 256 * 4096, 192,
			 0);
	add_part(image, PART_LOG, LOG_OFF, 1 << 20, 0);
}

/* The second of three entries wraps round the end of the log. */
enum { LOG_SECTORS = 256, FIRST_SECTOR = LOG_SECTORS - 3 };

/* Writes one entry at sector at of the log: a page of data, and zeros. */
static void put_log_entry(struct sparse *file, unsigned at, uint64_t sequence,
			  const uint8_t *page, uint64_t zero_off)
{
	static uint8_t buf[2 * VHDX_LOG_SECTOR];
	uint8_t *desc = buf + VHDX_ENTRY_HEADER_SIZE;
	uint8_t *data = buf + VHDX_LOG_SECTOR;

	memset(buf, 0, sizeof buf);
	memcpy(buf, VHDX_LOG_SIGNATURE, 4);
	put_le32(buf + VHDX_ENTRY_LENGTH, sizeof buf);
	put_le32(buf + VHDX_ENTRY_TAIL, FIRST_SECTOR * VHDX_LOG_SECTOR);
	put_le64(buf + VHDX_ENTRY_SEQUENCE, sequence);
	put_le32(buf + VHDX_ENTRY_COUNT, 2);
	sparse_peek(file, buf + VHDX_ENTRY_GUID, 16,
		    VHDX_HEADER_OFFSET(0) + VHDX_HEADER_LOG_GUID);
	put_le64(buf + VHDX_ENTRY_FLUSHED, file->size);
	put_le64(buf + VHDX_ENTRY_LAST, file->size);
	memcpy(desc, VHDX_LOG_DESC, 4);
	memcpy(desc + VHDX_DESC_LEADING, page, 8);
	memcpy(desc + VHDX_DESC_TRAILING, page + VHDX_PAGE - 4, 4);
	put_le64(desc + VHDX_DESC_FILE_OFFSET, BAT_OFF);
	put_le64(desc + VHDX_DESC_SEQUENCE, sequence);
	desc += VHDX_DESC_SIZE;
	memcpy(desc, VHDX_LOG_ZERO, 4);
	put_le64(desc + VHDX_DESC_ZERO_LENGTH, VHDX_PAGE);
	put_le64(desc + VHDX_DESC_FILE_OFFSET, zero_off);
	put_le64(desc + VHDX_DESC_SEQUENCE, sequence);
	memcpy(data, page, VHDX_PAGE);
	memcpy(data, VHDX_LOG_DATA, 4);
	put_le32(data + VHDX_DATA_SEQUENCE_HIGH, sequence >> 32);
	put_le32(data + VHDX_DATA_SEQUENCE_LOW, (uint32_t)sequence);
	sparse_poke(file, buf, VHDX_LOG_SECTOR, LOG_OFF + at * VHDX_LOG_SECTOR);
	sparse_poke(file, data, VHDX_LOG_SECTOR,
		    LOG_OFF + (at + 1) % LOG_SECTORS * VHDX_LOG_SECTOR);
}

/* Makes the state after a crash: the BAT is in the log only. */
static void make_dirty(struct sparse *file)
{
	static const uint8_t guid[16] = { 1, 2, 3 }, zeros[VHDX_PAGE];
	uint8_t page[VHDX_PAGE];

	for (int slot = 0; slot < 2; slot++)
		sparse_poke(file, guid, sizeof guid,
			    VHDX_HEADER_OFFSET(slot) + VHDX_HEADER_LOG_GUID);
	sparse_peek(file, page, sizeof page, BAT_OFF);
	sparse_poke(file, zeros, sizeof zeros, BAT_OFF);
	put_log_entry(file, FIRST_SECTOR, 100, zeros, BAT_OFF + VHDX_PAGE);
	put_log_entry(file, FIRST_SECTOR + 2, 101, page,
		      BAT_OFF + 2 * VHDX_PAGE);
	put_log_entry(file, 1, 102, page, BAT_OFF + 3 * VHDX_PAGE);
	image_seal(true, file, 0);
}

static void make_family(struct image_family *family, const struct plan *plan)
{
	struct rootdir_mem rootdir;

	rootdir_mem_init(&rootdir);
	family->vhdx = plan->format == &vhdx_ops;
	for (int level = BASE; level >= LEAF; level--) {
		struct family_image *image = &family->images[level];

		image->path = plan->paths[level];
		make(family, plan, level);
		rootdir_mem_add_other(&rootdir, image->path, sparse_open,
				      &image->file);
		/* Before the child is made, which stores the identity of its
		 * parent then. */
		fill(&rootdir, plan, level);
	}
}

const struct image_family *image_family(unsigned which)
{
	static struct image_family families[FAMILIES];
	struct image_family *family = &families[which];

	if (family->images[LEAF].path)
		return family;
	make_family(family, &plans[which]);
	if (which == 1)
		add_batmap(&family->images[MIDDLE].file);
	if (which == 3)
		make_dirty(&family->images[LEAF].file);
	for (unsigned level = 0; level < FAMILY_FILES; level++)
		if (family->vhdx)
			add_vhdx_parts(&family->images[level], &plans[which],
				       level);
		else
			add_vhd_parts(&family->images[level]);
	/* A footer as before Virtual PC 2004: its last byte is missing. */
	if (which == 1)
		sparse_resize(&family->images[LEAF].file,
			      family->images[LEAF].file.size - 1);
	return family;
}
