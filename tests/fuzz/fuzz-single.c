/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Targets other than "spoil a part, open, map". */
#include "config.h"

#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "format/registry.h"
#include "format/vhdx-internal.h"
#include "tgt-glue/config/read.h"

/* Hashes region tables, metadata and the BAT, with the log applied. */
static uint64_t hash_tables(struct image *img)
{
	struct vhdx *v = vhdx_of(img);
	const uint64_t roots[] = { VHDX_REGION_TABLE_OFFSET(0),
				   VHDX_REGION_TABLE_OFFSET(1), v->metadata.off,
				   v->bat.off };
	static uint8_t buf[64 * 1024];
	uint64_t hash = 0;

	for (unsigned i = 0; i < 4; i++)
		if (vhdx_read_tables(v, buf, sizeof buf, roots[i]) == 0)
			hash = hash * 31 + crc32c(buf, sizeof buf);
	return hash;
}

/*
 * An open for reading, which applies the log in memory, and an open for
 * writing, which replays it, show the same disk; after a failed replay the
 * image still opens and shows it.
 */
void fuzz_log(const uint8_t *data, size_t size)
{
	uint64_t before_tables, after_tables;
	struct mapped before, after;
	struct spoiled s;
	struct image *img;

	spoil(&s, data, size, 12, PART_LOG | PART_VHDX_HEADER | PART_FILE);
	img = spoiled_open(&s, s.level, false);
	if (!img)
		return;
	before = map_all(img);
	before_tables = hash_tables(img);
	image_close(img);
	img = spoiled_open(&s, s.level, true);
	if (img) {
		if (img->dirty)
			fuzz_broken("a log was not replayed");
		image_close(img);
	}
	img = spoiled_open(&s, s.level, false);
	if (!img)
		fuzz_broken("an image that opened does not open any more");
	after = map_all(img);
	after_tables = hash_tables(img);
	if (before.hash != after.hash || before_tables != after_tables)
		fuzz_broken("a log that was replayed shows another disk");
	image_close(img);
}

/* The locator item alone, without the rest of the image; and its text. */
void fuzz_locator(const uint8_t *data, size_t size)
{
	struct io io = { .name = (char *)"locator" };
	struct parent_ref ref = { 0 };
	/* On the heap, where a sanitizer finds an overrun. */
	uint8_t *item = malloc(size ? size : 1);

	if (!item)
		return;
	memcpy(item, data, size);
	if (vhdx_locator_parse(&io, item, size, 0, &ref) == 0)
		parent_ref_fini(&ref);
	free(item);
}

/* The first half of the input is the start of a file, the second its end;
 * between them is a hole. */
void fuzz_probe(const uint8_t *data, size_t size)
{
	static struct sparse file;
	const char *const names[] = { "a", "a.vhd", "a.vhdx" };
	size_t first;

	if (size < 2)
		return;
	first = min_u64(size - 2, data[0] * 8);
	sparse_reset(&file);
	sparse_poke(&file, data + 2, first, 0);
	sparse_poke(&file, data + 2 + first, size - 2 - first,
		    first + ((uint64_t)data[1] << 10));
	image_seal(false, &file, 0);
	for (unsigned i = 0; i < 3; i++) {
		const struct image_ops *ops;
		struct image *img;
		struct io *io;

		if (sparse_open(&file, names[i], false, &io) < 0)
			return;
		image_format_probe(io, &ops);
		if (image_open(io, NULL, &img) == 0) {
			map_all(img);
			image_close(img);
		} else {
			io_close(io);
		}
	}
}

/* fleet.conf: its mistakes are reported, and nothing else happens. */
void fuzz_conf(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fleet.conf", MFD_CLOEXEC);
	struct conf conf = { 0 };
	char path[64];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		fuzz_broken("no file in memory");
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	(void)conf_read(path, &conf);
	conf_fini(&conf);
	close(fd);
}
