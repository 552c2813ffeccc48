/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chain: a leaf image and its parents, read and written as one disk.
 *
 * Only the chain uses the leaf.  The parents are shared: all chains of one
 * struct parent_cache that go through the same file use the same open image, so
 * its tables are in memory once.  Parents are opened for reading, locked
 * against writers, and never modified.
 *
 * The disk has the leaf's size.  A parent's disk may be smaller or larger:
 * beyond its end it reads as zeros.
 *
 * THREADS.  Any number of threads may read, write, zero, map and flush one
 * chain at once, and may open and close chains of one cache at once.  Functions
 * that say so need the chain to themselves.
 *
 * LOCKS (HACKING has their order):
 *
 *   chain.rmw_lock     Shared for writes of whole sectors, exclusive for a
 * write of part of a sector and for copy-up.  A read does not take it.  Held by
 * a write that flushes, because too many pages are dirty. image.lock         Of
 * one image at a time: the leaf's is released before a parent's is taken.
 *   parent_cache.lock  The list of open parents: open, close and the checks of
 *                      files only, with none of the locks of a chain or an
 *                      image held.  No I/O is done under it.
 */
#ifndef VHDFS_CHAIN_CHAIN_H
#define VHDFS_CHAIN_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "chain/chain-map.h"
#include "chain/parent-cache.h"
#include "chain/parent-search.h"
#include "chain/parent-warning.h"
#include "format/image.h"
#include "io/io-file.h"

/* Flags of chain_open and chain_reopen. */
enum {
	CHAIN_WRITABLE = 1,
	/* Take no locks: to inspect images that another process may have
	 * open. */
	CHAIN_NO_LOCK = 2,
	/* A leaf of no known format is opened as raw. */
	CHAIN_RAW = 4,
	/* The leaf is opened as raw whatever its format. */
	CHAIN_ALWAYS_RAW = 8,
	/* With CHAIN_WRITABLE: as root_dir_open_as_owner. */
	CHAIN_AS_OWNER = 16,
};

struct chain;

/*
 * Opens the image at path in the store, and its parents.  Errors, with a
 * message: those of image_open; -ENOENT: a parent was not found; -ESTALE: a
 * parent has another identity or sector size; -ELOOP: a cycle, or more than
 * CHAIN_DEPTH_MAX parents; -EBUSY: the leaf or a parent is in use; -EROFS.
 */
int chain_open(struct parent_cache *cache, const char *path, int flags,
	       struct chain **ret);
/* As chain_open, of a leaf in io, whose path in the store is path.  Takes io
 * over, even if it fails. */
int chain_open_file(struct parent_cache *cache, struct io *io, const char *path,
		    int flags, struct chain **ret);
/*
 * Opens a leaf that the previous process had open and locked (io/recovery.h):
 * through its inherited descriptor, and its parents through theirs, whatever
 * their names and permissions are now.  Takes locks.  Errors: as chain_open;
 * -ENOENT without a message: there is no such descriptor.
 */
int chain_reopen(struct parent_cache *cache, dev_t dev, ino_t ino, int flags,
		 struct chain **ret);
/* As image_close, for the leaf; closes parents that no other chain uses.
 * Frees the chain even if it returns an error. */
int chain_close(struct chain *chain);
/* Closes a chain without a change of its files. */
void chain_abandon(struct chain *chain);

/*
 * Upgrades a chain that was opened with locks from reading to writing, and back
 * again; no other process can lock the leaf in between.  path: where the leaf
 * is now, as for chain_open.  When chain_upgrade_lock fails the chain is open
 * for reading as before; -EAGAIN: path leads to another file.
 * chain_downgrade_lock flushes; when it fails the caller closes the chain.
 * Both need the chain to themselves.
 */
int chain_upgrade_lock(struct chain *chain, const char *path);
int chain_downgrade_lock(struct chain *chain);

/*
 * Whether the files of a chain that is open for reading still hold what was
 * opened.  If not, another program has changed a file: close the chain and open
 * it again.
 */
bool chain_is_current(struct chain *chain);
/* Stamp of the leaf's file, from when it was opened for reading. */
const struct file_stamp *chain_stamp(const struct chain *chain);
/*
 * For a chain that is open for writing: -ESTALE with a message if another
 * program has put another image into the leaf's file.  All later reads and
 * writes then fail, and nothing is written to the file any more, not at the
 * close either.  Needs the chain to itself.
 */
int chain_check_leaf(struct chain *chain);

struct image *chain_leaf(const struct chain *chain);
/* Number of parents; 0 for a chain of one image. */
unsigned chain_depth(const struct chain *chain);
/* 0 is the leaf, chain_depth() the last parent. */
struct image *chain_image(const struct chain *chain, unsigned depth);
/* Path of the image at that depth: relative as root_dir_open returns it, or
 * absolute for a parent from another root directory than the store. */
const char *chain_path(const struct chain *chain, unsigned depth);
/* Of the merged disk, in bytes. */
uint64_t chain_size(const struct chain *chain);
/*
 * *ret: a line of text if the file of the parent of the image at that depth was
 * modified after the child was made, as far as the child records it (VHD), or
 * null; the caller frees it.  0, or -errno.
 */
int chain_warning(const struct chain *chain, unsigned depth, char **ret);

/*
 * The first extent of [off, off + len), which lies on the disk: at least one
 * byte, at most len.  Adjacent ranges of one file are one extent.  Of a
 * writable chain the result may be out of date when it is returned.
 */
int chain_map(struct chain *chain, uint64_t off, uint64_t len,
	      struct chain_extent *ret);

/*
 * Offsets and lengths are in bytes, need no alignment, and lie on the disk.  A
 * read concurrent with a write of the same bytes returns the old or the new
 * bytes of each sector.
 */
int chain_read(struct chain *chain, void *buf, uint64_t off, size_t len);
int chain_write(struct chain *chain, const void *buf, uint64_t off, size_t len);
/* Makes the range read as zeros.  punch: also free its space where no parent
 * has data. */
int chain_zero(struct chain *chain, uint64_t off, uint64_t len, bool punch);
/* Copies to the leaf what it shows of the sectors of the range and does not
 * store.  The chain has a parent. */
int chain_copy_up(struct chain *chain, uint64_t off, uint64_t len);
/* As chain_copy_up, of whole sectors that chain_read has read: shown.  Since
 * that read the leaf has kept every sector that it stored. */
int chain_store_shown(struct chain *chain, const uint8_t *shown, uint64_t off,
		      uint64_t len);
/* As image_flush, for the leaf. */
int chain_flush(struct chain *chain);
/* As image_end_writes, for the leaf.  Needs the chain to itself. */
int chain_end_writes(struct chain *chain);

DEFINE_CLEANUP(struct chain *, chain_close);

#endif
