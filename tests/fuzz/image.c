/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes to images, and valid checksums after them. */
#include "config.h"

#include "fuzz/image.h"

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "format/vhd-internal.h"
#include "format/vhdx-layout.h"

/* The which-th part of those kinds; null if the image has none. */
static const struct part *part_of(const struct family_image *image,
				  unsigned which, unsigned kinds)
{
	unsigned n = 0;

	for (unsigned i = 0; i < image->n_parts; i++)
		n += (image->parts[i].kind & kinds) != 0;
	which = n ? which % n : 0;
	for (unsigned i = 0; n && i < image->n_parts; i++)
		if (image->parts[i].kind & kinds && !which--)
			return &image->parts[i];
	return NULL;
}

/* A part without a length stands for the size of the file. */
static void change_size(const struct family_image *image, struct sparse *file,
			const struct record *record)
{
	uint64_t size = record->how & 1
				? record->value
				: image->file.size + (int16_t)record->off;

	sparse_resize(file, min_u64(size, INT64_MAX));
}

/* Copies bytes of one part to another, or to another place in it: a duplicate
 * entry, the identifier of another image. */
static void copy(const struct family_image *image, struct sparse *file,
		 const struct part *to, uint64_t to_off,
		 const struct record *record, unsigned kinds)
{
	static const uint16_t lens[] = { 8, 16, 32, SPARSE_PAGE };
	const struct part *from = part_of(image, record->value & 63, kinds);
	uint64_t from_off;
	uint8_t buf[SPARSE_PAGE];

	if (!from)
		return;
	from_off = (record->value >> 8 & 0xffff) % from->len;

	sparse_peek(file, buf, lens[record->how & 3], from->off + from_off);
	sparse_poke(file, buf, lens[record->how & 3], to->off + to_off);
	if (to->twin)
		sparse_poke(file, buf, lens[record->how & 3],
			    to->twin + to_off);
}

static void put(struct sparse *file, const struct part *part, uint64_t off,
		const struct record *record)
{
	unsigned size = 1 << (record->how & 3);
	unsigned times = 1 << (record->how >> 2 & 7);
	uint8_t value[8];

	put_le64(value, record->value);
	for (unsigned i = 0; i < times; i++, off += size) {
		if (!(record->how & 64))
			sparse_poke(file, value, size, part->off + off);
		if (!(record->how & 32) && part->twin)
			sparse_poke(file, value, size, part->twin + off);
	}
}

/*
 * Bits of how: 0 and 1 the number of bytes of the value (1, 2, 4, 8), 2 to 4
 * the number of repetitions (1, 2, 4 ... 128), 5: not in the second copy, 6:
 * not in the first; 7: the value says which bytes are copied to here.
 */
void image_patch(const struct family_image *image, struct sparse *file,
		 const struct record *record, unsigned kinds)
{
	const struct part *part = part_of(image, record->where & 63, kinds);
	uint64_t off;

	if (!part)
		return;
	if (!part->len) {
		change_size(image, file, record);
		return;
	}
	/* 16 bits do not reach every byte of a file. */
	off = record->off * (part->kind == PART_FILE ? UINT64_C(512) : 1);
	off %= part->len;
	if (record->how & 128)
		copy(image, file, part, off, record, kinds & ~PART_FILE);
	else
		put(file, part, off, record);
}

static void seal_footer(struct sparse *file, uint64_t off)
{
	uint8_t footer[FOOTER_SIZE];

	sparse_peek(file, footer, sizeof footer, off);
	vhd_footer_seal(footer);
	sparse_poke(file, footer + FOOTER_CHECKSUM, 4, off + FOOTER_CHECKSUM);
}

static void seal_vhd(struct sparse *file, unsigned not_these)
{
	uint8_t header[HEADER_SIZE], raw[8];
	uint64_t off = file->size - FOOTER_SIZE;

	if (file->size < FOOTER_SIZE)
		return;
	/* One of the two possible places has the cookie. */
	sparse_peek(file, raw, 8, off + 1);
	if (!memcmp(raw, FOOTER_COOKIE_TEXT, 8))
		off++;
	if (!(not_these & SEAL_NOT_FIRST))
		seal_footer(file, off);
	sparse_peek(file, header, 8, 0);
	if (!memcmp(header, FOOTER_COOKIE_TEXT, 8) &&
	    !(not_these & SEAL_NOT_SECOND))
		seal_footer(file, 0);
	sparse_peek(file, raw, sizeof raw, off + FOOTER_DATA_OFFSET);
	off = get_be64(raw);
	if (not_these & SEAL_NOT_REST ||
	    !range_within(off, HEADER_SIZE, TIB(1)))
		return;
	sparse_peek(file, header, sizeof header, off);
	if (memcmp(header, HEADER_COOKIE_TEXT, 8))
		return;
	put_be32(raw, vhd_checksum(header, HEADER_SIZE, HEADER_CHECKSUM));
	sparse_poke(file, raw, 4, off + HEADER_CHECKSUM);
}

static uint8_t crc_buf[64 * 1024];

static void seal_crc(struct sparse *file, uint64_t off, size_t len)
{
	uint8_t crc[4];

	sparse_peek(file, crc_buf, len, off);
	put_le32(crc, crc32c_but(crc_buf, len, 4));
	sparse_poke(file, crc, sizeof crc, off + 4);
}

/* Entries of at most 64 KiB, also across the end of the log. */
static void seal_log(struct sparse *file)
{
	enum { LOG_OFF = 1 << 20, LOG_LEN = 1 << 20 };

	for (uint64_t at = 0; at < LOG_LEN; at += VHDX_LOG_SECTOR) {
		uint8_t h[VHDX_ENTRY_HEADER_SIZE], crc[4];
		uint32_t len, first;

		sparse_peek(file, h, sizeof h, LOG_OFF + at);
		len = get_le32(h + VHDX_ENTRY_LENGTH);
		if (memcmp(h, VHDX_LOG_SIGNATURE, 4) || len < sizeof h ||
		    len > sizeof crc_buf)
			continue;
		first = (uint32_t)min_u64(len, LOG_LEN - at);
		sparse_peek(file, crc_buf, first, LOG_OFF + at);
		sparse_peek(file, crc_buf + first, len - first, LOG_OFF);
		put_le32(crc, crc32c_but(crc_buf, len, VHDX_ENTRY_CRC));
		sparse_poke(file, crc, sizeof crc,
			    LOG_OFF + at + VHDX_ENTRY_CRC);
	}
}

static void seal_vhdx(struct sparse *file, unsigned not_these)
{
	for (int slot = 0; slot < 2; slot++) {
		if (not_these & (slot ? SEAL_NOT_SECOND : SEAL_NOT_FIRST))
			continue;
		seal_crc(file, VHDX_HEADER_OFFSET(slot), VHDX_HEADER_SIZE);
		seal_crc(file, VHDX_REGION_TABLE_OFFSET(slot),
			 VHDX_REGION_SIZE);
	}
	if (!(not_these & SEAL_NOT_REST))
		seal_log(file);
}

void image_seal(bool vhdx, struct sparse *file, unsigned not_these)
{
	(vhdx ? seal_vhdx : seal_vhd)(file, not_these);
}
