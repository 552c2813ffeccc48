/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/disks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/error.h"
#include "io/io-file.h"

void store_open(struct store *store, const char *dir)
{
	assert_ok(place_init(&store->place, dir, true));
	assert_ok(family_new(&store->place, 1, &store->family));
}

void store_close(struct store *store)
{
	family_free(store->family);
	place_fini(&store->place);
}

static const char *path_in(const char *dir, const char *name, char *buf,
			   size_t size)
{
	snprintf(buf, size, "%s/%s", dir, name);
	return buf;
}

const struct image_ops *disk_format(const char *name)
{
	const char *dot = strrchr(name, '.');

	if (!strcasecmp(dot, ".vhdx") || !strcasecmp(dot, ".avhdx"))
		return &vhdx_ops;
	return !strcasecmp(dot, ".raw") ? &raw_ops : &vhd_ops;
}

void disk_create(const char *dir, const char *name,
		 const struct image_params *params)
{
	char path[512];
	struct io *io;

	assert_ok(io_file_create(path_in(dir, name, path, sizeof path), &io));
	assert_ok(image_create(io, disk_format(name), params));
	io_close(io);
}

void disk_create_child(const char *dir, const char *name, const char *parent,
		       const char *parent_relative, uint64_t block_size)
{
	char path[512];
	struct image_params params = { .type = IMAGE_DIFFERENCING,
				       .block_size = block_size };
	struct image *img;
	struct io *io;

	path_in(dir, parent, path, sizeof path);
	assert_ok(io_file_open(path, false, &io));
	assert_ok(image_open(io, NULL, &img));
	params.parent = img;
	params.parent_relative = parent_relative;
	params.parent_absolute = path;
	disk_create(dir, name, &params);
	image_close(img);
}

struct chain *disk_open(struct store *store, const char *name, int flags)
{
	struct chain *chain = NULL;

	assert_ok(chain_open(store->family, name, flags, &chain));
	return chain;
}

static void report_damage(struct check *check, const struct finding *f)
{
	(void)check;
	if (f->leak)
		return;
	print_error("check: %s at %" PRIu64 ": expected %s, found %s\n",
		    f->structure, f->offset, f->expected, f->found);
	_fail(__FILE__, __LINE__);
}

void disk_check(const char *dir, const char *name)
{
	struct check check = { .report = report_damage };
	char path[512];
	struct io *io;

	assert_ok(io_file_open(path_in(dir, name, path, sizeof path), false,
			       &io));
	assert_ok(image_check(io, &check));
	io_close(io);
}

void model_init(struct model *model, uint64_t size)
{
	model->size = size;
	model->bytes = calloc(1, size);
	assert_non_null(model->bytes);
}

struct model model_copy(const struct model *model)
{
	struct model copy;

	model_init(&copy, model->size);
	memcpy(copy.bytes, model->bytes, model->size);
	return copy;
}

void model_fini(struct model *model)
{
	free(model->bytes);
}

/* Names the first byte that differs. */
static void compare_bytes(const uint8_t *want, const uint8_t *have, size_t len,
			  uint64_t off)
{
	for (size_t i = 0; i < len; i++) {
		if (want[i] == have[i])
			continue;
		print_error("disk byte %" PRIu64 " (sector %" PRIu64
			    "): expected 0x%02x, found 0x%02x\n",
			    off + i, (off + i) / 512, want[i], have[i]);
		_fail(__FILE__, __LINE__);
	}
}

static void compare_range(const struct model *model, struct chain *chain,
			  uint64_t off, size_t len)
{
	uint8_t *have = malloc(len + 1);

	assert_ok(chain_read(chain, have, off, len));
	if (memcmp(have, model->bytes + off, len) != 0)
		compare_bytes(model->bytes + off, have, len, off);
	free(have);
}

void model_compare(const struct model *model, struct chain *chain)
{
	static const size_t pieces[] = { 1 << 20, 65519, 4096 };

	assert_int_equal(chain_size(chain), model->size);
	for (unsigned i = 0; i < 3; i++)
		for (uint64_t off = 0; off < model->size; off += pieces[i])
			compare_range(model, chain, off,
				      min_u64(pieces[i], model->size - off));
}

static void write_random(struct model *model, struct chain *chain,
			 uint64_t *seed, uint64_t off, size_t len)
{
	/* Long runs of zeros are as usual on a disk as data. */
	if (random_next(seed) % 8 == 0)
		memset(model->bytes + off, 0, len);
	else
		for (size_t i = 0; i < len; i++)
			model->bytes[off + i] = (uint8_t)random_next(seed);
	assert_ok(chain_write(chain, model->bytes + off, off, len));
}

static void step(struct model *model, struct chain *chain, uint64_t *seed)
{
	uint64_t off = random_next(seed) % model->size;
	uint64_t len = random_upto(seed, min_u64(model->size - off, 3 << 19));
	unsigned what = random_next(seed) % 100;

	/* Most requests are of whole sectors, as an initiator's are. */
	if (random_next(seed) % 4) {
		off = round_down(off, 4096);
		len = round_up(len, 4096);
		len = min_u64(len, model->size - off);
	}
	if (what < 50) {
		write_random(model, chain, seed, off, len);
	} else if (what < 65) {
		memset(model->bytes + off, 0, len);
		assert_ok(chain_zero(chain, off, len, what < 60));
	} else if (what < 68) {
		/* Whole blocks go, not only parts of them. */
		off = round_down(off, 1 << 20);
		len = min_u64(model->size - off, 2 << 20);
		memset(model->bytes + off, 0, len);
		assert_ok(chain_zero(chain, off, len, true));
	} else if (what < 75) {
		assert_ok(chain_flush(chain));
	} else {
		compare_range(model, chain, off, len);
	}
}

void model_exercise(struct model *model, struct chain *chain, uint64_t *seed,
		    unsigned count)
{
	while (count--)
		step(model, chain, seed);
}
