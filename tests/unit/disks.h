/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks for tests: images and children made in a directory, and the model
 * that they are compared with, a flat array. */
#ifndef VHDFS_TESTS_DISKS_H
#define VHDFS_TESTS_DISKS_H

#include "unit/unit.h"

#include "chain/chain.h"
#include "format/image.h"
#include "format/raw.h"
#include "format/vhd.h"
#include "format/vhdx.h"
#include "io/rootdir.h"

/* A store in the test's scratch directory, confined, with its family. */
struct store {
	struct root_dir rootdir;
	struct parent_cache *cache;
};

void store_open(struct store *store, const char *dir);
void store_close(struct store *store);

/* Makes an image at name in the directory; fails the test if it cannot. */
void disk_create(const char *dir, const char *name,
		 const struct image_params *params);
/* The same as a child of parent, found by parent_relative ("./base.vhdx"). */
void disk_create_child(const char *dir, const char *name, const char *parent,
		       const char *parent_relative, uint64_t block_size);
/* The same, with a disk of size bytes; 0: as large as the parent's. */
void disk_create_resized(const char *dir, const char *name, const char *parent,
			 const char *parent_relative, uint64_t block_size,
			 uint64_t size);
/* By the ending of the name. */
const struct image_ops *disk_format(const char *name);

/* Opens in the store, or fails the test. */
struct chain *disk_open(struct store *store, const char *name, int flags);
/* The image's own file has no damage, leaks aside; or the test fails. */
void disk_check(const char *dir, const char *name);

/* What the disk has to be. */
struct model {
	uint64_t size;
	uint8_t *bytes;
	/* A fifth of the steps of model_exercise are near this offset; 0: no
	 * more there than elsewhere. */
	uint64_t edge;
};

void model_init(struct model *model, uint64_t size);
struct model model_copy(const struct model *model);
/* The rest is zeros. The edge is then where the smaller disk ends. */
void model_resize(struct model *model, uint64_t size);
void model_fini(struct model *model);
/* All of the disk is the model's, read in pieces of several sizes. */
void model_compare(const struct model *model, struct chain *chain);
/* What chain_map calls zeros are zeros in the model, and where it says that
 * data is, the files have the model's. */
void model_compare_map(const struct model *model, struct chain *chain);
/* count random writes, zeros, punches, reads and flushes on both. */
void model_exercise(struct model *model, struct chain *chain, uint64_t *seed,
		    unsigned count);

#endif
