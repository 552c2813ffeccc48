/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small world for crashes: a leaf image over a recorder, its parents, a guest
 * that writes, punches, flushes and is killed, and what every sector of the
 * disk may hold after the power was cut at any operation.
 *
 * Every write has a number, and every sector that it writes says that number
 * and its own, so that what is read can be told from anything else.
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

/* What kind of world, and what its guest does. */
struct scenario {
	const char *name;
	const struct image_ops *format;
	enum image_type type;
	unsigned parents;      /* of a differencing leaf */
	uint64_t parents_size; /* of their disks; 0: the leaf's */
	uint64_t block_size;
	uint32_t sector_size;
	/*
	 * The guest uses n_areas pieces of area bytes, each stride from the
	 * next; the disk is n_areas * stride.
	 */
	uint64_t area, stride;
	unsigned n_areas;
	unsigned prelude; /* steps of which no crash is made */
	unsigned steps;
	/* In how many of 100 steps: a write of a whole block, a punch of one, a
	 * zeroing or punch of a part, a flush, a reopening, a kill; the rest
	 * are writes of parts. */
	unsigned whole, punch, zero, flush, reopen, kill;
};

enum step_kind { STEP_WRITE, STEP_ZERO, STEP_FLUSH, STEP_KILL };

/* Something that the guest did. */
struct step {
	enum step_kind kind;
	uint64_t first, n;    /* sectors, counted over the areas */
	bool refused;         /* it failed: old or new, flushed or not */
	size_t before, after; /* operations recorded at its start and end */
	size_t durable_from;  /* operations; SIZE_MAX: never */
};

/* What a child that was made of the leaf then, and lies elsewhere, expects: the
 * leaf's identifier, and the tag of every sector. */
struct snapshot {
	struct guid id;
	uint64_t *tags;
	size_t at; /* operations recorded then */
};

struct world {
	const struct scenario *scenario;
	uint64_t seed;
	struct mem_file parents[WORLD_PARENTS_MAX];
	struct crash_file leaf;
	struct rootdir_mem rootdir;
	struct parent_cache *cache;
	struct chain *chain;   /* null when it is closed */
	bool dying;            /* the file fails soon */
	struct faults *faults; /* that the guest meets; null: none */
	struct fault_file sources[1 + WORLD_PARENTS_MAX]; /* the leaf first */
	uint64_t n_sectors;
	uint64_t *initial; /* what the parents have: tags by sector */
	struct step *steps;
	size_t n_steps, room;
	struct snapshot *snapshots; /* one for each clean open */
	size_t n_snapshots;
};

/*
 * Makes it and lets the guest do all its steps.  What fails when the faults
 * (null: none) have fired may fail.  After one that came once the guest sees to
 * it that reading goes on, that a write without room succeeds when it is tried
 * again, and that an image whose flush failed is not written until it is opened
 * again, which works.
 */
void world_init(struct world *world, const struct scenario *scenario,
		uint64_t seed, struct faults *faults);
void world_fini(struct world *world);

/* The leaf and its parents, the leaf in file, opened as a chain of a family of
 * its own. */
struct visit {
	struct rootdir_mem rootdir;
	struct parent_cache *cache;
	struct chain *chain;
};
/* open and file as rootdir_mem_add_other takes them. 0 or chain_open's error.
 */
int visit_open(struct world *world, struct visit *visit, rootdir_mem_open *open,
	       void *file, bool writable);
int visit_close(struct visit *visit);

/* The words of a sector with a tag; 0 is zeros. */
void world_fill(const struct world *world, uint8_t *buf, uint64_t sector,
		uint64_t tag);
/* Where the guest's sector is on the disk. */
uint64_t world_off(const struct world *world, uint64_t sector);

/* The tag of every sector as the chain shows them, by sector; fails the test
 * where one holds no whole tag of its own. */
void world_read(struct world *world, struct chain *chain, uint64_t *ret_tags);
/* May the sector hold the tag when the power goes after n operations? */
bool world_allows(const struct world *world, uint64_t sector, uint64_t tag,
		  size_t n);
/* Takes one, where no faults are made: all is durable, and the leaf was opened.
 */
void world_take_snapshot(struct world *world);
/*
 * An image with that identifier holds these tags, after n operations of the
 * leaf or more: fails the test where it has the identifier of an earlier
 * snapshot and other tags than that, for a child of the snapshot would open
 * then and show a mixture.
 */
void world_expect_no_mixture(const struct world *world, size_t n,
			     const struct guid *id, const uint64_t *tags);
/* The same of one snapshot. */
void world_expect_snapshot(const struct world *world,
			   const struct snapshot *snapshot,
			   const struct guid *id, const uint64_t *tags);
/* Tells all that it may hold. */
void world_explain(const struct world *world, uint64_t sector, size_t n);

#endif
