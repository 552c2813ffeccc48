/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One image file, whatever its format: the driver interface, and the functions
 * that the rest of the program calls.  An image knows what it stores itself;
 * of its parent it knows only the name.  The chain (chain/chain.h) puts images
 * together.
 *
 * A driver answers WHERE bytes are (map); it never reads payload for anybody
 * and knows nothing of its parent's contents.
 *
 * Offsets and lengths on the virtual disk are called off and len, bytes;
 * offsets in the file file_off.
 *
 * THREADS.  Any number of threads may use an image.  The image_ functions take
 * image.lock as said there; drivers take no lock of their own but rely on how
 * they are called:
 *
 *   map           lock held, shared or exclusively; bounded work, and few
 *                 pages of tables
 *   can_set_allocated, set_allocated
 *                 lock held, shared or exclusively
 *   write, zero   lock held exclusively
 *   start         lock held exclusively, once, before the first change
 *   stop          nobody else uses the image
 *   flush_begin   lock held exclusively } both, and nothing else, under
 *   flush_finish  no lock               } flush_lock
 *   close, check  nobody else uses the image
 *
 * Locks, in the order in which they are taken: flush_lock, then lock.
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

struct image;
struct table_cache;

enum image_type {
	IMAGE_FIXED,
	IMAGE_DYNAMIC,
	IMAGE_DIFFERENCING,
};

enum extent_kind {
	EXTENT_HERE,   /* stored in this image's file, at file_off; a hole
			  of the file counts as stored */
	EXTENT_ZERO,   /* reads as zeros, whatever the parent has */
	EXTENT_PARENT, /* this image says nothing: ask the parent */
};

struct extent {
	enum extent_kind kind;
	uint64_t len;
	/* EXTENT_HERE; where not, 0 or the place that the first of it has in
	 * its block already. */
	uint64_t file_off;
};

/* What a differencing image says of its parent. */
struct parent_ref {
	struct guid id;    /* must be the parent's image.id ... */
	struct guid id2;   /* ... or this, unless null (VHDX parent_linkage2) */
	uint64_t file_off; /* where the child says so, for messages */
	/* When the parent's file was last modified as the child was made, Unix
	 * seconds; 0: the child does not say. Where it says so. */
	int64_t mtime;
	uint64_t mtime_off;
	/* UTF-8, '/' between parts, "./parent.vhdx"; relative to the child's
	 * directory. Null where the child has none. */
	char *relative;
	/* The last part only of whatever absolute path the child gives; null
	 * where it gives none. */
	char *basename;
};

void parent_ref_fini(struct parent_ref *ref);

/* What image_create is to make. Zero stands for the default. */
struct image_params {
	enum image_type type;
	uint64_t size; /* of the virtual disk; a child's: its parent's */
	uint64_t block_size;
	uint32_t sector_size;          /* logical: 512 or 4096 */
	uint32_t physical_sector_size; /* 512 or 4096 */
	/* For IMAGE_DIFFERENCING: the parent, open, of the same format; what
	 * the child is to find it by, UTF-8 with '/': relative to the child's
	 * directory, and absolute; its modification time, Unix seconds. */
	const struct image *parent;
	const char *parent_relative;
	const char *parent_absolute;
	int64_t parent_mtime;
};

/* One thing that check found. The strings are valid during the call only. */
struct finding {
	const char *structure;
	uint64_t offset; /* in the file, or ERROR_NO_OFFSET */
	const char *expected;
	const char *found;
	bool leak;     /* wasted space only: the image is sound */
	bool repaired; /* it is mended now */
};

/* What image_check is to do, and where it reports; zeros but for the first two.
 */
struct check {
	bool repair; /* io is writable and locked then */
	void (*report)(struct check *check, const struct finding *finding);
	uint64_t leaked; /* out: bytes of the file that nothing refers to */
	/*
	 * Out: a crash left something that the next open does, or the next one
	 * for writing: no damage.  pending says what, or that it was done;
	 * empty where there was nothing.
	 */
	bool dirty;
	char pending[96];
	char remark[128]; /* out: what is odd and no damage; or empty */
};

/* For drivers: fills in pending or remark, the whole of an array. */
#define check_say(array, ...) \
	((void)snprintf(array, sizeof(array), __VA_ARGS__))

/* zero(): what the caller knows or wants. */
enum {
	/* Give the space back; without it allocation stays as it is. */
	ZERO_PUNCH = 1,
	/* Every ancestor reads zero here (true as well without a parent): the
	 * driver may answer EXTENT_PARENT afterwards. */
	ZERO_BELOW = 2,
};

/* Optional unless said otherwise: null where the format has no such thing. */
struct image_ops {
	/* Of the format: for --format and JSON, and the ending of new files. */
	const char *name;       /* "vhdx" */
	const char *title;      /* in messages: "a VHDX image" */
	const char *endings[3]; /* of file names, without the dot; null-ended */
	uint32_t only_sector_size; /* logical, of any image; 0: it may differ */
	bool stores_sector_size;   /* the file says it */
	/* By the bytes alone: is it this format, broken or not?  1 or 0; an
	 * error of reading, for then that cannot be told. */
	int (*probe)(struct io *io);
	/*
	 * The file has one of the endings, and the signature of another format:
	 * is it this format all the same?  As probe.
	 */
	int (*probe_named)(struct io *io);
	/*
	 * Checks all that it will trust later except table entries, which are
	 * checked when they are first used.  io->writable says how; a writable
	 * open may mend what a crash left (replay a log, rewrite a footer).
	 * Takes io over when it succeeds.  Required.
	 */
	int (*open)(struct io *io, struct image **ret);
	/* Flushes and marks the file as closed where it is writable and not
	 * failed, then frees everything, whatever it returns.  Required. */
	int (*close)(struct image *img);
	/*
	 * Of an image that does not open: type, size, sector_size and id of img
	 * (whose io is given), and *ret where it is differencing, by its
	 * headers alone, without the log and the tables.
	 */
	int (*peek)(struct image *img, struct parent_ref *ret);
	/* Fills in *ret for IMAGE_DIFFERENCING. */
	int (*parent)(struct image *img, struct parent_ref *ret);
	/*
	 * The first extent of [off, off + len), at least a sector and at most
	 * len long; of any kind, whole sectors.  Required.
	 */
	int (*map)(struct image *img, uint64_t off, uint64_t len,
		   struct extent *ret);
	/*
	 * Would the image take writes, if it were open for them?  0, or
	 * -EOPNOTSUPP or -EBADMSG with words that say why not.  Reads the
	 * tables; before start, with the image's lock held exclusively.
	 */
	int (*may_write)(struct image *img);
	/*
	 * Once, before the first change of any kind.  Tables may be dirty then
	 * with what a process that died had changed: they are durable after,
	 * and before any space of the file is taken.
	 */
	int (*begin_writes)(struct image *img);
	/*
	 * The opposite: everything is flushed, and the file is to be left as
	 * close leaves it; start comes again before the next change.
	 */
	int (*end_writes)(struct image *img);
	/*
	 * Writes whole sectors of one block that are not EXTENT_HERE, or not
	 * all: allocates, writes the data, and marks it as stored.  Returns 0,
	 * or 1 where so many changes of tables wait that it asks for a flush.
	 */
	int (*write)(struct image *img, const void *buf, uint64_t off,
		     size_t len);
	/*
	 * Can set_allocated mark these whole sectors of one block as stored?
	 * True while the image's lock is held; false where that takes write,
	 * because more than bits of dirty pages would change.
	 */
	bool (*can_set_allocated)(struct image *img, uint64_t off,
				  uint64_t len);
	/*
	 * Marks as stored sectors for which can_set_allocated was true, after
	 * their data was written to the file_off that map returned.  Several
	 * threads may do so at once (bits.h).  Cannot fail.
	 */
	void (*set_allocated)(struct image *img, uint64_t off, uint64_t len);
	/* Makes whole sectors of one block read as zeros (ZERO_ flags). Returns
	 * as write does. */
	int (*zero)(struct image *img, uint64_t off, uint64_t len, int flags);
	/*
	 * flush in two steps: begin takes a copy of what has to be made durable
	 * and returns 1, or 0 where there is only data to sync, or an error
	 * that changed nothing; finish syncs the file, writes that copy, and
	 * syncs again, and after an error of finish nothing in memory is
	 * trusted.  Without them a flush is one sync.
	 */
	int (*flush_begin)(struct image *img);
	int (*flush_finish)(struct image *img);
	/*
	 * Makes a new image in the empty, writable io; what it leaves is
	 * synced.  The parameters were completed by image_params_complete.
	 */
	int (*create)(struct io *io, const struct image_params *params);
	/*
	 * Makes a fixed image of the raw disk in io, in place and synced.
	 * -EINVAL for an empty file or an image, -EFBIG for a disk that is too
	 * large.
	 */
	int (*convert_in_place)(struct io *io);
	/* Fills in defaults; -EINVAL with words for what the format has not. */
	int (*params_complete)(struct image_params *params);
	/*
	 * Looks at every structure of the file, and mends where told to;
	 * reports what it finds.  0 also where it found damage; an error only
	 * where it could not look (I/O).  Opens what it needs itself: io stays
	 * the caller's.
	 */
	int (*check)(struct io *io, struct check *check);
};

struct image {
	/* Set by open and not changed after. */
	const struct image_ops *ops;
	struct io *io; /* owned; io->name is the image's name in messages */
	enum image_type type;
	uint64_t size;        /* of the virtual disk */
	uint32_t sector_size; /* logical; what write and zero align to */
	uint32_t physical_sector_size;
	uint64_t block_size; /* 0: the file has no blocks */
	struct guid id;      /* what children name; null for raw */
	bool writable;
	bool dirty; /* was not closed cleanly: its log holds something */

	/* Tables in memory, to be kept from growing; null where there are none.
	 * They outlive all use of the image. */
	struct table_cache *tables[2];

	pthread_mutex_t flush_lock; /* one flush at a time */
	pthread_rwlock_t lock;      /* the tables and where things are */

	atomic_bool started; /* ops->begin_writes succeeded */
	atomic_bool written; /* something was written since the last sync */
	/* No flush yet: what is in the file may be in the page cache alone,
	 * written by a process that died, and was read since. */
	atomic_bool unsynced_pages;
	/* Tables hold what a process that died had changed. */
	atomic_bool recovered_dirty;
	/* The errno of a failed metadata write or sync: no more writes. */
	atomic_int failed;
	/* Flushes begun and ended, to share one among those that wait. */
	atomic_uint_fast64_t flush_begun;
	uint_fast64_t flush_ended; /* under flush_lock, as the next */
	int flush_result;          /* of the last one */
	struct error flush_error;
};

/* For drivers: sets up the common part. The caller fills in the rest. */
int image_init(struct image *img, const struct image_ops *ops, struct io *io);
/* For drivers' close: lets go of the common part and closes io. */
void image_fini(struct image *img);
/*
 * For drivers: metadata could not be written, so what is in memory is no
 * longer to be trusted; every later write and flush answers -EIO.  Returns r.
 */
int image_fail(struct image *img, int r);

const char *image_type_name(enum image_type type); /* "fixed", ... */

/* Flushes, and returns what that answers, -EIO for an image that failed before;
 * frees everything in any case. */
int image_close(struct image *img);

int image_parent(struct image *img, struct parent_ref *ret);

/* Are both the same disk with the same identity, as far as their headers say?
 */
bool image_is_same(const struct image *a, const struct image *b);

/* See image_ops: 0, or why the image can be read but not written.  Beside
 * other threads that use the image; takes its lock. */
int image_may_write(struct image *img);

/*
 * Where is [off, off + len), which lies on the disk?  The caller holds the
 * image's lock (image_lock_map); once it lets go, the answer is good only of an
 * image that is not writable.
 */
int image_map(struct image *img, uint64_t off, uint64_t len,
	      struct extent *ret);

/* Keep the image's map as it is, for a short time: image_write, image_zero and
 * image_flush must not be called in between, nor this again. */
void image_lock_map(struct image *img);
void image_unlock_map(struct image *img);

/*
 * Whole sectors, on the disk, of a writable image.  -EROFS, -ENOSPC, -EIO
 * after a failure of metadata.
 */
int image_write(struct image *img, const void *buf, uint64_t off, size_t len);
int image_zero(struct image *img, uint64_t off, uint64_t len, int flags);

/*
 * Flushes, and leaves the file as image_close leaves it, so that the image can
 * be closed in no time; it stays open, and may be written again.  Nobody else
 * uses the image meanwhile.
 */
int image_end_writes(struct image *img);

/*
 * Everything written before the call is durable after it, what another process
 * wrote before it died too.  Callers that wait at the same time share one
 * flush; one with nothing to do syncs nothing, but for the first after the
 * open.
 */
int image_flush(struct image *img);

/* Fills in the defaults and checks; see image_ops. */
int image_params_complete(const struct image_ops *ops,
			  struct image_params *params);
int image_create(struct io *io, const struct image_ops *ops,
		 const struct image_params *params);

#endif
