/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chain: a leaf image and its parents, read and written as one disk.
 *
 * The leaf is the chain's own.  The parents are shared: every chain of one
 * struct family that goes through the same file uses the same open image, and
 * so holds no second copy of its tables.  Parents are opened for reading,
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

enum { CHAIN_DEPTH_MAX = 256 };

struct place;

/* What a place of another kind than a directory does instead. */
struct place_ops {
	/* As place_open, words of a failure included. */
	int (*open)(const struct place *place, const char *path, bool writable,
		    struct io **ret, char **ret_real);
	/* path with every part spelled as the one entry that equals it but for
	 * case and normal form; null where there is no such path. The caller's
	 * to free. */
	char *(*any_case)(const struct place *place, const char *path);
};

/*
 * WHERE IMAGES ARE.  A place is a directory that paths are relative to, and,
 * when it is confined, that no path leaves: not by "..", an absolute path or a
 * symbolic link (openat2, RESOLVE_BENEATH).
 *
 * A place of another kind has ops, and fd is -1; what it opens says in io.dev
 * and io.ino which file it is, for cycles are seen and parents shared by that.
 */
struct place {
	const struct place_ops *ops; /* null: a directory */
	int fd;     /* of the directory; AT_FDCWD is allowed, not confined */
	char *root; /* its absolute, real path, "" for AT_FDCWD; owned */
	bool confined;
};

/* Opens the directory at path. -ENOTDIR, -ENOENT with words. */
int place_init(struct place *place, const char *path, bool confined);
/* Words for a directory that cannot be opened, and what helps; returns code. */
int place_fail_directory(int code, const char *path);
void place_fini(struct place *place);
/*
 * *ret: what path, as the user names it, is in the directory root, an absolute
 * and real path: "." for the directory itself; the caller's to free.  Links are
 * followed.  -EXDEV with words where it lies outside; the errno of realpath.
 */
int place_inside(const char *root, const char *path, char **ret);
/*
 * Opens path in place, O_RDONLY or O_RDWR.  *ret_real (may be null; the
 * caller's to free) is where the file really is once links are followed:
 * relative to the root when confined, else absolute.
 */
int place_open(const struct place *place, const char *path, bool writable,
	       struct io **ret, char **ret_real);

/* The images that are open as parents, and where parents are looked for. */
struct family;

/*
 * places[0] is the store (or AT_FDCWD, unconfined); the others are searched by
 * base name alone (-o parents=DIR).  The places stay the caller's and must
 * outlive the family.
 */
int family_new(const struct place *places, size_t n_places,
	       struct family **ret);
/* All chains are closed. */
void family_free(struct family *family);

/* The file was changed, or may have been: chains that are opened after this
 * read it anew, and chains that read through another image than the one that
 * they opened get -ESTALE. */
void family_file_changed(struct family *family, dev_t dev, ino_t ino);

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
int chain_open(struct family *family, const char *path, int flags,
	       struct chain **ret);
/*
 * The same of a leaf that a process before had open and locked, with locks:
 * through its descriptor, and its parents through theirs, whatever has become
 * of their names and permissions.  -ENOENT, without words: there is none.
 */
int chain_reopen(struct family *family, dev_t dev, ino_t ino, int flags,
		 struct chain **ret);
/* As image_close, for the leaf; parents nobody else uses are closed too. */
int chain_close(struct chain *chain);

/*
 * A parent found for ref, which child says, that lies in directory dir (real
 * path as place_open gave it, "" for the place's root): where it is.  Opens
 * nothing for longer than it takes.  *ret_path is as user.vhdfs.parent shows
 * it: relative to places[0] when it is there and confined, else absolute;
 * *ret_dev and *ret_ino say which file it is.
 */
int family_find_parent(struct family *family, const char *child_path,
		       const struct parent_ref *ref, const struct image *child,
		       char **ret_path, dev_t *ret_dev, ino_t *ret_ino);

/*
 * From reading to writing and back, for a chain that was opened with locks.
 * Nobody else can take the leaf's lock in between.  path is where the leaf is
 * now (as chain_open's).  When chain_begin_writing fails the chain is open for
 * reading as before; -EAGAIN: there is another file at path.  chain_end_writing
 * flushes; when it fails the chain is to be closed.  Nobody else uses the chain
 * meanwhile.
 */
int chain_begin_writing(struct chain *chain, const char *path);
int chain_end_writing(struct chain *chain);

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
/* Where the image at that depth is: see place_open's ret_real; a parent from a
 * further place is absolute. */
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
/* As image_stop, for the leaf: nobody else uses the chain meanwhile. */
int chain_stop(struct chain *chain);

DEFINE_CLEANUP(struct chain *, chain_close);
DEFINE_CLEANUP(struct family *, family_free);

#endif
