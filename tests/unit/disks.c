/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks for tests: images in a directory, and their models. */
#include "unit/disks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/registry.h"
#include "io/io-file.h"

void store_open(struct store *store, const char *dir)
{
	assert_ok(root_dir_init(&store->rootdir, dir));
	assert_ok(parent_cache_new(&store->rootdir, 1, &store->cache));
}

void store_close(struct store *store)
{
	parent_cache_free(store->cache);
	root_dir_fini(&store->rootdir);
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
	struct io *io = create_file(path_in(dir, name, path, sizeof path));

	assert_ok(image_create(io, disk_format(name), params));
	io_close(io);
}

void disk_create_child(const char *dir, const char *name, const char *parent,
		       const char *parent_relative, uint64_t block_size)
{
	disk_create_resized(dir, name, parent, parent_relative, block_size, 0);
}

void disk_create_resized(const char *dir, const char *name, const char *parent,
			 const char *parent_relative, uint64_t block_size,
			 uint64_t size)
{
	char path[512];
	struct image_params params = { .type = IMAGE_DIFFERENCING,
				       .size = size,
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

	assert_ok(chain_open(store->cache, name, flags, &chain));
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
	*model = (struct model){ .size = size };
	model->bytes = calloc(1, size);
	assert_non_null(model->bytes);
}

void model_resize(struct model *model, uint64_t size)
{
	struct model other;

	model_init(&other, size);
	other.edge = min_u64(size, model->size);
	memcpy(other.bytes, model->bytes, other.edge);
	model_fini(model);
	*model = other;
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

/* Fails the test at the first byte that differs. */
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

void model_compare_map(const struct model *model, struct chain *chain)
{
	struct chain_extent e;

	for (uint64_t off = 0; off < model->size; off += e.len) {
		uint8_t *have;

		assert_ok(chain_map(chain, off,
				    min_u64(model->size - off, 3 << 20), &e));
		have = calloc(1, e.len);
		if (!e.zero)
			assert_ok(
				io_read_padded(e.io, have, e.len, e.file_off));
		compare_bytes(model->bytes + off, have, e.len, off);
		free(have);
	}
}

static void write_random(struct model *model, struct chain *chain,
			 uint64_t *seed, uint64_t off, size_t len)
{
	/* Ranges of zeros are common on disks. */
	if (random_next(seed) % 8 == 0)
		memset(model->bytes + off, 0, len);
	else
		for (size_t i = 0; i < len; i++)
			model->bytes[off + i] = (uint8_t)random_next(seed);
	assert_ok(chain_write(chain, model->bytes + off, off, len));
}

/* A short range that begins within 32 KiB of the edge. */
static void at_edge(const struct model *model, uint64_t *seed,
		    uint64_t *ret_off, uint64_t *ret_len)
{
	uint64_t start = model->edge - min_u64(model->edge, KIB(32));

	start += random_upto(seed, KIB(64));
	*ret_off = min_u64(start, model->size - 1);
	*ret_len = min_u64(random_upto(seed, KIB(48)), model->size - *ret_off);
}

/* Writes with a flush after each, which cause copy-up. */
static void write_synced(struct model *model, struct chain *chain,
			 uint64_t *seed)
{
	for (int i = 0; i < 3; i++) {
		uint64_t off = random_next(seed) % model->size;
		uint64_t len =
			min_u64(random_upto(seed, 8192), model->size - off);

		if (model->edge && random_next(seed) % 2)
			at_edge(model, seed, &off, &len);
		write_random(model, chain, seed, off, len);
		assert_ok(chain_flush(chain));
	}
}

static void step(struct model *model, struct chain *chain, uint64_t *seed)
{
	uint64_t off = random_next(seed) % model->size;
	uint64_t len = random_upto(seed, min_u64(model->size - off, 3 << 19));
	unsigned what = random_next(seed) % 100;

	if (model->edge && random_next(seed) % 5 == 0)
		at_edge(model, seed, &off, &len);
	/* Most requests are aligned, as those of an initiator. */
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
		/* Punch whole blocks. */
		off = round_down(off, 1 << 20);
		len = min_u64(model->size - off, 2 << 20);
		memset(model->bytes + off, 0, len);
		assert_ok(chain_zero(chain, off, len, true));
	} else if (what < 75) {
		assert_ok(chain_flush(chain));
	} else if (what < 80) {
		write_synced(model, chain, seed);
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
