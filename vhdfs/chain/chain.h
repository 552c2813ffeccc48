/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chain: a leaf image and its parents, read and written as one disk.
 *
 * The leaf is the chain's own.  The parents are shared: every chain of one
 * struct parent_cache that goes through the same file uses the same open image,
 * and so holds no second copy of its tables.  Parents are opened for reading,
 * locked against writers, and never modified.
 *
 * The disk is the leaf's.  A parent's disk may be smaller or larger: beyond its
 * end it has zeros.
 *
 * THREADS: a chain may be used by any number of threads at once; opening and
 * closing too, on one family.
 */
#ifndef VHDFS_CHAIN_CHAIN_H
#define VHDFS_CHAIN_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "format/image.h"
#include "io/io-file.h"

struct root_dir; /* io/rootdir.h */

enum { CHAIN_DEPTH_MAX = 256 };

/* The images that are open as parents, and where parents are looked for. */
struct parent_cache;

/*
 * places[0] is the store (or AT_FDCWD, unconfined); the others are searched by
 * base name alone (-o parents=DIR).  The places stay the caller's and must
 * outlive the family.
 */
int parent_cache_new(const struct root_dir *roots, size_t n_roots,
		     struct parent_cache **ret);
/* All chains are closed. */
void parent_cache_free(struct parent_cache *cache);

/* The file was changed, or may have been: chains that are opened after this
 * read it anew, and chains that read through another image than the one that
 * they opened get -ESTALE. */
void parent_cache_file_changed(struct parent_cache *cache, dev_t dev,
			       ino_t ino);

/* How to open a chain. */
enum {
	CHAIN_WRITABLE = 1,
	/* Take no locks: for looking at images that somebody else may hold. */
	CHAIN_NO_LOCK = 2,
	/* A leaf that no format claims is raw. */
	CHAIN_RAW = 4,
	/* The leaf is raw whatever is in it. */
	CHAIN_ALWAYS_RAW = 8,
};

struct chain;

/*
 * Opens the image at path (in places[0]) and its parents.  Errors: what
 * image_open has; -ENOENT a parent that is nowhere; -ESTALE one with another
 * identity or sector size; -ELOOP; -EBUSY the leaf or a parent is in use;
 * -EROFS.
 */
int chain_open(struct parent_cache *cache, const char *path, int flags,
	       struct chain **ret);
/*
 * The same of a leaf that a process before had open and locked, with locks:
 * through its descriptor, and its parents through theirs, whatever has become
 * of their names and permissions.  -ENOENT, without words: there is none.
 */
int chain_reopen(struct parent_cache *cache, dev_t dev, ino_t ino, int flags,
		 struct chain **ret);
/* As image_close, for the leaf; parents nobody else uses are closed too. */
int chain_close(struct chain *chain);

/*
 * A parent found for ref, which child says, that lies in directory dir (real
 * path as root_dir_open gave it, "" for the place's root): where it is.  Opens
 * nothing for longer than it takes.  *ret_path is as user.vhdfs.parent shows
 * it: relative to places[0] when it is there and confined, else absolute;
 * *ret_dev and *ret_ino say which file it is.
 */
int parent_cache_find(struct parent_cache *cache, const char *child_path,
		      const struct parent_ref *ref, const struct image *child,
		      char **ret_path, dev_t *ret_dev, ino_t *ret_ino);

/*
 * From reading to writing and back, for a chain that was opened with locks.
 * Nobody else can take the leaf's lock in between.  path is where the leaf is
 * now (as chain_open's).  When chain_upgrade_lock fails the chain is open for
 * reading as before; -EAGAIN: there is another file at path.
 * chain_downgrade_lock flushes; when it fails the chain is to be closed. Nobody
 * else uses the chain meanwhile.
 */
int chain_upgrade_lock(struct chain *chain, const char *path);
int chain_downgrade_lock(struct chain *chain);

/*
 * For a chain that is open for reading: are its files what was opened?  False
 * where another program changed one: then it is to be opened anew.
 */
bool chain_is_current(struct chain *chain);
/* Of the leaf's file, when it was opened for reading. */
const struct file_stamp *chain_stamp(const struct chain *chain);

/* Closes one that is not, without a change of its files. */
void chain_abandon(struct chain *chain);
/*
 * For a chain that is open for writing: where another program has put another
 * image into the leaf's file, all later reads and writes fail, and nothing more
 * is written to the file, at its close neither: -ESTALE with words.  No
 * other thread uses the chain meanwhile.
 */
int chain_check_leaf(struct chain *chain);

struct image *chain_leaf(const struct chain *chain);
/* Number of parents: 0 for a chain of one image. */
unsigned chain_depth(const struct chain *chain);
/* 0 is the leaf, chain_depth() the last parent. */
struct image *chain_image(const struct chain *chain, unsigned depth);
/* Where the image at that depth is: see root_dir_open's ret_real; a parent from
 * a further place is absolute. */
const char *chain_path(const struct chain *chain, unsigned depth);
uint64_t chain_size(const struct chain *chain);
/*
 * *ret: one line of words where the parent of the image at that depth was
 * modified after its child was made, as far as the child says (VHD), or is a
 * copy; the caller's to free. Null where there is nothing to say. 0, or -errno.
 */
int chain_warning(const struct chain *chain, unsigned depth, char **ret);
/* The same of a child and its parent's file, by the reference that the child
 * has. */
int parent_time_warning(const struct image *child, const struct io *parent,
			const struct parent_ref *ref, char **ret);

/* What the merged disk has at an offset. */
struct chain_extent {
	bool zero;
	/* Who holds it: 0 the leaf, ...; -1 for a zero that nobody holds. */
	int depth;
	uint64_t len;
	struct io *io; /* where the data is; null for zeros */
	uint64_t file_off;
};

/*
 * The first extent of [off, off + len): at least a byte and at most len.
 * Neighbours that go on in the same file at the same place are one extent.
 * For a writable chain the answer may be old when it arrives.
 */
int chain_map(struct chain *chain, uint64_t off, uint64_t len,
	      struct chain_extent *ret);

/*
 * Any offset and length that lie on the disk.  A read that runs beside a write
 * of the same bytes sees, of each sector, the old or the new.
 */
int chain_read(struct chain *chain, void *buf, uint64_t off, size_t len);
int chain_write(struct chain *chain, const void *buf, uint64_t off, size_t len);
/* punch: give the space back where nothing shows through. */
int chain_zero(struct chain *chain, uint64_t off, uint64_t len, bool punch);
int chain_flush(struct chain *chain);
/* As image_end_writes, for the leaf: nobody else uses the chain meanwhile. */
int chain_end_writes(struct chain *chain);

DEFINE_CLEANUP(struct chain *, chain_close);
DEFINE_CLEANUP(struct parent_cache *, parent_cache_free);

#endif
