/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of targets, the targets that open and map one image, and functions
 * that all share. */
#include "config.h"

#include "fuzz/fuzz.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/registry.h"
#include "format/vhd-internal.h"
#include "format/vhdx-internal.h"
#include "unit/mem-count.h"

static struct sparse files[FAMILY_FILES];

void fuzz_broken(const char *fmt, ...)
{
	va_list ap;

	fputs("fuzz: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; last error of the library: %s\n", error_text());
	abort();
}

struct guid __wrap_guid_random(void);

/* Identifiers are constant, so that an input gives the same result in every
 * run. */
struct guid __wrap_guid_random(void)
{
	static uint64_t n;
	struct guid guid;

	put_le64(guid.b, ++n * 0x9e3779b97f4a7c15);
	put_le64(guid.b + 8, n * 0xbf58476d1ce4e5b9);
	return guid;
}

struct record record_get(const uint8_t *records, size_t i)
{
	const uint8_t *p = records + i * RECORD_SIZE;

	return (struct record){ p[0], p[1], get_le16(p + 2), get_le64(p + 4) };
}

/* The which-th of the families in the set of bits. */
static unsigned pick_family(unsigned which, unsigned families)
{
	which %= (unsigned)__builtin_popcount(families);
	while (which--)
		families &= families - 1;
	return (unsigned)__builtin_ctz(families);
}

void spoil(struct spoiled *s, const uint8_t *data, size_t size,
	   unsigned families, unsigned kinds)
{
	const struct image_family *family;
	uint8_t first[RECORD_SIZE] = { 0 };

	memset(s, 0, sizeof *s);
	memcpy(first, data, min_u64(size, sizeof first));
	s->first = record_get(first, 0);
	if (size > RECORD_SIZE) {
		s->records = data + RECORD_SIZE;
		s->n_records = size / RECORD_SIZE - 1;
	}
	family = image_family(pick_family(s->first.where, families));
	s->vhdx = family->vhdx;
	s->level = s->first.how % FAMILY_FILES;
	rootdir_mem_init(&s->rootdir);
	for (unsigned i = 0; i < FAMILY_FILES; i++) {
		sparse_copy(&files[i], &family->images[i].file);
		rootdir_mem_add_other(&s->rootdir, family->images[i].path,
				      sparse_open, &files[i]);
	}
	for (size_t i = 0; i < s->n_records; i++) {
		struct record record = record_get(s->records, i);

		if (record.where >> 6 < FAMILY_FILES)
			image_patch(&family->images[record.where >> 6],
				    &files[record.where >> 6], &record, kinds);
	}
	for (unsigned i = 0; i < FAMILY_FILES; i++)
		image_seal(s->vhdx, &files[i], s->first.off >> 3 * i);
}

struct sparse *spoiled_file(const struct spoiled *s, unsigned level)
{
	(void)s;
	return &files[level];
}

struct image *spoiled_open(struct spoiled *s, unsigned level, bool writable)
{
	struct image *img;
	struct io *io;

	if (sparse_open(&files[level], s->rootdir.files[level].path, writable,
			&io) < 0)
		fuzz_broken("no memory for a file");
	if (image_open(io, NULL, &img) == 0)
		return img;
	io_close(io);
	return NULL;
}

/* Data must not overlap a header or a table. */
static void look_at_place(struct image *img, const struct extent *e,
			  uint64_t off)
{
	bool vhdx = !strcmp(img->ops->name, "vhdx");
	const struct range *used =
		vhdx ? vhdx_of(img)->structures.used : vhd_of(img)->structures;
	size_t n =
		vhdx ? vhdx_of(img)->structures.n : vhd_of(img)->n_structures;

	if (strcmp(img->ops->name, "raw") == 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (ranges_overlap(e->file_off, e->len, used[i].off,
				   used[i].end - used[i].off))
			fuzz_broken("map at %" PRIu64 ": data at %" PRIu64
				    ", where a structure is",
				    off, e->file_off);
}

/* An extent must contain the offset that was asked for. */
static void look_at_extent(struct image *img, const struct extent *e,
			   uint64_t off, uint64_t len)
{
	if (!e->len || e->len > len)
		fuzz_broken("map of %" PRIu64 " bytes at %" PRIu64
			    " answers for %" PRIu64,
			    len, off, e->len);
	if ((e->len | off) % img->sector_size)
		fuzz_broken("map at %" PRIu64 ": part of a sector, %" PRIu64,
			    off, e->len);
	if (e->kind == EXTENT_STORED)
		look_at_place(img, e, off);
	if (e->kind == EXTENT_PARENT && img->type != IMAGE_DIFFERENCING)
		fuzz_broken("map at %" PRIu64 ": a parent that does not exist",
			    off);
}

static void mix(struct mapped *mapped, uint64_t value)
{
	mapped->hash = (mapped->hash ^ value) * 0x9e3779b97f4a7c15;
	mapped->hash ^= mapped->hash >> 29;
}

static bool map_one(struct image *img, uint64_t *off, uint64_t len,
		    struct mapped *mapped)
{
	struct extent e = { 0 };
	int r;

	image_lock_map(img);
	r = image_map(img, *off, len, &e);
	image_unlock_map(img);
	mix(mapped, *off);
	if (r < 0) {
		mapped->error = r;
		*off += min_u64(len, img->block_size ? img->block_size : len);
		return false;
	}
	look_at_extent(img, &e, *off, len);
	mix(mapped, e.kind);
	mix(mapped, e.len);
	mix(mapped, e.kind == EXTENT_STORED ? e.file_off : 0);
	mapped->n++;
	*off += e.len;
	return true;
}

struct mapped map_all(struct image *img)
{
	struct mapped mapped = { 0 };
	uint64_t off = 0;

	for (int i = 0; i < 64 && off < img->size; i++)
		map_one(img, &off, img->size - off, &mapped);
	/* The last sector, because a map may stop before it. */
	off = round_down(img->size - 1, img->sector_size);
	map_one(img, &off, img->size - off, &mapped);
	return mapped;
}

static void open_and_map(struct spoiled *s)
{
	struct image *img = spoiled_open(s, s->level, false);
	struct parent_ref ref = { 0 };

	if (!img)
		return;
	if (img->type == IMAGE_DIFFERENCING && image_parent(img, &ref) == 0)
		parent_ref_fini(&ref);
	map_all(img);
	image_close(img);
	if (files[s->level].n_writes)
		fuzz_broken("an image opened for reading was written");
}

/* A target that changes parts of some kinds of one image, and reads it. */
#define LOOKS_AT(name, families, kinds)                    \
	static void name(const uint8_t *data, size_t size) \
	{                                                  \
		struct spoiled s;                          \
                                                           \
		spoil(&s, data, size, families, kinds);    \
		open_and_map(&s);                          \
	}                                                  \
	struct looks_at_semicolon

LOOKS_AT(look_vhd_footer, 3, PART_FOOTER | PART_FILE);
LOOKS_AT(look_vhd_header, 3, PART_VHD_HEADER);
LOOKS_AT(look_vhd_map, 3, PART_VHD_TABLE);
LOOKS_AT(look_vhdx_header, 12, PART_VHDX_HEADER | PART_FILE);
LOOKS_AT(look_vhdx_region, 12, PART_REGION | PART_FILE);
LOOKS_AT(look_vhdx_metadata, 12, PART_META | PART_LOCATOR);
LOOKS_AT(look_vhdx_map, 12, PART_VHDX_TABLE);

const struct fuzz_target fuzz_targets[] = {
	{ "vhd-footer", look_vhd_footer, true },
	{ "vhd-header", look_vhd_header, true },
	{ "vhd-map", look_vhd_map, true },
	{ "vhdx-header", look_vhdx_header, true },
	{ "vhdx-log", fuzz_log, true },
	{ "vhdx-region", look_vhdx_region, true },
	{ "vhdx-metadata", look_vhdx_metadata, true },
	{ "vhdx-locator", fuzz_locator, false },
	{ "vhdx-map", look_vhdx_map, true },
	{ "probe", fuzz_probe, false },
	{ "check", fuzz_check, true },
	{ "chain", fuzz_chain, true },
	{ "fleet-conf", fuzz_conf, false },
	{ NULL, NULL, false },
};

const struct fuzz_target *fuzz_target(const char *name)
{
	for (const struct fuzz_target *t = fuzz_targets; t->name; t++)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

void fuzz_run(const struct fuzz_target *target, const uint8_t *data,
	      size_t size)
{
	/* The images are made before, not within, the first run. */
	for (unsigned i = 0; i < FAMILIES; i++)
		image_family(i);
	mem_count_start();
	target->run(data, size);
	if (mem_count_peak() > FUZZ_MEMORY_MAX)
		fuzz_broken("expected at most %zu bytes of memory, found %zu",
			    FUZZ_MEMORY_MAX, mem_count_peak());
}
