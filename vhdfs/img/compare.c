/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhdfs-img compare: the first difference between two disks.
 *
 * A disk reads as zeros beyond its end, so disks of different sizes can be
 * equal; --strict compares sizes, and which ranges are stored, too.  A range
 * that both disks have from the same place of the same file is not read.
 */
#include "config.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "chain/difference.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "base/progress.h"
#include "img/source.h"

#define STEP MIB(256) /* of one call, so that progress is shown */

enum found { EQUAL, CONTENTS, SIZE, ALLOCATION };

struct result {
	enum found found;
	uint64_t off; /* of the first difference, bytes; SIZE: the smaller size
		       */
};

static int take_first(void *arg, const struct difference *d)
{
	struct result *ret = arg;
	size_t i = 0;

	while (d->a[i] == d->b[i])
		i++;
	*ret = (struct result){ CONTENTS, d->off + i };
	return 1;
}

/* The first offset of [off, end) that only one of the disks stores. */
static int compare_allocation(struct chain *a, struct chain *b, uint64_t off,
			      uint64_t end, struct result *ret)
{
	while (off < end) {
		struct chain_extent in_a, in_b;
		bool equal;
		int r = chain_map_both(a, b, off, end - off, &in_a, &in_b,
				       &equal);

		if (r < 0)
			return r;
		if (in_a.zero != in_b.zero) {
			*ret = (struct result){ ALLOCATION, off };
			return 1;
		}
		off += in_a.len;
	}
	return 0;
}

/* Returns 0 or 1 (*ret has the first difference), or an error. */
static int compare(struct chain *a, struct chain *b, bool strict,
		   struct result *ret)
{
	uint64_t size_a = chain_size(a), size_b = chain_size(b);
	uint64_t end = max_u64(size_a, size_b);
	struct progress progress;
	int r = 0;

	*ret = (struct result){ EQUAL, 0 };
	if (strict && size_a != size_b) {
		*ret = (struct result){ SIZE, min_u64(size_a, size_b) };
		return 1;
	}
	progress_init(&progress, end);
	for (uint64_t off = 0, next; r == 0 && off < end; off = next) {
		next = min_u64(end, off + STEP);
		r = chain_differences(a, b, off, next, take_first, ret);
		if (r == 0 && strict)
			r = compare_allocation(a, b, off, next, ret);
		progress_at(&progress, next);
	}
	progress_end(&progress);
	return r;
}

static const char *const found_words[] = {
	[EQUAL] = "equal",
	[CONTENTS] = "contents",
	[SIZE] = "size",
	[ALLOCATION] = "allocation",
};

static int print_json(const struct result *result)
{
	bool equal = result->found == EQUAL;
	json_t *json = json_pack(
		"{sb so so}", "equal", equal, "difference",
		equal ? json_null() : json_string(found_words[result->found]),
		"offset",
		equal ? json_null() : json_integer((json_int_t)result->off));
	int r = json_print(json);

	json_decref(json);
	return r;
}

static void print_text(char *const *names, const struct result *result)
{
	switch (result->found) {
	case EQUAL:
		print_line(stdout, "%s and %s: equal", names[0], names[1]);
		break;
	case SIZE:
		print_line(stdout, "%s and %s: the sizes differ", names[0],
			   names[1]);
		break;
	case CONTENTS:
	case ALLOCATION:
		print_line(stdout,
			   "%s and %s: first difference in %s at offset "
			   "%" PRIu64 " (sector %" PRIu64 ")",
			   names[0], names[1], found_words[result->found],
			   result->off, result->off / 512);
	}
}

static int open_both(const struct image_roots *roots, char *const *names,
		     struct chain **ret_a, struct chain **ret_b)
{
	int r = source_open(roots, names[0], ret_a);

	return r < 0 ? r : source_open(roots, names[1], ret_b);
}

/* 2, not 1, where no comparison was made: as cmp and qemu-img. */
static int run_compare(const struct command_line *line)
{
	struct image_roots roots = { 0 };
	struct chain *a = NULL, *b = NULL;
	struct result result;
	int r = image_roots_init(&roots, line), status = CLI_DONE;

	if (r == 0)
		r = open_both(&roots, line->operands, &a, &b);
	if (r == 0)
		r = compare(a, b, line->strict, &result);
	if (r >= 0)
		status = r == 0 ? CLI_DONE : STATUS_DIFFERENT;
	if (r >= 0 && !line->json)
		print_text(line->operands, &result);
	else if (r >= 0)
		r = print_json(&result);
	if (r < 0)
		failed();
	if (a)
		chain_close(a);
	if (b)
		chain_close(b);
	image_roots_fini(&roots);
	return r < 0 ? STATUS_TROUBLE : status;
}

static const struct cli_option options[] = {
	CLI_LETTER(strict, 's', "strict",
		   "the sizes and the stored ranges must be equal, too"),
	CLI_FLAG(json, "json", "print a JSON object"),
	CLI_END,
};

const struct cli_command compare_command = {
	.name = "compare",
	.summary = "find the first difference between two disks",
	.notes = "Exit status: 0 equal, 1 different, 2 not compared.",
	.options = options,
	.operands = { "IMAGE IMAGE", 2, 2, "<file>" },
	.run = run_compare,
};
