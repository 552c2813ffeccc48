/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's data structures and locks.  For the files of this folder only.
 *
 * A file calls functions of the files above it in this list only:
 *
 *   image-names.c   which names are images, and how their views are called
 *   reserve.c       free space that guests' writes leave alone
 *   resolve-path.c  the file that a name refers to, links followed
 *   watch.c         inotify watches of the directories
 *   examine.c       what one image file says of itself and of its parent
 *   catalog.c       the images by file, and the queue of files to examine
 *   dir.c           directories and their entries
 *   watch-events.c  inotify events, applied to directories and images
 *   ancestry.c      depth, children and errors, derived for all images
 *   examiners.c     threads that examine the queue
 *   refresh.c       watch-events, dir and examiners, called in this order
 *   image-stat.c    stat of a view; whether an image may be written
 *   view.c          opening and closing images
 *   view-io.c       reads, writes and flushes of an open image
 *   attributes.c    the extended attributes of an image
 *   find.c          search for images and directories by what they are
 *   store.c         opening, lookup, listing
 *
 * child.c creates a differencing image and uses none of these.
 *
 * LOCKS, outermost first.  A lock may be taken without those before it.
 *
 *   1. image.open_lock   Opening and closing of this image.  Held while its
 *                        files are opened, flushed for a close, and closed.
 *   2. store.lock        All data of this folder that names no other lock.
 *                        Never held during I/O on an image, nor while waiting
 *                        for open_lock or io_lock: under it only names are
 *                        read (stat, readdir), in a time that depends on their
 *                        number alone.  Waits for examinations release it
 *                        (store.examined).
 *   3. image.io_lock     The image's chain.  Shared by reads, writes and
 *                        flushes, exclusive for a change of the chain; held
 *                        during I/O on this image.  Never together with
 *                        store.lock.
 *   4. chain.rmw_lock    Sectors that are written in part (chain-internal.h).
 *   5. image.flush_lock, image.lock (format/image.h)
 *                        One image's tables.
 *   6. parent_cache.lock, table_cache.load_lock, recovery's locks
 *                        No other lock is taken under these.
 *
 * reserve.lock is taken with none of these held, and none is taken under it.
 *
 * A function whose name ends in _locked is called with store.lock held, or with
 * the lock that its comment names.
 */
#ifndef VHDFS_STORE_STORE_INTERNAL_H
#define VHDFS_STORE_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/guid.h"
#include "io/io-file.h"
#include "io/rootdir.h"
#include "store/reserve.h"

struct file_id {
	dev_t dev;
	ino_t ino;
};

enum entry_kind {
	ENTRY_IMAGE,
	ENTRY_DIR,
	ENTRY_LEFT_OUT, /* for a reason that was logged */
	ENTRY_NOTHING,  /* a link to neither, or to nothing, as yet; or what was
			   renamed while it was looked at */
};

/*
 * A name in a directory: of a file, of a directory, of what would be one but is
 * left out, or of a symbolic link.  Any file may be an image, whatever its
 * name, and so a child; links with a dot before their name are not kept.
 */
struct dir_entry {
	struct dir_entry *next;      /* in its directory, by cookie */
	struct dir_entry *next_name; /* of the same image */
	struct dir *dir;
	char *name;
	char *real; /* where it is once links are followed; in the store */
	struct file_id id;
	uint64_t cookie;
	uint64_t seen; /* the last reading of the directory that found it */
	enum entry_kind kind;
	bool link;
	bool hidden; /* the mount does not show it, though it may be an image */
	struct store_image *image; /* ENTRY_IMAGE (a file) only, else null */
};

struct dir {
	struct dir *next; /* in the store, parents first */
	char *path;       /* as the mount shows it */
	char *real;       /* where it is once links are followed */
	struct file_id id;
	int fd;
	int watch;      /* what inotify calls it; -1: it is not watched */
	unsigned links; /* symbolic links on the way here */
	bool hidden;    /* it or one above has a dot before its name */
	bool stale;     /* to be read again */
	bool read;      /* was read at least once */
	bool polled;    /* the kernel does not tell of all changes */
	bool logged;    /* that it could not be read */
	bool again;     /* something could not be looked at just now */
	struct dir_entry *first;
	struct dir_entry **end;
	void *by_name; /* the same entries: a tree (tsearch) */
	uint64_t last_cookie;
	uint64_t reading;
};

/* What was found in an image's own file, and that its parent is there. */
struct info {
	const char *format; /* null where it could not be told, as the rest */
	const char *type;
	uint64_t size;
	struct guid id;
	bool differencing;
	bool unreadable; /* whose child it is, if any, cannot be read */
	char *parent;    /* as user.vhdfs.parent shows it */
	char *error;     /* null: sound */
	char *readonly;  /* why its file takes no write; null: it takes them */
	char *warning;   /* of its parent's time stamp; null: none */
	/* The base names by which its parent is searched, folded (base/fold.h);
	 * null: none. */
	char *wanted[2];
	struct guid parent_ids[2]; /* what its parent may have; null: none */
	bool has_up;               /* its parent is the file up */
	struct file_id up;
	unsigned outside; /* parents, where these are outside of the store */
};

enum derived {
	NOT_DERIVED,
	DERIVING,
	DERIVED,
};

struct store_image {
	struct store *store;
	struct file_id id;
	struct dir_entry *names; /* those that are shown first */
	unsigned refs;           /* of the outside; names count not */

	struct info info;
	struct file_stamp seen; /* of the file, before info was read */
	bool known;             /* info was read at least once */
	bool stale;             /* info is to be read again */
	bool examining;         /* a thread reads it, without the lock */
	bool awaited; /* queued or being examined, and requests wait for that */
	bool busy;    /* it could not be: another program writes the file */
	bool queued;
	struct store_image *queue_next, **queue_at;
	/* Where it could not be read, for no fault of its own: when it is to
	 * be tried again; else 0. CLOCK_MONOTONIC, nanoseconds. */
	int64_t retry_at;

	/* What follows from all infos; catalog.c derives it. */
	enum derived derived;
	struct store_image *below; /* while that is done */
	unsigned depth;
	char *error; /* its own or a parent's; null: sound */
	unsigned children;
	const struct store_image *child; /* one of them */

	unsigned opens;   /* views of it, or about to be */
	unsigned writing; /* of these, for writing */

	pthread_mutex_t open_lock;
	/* Under open_lock: */
	unsigned readers;
	unsigned writers;
	/* It could not be opened again after a worker's death. */
	bool reopen_failed;
	/* Changes by its clients: begun, ended, and of these flushed. */
	atomic_ullong begun, ended, flushed;

	pthread_rwlock_t io_lock;
	/* Under io_lock: */
	struct chain *chain; /* null: closed, or not to be opened again */
	bool chain_writable;
	/* Of the disk that is open, 0 for none; changed under io_lock. */
	_Atomic(uint64_t) size;
	/* Another program may have written the file while it is open here for
	 * writing: to be looked at. */
	atomic_bool touched;
	/* See view_silent_changes. */
	atomic_uint silent_changes;
};

enum { DOUBT_VHD, DOUBT_OTHER };

struct store {
	pthread_mutex_t lock;
	bool read_only;
	struct root_dir *roots; /* [0] is the store */
	size_t n_roots;
	struct parent_cache *cache;
	struct reserve reserve;
	int inotify;
	struct dir *dirs; /* the first is the store itself */
	void *images;     /* by id: a tree (tsearch) */
	bool changed;     /* names or images: what is derived is old */
	/* Images that are to be examined, and the threads that do that. */
	struct store_image *queue, **queue_end;
	unsigned n_awaited;
	unsigned examiners;
	uint64_t n_examined;
	pthread_cond_t examined;
	bool closing;
	/* An image of this format, or of none that is known, may have any
	 * parent; null: there is none. */
	const struct store_image *doubts[2];
	const struct store_image *told_doubts[2]; /* to compare with, alone */
	/* Children whose parent is not where they name it, by each of their
	 * parent_ids: trees, while that is derived. */
	void *orphans[2];
	bool links_stale; /* links are to be looked at again */
	bool dirs_changed;
	void *changed_names; /* folded: a tree of strings */
	void *logged;        /* errors, since a request waited for nothing */
	struct timespec polled;
	atomic_bool lost; /* not all that was written is in its image */
};

#endif
