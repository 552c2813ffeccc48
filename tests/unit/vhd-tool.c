/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Helpers for tests of the VHD driver. */
#include "config.h"

#include "unit/unit.h"
#include "unit/vhd-tool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/registry.h"

int vhd_file_setup(void **state)
{
	struct mem_file *file = malloc(sizeof *file);

	mem_file_init(file);
	*state = file;
	return 0;
}

int vhd_file_teardown(void **state)
{
	mem_file_fini(*state);
	free(*state);
	return 0;
}

void vhd_make(struct mem_file *file, enum image_type type, uint64_t size,
	      uint64_t block_size)
{
	struct io parent_io = { .name = (char *)"parent.vhd" };
	struct image parent = { .ops = &vhd_ops,
				.io = &parent_io,
				.size = size,
				.sector_size = 512,
				.physical_sector_size = 512,
				.id = guid_random() };
	struct image_params params = { .type = type,
				       .size = size,
				       .block_size = block_size,
				       .parent = &parent,
				       .parent_relative = "./parent.vhd",
				       .parent_absolute = "/store/parent.vhd",
				       .parent_mtime = VHD_EPOCH + 1000 };
	struct io *io;

	assert_ok(io_mem_open(file, "test.vhd", true, &io));
	assert_ok(image_create(io, &vhd_ops, &params));
	io_close(io);
}

struct image *vhd_open_file(struct mem_file *file, bool writable)
{
	struct image *img = NULL;
	struct io *io;

	assert_ok(io_mem_open(file, "test.vhd", writable, &io));
	assert_ok(image_open(io, NULL, &img));
	return img;
}

int vhd_try_open(struct mem_file *file, bool writable)
{
	struct image *img;
	struct io *io;
	int r;

	assert_ok(io_mem_open(file, "test.vhd", writable, &io));
	r = image_open(io, NULL, &img);
	if (r < 0)
		io_close(io);
	else
		assert_ok(image_close(img));
	return r;
}

void vhd_read_disk(struct image *img, const uint8_t *parent, uint8_t *buf,
		   uint64_t off, size_t len)
{
	while (len) {
		struct extent e = { 0 };

		assert_ok(image_map(img, off, len, &e));
		assert_true(e.len && e.len % 512 == 0);
		if (e.kind == EXTENT_STORED)
			assert_ok(io_read(img->io, buf, e.len, e.file_off));
		else if (e.kind == EXTENT_PARENT && parent)
			memcpy(buf, parent + off, e.len);
		else
			memset(buf, 0, e.len);
		buf += e.len;
		off += e.len;
		len -= e.len;
	}
}

/* Stores value in size bytes, big-endian. */
static void put(uint8_t *p, unsigned size, uint64_t value)
{
	while (size) {
		p[--size] = (uint8_t)value;
		value >>= 8;
	}
}

static void set_footer_at(struct mem_file *file, uint64_t at, unsigned off,
			  unsigned size, uint64_t value)
{
	uint8_t footer[FOOTER_SIZE];

	mem_file_peek(file, footer, sizeof footer, at);
	if (memcmp(footer, FOOTER_COOKIE_TEXT, 8))
		return;
	put(footer + off, size, value);
	vhd_footer_seal(footer);
	mem_file_poke(file, footer, sizeof footer, at);
}

void vhd_set_footer(struct mem_file *file, unsigned off, unsigned size,
		    uint64_t value)
{
	set_footer_at(file, 0, off, size, value);
	set_footer_at(file, file->size - FOOTER_SIZE, off, size, value);
}

static uint64_t header_off(const struct mem_file *file)
{
	uint8_t footer[FOOTER_SIZE];

	mem_file_peek(file, footer, sizeof footer, 0);
	return get_be64(footer + FOOTER_DATA_OFFSET);
}

void vhd_set_header(struct mem_file *file, unsigned off, unsigned size,
		    uint64_t value)
{
	uint8_t header[HEADER_SIZE];

	mem_file_peek(file, header, sizeof header, header_off(file));
	put(header + off, size, value);
	put_be32(header + HEADER_CHECKSUM,
		 vhd_checksum(header, HEADER_SIZE, HEADER_CHECKSUM));
	mem_file_poke(file, header, sizeof header, header_off(file));
}

uint64_t vhd_table_off(const struct mem_file *file)
{
	uint8_t b[8];

	mem_file_peek(file, b, sizeof b,
		      header_off(file) + HEADER_TABLE_OFFSET);
	return get_be64(b);
}

uint32_t vhd_get_entry(const struct mem_file *file, uint32_t block)
{
	uint8_t b[4];

	mem_file_peek(file, b, sizeof b,
		      vhd_table_off(file) + (uint64_t)block * BAT_ENTRY);
	return get_be32(b);
}

void vhd_set_entry(struct mem_file *file, uint32_t block, uint32_t entry)
{
	uint8_t b[4];

	put_be32(b, entry);
	mem_file_poke(file, b, sizeof b,
		      vhd_table_off(file) + (uint64_t)block * BAT_ENTRY);
}

void vhd_fill(uint8_t *buf, size_t len, uint64_t off, uint8_t tag)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(tag + (off + i) / 512 * 31 + i % 512) | 1;
}

static void note(struct check *check, const struct finding *f)
{
	struct vhd_found *found = (struct vhd_found *)check;
	size_t used = strlen(found->text);

	found->n++;
	found->leaks += f->leak;
	found->repaired += f->repaired;
	snprintf(found->text + used, sizeof found->text - used,
		 "%s at %" PRIu64 ": expected %s, found %s%s%s\n", f->structure,
		 f->offset, f->expected, f->found, f->leak ? ", leaked" : "",
		 f->repaired ? ", repaired" : "");
}

int vhd_run_check(struct mem_file *file, bool repair, struct vhd_found *ret)
{
	struct io *io;
	int r;

	memset(ret, 0, sizeof *ret);
	ret->check.repair = repair;
	ret->check.report = note;
	assert_ok(io_mem_open(file, "test.vhd", repair, &io));
	r = vhd_ops.check(io, &ret->check);
	io_close(io);
	return r;
}

void vhd_assert_clean(struct mem_file *file)
{
	struct vhd_found found;

	assert_ok(vhd_run_check(file, false, &found));
	assert_string_equal(found.text, "");
	assert_int_equal(found.check.leaked, 0);
}
