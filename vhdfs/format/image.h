/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An image: one open image file of any format; the operations that a driver
 * implements, and the functions that the rest of the program calls.
 *
 * An image knows what its own file stores, and its parent only by name.  A
 * chain (chain/chain.h) combines images.  A driver maps offsets of the disk to
 * offsets of the file; it never reads data of the disk.
 *
 * UNITS.  off and len: offset and length on the virtual disk; file_off: offset
 * in the file; all in bytes.
 *
 * ERRORS.  Functions return 0 or more on success, and a negative errno with a
 * message (base/error.h) on failure.  -EBADMSG: the file is damaged or of
 * another format; -EOPNOTSUPP: valid but not supported; -EROFS, -ENOSPC, -EIO
 * and -ENOMEM as usual.
 *
 * THREADS.  Any number of threads may use an image.  The image_ functions take
 * image.lock as their comments say.  Drivers take no locks of their own; their
 * operations are called as follows:
 *
 *   map           lock held, shared or exclusive; takes a bounded time
 *   bitmap        lock held, shared or exclusive
 *   write, zero, may_write
 *                 lock held exclusively
 *   begin_writes  lock held exclusively, before the first change
 *   end_writes    no other thread uses the image
 *   flush_begin   lock held exclusively } both under flush_lock;
 *   flush_finish  lock not held         } no other operation is
 *   close, check  no other thread uses the image
 *
 * LOCKS (HACKING has their order).  flush_lock: one flush at a time.  lock: the
 * tables; shared for reads and writes in place, exclusive to allocate.
 */
#ifndef VHDFS_FORMAT_IMAGE_H
#define VHDFS_FORMAT_IMAGE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/guid.h"
#include "io/io.h"
#include "io/recovery.h"

struct bitmap;
struct image;
struct table_cache;

enum image_type {
	IMAGE_FIXED,
	IMAGE_DYNAMIC,
	IMAGE_DIFFERENCING,
};

enum extent_kind {
	EXTENT_STORED, /* stored in this image's file, also as a hole of it */
	EXTENT_ZERO,   /* zeros; hides the parent */
	EXTENT_PARENT, /* not in this image: the parent's, or zeros */
};

struct extent {
	enum extent_kind kind;
	uint64_t len;
	/* EXTENT_STORED: the extent's offset in the file.  Else: the offset
	 * that its first sector has in an allocated block, or 0: then no block
	 * of the extent is allocated. */
	uint64_t file_off;
};

/* A differencing image's reference to its parent. */
struct parent_ref {
	struct guid id;    /* of the parent (image.id) */
	struct guid id2;   /* an alternative, or null (VHDX parent_linkage2) */
	uint64_t file_off; /* of the reference in the child, for messages */
	/* The parent's modification time at the child's creation, Unix seconds,
	 * or 0 if not stored; and its offset in the child. */
	int64_t mtime;
	uint64_t mtime_off;
	/* The path relative to the child's directory, UTF-8 with '/'
	 * ("./parent.vhdx"); or null. */
	char *relative;
	/* The last part of the absolute path; or null. */
	char *basename;
	/* Of peek: a log that was not replayed may name another parent. */
	bool outdated;
};

void parent_ref_fini(struct parent_ref *ref);

/* The parameters of a new image. 0: the default. */
struct image_params {
	enum image_type type;
	uint64_t size; /* of the disk; default of a child: its parent's */
	uint64_t block_size;
	uint32_t sector_size;          /* logical: 512 or 4096 */
	uint32_t physical_sector_size; /* 512 or 4096 */
	struct guid id;                /* identity; null: a new one */
	/* For IMAGE_DIFFERENCING: the open parent, of the same format; its path
	 * relative to the child's directory, and absolute, UTF-8 with '/'; its
	 * modification time, Unix seconds. */
	const struct image *parent;
	const char *parent_relative;
	const char *parent_absolute;
	int64_t parent_mtime;
};

/* One result of a check. The strings are valid during the call only. */
struct finding {
	const char *structure;
	uint64_t offset; /* in the file, or ERROR_NO_OFFSET */
	const char *expected;
	const char *found;
	bool leak; /* only wasted space, no damage */
	bool repaired;
};

/* Input and results of image_check; all but repair and report begin as zeros.
 */
struct check {
	bool repair; /* io is writable and locked then */
	void (*report)(struct check *check, const struct finding *finding);
	uint64_t leaked; /* out: bytes of leaked space */
	/*
	 * Out: the next open (for writing) has recovery to do, which is no
	 * damage.  pending describes it, or the recovery that check did; empty
	 * if there was none.
	 */
	bool dirty;
	char pending[96];
	char remark[128]; /* out: an oddity that is no damage; or empty */
};

/* For drivers: formats pending or remark. */
#define check_printf(array, ...) \
	((void)snprintf(array, sizeof(array), __VA_ARGS__))

/* For drivers: reports damage; the thread's last error as damage; bytes of
 * wasted space. */
void check_report(struct check *check, const char *structure, uint64_t offset,
		  const char *expected, const char *found, bool repaired);
void check_report_last(struct check *check, bool repaired);
void check_report_leak(struct check *check, const char *structure,
		       uint64_t offset, uint64_t bytes, const char *expected,
		       const char *found, bool repaired);

/* Flags of image_zero. */
enum {
	/* Free the space; else allocation stays as it is. */
	ZERO_PUNCH = 1,
	/* All ancestors read as zeros here, or there are none: map may return
	 * EXTENT_PARENT afterwards. */
	ZERO_BELOW = 2,
};

/*
 * A driver.  Operations that are not marked as required may be null: without
 * write the format is read-only, and has no zero either; without create or
 * check these answer -EOPNOTSUPP with a message, and without create no
 * --format takes the format.
 */
struct image_ops {
	/* The format's name in --format and JSON; the ending of new files. */
	const char *name;       /* "vhdx" */
	const char *title;      /* in messages: "VHDX" */
	const char *endings[3]; /* of file names, without the dot; null-ended */
	uint32_t only_sector_size; /* the only logical sector size; 0: any */
	bool stores_sector_size;   /* in the file */
	/* Do the file's bytes have this format's signature?  1 or 0, or an
	 * error of reading.  Null only for raw. */
	int (*probe)(struct io *io);
	/*
	 * For a file that has one of the endings but the signature of another
	 * format: is it nevertheless of this format?  Returns as probe.
	 */
	int (*probe_named)(struct io *io);
	/*
	 * Opens an image, for writing if io->writable.  Checks all structures
	 * except table entries, which are checked on use.  May recover from a
	 * crash if writable (replay a log, rewrite a footer).  Takes io over on
	 * success.  Required.
	 */
	int (*open)(struct io *io, struct image **ret);
	/* Marks a writable, flushed file as closed, and frees the image in any
	 * case.  Required. */
	int (*close)(struct image *img);
	/*
	 * For an image that does not open: reads type, size, sector_size and id
	 * of img, whose io is set, and *ret for IMAGE_DIFFERENCING, from the
	 * headers alone, without log and tables.
	 */
	int (*peek)(struct image *img, struct parent_ref *ret);
	/* Fills in *ret for IMAGE_DIFFERENCING. */
	int (*parent)(struct image *img, struct parent_ref *ret);
	/*
	 * The first extent of [off, off + len): whole sectors, at most len.
	 * Required.
	 */
	int (*map)(struct image *img, uint64_t off, uint64_t len,
		   struct extent *ret);
	/*
	 * Could an image that is open for reading be written?  0, or
	 * -EOPNOTSUPP or -EBADMSG with the reason.  Reads the tables.
	 */
	int (*may_write)(struct image *img);
	/*
	 * Prepares the file for changes, before the first one.  Dirty pages
	 * that a crashed process left are durable after it, and before space is
	 * allocated.
	 */
	int (*begin_writes)(struct image *img);
	/*
	 * Marks a flushed file as closed, as close does.  begin_writes is
	 * called again before the next change, also if this is null.
	 */
	int (*end_writes)(struct image *img);
	/* Writes whole sectors of one block: allocates space, writes the data,
	 * marks it as stored. */
	int (*write)(struct image *img, const void *buf, uint64_t off,
		     size_t len);
	/*
	 * The sector bitmap of off's block.  1, or 0 if bits alone do not mark
	 * the sectors [off, off + len) of it as stored: write changes other
	 * tables, too.
	 */
	int (*bitmap)(struct image *img, uint64_t off, uint64_t len,
		      struct bitmap *ret);
	/* Makes whole sectors of one block read as zeros (ZERO_ flags). */
	int (*zero)(struct image *img, uint64_t off, uint64_t len, int flags);
	/*
	 * A flush in two steps.  flush_begin takes a snapshot of the dirty
	 * pages and returns 1; 0 if there are none; or an error, with no
	 * change.  flush_finish syncs the file, writes the snapshot, and syncs
	 * again; its error fails the image.  If null, a flush is one sync.
	 */
	int (*flush_begin)(struct image *img);
	int (*flush_finish)(struct image *img);
	/*
	 * Creates an image in the empty, writable io, synced.  The parameters
	 * were completed by image_params_complete.
	 */
	int (*create)(struct io *io, const struct image_params *params);
	/*
	 * Turns the raw disk in io into a fixed image, in place and synced.
	 * -EINVAL for an empty file or an image, -EFBIG for a disk that is too
	 * large.
	 */
	int (*convert_in_place)(struct io *io);
	/* Sets defaults; -EINVAL for parameters that the format does not have.
	 */
	int (*params_complete)(struct image_params *params);
	/*
	 * Finishes what a crash left that open did not, and keeps the identity:
	 * afterwards other programs accept the file as a parent.  Called as
	 * set_parent.  If null, open finishes all.
	 */
	int (*settle)(struct image *img);
	/*
	 * Makes a child name another parent: params->parent, its two paths and
	 * its modification time, as for create.  After a crash the child names
	 * the old parent or the new one; after success the new one, durably.
	 * Contents and identity do not change.  Called before begin_writes or
	 * after end_writes only; no other thread uses the image.  If null, the
	 * parent of an image of this format cannot be changed.
	 */
	int (*set_parent)(struct image *img, const struct image_params *params);
	/*
	 * Makes a child a dynamic image, which has no parent.  Each allocated
	 * block stores all of its sectors, durably, and the parents are zeros
	 * where none is allocated.  After a crash the file is the child or the
	 * dynamic image; after success the latter, durably.  Contents and
	 * identity do not change.  Called as set_parent; null: as there.
	 */
	int (*remove_parent)(struct image *img);
	/*
	 * Checks each structure of the file, repairs damage if check->repair,
	 * and reports it.  0 also with damage; an error only if the check could
	 * not be done (I/O, memory).  io stays the caller's.
	 */
	int (*check)(struct io *io, struct check *check);
};

struct image {
	/* Set by open and constant after it. */
	const struct image_ops *ops;
	struct io *io; /* owned; io->name is the image's name in messages */
	enum image_type type;
	uint64_t size;        /* of the virtual disk */
	uint32_t sector_size; /* logical; alignment of write and zero */
	uint32_t physical_sector_size;
	uint64_t block_size; /* 0: the file has no blocks */
	struct guid id;      /* stored in children; null for raw */
	bool writable;
	bool dirty; /* not closed cleanly: has a log to replay */
	/* Set before the first change, and for good: the changes do not change
	 * what the image shows with its parents, so it keeps its identity, and
	 * its children stay valid. */
	bool keeps_id;

	/* The driver's table caches, or null; valid as long as the image. */
	struct table_cache *tables[RECOVERY_TABLES];
	/* A write that leaves more dirty pages than these flushes.  Set by open
	 * or begin_writes. */
	size_t dirty_max;

	pthread_mutex_t flush_lock; /* one flush at a time */
	pthread_rwlock_t lock;      /* tables and allocation */

	atomic_bool started; /* ops->begin_writes succeeded */
	atomic_bool written; /* something was written since the last sync */
	/* No flush yet: the kernel's page cache may hold unsynced pages that a
	 * crashed process wrote and that were read since. */
	atomic_bool unsynced_pages;
	/* The tables have dirty pages of a crashed process. */
	atomic_bool recovered_dirty;
	/* The negative errno of a failed metadata write or sync, or 0; set: all
	 * writes fail. */
	atomic_int failed;
	/* Numbers of flushes, so that threads that wait share one. */
	atomic_uint_fast64_t flush_begun;
	uint_fast64_t flush_ended; /* under flush_lock, as the next two */
	int flush_result;          /* of the last flush */
	struct error flush_error;
};

/* For drivers' open: initializes the common part, but not what open sets. */
int image_init(struct image *img, const struct image_ops *ops, struct io *io);
/* For drivers' close: frees the common part and closes io. */
void image_fini(struct image *img);
/* For drivers: fails the image, as metadata could not be written: all later
 * writes and flushes return -EIO.  Returns r. */
int image_fail(struct image *img, int r);
/* For drivers: flushes the dirty pages of the tables, also those of a crashed
 * process. */
int image_flush_tables(struct image *img);

const char *image_type_name(enum image_type type); /* "fixed", ... */

/* Flushes, closes and frees the image, in any case.  Returns the flush's error;
 * -EIO for an image that failed before. */
int image_close(struct image *img);

/* Reads the reference to the parent; ret is the caller's to parent_ref_fini.
 * -EBADMSG for an image that is not differencing. */
int image_parent(struct image *img, struct parent_ref *ret);

/* Do both images have the same format, type, sizes and identity? */
bool image_is_same(const struct image *a, const struct image *b);

/* 0, or the reason why the image can be read but not written; see image_ops.
 * Takes the lock. */
int image_may_write(struct image *img);

/*
 * The first extent of [off, off + len), which lies on the disk.  The caller
 * holds the lock (image_lock_map); after its release, the result is valid only
 * for an image that is not writable.
 */
int image_map(struct image *img, uint64_t off, uint64_t len,
	      struct extent *ret);

/* image_map with the lock held for the call only. */
int image_map_locked(struct image *img, uint64_t off, uint64_t len,
		     struct extent *ret);

/* Hold image.lock, shared, for a short time.  Not recursive: the same thread
 * calls no other image_ function but image_map meanwhile. */
void image_lock_map(struct image *img);
void image_unlock_map(struct image *img);

/* Write or zero whole sectors of the disk.  -EROFS, -ENOSPC; -EIO after a
 * failed write of metadata. */
int image_write(struct image *img, const void *buf, uint64_t off, size_t len);
int image_zero(struct image *img, uint64_t off, uint64_t len, int flags);

/* Flushes, and marks the file as closed.  The image stays open, and may be
 * written again.  No other thread uses the image meanwhile. */
int image_end_writes(struct image *img);

/*
 * Makes all writes before the call durable, also those of a crashed process.
 * Threads that wait at the same time share one flush.  Without writes nothing
 * is synced, except by the first flush after the open.
 */
int image_flush(struct image *img);

/* Sets defaults and checks the parameters; see image_ops. */
int image_params_complete(const struct image_ops *ops,
			  struct image_params *params);
/* Makes the file of an image that is open for writing complete in itself, as it
 * is after a clean close; the identity stays.  Ends writes first.  No other
 * thread uses the image meanwhile. */
int image_settle(struct image *img);

/*
 * Makes a differencing image name another parent (image_ops.set_parent); both
 * have the same format and sector size, and the caller has made sure that the
 * contents fit.  Ends writes first (image_end_writes).  No other thread uses
 * the image meanwhile.  -EOPNOTSUPP: the format cannot change it.  After an
 * error of I/O the image is failed, and names the old parent or the new one.
 */
int image_set_parent(struct image *img, const struct image_params *params);
/*
 * Makes a differencing image a dynamic one (image_ops.remove_parent).  The
 * caller has made sure that it shows the same without its parents: what it does
 * not store is zeros.  Ends writes first.  No other thread uses the image
 * meanwhile.  -EINVAL: an allocated block does not store all of its sectors;
 * -EOPNOTSUPP: the format cannot do it.  After an error of I/O the image is
 * failed, and has its parent or none.
 */
int image_remove_parent(struct image *img);

/* Creates an image in the empty, writable io, which stays the caller's. */
int image_create(struct io *io, const struct image_ops *ops,
		 const struct image_params *params);

#endif
