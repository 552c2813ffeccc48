/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A world for crash tests: a recorded leaf image, its parents, and a guest that
 * writes, punches, flushes and is killed; and for each sector of the disk, the
 * contents that are allowed after a power cut at any operation.
 *
 * Each write has a number, its tag.  Each sector that it writes holds that tag
 * and bytes made from the tag and the sector's place, so that reading tells
 * which write a sector is from.
 */
#ifndef VHDFS_TESTS_WORLD_H
#define VHDFS_TESTS_WORLD_H

#include "unit/unit.h"

#include "chain/chain.h"
#include "crash/io-crash.h"
#include "crash/io-fault.h"
#include "format/image.h"
#include "unit/rootdir-mem.h"

enum { WORLD_PARENTS_MAX = 2, WORLD_SECTOR = 512 };

/* The images of a world, and the behaviour of its guest. */
struct scenario {
	const char *name;
	const struct image_ops *format;
	enum image_type type;
	unsigned parents;      /* of a differencing leaf */
	uint64_t parents_size; /* of the parents' disks; 0: the leaf's */
	uint64_t block_size;
	uint32_t sector_size;
	/*
	 * The guest uses n_areas areas of the disk of area bytes each, at
	 * multiples of stride; the disk's size is n_areas * stride.
	 */
	uint64_t area, stride;
	unsigned n_areas;
	unsigned prelude; /* first steps, without crashes */
	unsigned steps;
	/* Percentages of steps: writes of a whole block, punches of one,
	 * zeroing or punching a part, flushes, reopens, kills; the other steps
	 * write a part. */
	unsigned whole, punch, zero, flush, reopen, kill;
};

enum step_kind { STEP_WRITE, STEP_ZERO, STEP_FLUSH, STEP_KILL };

/* An action of the guest. */
struct step {
	enum step_kind kind;
	uint64_t first, n;    /* sectors, numbered through the areas */
	bool failed;          /* then old and new content are allowed */
	size_t before, after; /* recorded operations at its start and end */
	size_t durable_from;  /* number of operations; SIZE_MAX: never */
};

/* The content of the leaf that a child made at one moment expects: the leaf's
 * identifier, and the tag of each sector. */
struct snapshot {
	struct guid id;
	uint64_t *tags;
	size_t at; /* recorded operations at that moment */
};

struct world {
	const struct scenario *scenario;
	uint64_t seed;
	struct mem_file parents[WORLD_PARENTS_MAX];
	struct crash_file leaf;
	struct rootdir_mem rootdir;
	struct parent_cache *cache;
	struct chain *chain;   /* null while closed */
	bool dying;            /* a kill is in progress: accesses fail */
	struct faults *faults; /* or null */
	struct fault_file sources[1 + WORLD_PARENTS_MAX]; /* the leaf first */
	uint64_t n_sectors;
	uint64_t *initial; /* the parents' tags, by sector */
	struct step *steps;
	size_t n_steps, room;
	struct snapshot *snapshots; /* one for each reopen */
	size_t n_snapshots;
};

/*
 * Makes the world and runs all steps of the guest.  Errors are accepted only
 * once the faults (or null) have fired.  After a fault that came once, tests
 * that reads still work, that a write that got -ENOSPC succeeds when it is
 * repeated, and that an image whose flush failed refuses writes until it is
 * reopened, which works.
 */
void world_init(struct world *world, const struct scenario *scenario,
		uint64_t seed, struct faults *faults);
void world_fini(struct world *world);

/* A chain of the leaf and its parents with a parent cache of its own. */
struct visit {
	struct rootdir_mem rootdir;
	struct parent_cache *cache;
	struct chain *chain;
};
/* open and file are the leaf's, as for rootdir_mem_add_other. 0 or chain_open's
 * error. */
int visit_open(struct world *world, struct visit *visit, rootdir_mem_open *open,
	       void *file, bool writable);
int visit_close(struct visit *visit);

/* Makes the content of a sector with that tag; tag 0: zeros. */
void world_fill(const struct world *world, uint8_t *buf, uint64_t sector,
		uint64_t tag);
/* The offset on the disk of the guest's sector. */
uint64_t world_off(const struct world *world, uint64_t sector);

/* Reads the tags of all sectors; fails the test if a sector does not hold the
 * whole content of one tag. */
void world_read(struct world *world, struct chain *chain, uint64_t *ret_tags);
/* May the sector have the tag after a power cut behind n operations? */
bool world_allows(const struct world *world, uint64_t sector, uint64_t tag,
		  size_t n);
/* Takes a snapshot of the leaf, which was just reopened; not with faults. */
void world_take_snapshot(struct world *world);
/*
 * id and tags are of the leaf after n or more operations.  Fails the test if id
 * is that of an earlier snapshot and tags are not: a child of that snapshot
 * would open and show a mixture.
 */
void world_expect_no_mixture(const struct world *world, size_t n,
			     const struct guid *id, const uint64_t *tags);
/* The same for one snapshot. */
void world_expect_snapshot(const struct world *world,
			   const struct snapshot *snapshot,
			   const struct guid *id, const uint64_t *tags);
/* Prints the contents that are allowed for the sector. */
void world_explain(const struct world *world, uint64_t sector, size_t n);

#endif
