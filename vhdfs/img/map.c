/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhdfs-img map: the extents of the merged disk, and the file that stores each.
 * A disk may have millions of extents: each is printed as soon as it is found.
 */
#include "config.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/printable.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "io/io-file.h"

/* Length of one query, in bytes.  Extents are joined across queries. */
#define MAP_STEP GIB(64)

struct printer {
	bool json;
	const struct chain *chain;
	bool any; /* at least one extent was printed */
};

static void print_json(struct printer *p, uint64_t start,
		       const struct chain_extent *e)
{
	printf("%s{\"start\": %" PRIu64 ", \"length\": %" PRIu64
	       ", \"depth\": %s, \"zero\": %s, \"data\": %s, \"offset\": %s}",
	       p->any ? ",\n " : "", start, e->len,
	       e->depth < 0 ? "null" : format_arg("%d", e->depth),
	       e->zero ? "true" : "false", e->zero ? "false" : "true",
	       e->zero ? "null" : format_arg("%" PRIu64, e->file_off));
}

static void print_row(struct printer *p, uint64_t start,
		      const struct chain_extent *e)
{
	if (!p->any)
		printf("%16s %16s %5s %4s %16s  %s\n", "START", "LENGTH",
		       "DEPTH", "KIND", "OFFSET", "FILE");
	print_line(stdout, "%16" PRIu64 " %16" PRIu64 " %5s %4s %16s  %s",
		   start, e->len,
		   e->depth < 0 ? "-" : format_arg("%d", e->depth),
		   e->zero ? "zero" : "data",
		   e->zero ? "-" : format_arg("%" PRIu64, e->file_off),
		   e->zero ? "-" : chain_path(p->chain, (unsigned)e->depth));
}

static void print_extent(struct printer *p, uint64_t start,
			 const struct chain_extent *e)
{
	if (p->json)
		print_json(p, start, e);
	else
		print_row(p, start, e);
	p->any = true;
}

static bool joins(const struct chain_extent *a, const struct chain_extent *b)
{
	return a->zero == b->zero && a->depth == b->depth &&
	       (a->zero || a->file_off + a->len == b->file_off);
}

static int print_extents(struct printer *p, struct chain *chain)
{
	struct chain_extent joined = { 0 }, next;
	uint64_t size = chain_size(chain), start = 0;

	for (uint64_t off = 0; off < size; off += next.len) {
		int r = chain_map(chain, off, min_u64(size - off, MAP_STEP),
				  &next);

		if (r < 0)
			return r;
		if (joined.len && joins(&joined, &next)) {
			joined.len += next.len;
			continue;
		}
		if (joined.len)
			print_extent(p, start, &joined);
		joined = next;
		start = off;
	}
	if (joined.len)
		print_extent(p, start, &joined);
	return 0;
}

/* Another process may change the image after it was read. */
static int note_holder(const struct chain *chain, const char *name)
{
	char holder[80];
	int r = io_file_in_use(chain_leaf(chain)->io, holder, sizeof holder);

	if (r > 0)
		print_line(stderr,
			   "vhdfs-img: %s: in use%s; the map may be outdated",
			   name, holder);
	return r;
}

static int map(struct chain *chain, const char *name, bool json)
{
	struct printer p = { .json = json, .chain = chain };
	int r = note_holder(chain, name);

	if (r < 0)
		return r;
	if (json)
		putchar('[');
	r = print_extents(&p, chain);
	if (json && r == 0)
		puts("]");
	return r;
}

static int run_map(const struct command_line *line)
{
	const char *image = line->operands[0];
	_cleanup_(image_roots_fini) struct image_roots roots = { 0 };
	_cleanup_(chain_close_p) struct chain *chain = NULL;
	int r = image_roots_init(&roots, line);

	if (r == 0)
		r = image_roots_open(&roots, image, CHAIN_NO_LOCK, &chain);
	if (r == 0)
		r = map(chain, image, line->json);
	return r < 0 ? failed() : CLI_DONE;
}

static const struct cli_option options[] = {
	CLI_FLAG(json, "json", "print a JSON array"),
	CLI_END,
};

const struct cli_command map_command = {
	.name = "map",
	.summary = "show which file holds which part of the disk",
	.options = options,
	.operands = { "IMAGE", 1, 1, "<file>" },
	.run = run_map,
};
