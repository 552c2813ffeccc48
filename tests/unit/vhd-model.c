/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VHD image and its model: random writes, and a comparison. */
#include "config.h"

#include "unit/unit.h"
#include "unit/vhd-model.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "format/registry.h"
#include "io/io-file.h"

void vhd_model_open(struct vhd_model *m)
{
	struct io *io;

	if (m->file) {
		m->img = vhd_open_file(m->file, true);
		return;
	}
	assert_ok(io_file_open(m->path, true, &io));
	assert_ok(image_open(io, NULL, &m->img));
}

void vhd_model_init(struct vhd_model *m, enum image_type type, uint64_t size,
		    uint64_t block_size)
{
	struct mem_file made;
	struct io *io;

	m->size = size;
	m->disk = calloc(1, size);
	if (type == IMAGE_DIFFERENCING) {
		m->parent = calloc(1, size);
		vhd_fill(m->parent, size / 2, 0, 200);
		memcpy(m->disk, m->parent, size);
	}
	mem_file_init(&made);
	vhd_make(&made, type, size, block_size);
	if (m->file) {
		mem_file_copy(m->file, &made);
	} else {
		_cleanup_free_ uint8_t *all = malloc(made.size);

		mem_file_peek(&made, all, made.size, 0);
		unlink(m->path);
		io = create_file(m->path);
		assert_ok(io_write(io, all, made.size, 0));
		io_close(io);
	}
	mem_file_fini(&made);
	vhd_model_open(m);
}

void vhd_model_fini(struct vhd_model *m)
{
	assert_ok(image_close(m->img));
	free(m->disk);
	free(m->parent);
}

void vhd_model_compare(struct vhd_model *m)
{
	_cleanup_free_ uint8_t *got = malloc(m->size);

	vhd_read_disk(m->img, m->parent, got, 0, m->size);
	for (uint64_t off = 0; off < m->size; off += 512)
		if (memcmp(got + off, m->disk + off, 512))
			vhd_fail_test(
				"sector %u differs: expected %02x, found %02x",
				(unsigned)(off / 512), m->disk[off], got[off]);
}

void vhd_model_write(struct vhd_model *m, uint64_t off, size_t len, uint8_t tag)
{
	vhd_fill(m->disk + off, len, off, tag);
	assert_ok(image_write(m->img, m->disk + off, off, len));
}

void vhd_model_zero(struct vhd_model *m, uint64_t off, uint64_t len, int flags)
{
	memset(m->disk + off, 0, len);
	if (m->parent && !bytes_are_zero(m->parent + off, len))
		flags &= ~ZERO_BELOW;
	assert_ok(image_zero(m->img, off, len, flags));
}

static void fail_on_finding(struct check *check, const struct finding *f)
{
	(void)check;
	vhd_fail_test("check found %s: expected %s, found %s", f->structure,
		      f->expected, f->found);
}

void vhd_model_reopen(struct vhd_model *m)
{
	struct check check = { .report = fail_on_finding };
	struct io *io;

	vhd_model_compare(m);
	assert_ok(image_close(m->img));
	if (m->file) {
		vhd_assert_clean(m->file);
	} else {
		assert_ok(io_file_open(m->path, false, &io));
		assert_ok(image_check(io, &check));
		io_close(io);
	}
	vhd_model_open(m);
	vhd_model_compare(m);
}
