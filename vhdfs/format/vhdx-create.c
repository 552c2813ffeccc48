/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Creating an image, with the layout that Windows uses: log at 1 MiB, metadata
 * at 2 MiB, then the BAT, then blocks.  The file is not visible before it is
 * complete, so one sync at the end suffices.
 */
#include "config.h"

#include "format/vhdx-internal.h"

#include "base/crc32c.h"
#include "base/utf16.h"

enum {
	LOG_OFFSET = 1024 * 1024,
	LOG_LENGTH = 1024 * 1024,
	META_OFFSET = 2 * 1024 * 1024,
	BAT_PIECE = 64 * 1024,
};

/* The file under construction. */
struct creation {
	struct io *io;
	const struct image_params *params;
	uint8_t *meta; /* the metadata region: the table, then the items */
	size_t meta_len, n_items;
	uint64_t bat_off, bat_len;
	uint64_t n_blocks, chunk_ratio, n_entries;
};

static void creation_fini(struct creation *m)
{
	free(m->meta);
}

static int refuse(const char *what, const char *expected, uint64_t found)
{
	return fail(-EINVAL, "vhdx: %s: expected %s, found %" PRIu64, what,
		    expected, found);
}

int vhdx_params_complete(struct image_params *params)
{
	uint64_t *block = &params->block_size;

	if (!params->sector_size)
		params->sector_size = 512;
	if (params->type == IMAGE_DIFFERENCING)
		params->physical_sector_size =
			params->parent->physical_sector_size;
	if (!params->physical_sector_size)
		params->physical_sector_size = 4096;
	if (!*block)
		*block = params->type == IMAGE_DYNAMIC ? MIB(32) : MIB(2);
	if (params->sector_size != 512 && params->sector_size != 4096)
		return refuse("sector size", "512 or 4096",
			      params->sector_size);
	if (params->physical_sector_size != 512 &&
	    params->physical_sector_size != 4096)
		return refuse("physical sector size", "512 or 4096",
			      params->physical_sector_size);
	if (!is_pow2(*block) || *block < VHDX_BLOCK_MIN ||
	    *block > VHDX_BLOCK_MAX)
		return refuse("block size",
			      "a power of two from 1 MiB to 256 MiB", *block);
	if (!params->size || params->size > VHDX_DISK_MAX ||
	    !is_aligned(params->size, params->sector_size))
		return refuse("size", "whole sectors, at most 64 TiB",
			      params->size);
	return 0;
}

/* Adds an item of len bytes; the caller fills in *ret at once. */
static int add_item(struct creation *m, const struct guid *guid, uint32_t flags,
		    uint32_t len, uint8_t **ret)
{
	size_t room = round_up(len, 8);
	uint8_t *meta, *e;

	if (m->n_items == VHDX_META_MAX)
		return fail(
			-EINVAL,
			"%s: metadata table: expected at most 2047 items, found more",
			m->io->name);
	meta = realloc(m->meta, m->meta_len + room);
	if (!meta)
		return fail(-ENOMEM, "%s: out of memory", m->io->name);
	m->meta = meta;
	e = meta + VHDX_META_FIRST + m->n_items * VHDX_META_ENTRY;
	guid_to_le(e, guid);
	put_le32(e + VHDX_META_ENTRY_OFFSET, len ? m->meta_len : 0);
	put_le32(e + VHDX_META_ENTRY_LENGTH, len);
	put_le32(e + VHDX_META_ENTRY_FLAGS, flags);
	put_le16(meta + VHDX_META_COUNT, ++m->n_items);
	*ret = memset(meta + m->meta_len, 0, room);
	m->meta_len += room;
	return 0;
}

static int add_number(struct creation *m, const char *text, uint32_t flags,
		      uint32_t len, uint64_t value)
{
	struct guid guid = vhdx_guid(text);
	uint8_t *data, raw[8];
	int r = add_item(m, &guid, flags, len, &data);

	if (r < 0)
		return r;
	put_le64(raw, value);
	memcpy(data, raw, len);
	return 0;
}

static int add_parameters(struct creation *m)
{
	const struct image_params *p = m->params;
	uint64_t flags = p->type == IMAGE_DIFFERENCING ? VHDX_HAS_PARENT
			 : p->type == IMAGE_FIXED      ? VHDX_LEAVE_ALLOCATED
						       : 0;

	return add_number(m, VHDX_GUID_FILE_PARAMETERS, VHDX_META_IS_REQUIRED,
			  VHDX_PARAMETERS_SIZE, p->block_size | flags << 32);
}

/* The virtual disk's items, for a new disk. */
static int add_disk_items(struct creation *m)
{
	const struct image_params *p = m->params;
	const uint32_t flags = VHDX_META_IS_DISK | VHDX_META_IS_REQUIRED;
	struct guid guid = vhdx_guid(VHDX_GUID_DISK_ID), id = guid_random();
	uint8_t *data;
	int r = add_number(m, VHDX_GUID_DISK_SIZE, flags, 8, p->size);

	if (r == 0)
		r = add_number(m, VHDX_GUID_LOGICAL_SECTOR, flags, 4,
			       p->sector_size);
	if (r == 0)
		r = add_number(m, VHDX_GUID_PHYSICAL_SECTOR, flags, 4,
			       p->physical_sector_size);
	if (r == 0)
		r = add_item(m, &guid, flags, sizeof id, &data);
	if (r == 0)
		guid_to_le(data, &id);
	return r;
}

/* The virtual disk's items, copied from the parent except for the size. */
static int add_parent_items(struct creation *m, struct vhdx *parent)
{
	const struct guid size = vhdx_guid(VHDX_GUID_DISK_SIZE);

	for (size_t i = 0; i < parent->n_items; i++) {
		const struct vhdx_meta *from = &parent->items[i];
		uint8_t *data;
		int r;

		if (!(from->flags & VHDX_META_IS_DISK))
			continue;
		r = add_item(m, &from->guid, from->flags, from->len, &data);
		if (r == 0)
			r = vhdx_meta_read(parent, from, data);
		if (r < 0)
			return r;
		if (guid_equal(&from->guid, &size))
			put_le64(data, m->params->size);
	}
	return 0;
}

static int add_locator(struct creation *m)
{
	struct guid guid = vhdx_guid(VHDX_GUID_PARENT_LOCATOR);
	_cleanup_free_ uint8_t *locator = NULL;
	uint8_t *data;
	size_t len;
	int r = vhdx_locator_make(m->params, &locator, &len);

	if (r == 0 && len > VHDX_META_ITEM_MAX)
		return fail(
			-EINVAL,
			"%s: parent locator: expected at most 1 MiB; the parent's path is too long",
			m->io->name);
	if (r == 0)
		r = add_item(m, &guid, VHDX_META_IS_REQUIRED, len, &data);
	if (r == 0)
		memcpy(data, locator, len);
	return r;
}

static int add_items(struct creation *m)
{
	struct image *parent = (struct image *)m->params->parent;
	bool child = m->params->type == IMAGE_DIFFERENCING;
	int r;

	m->meta_len = VHDX_META_TABLE_SIZE;
	m->meta = calloc(1, m->meta_len);
	if (!m->meta)
		return fail(-ENOMEM, "%s: out of memory", m->io->name);
	memcpy(m->meta, VHDX_META_SIGNATURE, VHDX_SIGNATURE_SIZE);
	r = add_parameters(m);
	if (r == 0)
		r = child ? add_parent_items(m, vhdx_of(parent))
			  : add_disk_items(m);
	if (r == 0 && child)
		r = add_locator(m);
	return r;
}

static void compute_layout(struct creation *m)
{
	const struct image_params *p = m->params;
	uint64_t chunks;

	m->chunk_ratio = VHDX_CHUNK_SECTORS * p->sector_size / p->block_size;
	m->n_blocks = div_up(p->size, p->block_size);
	chunks = div_up(m->n_blocks, m->chunk_ratio);
	m->n_entries = p->type == IMAGE_DIFFERENCING
			       ? chunks * (m->chunk_ratio + 1)
			       : m->n_blocks + chunks - 1;
	m->bat_off = META_OFFSET + round_up(m->meta_len, MIB(1));
	m->bat_len = round_up(m->n_entries * VHDX_BAT_ENTRY, MIB(1));
}

static int write_identifier(struct creation *m)
{
	uint8_t buf[VHDX_CREATOR + 512] = VHDX_FILE_SIGNATURE;
	_cleanup_free_ uint8_t *creator = NULL;
	size_t len;

	if (utf16le_encode("vhdfs " PACKAGE_VERSION, &creator, &len) < 0)
		return fail(-ENOMEM, "%s: out of memory", m->io->name);
	memcpy(buf + VHDX_CREATOR, creator, min_u64(len, 512));
	return io_write(m->io, buf, sizeof buf, 0);
}

static int write_headers(struct creation *m)
{
	uint8_t h[VHDX_HEADER_SIZE] = VHDX_HEADER_SIGNATURE;
	struct guid file_guid = guid_random();
	struct guid data_guid =
		guid_is_null(&m->params->id) ? guid_random() : m->params->id;
	int r = 0;

	guid_to_le(h + VHDX_HEADER_FILE_GUID, &file_guid);
	guid_to_le(h + VHDX_HEADER_DATA_GUID, &data_guid);
	put_le16(h + VHDX_HEADER_VERSION, 1);
	put_le32(h + VHDX_HEADER_LOG_LENGTH, LOG_LENGTH);
	put_le64(h + VHDX_HEADER_LOG_OFFSET, LOG_OFFSET);
	for (int slot = 0; r == 0 && slot < 2; slot++) {
		put_le64(h + VHDX_HEADER_SEQUENCE, slot + 1);
		put_le32(h + VHDX_HEADER_CRC,
			 crc32c_but(h, sizeof h, VHDX_HEADER_CRC));
		r = io_write(m->io, h, sizeof h, VHDX_HEADER_OFFSET(slot));
	}
	return r;
}

static void put_region(uint8_t *e, const char *text, uint64_t off, uint32_t len)
{
	struct guid guid = vhdx_guid(text);

	guid_to_le(e, &guid);
	put_le64(e + VHDX_REGION_ENTRY_OFFSET, off);
	put_le32(e + VHDX_REGION_ENTRY_LENGTH, len);
	put_le32(e + VHDX_REGION_ENTRY_FLAGS, VHDX_REGION_REQUIRED);
}

static int write_region_tables(struct creation *m)
{
	_cleanup_free_ uint8_t *table = calloc(1, VHDX_REGION_SIZE);
	uint8_t *first;
	int r = 0;

	if (!table)
		return fail(-ENOMEM, "%s: out of memory", m->io->name);
	memcpy(table, VHDX_REGION_SIGNATURE, 4);
	put_le32(table + VHDX_REGION_COUNT, 2);
	first = table + VHDX_REGION_FIRST;
	put_region(first, VHDX_GUID_BAT, m->bat_off, m->bat_len);
	put_region(first + VHDX_REGION_ENTRY, VHDX_GUID_METADATA, META_OFFSET,
		   m->bat_off - META_OFFSET);
	put_le32(table + VHDX_REGION_CRC,
		 crc32c_but(table, VHDX_REGION_SIZE, VHDX_REGION_CRC));
	/* The rest of a table is zeros, as the new file is.  Writing one page
	 * instead of 64 KiB saves space in each of hundreds of children. */
	for (int slot = 0; r == 0 && slot < 2; slot++)
		r = io_write(m->io, table, VHDX_PAGE,
			     VHDX_REGION_TABLE_OFFSET(slot));
	return r;
}

static int write_metadata(struct creation *m)
{
	size_t table = VHDX_META_FIRST + m->n_items * VHDX_META_ENTRY;
	int r = io_write(m->io, m->meta + VHDX_META_TABLE_SIZE,
			 m->meta_len - VHDX_META_TABLE_SIZE,
			 META_OFFSET + VHDX_META_TABLE_SIZE);

	return r < 0 ? r
		     : io_write(m->io, m->meta, round_up(table, VHDX_PAGE),
				META_OFFSET);
}

/* The blocks of a fixed image follow each other; they are holes of the file. */
static int write_fixed_bat(struct creation *m)
{
	_cleanup_free_ uint8_t *buf = malloc(BAT_PIECE);
	uint64_t off = m->bat_off + m->bat_len;
	int r = 0;

	if (!buf)
		return fail(-ENOMEM, "%s: out of memory", m->io->name);
	for (uint64_t i = 0; r == 0 && i < m->n_entries;) {
		uint64_t start = i;
		size_t n;

		for (n = 0; n < BAT_PIECE && i < m->n_entries; i++) {
			bool bitmap =
				i % (m->chunk_ratio + 1) == m->chunk_ratio;

			put_le64(buf + n, bitmap ? 0 : off | VHDX_PRESENT);
			off += bitmap ? 0 : m->params->block_size;
			n += VHDX_BAT_ENTRY;
		}
		r = io_write(m->io, buf, n,
			     m->bat_off + start * VHDX_BAT_ENTRY);
	}
	return r;
}

int vhdx_create(struct io *io, const struct image_params *params)
{
	_cleanup_(creation_fini) struct creation m = { .io = io,
						       .params = params };
	bool fixed = params->type == IMAGE_FIXED;
	int r = add_items(&m);

	if (r < 0)
		return r;
	compute_layout(&m);
	r = io_resize(io,
		      m.bat_off + m.bat_len +
			      (fixed ? m.n_blocks * params->block_size : 0));
	if (r == 0)
		r = write_identifier(&m);
	if (r == 0)
		r = write_headers(&m);
	if (r == 0)
		r = write_region_tables(&m);
	if (r == 0)
		r = write_metadata(&m);
	if (r == 0 && fixed)
		r = write_fixed_bat(&m);
	return r < 0 ? r : io_sync(io);
}
