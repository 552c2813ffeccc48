/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check and check --repair of one image with any content.
 *
 * check writes nothing.  A damage that was repaired is not found again; an
 * image without errors stays so and shows the same disk; an image that opened
 * opens after a repair.
 */
#include "config.h"

#include "fuzz/fuzz.h"

#include <string.h>

#include "base/error.h"
#include "format/registry.h"

struct counting {
	struct check check; /* first */
	int damages, repaired;
};

static void count(struct check *check, const struct finding *finding)
{
	struct counting *c = (struct counting *)check;

	if (!finding->structure || !finding->expected || !finding->found)
		fuzz_broken("a finding without a text");
	c->damages += !finding->leak;
	c->repaired += finding->repaired && !finding->leak;
}

static int check(struct spoiled *s, unsigned level, bool repair,
		 struct counting *ret)
{
	struct sparse *file = spoiled_file(s, level);
	struct io *io;
	int r;

	memset(ret, 0, sizeof *ret);
	ret->check.repair = repair;
	ret->check.report = count;
	if (sparse_open(file, s->rootdir.files[level].path, repair, &io) < 0)
		fuzz_broken("no memory for a file");
	r = image_check(io, &ret->check);
	io_close(io);
	return r;
}

int fuzz_check_file(struct spoiled *s, unsigned level, bool repair)
{
	struct counting found;
	int r = check(s, level, repair, &found);

	return r < 0 ? r : found.damages;
}

static struct mapped look(struct spoiled *s, bool *ret_opens)
{
	struct image *img = spoiled_open(s, s->level, false);
	struct mapped mapped = { 0 };

	*ret_opens = img;
	if (!img)
		return mapped;
	mapped = map_all(img);
	image_close(img);
	return mapped;
}

/* A second repair may still free space, if a damage of the first check
 * prevented that. */
static void look_after_repair(struct spoiled *s, const struct counting *first)
{
	struct counting again;
	int r = check(s, s->level, true, &again);

	if (r == 0 && again.repaired)
		fuzz_broken("a second repair mends %d more, after %d of %d",
			    again.repaired, first->repaired, first->damages);
}

void fuzz_check(const uint8_t *data, size_t size)
{
	struct counting sound, mended;
	struct mapped before, after;
	bool opened, opens;
	struct spoiled s;
	int r;

	spoil(&s, data, size, 15, PART_ALL);
	before = look(&s, &opened);
	r = check(&s, s.level, false, &sound);
	if (spoiled_file(&s, s.level)->n_writes)
		fuzz_broken("a check without repair wrote");
	if (r == 0 && !sound.damages && opened && before.error)
		fuzz_broken("an image without errors cannot be mapped");
	r = check(&s, s.level, true, &mended);
	after = look(&s, &opens);
	if (opened && !opens)
		fuzz_broken("an image does not open after a repair");
	if (r == 0 && opened && !sound.damages && before.hash != after.hash)
		fuzz_broken(
			"a repair of an image without errors changed the disk");
	if (r == 0)
		look_after_repair(&s, &mended);
}
