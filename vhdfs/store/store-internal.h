/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of this folder share.
 *
 *   dir.c      directories and the names in them
 *   resolve-path.c     what a name stands for
 *   watch.c    what the kernel says has changed there
 *   examine.c  one image's file, examined
 *   catalog.c  what each image is, and which image is whose parent
 *   ancestry.c      what follows for an image from its parents and children
 *   view.c     images that are open
 *   view-io.c  reads and writes of them
 *   find.c     images and directories without their names
 *   reserve.c  free space that guests' writes leave alone
 *   store.c    the rest: puts these together for the outside
 *
 * LOCKS, in the order in which they are taken.  This is the only order in the
 * program; a lock further down may be taken without those above it.
 *
 *   image.open_lock   opening and closing of this image; held while its files
 *                     are opened
 *   image.io_lock     which chain is the image's: shared by what uses it,
 *                     exclusively by what changes it; held over I/O on this
 *                     image
 *   chain.edge        sectors that are written in part
 *   image.flush_lock, image.lock (format/image.h)   one image's tables
 *   family.lock       the list of open parents; no I/O under it
 *
 *   image.open_lock   as above
 *   store.lock        everything here that does not say otherwise.  Under it
 *                     there is no I/O on an image, no wait for an open_lock or
 *                     an io_lock, and nothing that takes longer than the number
 *                     of names: only names are looked at (stat, readdir).
 *
 * store.lock and io_lock are never held together.  store.lock is let go while
 * a request waits for examinations (store.examined).
 *
 * A function that ends in _locked is called with store.lock held.
 */
#ifndef VHDFS_STORE_STORE_INTERNAL_H
#define VHDFS_STORE_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/guid.h"
#include "chain/chain.h"
#include "io/rootdir.h"
#include "store/reserve.h"
#include "store/store.h"

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

/* resolve-path.c: all return -errno, without words */

bool file_id_equal(const struct file_id *a, const struct file_id *b);
/* Opens a path in the store that no link leads out of. */
int resolve_beneath(const struct store *store, const char *path,
		    unsigned flags);
/* "dir/name", or name where dir is the store; null: out of memory. */
char *resolve_join(const char *dir, const char *name);
/* What a name stands for: fills in link, real and id of ret; name stays the
 * caller's. */
int resolve_name(struct store *store, struct dir *dir, const char *name,
		 struct dir_entry *ret, struct stat *ret_st);
/* The file or directory behind an entry, links followed inside the store. */
int resolve_stat(struct store *store, struct dir_entry *entry,
		 struct stat *ret_st);

/* dir.c */

/* Adds the directory at path (real as entry.real) to the store, to be read. */
int dir_add_locked(struct store *store, const char *path, const char *real,
		   unsigned links, bool hidden);
struct dir *dir_find_locked(struct store *store, const char *path);
void dir_free_all(struct store *store);
struct dir_entry *dir_find_entry_locked(struct dir *dir, const char *name,
					size_t len);
/* The name was added, removed, or stands for another file: looks again. Where
 * that cannot be told just now (error_is_passing) all stays as it was, and is
 * looked at again with the next refresh. */
int dir_look_locked(struct store *store, struct dir *dir, const char *name);
/* Has those directories read again of which something could not be told. */
void dir_try_again_locked(struct store *store);
/* Reads again what is stale and on no unbounded way of links; then looks at
 * links again where names have come or gone. */
void dir_read_stale_locked(struct store *store);
/* Looks again at all links in the directory. */
void dir_look_at_links_locked(struct store *store, struct dir *dir);
void dir_read_locked(struct store *store, struct dir *dir);
/* Does the mount show this entry? */
bool dir_shows_locked(struct dir_entry *entry);

/* watch.c */

int watch_init(struct store *store);
void watch_add_locked(struct store *store, struct dir *dir);
void watch_remove_locked(struct store *store, struct dir *dir);
/* Marks as stale what has changed since the last call. */
void watch_drain_locked(struct store *store);
/* Has anything changed?  A system call, and no lock of the store's. */
bool watch_has_events(const struct store *store);

/* examine.c */

enum { EXAMINE_PATHS = 8 };

/* What is to be examined, and what was found. */
struct examination {
	struct file_id id;
	char *paths[EXAMINE_PATHS]; /* where the file is */
	size_t n_paths;
	bool ours;   /* it is open here */
	bool hidden; /* it need not be an image */
	int64_t began;
	struct info info; /* with error where result is not 0 */
	struct file_stamp seen;
	/* -EBUSY: what was read means nothing, for it changes meanwhile. */
	int result;
	bool gone; /* there is no such file */
};

/* Without a lock of the store. */
void examine(struct store *store, struct examination *e);
/* What an open chain says of its leaf; an error with words. */
int examine_chain(struct chain *chain, struct info *info);
void info_fini(struct info *info);
/* A copy, of which there always is one; let go of by info_free_words. */
char *info_keep_words(const char *text);
void info_free_words(char *text);

/* catalog.c */

/* A name has come or gone: children may look for it. */
void catalog_name_changed_locked(struct store *store, const char *name);
/* The image with this id, made where there is none; null: out of memory. */
struct store_image *catalog_image_locked(struct store *store,
					 const struct file_id *id);
/* The image lost a name or a reference: frees it when it has none left. */
void catalog_release_locked(struct store *store, struct store_image *image);
/* It is to be examined. */
void catalog_mark_stale_locked(struct store *store, struct store_image *image);
/* Is what was read still so, by st, its file's? Else marks it. */
void catalog_compare_locked(struct store *store, struct store_image *image,
			    const struct stat *st);
/* Of an image that has no name any more, or cannot be opened by it: takes what
 * its open chain says.  With open_lock held. */
void catalog_take_open(struct store *store, struct store_image *image);
/* Has all examined that is marked, and waits for that, but not for what is
 * slow.  The lock is let go meanwhile. */
void catalog_examine_stale_locked(struct store *store);
/* Waits for this image (which has a reference) and its parents, however long
 * that takes.  The lock is let go meanwhile. */
void catalog_wait_locked(struct store *store, struct store_image *image);
/* Ends the threads. */
void catalog_end_locked(struct store *store);
/* Does its file system let the image be written, as it is now? */
bool catalog_fs_writable_locked(const struct store *store,
				const struct store_image *image);
/* May the image be written, by what the catalog says? */
bool catalog_writable_locked(const struct store *store,
			     const struct store_image *image,
			     const struct stat *st);
/* The image with this id; null for none. */
struct store_image *catalog_find_locked(const struct store *store,
					const struct file_id *id);
typedef void image_visitor(struct store *store, struct store_image *image);
void catalog_each_locked(struct store *store, image_visitor *visit);

/* ancestry.c */

/* Brings what follows up to date, of all images. */
void ancestry_derive_locked(struct store *store);
/* The image's parent; null where it has none in the store. */
struct store_image *ancestry_parent_locked(const struct store *store,
					   const struct store_image *image);
/* What the image's time stamps, or its parents', warn of; null: nothing. */
const char *ancestry_warning_locked(const struct store *store,
				    const struct store_image *image);
/* An image of which that one may be the parent, for all that is known; null for
 * none. */
/* Why such an image is not written; takes the name of what
 * ancestry_doubt_locked says. */
#define ANCESTRY_DOUBT                                                  \
	"may be the parent of %s, whose own file does not say; repair " \
	"that, or move it out of the store"
const struct store_image *
ancestry_doubt_locked(const struct store *store,
		      const struct store_image *image);
/* An image that is, or for all that is known may be, a child of this one; null
 * for none. */
const char *ancestry_child_locked(const struct store *store,
				  const struct store_image *image);

/* view.c */

/* Opens the image anew for its readers, where its chain was lost; open_lock is
 * not held. */
void view_reopen_lost(struct store_image *image);
/* Before a change and a flush: where another program has written the file since
 * it was opened here, all that is done with it fails from now on.  Takes
 * store->lock, open_lock and io_lock, one after the other. */
void view_check_replaced(struct store_image *image);
/* Before what is written is flushed for a close: is the file the image still?
 * With open_lock held. */
void view_check_before_close(struct store *store, struct store_image *image);
/* The file of what is open of the image. -ESTALE where nothing is. Not with
 * store.lock. */
int view_fstat(struct store_image *image, struct stat *ret_st);
/* The identifier of what is open; a first write changes it. False where nothing
 * is open. Not with store.lock. */
bool view_id(struct store_image *image, struct guid *ret);
/* Closes what is open of the image. */
int view_end(struct store *store, struct store_image *image);

/* store.c */

/* Brings everything up to date.  The lock is let go meanwhile. */
void store_refresh_locked(struct store *store);
/* The image's, which has a reference, by one of its names: -ESTALE where it has
 * none.  The lock is let go meanwhile. */
int store_image_stat_locked(struct store *store, struct store_image *image,
			    struct stat *ret_st);

#endif
