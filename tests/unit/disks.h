/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks for tests: images and children in a directory, and a model, a flat
 * array with the contents that a disk must have. */
#ifndef VHDFS_TESTS_DISKS_H
#define VHDFS_TESTS_DISKS_H

#include "unit/unit.h"

#include "chain/chain.h"
#include "format/image.h"
#include "format/raw.h"
#include "format/vhd.h"
#include "format/vhdx.h"
#include "io/rootdir.h"

/* A confined store in the test's scratch directory, with its parent cache. */
struct store {
	struct root_dir rootdir;
	struct parent_cache *cache;
};

void store_open(struct store *store, const char *dir);
void store_close(struct store *store);

/* Makes an image at name in the directory, or fails the test. */
void disk_create(const char *dir, const char *name,
		 const struct image_params *params);
/* The same as a child of parent, found by parent_relative ("./base.vhdx"). */
void disk_create_child(const char *dir, const char *name, const char *parent,
		       const char *parent_relative, uint64_t block_size);
/* The same, with a disk of size bytes; 0: the size of the parent's. */
void disk_create_resized(const char *dir, const char *name, const char *parent,
			 const char *parent_relative, uint64_t block_size,
			 uint64_t size);
/* The format, by the ending of the name. */
const struct image_ops *disk_format(const char *name);

/* Opens a chain in the store, or fails the test. */
struct chain *disk_open(struct store *store, const char *name, int flags);
/* Fails the test if check finds damage, except leaks, in the image's file. */
void disk_check(const char *dir, const char *name);

/* The contents that the disk must have. */
struct model {
	uint64_t size;
	uint8_t *bytes;
	/* A fifth of the steps of model_exercise are near this offset; 0: all
	 * are random. */
	uint64_t edge;
};

void model_init(struct model *model, uint64_t size);
struct model model_copy(const struct model *model);
/* Pads with zeros, or truncates.  Sets edge to the smaller size. */
void model_resize(struct model *model, uint64_t size);
void model_fini(struct model *model);
/* Reads the whole disk in pieces of several sizes, and compares. */
void model_compare(const struct model *model, struct chain *chain);
/* Compares by chain_map: its zero extents are zeros in the model, and its data
 * extents, read from their files, are the model's data. */
void model_compare_map(const struct model *model, struct chain *chain);
/* Does count random writes, zeros, punches, reads and flushes on both. */
void model_exercise(struct model *model, struct chain *chain, uint64_t *seed,
		    unsigned count);

#endif
