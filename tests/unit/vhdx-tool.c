/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VHDX image in memory, and a model of its disk. */
#include "config.h"

#include "unit/vhdx-tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "format/registry.h"

static struct io *open_io(struct vdisk *d, bool writable)
{
	struct io *io = NULL;

	assert_ok(io_mem_open(&d->file, "disk.vhdx", writable, &io));
	return io;
}

void vdisk_create(struct vdisk *d, const struct image_params *params)
{
	struct io *io;

	memset(d, 0, sizeof *d);
	mem_file_init(&d->file);
	io = open_io(d, true);
	assert_ok(image_create(io, &vhdx_ops, params));
	io_close(io);
	d->size = params->size;
	d->model = calloc(1, d->size);
	assert_non_null(d->model);
}

/* Fills with ranges of data and of zeros, of whole sectors. */
static void fill_parent(uint8_t *bytes, uint64_t size, uint64_t *seed)
{
	for (uint64_t off = 0; off < size;) {
		uint64_t n = 4096 * (1 + random_upto(seed, 300));

		n = min_u64(n, size - off);
		if (random_next(seed) % 3)
			memset(bytes + off, 1 + random_next(seed) % 255, n);
		off += n;
	}
}

void vdisk_create_child(struct vdisk *d, const struct image_params *params,
			uint64_t *seed)
{
	struct image_params child = *params, base = *params;
	struct vdisk parent;

	base.type = IMAGE_DYNAMIC;
	base.block_size = M;
	vdisk_create(&parent, &base);
	vdisk_open(&parent, false);
	child.type = IMAGE_DIFFERENCING;
	child.parent = parent.img;
	child.parent_relative = "./parent.vhdx";
	child.parent_absolute = "/images/parent.vhdx";
	vdisk_create(d, &child);
	vdisk_close(&parent);
	vdisk_fini(&parent);
	d->parent = calloc(1, d->size);
	assert_non_null(d->parent);
	fill_parent(d->parent, d->size, seed);
	memcpy(d->model, d->parent, d->size);
}

void vdisk_fini(struct vdisk *d)
{
	if (d->img)
		vdisk_close(d);
	mem_file_fini(&d->file);
	free(d->model);
	free(d->parent);
}

void vdisk_open(struct vdisk *d, bool writable)
{
	assert_null(d->img);
	assert_ok(image_open(open_io(d, writable), NULL, &d->img));
}

void vdisk_close(struct vdisk *d)
{
	struct image *img = d->img;

	d->img = NULL;
	assert_ok(image_close(img));
}

void vdisk_kill_copy(struct vdisk *to, const struct vdisk *from)
{
	memset(to, 0, sizeof *to);
	mem_file_init(&to->file);
	mem_file_copy(&to->file, &from->file);
	to->size = from->size;
	to->model = malloc(to->size);
	assert_non_null(to->model);
	memcpy(to->model, from->model, to->size);
	if (!from->parent)
		return;
	to->parent = malloc(to->size);
	assert_non_null(to->parent);
	memcpy(to->parent, from->parent, to->size);
}

void vdisk_open_fails(struct vdisk *d, bool writable, int code,
		      const char *text)
{
	struct io *io = open_io(d, writable);
	struct image *img = NULL;

	assert_errno(image_open(io, NULL, &img), code);
	if (!strstr(error_text(), text)) {
		print_error("expected \"%s\" in: %s\n", text, error_text());
		_fail(__FILE__, __LINE__);
	}
	io_close(io);
}

static void read_extent(struct vdisk *d, uint8_t *buf, uint64_t off,
			const struct extent *e)
{
	switch (e->kind) {
	case EXTENT_STORED:
		assert_ok(io_read_padded(d->img->io, buf, e->len, e->file_off));
		break;
	case EXTENT_ZERO:
		memset(buf, 0, e->len);
		break;
	case EXTENT_PARENT:
		assert_non_null(d->parent);
		memcpy(buf, d->parent + off, e->len);
		break;
	}
}

void vdisk_read(struct vdisk *d, void *buf, uint64_t off, uint64_t len)
{
	for (uint64_t done = 0; done < len;) {
		struct extent e;

		assert_ok(image_map(d->img, off + done, len - done, &e));
		read_extent(d, (uint8_t *)buf + done, off + done, &e);
		done += e.len;
	}
}

void vdisk_write(struct vdisk *d, uint64_t off, uint64_t len, uint8_t byte)
{
	memset(d->model + off, byte, len);
	assert_ok(image_write(d->img, d->model + off, off, len));
}

void vdisk_zero(struct vdisk *d, uint64_t off, uint64_t len, int flags)
{
	memset(d->model + off, 0, len);
	if (!d->parent || bytes_are_zero(d->parent + off, len))
		flags |= ZERO_BELOW;
	assert_ok(image_zero(d->img, off, len, flags));
}

void vdisk_flush(struct vdisk *d)
{
	assert_ok(image_flush(d->img));
}

void vdisk_end_writes(struct vdisk *d)
{
	assert_ok(image_end_writes(d->img));
}

void vdisk_compare(struct vdisk *d)
{
	enum { PIECE = 1 << 20 };
	uint8_t *buf = malloc(PIECE);

	for (uint64_t off = 0; off < d->size; off += PIECE) {
		uint64_t n = min_u64(PIECE, d->size - off);

		vdisk_read(d, buf, off, n);
		if (memcmp(buf, d->model + off, n) == 0)
			continue;
		for (uint64_t i = 0; i < n; i++) {
			if (buf[i] == d->model[off + i])
				continue;
			print_error("disk byte %" PRIu64
				    ": expected 0x%02x, found 0x%02x\n",
				    off + i, d->model[off + i], buf[i]);
			_fail(__FILE__, __LINE__);
		}
	}
	free(buf);
}

void vdisk_reopen_and_compare(struct vdisk *d)
{
	vdisk_close(d);
	vdisk_expect_undamaged(d);
	vdisk_open(d, false);
	vdisk_compare(d);
	vdisk_close(d);
}

static void step(struct vdisk *d, uint64_t *seed)
{
	uint64_t sector = d->img->sector_size;
	uint64_t off = random_next(seed) % d->size;
	uint64_t len = 1 + random_upto(seed, d->size - off - 1);
	unsigned what = random_next(seed) % 100;

	off = round_down(off, sector);
	len = min_u64(round_up(min_u64(len, 3 * M), sector), d->size - off);
	if (what < 60) {
		vdisk_write(d, off, len, random_next(seed));
	} else if (what < 75) {
		vdisk_zero(d, off, len, what < 67 ? ZERO_PUNCH : 0);
	} else if (what < 88) {
		/* Whole blocks. */
		off = round_down(off, min_u64(d->img->block_size, 4 * M));
		len = min_u64(d->size - off, d->img->block_size);
		vdisk_zero(d, off, len, what < 84 ? ZERO_PUNCH : 0);
	} else {
		vdisk_flush(d);
	}
}

void vdisk_exercise(struct vdisk *d, uint64_t *seed, unsigned count)
{
	while (count--)
		step(d, seed);
}

struct counting {
	struct check check; /* first */
	struct found found;
};

static void count_finding(struct check *check, const struct finding *f)
{
	struct found *found = &((struct counting *)check)->found;

	if (!found->damages && !found->leaks)
		snprintf(found->first, sizeof found->first,
			 "%s: expected %s, found %s", f->structure, f->expected,
			 f->found);
	found->damages += !f->leak;
	found->leaks += f->leak;
	found->repaired += f->repaired;
}

struct found vdisk_check(struct vdisk *d, bool repair)
{
	struct counting c = { .check = { .repair = repair,
					 .report = count_finding } };
	struct io *io = open_io(d, repair);

	assert_ok(image_check(io, &c.check));
	io_close(io);
	c.found.leaked = c.check.leaked;
	c.found.dirty = c.check.dirty;
	memcpy(c.found.pending, c.check.pending, sizeof c.found.pending);
	memcpy(c.found.remark, c.check.remark, sizeof c.found.remark);
	return c.found;
}

void vdisk_expect_undamaged(struct vdisk *d)
{
	struct found found = vdisk_check(d, false);

	if (!found.damages && !found.leaks)
		return;
	print_error(
		"expected an image without errors, found %u damages, %u leaks: %s\n",
		found.damages, found.leaks, found.first);
	_fail(__FILE__, __LINE__);
}

uint64_t vdisk_get64(const struct vdisk *d, uint64_t off)
{
	uint8_t raw[8];

	mem_file_peek(&d->file, raw, sizeof raw, off);
	return get_le64(raw);
}

void vdisk_put64(struct vdisk *d, uint64_t off, uint64_t value)
{
	uint8_t raw[8];

	put_le64(raw, value);
	mem_file_poke(&d->file, raw, sizeof raw, off);
}

void vdisk_put32(struct vdisk *d, uint64_t off, uint32_t value)
{
	uint8_t raw[4];

	put_le32(raw, value);
	mem_file_poke(&d->file, raw, sizeof raw, off);
}

void vdisk_put16(struct vdisk *d, uint64_t off, uint16_t value)
{
	uint8_t raw[2];

	put_le16(raw, value);
	mem_file_poke(&d->file, raw, sizeof raw, off);
}

void vdisk_sum(struct vdisk *d, uint64_t off, uint32_t len)
{
	uint8_t *buf = malloc(len);

	assert_non_null(buf);
	mem_file_peek(&d->file, buf, len, off);
	vdisk_put32(d, off + 4, crc32c_but(buf, len, 4));
	free(buf);
}

int vdisk_slot(const struct vdisk *d)
{
	return vdisk_get64(d, VHDX_HEADER_OFFSET(1) + VHDX_HEADER_SEQUENCE) >
	       vdisk_get64(d, VHDX_HEADER_OFFSET(0) + VHDX_HEADER_SEQUENCE);
}

struct guid vdisk_header_guid(const struct vdisk *d, unsigned field)
{
	uint8_t raw[16];

	mem_file_peek(&d->file, raw, sizeof raw,
		      VHDX_HEADER_OFFSET(vdisk_slot(d)) + field);
	return guid_from_le(raw);
}
