/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's data structures and locks.  For the files of this folder only.
 *
 * A file calls functions of the files above it in this list only:
 *
 *   image-names.c   which names are images, and how their views are called
 *   reserve.c       free space that guests' writes must leave free
 *   quota.c         how much space an image's file may take
 *   resolve-path.c  the file that a name refers to, links followed
 *   watch.c         inotify watches of the directories
 *   examine.c       one image file's headers, and its parent's file
 *   catalog.c       the images by file, and the queue of files to examine
 *   dir.c           directories and their entries
 *   watch-events.c  inotify events, applied to directories and images
 *   ancestry.c      depth, children and errors, derived for all images
 *   examiners.c     threads that examine the queue
 *   refresh.c       watch-events, dir and examiners, called in this order
 *   image-stat.c    stat of a view; whether an image may be written
 *   view-request.c  the names of an open image
 *   view.c          opening and closing images
 *   view-io.c       reads, writes and flushes of an open image
 *   view-snapshot.c  a snapshot of an open image, or a revert
 *   view-rebase.c   another parent of an open image; removal of a snapshot
 *   attributes.c    the extended attributes of an image
 *   io-errors.c     failed requests, counted
 *   find.c          search for images and directories by what they are
 *   store.c         opening, lookup, listing
 *
 * Files that use none of these but image-names.c:
 *
 *   protected-parent.c  a parent that is given a child
 *   child.c             creating a differencing image
 *   child-search.c      search for a child without a store
 *   copy-attributes.c   owner, mode and attributes of a file
 *   leaf-steps.c        the steps of putting a fresh child in the place of an
 *                       image
 *   leaf-replace.c      these for an image that no process has open
 *   put-aside.c         names of images that were put aside
 *   snapshot.c          the snapshots of an image
 *
 * LOCKS of this folder (HACKING has their order):
 *
 *   image.open_lock   Opening and closing of this image.  Held while its files
 *                     are opened, flushed for a close, and closed.
 *   image.io_lock     The image's chain.  Shared by reads, writes and flushes,
 *                     exclusive for a change of the chain; held during I/O.
 *   store.lock        All data of this folder that names no other lock.  Held
 *                     together with io_lock only for a moment by
 *                     view-snapshot.c and view.c.  Under it only names are
 *                     read (stat, readdir) and one is renamed, in a time that
 *                     depends on their number alone.  A wait for examinations
 *                     releases it (store.examined).
 *   reserve.lock      The reserve's budget; held over syncfs.
 *   quota.lock        The image's quota and its budget.
 *
 * A function whose name ends in _locked is called with store.lock held.
 *
 * TERMS
 *
 *   view       an image as the mount shows it: its name and ".raw", a raw disk
 *   hidden     a name that the mount does not show, because it begins with a
 *              dot or has no image's ending; its file may still be an image,
 *              and a child
 *   examine    to read an image file's headers and to find its parent's file
 *   info       what the last examination found
 *   stale      to be examined again (an image), to be read again (a directory)
 *   pending    stale or being examined, so that requests wait for the result
 *   derived    computed from the infos of all images: depth, error, children
 *   unknown    a parent whose child's reference to it cannot be read
 *   detached   a child whose parent is not where the child names it
 */
#ifndef VHDFS_STORE_STORE_INTERNAL_H
#define VHDFS_STORE_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/guid.h"
#include "format/registry.h"
#include "io/file-id.h"
#include "io/io-file.h"
#include "io/rootdir.h"
#include "store/quota.h"
#include "store/reserve.h"

enum entry_kind {
	ENTRY_IMAGE,
	ENTRY_DIR,
	ENTRY_EXCLUDED, /* the reason was logged */
	/* A symbolic link to nothing, or to neither an image nor a directory;
	 * or a name that was renamed while it was read. */
	ENTRY_UNRESOLVED,
};

/*
 * A name in a directory.  Every regular file may be an image, whatever its
 * name.  Symbolic links that begin with a dot have no entry.
 */
struct dir_entry {
	TAILQ_ENTRY(dir_entry) link; /* in its directory, by cookie */
	struct dir_entry *next_name; /* another name of the same image */
	struct dir *dir;
	char *name;
	char *real; /* its path in the store, links followed */
	struct file_id id;
	uint64_t cookie;
	uint64_t reading; /* dir.reading when the name was found last */
	enum entry_kind kind;
	bool is_link; /* symbolic */
	bool hidden;
	struct store_image *image; /* of ENTRY_IMAGE, else null */
};

struct dir {
	struct dir *next; /* in the store, parents first */
	char *path;       /* as the mount shows it */
	char *real;       /* its path in the store, links followed */
	struct file_id id;
	int fd;
	int watch;              /* inotify's descriptor; -1: no watch */
	unsigned links;         /* symbolic links in path */
	bool hidden;            /* a name in path begins with a dot */
	bool stale;             /* to be read again */
	bool polled;            /* inotify does not report every change */
	bool read_error_logged; /* of the last reading */
	bool retry;             /* a name could not be read just now */
	TAILQ_HEAD(, dir_entry) entries;
	void *by_name; /* the same entries: a tree (tsearch) */
	uint64_t last_cookie;
	uint64_t reading; /* number of readings */
};

/* What an examination found in an image's file. */
struct image_info {
	const char *format; /* null: unknown, and so are the next ones */
	const char *type;
	uint64_t size; /* of the disk, bytes */
	struct guid id;
	bool differencing;
	bool parent_unknown; /* differencing or not, its parent is unknown */
	char *parent_path;   /* as user.vhdfs.parent shows it */
	char *error;         /* null: none */
	char *readonly;      /* why its file takes no write; null: it does */
	char *warning;       /* of its parent's time stamp; null: none */
	/* Base names by which its parent is searched, folded (base/fold.h);
	 * null: none. */
	char *parent_names[2];
	struct guid parent_ids[2]; /* one of them is the parent's; null: none */
	bool has_parent;           /* parent_file is known */
	struct file_id parent_file;
	unsigned outside_parents; /* number of parents outside of the store */
	/* Write bits that an interrupted replacement of the leaf took, and that
	 * the next open for writing gives back (leaf-steps.h). */
	mode_t lost_write_bits;
};

enum derived {
	NOT_DERIVED,
	DERIVING,
	DERIVED,
};

/* One image file, under all its names. */
struct store_image {
	struct store *store;
	struct file_id id; /* its file, which a snapshot changes */
	/* Constant while there is a reference or an open: what nodes and
	 * handles are numbered by (io/recovery.h, DISKS). */
	struct file_id disk;
	struct dir_entry *names; /* those that are not hidden first */
	unsigned refs;           /* held by callers; names are not counted */

	struct image_info info;
	struct file_stamp stamp; /* of the file, before info was read */
	bool known;              /* info was read at least once */
	bool stale;
	bool examining; /* a thread examines it, without store.lock */
	bool pending;
	bool busy; /* not examined: another program may be writing the file */
	bool queued;
	TAILQ_ENTRY(store_image) queue_link;
	/* When the file is to be read again after a failure that may pass; 0:
	 * none.  As clock_us. */
	int64_t retry_at;

	/* Derived (ancestry.c): */
	enum derived derived;
	struct store_image *derive_next; /* the child to derive next */
	unsigned depth;
	char *error; /* its own or a parent's; null: none */
	unsigned children;
	const struct store_image *child; /* one of them */

	struct store_image *flush_next; /* of store_flush */

	/* Changed under open_lock and store.lock, read under either: */
	unsigned opens;       /* views of it, and the open under way */
	unsigned write_opens; /* of these, for writing */

	pthread_mutex_t open_lock;
	bool reopen_failed; /* after a worker's death; under open_lock */
	/* Number of changes: begun, ended, and of these flushed. */
	atomic_ullong begun, ended, flushed;
	atomic_ullong io_errors; /* failed requests (io-errors.h) */

	pthread_rwlock_t io_lock;
	/* Under io_lock: */
	struct chain *chain; /* null: closed, or could not be opened again */
	bool chain_writable;
	/* Of the disk in bytes, 0: no handle.  Stays while the chain cannot be
	 * opened again, so that the kernel sends the reads of open handles
	 * instead of answering end-of-file.  Written under io_lock or
	 * open_lock. */
	_Atomic(uint64_t) size;
	/* The file was closed after writing, perhaps by another program, while
	 * it is open here for writing: its identity is to be checked. */
	atomic_bool maybe_replaced;
	/* Handle of the last step of a rebase; 0: none. */
	_Atomic(uint64_t) rebase_owner;
	/* See view_silent_changes. */
	atomic_uint silent_changes;
	struct quota quota;
};

struct store {
	pthread_mutex_t lock;
	bool read_only;
	struct root_dir *roots; /* [0]: the store; then -o parents= */
	size_t n_roots;
	struct parent_cache *cache;
	struct reserve reserve;
	int inotify;
	struct dir *dirs; /* the first is the store itself */
	void *images;     /* by id: a tree (tsearch) */
	bool derive_due;  /* names or infos changed since the last derivation */
	/* Images to examine, and the threads that do it. */
	TAILQ_HEAD(, store_image) queue;
	unsigned n_pending;
	unsigned examiners;
	uint64_t n_examined;
	pthread_cond_t examined; /* an examination or a thread has ended */
	bool closing;
	/* An image with an unknown parent, by the format that this parent
	 * would have (index in image_formats); null: there is none. */
	const struct store_image *unknown_parent[IMAGE_FORMATS_MAX];
	/* Compared only. */
	const struct store_image *logged_unknown[IMAGE_FORMATS_MAX];
	/* While deriving: detached children by each of their parent_ids
	 * (trees). */
	void *detached[2];
	bool links_stale;      /* symbolic links are to be resolved again */
	bool dirs_changed;     /* examine all children again */
	void *changed_names;   /* folded; examine the children that name them */
	void *logged_errors;   /* since a request had nothing to wait for */
	int64_t last_poll;     /* clock_us, in seconds */
	atomic_bool data_lost; /* a write that was accepted is not on disk */
};

#endif
