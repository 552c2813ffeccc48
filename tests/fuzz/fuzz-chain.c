/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole chain: three images, each spoiled; the input says in which order it
 * is opened, read, written, zeroed, flushed, closed and opened again.
 *
 * With any content the parents are not written.  If check finds no errors in
 * all three, the disk must also behave as one: every byte reads as it was last
 * written, and other bytes do not change (a model of the sectors that were
 * used), until the file is full.
 */
#include "config.h"

#include "fuzz/fuzz.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

enum { SECTOR = 512, LEN_MAX = 64 * 1024 };
#define MODEL_MAX MIB(8)

static struct model {
	bool strict; /* the model is valid */
	uint8_t known[MODEL_MAX / SECTOR];
	uint8_t bytes[MODEL_MAX];
} model;

struct run {
	struct spoiled s;
	struct parent_cache *cache;
	struct chain *chain; /* null: closed, or it does not open */
	bool writable;
	uint64_t off;
	size_t len;
	uint8_t byte;
};

/* An image without errors may lack space, or the means to be written: a log, a
 * next number. */
static void lose_trust(int r)
{
	if (r < 0 && model.strict && r != -ENOSPC && r != -EFBIG &&
	    r != -EOPNOTSUPP)
		fuzz_broken("a disk without errors fails with %d", r);
	if (r < 0)
		model.strict = false;
}

/* Reads the sectors of the range that the model does not have yet. */
static void learn(struct run *run, uint64_t off, size_t len)
{
	uint64_t first = off / SECTOR, n;
	uint64_t end = div_up(off + len, SECTOR);

	for (; model.strict && first < end; first += n) {
		for (n = 0; first + n < end && !model.known[first + n]; n++)
			model.known[first + n] = 1;
		if (n)
			lose_trust(chain_read(run->chain,
					      model.bytes + first * SECTOR,
					      first * SECTOR, n * SECTOR));
		else
			n = 1;
	}
}

/* Also some sectors next to the range, which must not change. */
static void learn_around(struct run *run, uint64_t len)
{
	uint64_t from = run->off - min_u64(run->off, 8 * SECTOR);
	uint64_t end =
		min_u64(run->off + len + 8 * SECTOR, chain_size(run->chain));

	learn(run, from, end - from);
}

static void compare(const uint8_t *found, uint64_t off, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (found[i] != model.bytes[off + i])
			fuzz_broken("byte %" PRIu64
				    " of a disk without errors: "
				    "expected 0x%02x, found 0x%02x",
				    off + i, model.bytes[off + i], found[i]);
}

static void do_read(struct run *run)
{
	static uint8_t buf[LEN_MAX];
	int r;

	learn(run, run->off, run->len);
	r = chain_read(run->chain, buf, run->off, run->len);
	lose_trust(r);
	if (model.strict)
		compare(buf, run->off, run->len);
}

static void do_write(struct run *run)
{
	static uint8_t buf[LEN_MAX];

	if (!run->writable)
		return;
	learn_around(run, run->len);
	memset(buf, run->byte, run->len);
	lose_trust(chain_write(run->chain, buf, run->off, run->len));
	if (model.strict)
		memcpy(model.bytes + run->off, buf, run->len);
}

static void do_zero(struct run *run, bool punch)
{
	/* Also whole blocks. */
	uint64_t len = min_u64((uint64_t)run->len << run->byte % 8,
			       chain_size(run->chain) - run->off);

	if (!run->writable)
		return;
	learn_around(run, len);
	lose_trust(chain_zero(run->chain, run->off, len, punch));
	if (model.strict)
		memset(model.bytes + run->off, 0, len);
}

static void do_map(struct run *run)
{
	struct chain_extent e;
	uint64_t len = chain_size(run->chain) - run->off;

	if (chain_map(run->chain, run->off, len, &e) < 0)
		return;
	if (!e.len || e.len > len)
		fuzz_broken("a map answers for %" PRIu64 " of %" PRIu64, e.len,
			    len);
	if (e.depth > (int)chain_depth(run->chain) || (!e.zero && !e.io))
		fuzz_broken("a map answers with depth %d", e.depth);
}

static void do_close(struct run *run)
{
	if (run->chain)
		lose_trust(chain_close(run->chain));
	run->chain = NULL;
}

static void do_open(struct run *run, bool writable)
{
	int flags = (writable ? CHAIN_WRITABLE : 0) |
		    (run->byte & 2 ? CHAIN_NO_LOCK : 0);
	unsigned level = run->s.level;

	do_close(run);
	run->writable = writable;
	if (chain_open(run->cache, run->s.rootdir.files[level].path, flags,
		       &run->chain) < 0)
		run->chain = NULL;
	if (!run->chain && model.strict)
		fuzz_broken("a chain without errors does not open");
	if (run->chain && chain_size(run->chain) > MODEL_MAX)
		model.strict = false;
}

static void do_it(struct run *run, unsigned what)
{
	switch (what) {
	case 0:
	case 1:
		do_zero(run, what);
		break;
	case 2:
		lose_trust(chain_flush(run->chain));
		break;
	case 3:
		lose_trust(chain_end_writes(run->chain));
		break;
	case 4:
		do_map(run);
		break;
	case 5:
	case 6:
	case 7:
	case 8:
		do_read(run);
		break;
	default:
		do_write(run);
	}
}

static void step(struct run *run, const struct record *record)
{
	uint64_t size;

	run->byte = record->how;
	if (!run->chain || (record->where & 15) >= 14) {
		do_open(run, record->where & 1);
		return;
	}
	size = chain_size(run->chain);
	run->off = record->value % size;
	run->len = min_u64(1 + record->off, size - run->off);
	do_it(run, record->where & 15);
}

/* Opens the disk again and compares all that the model has. */
static void read_it_all(struct run *run)
{
	uint8_t sector[SECTOR];

	do_open(run, false);
	if (!run->chain)
		return;
	for (uint64_t i = 0; model.strict && i < MODEL_MAX / SECTOR; i++) {
		if (!model.known[i])
			continue;
		lose_trust(chain_read(run->chain, sector, i * SECTOR, SECTOR));
		if (model.strict)
			compare(sector, i * SECTOR, SECTOR);
	}
	do_close(run);
}

/* Does check find no errors in all images?  Repairs them first if the input
 * says so. */
static bool all_sound(struct spoiled *s)
{
	bool sound = true;

	for (unsigned i = s->level; i < FAMILY_FILES; i++) {
		if (s->first.value & 2)
			(void)fuzz_check_file(s, i, true);
		sound &= fuzz_check_file(s, i, false) == 0;
		spoiled_file(s, i)->n_writes = 0;
	}
	return sound;
}

void fuzz_chain(const uint8_t *data, size_t size)
{
	struct run run = { 0 };

	spoil(&run.s, data, size, 15, PART_ALL);
	memset(model.known, 0, sizeof model.known);
	model.strict = false;
	if (run.s.first.value & 1)
		model.strict = all_sound(&run.s);
	if (parent_cache_new(&run.s.rootdir.rootdir, 1, &run.cache) < 0)
		return;
	/* Images without errors may still form no chain. */
	if (chain_open(run.cache, run.s.rootdir.files[run.s.level].path, 0,
		       &run.chain) < 0)
		model.strict = false;
	for (size_t i = 0; i < run.s.n_records; i++) {
		struct record record = record_get(run.s.records, i);

		if (record.where >> 6 == FAMILY_FILES)
			step(&run, &record);
	}
	do_close(&run);
	if (model.strict)
		read_it_all(&run);
	parent_cache_free(run.cache);
	for (unsigned i = run.s.level + 1; i < FAMILY_FILES; i++)
		if (spoiled_file(&run.s, i)->n_writes)
			fuzz_broken("a parent was written");
}
