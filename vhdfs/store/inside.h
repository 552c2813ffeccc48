/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of this folder share.
 *
 *   dir.c      directories and the names in them
 *   look.c     what a name stands for
 *   watch.c    what the kernel says has changed there
 *   catalog.c  what each image is, and who is whose parent
 *   view.c     images that are open
 *   find.c     images and directories without their names
 *   reserve.c  free space that guests' writes leave alone
 *   store.c    the rest: puts these together for the outside
 *
 * LOCKS, in the order in which they are taken:
 *
 *   image.open_lock   opening and closing of this image; held while its files
 *                     are opened
 *   store.lock        everything here that does not say otherwise
 *   image.io_lock     which chain is the image's: shared by who uses it,
 *                     exclusively by who changes it; no other lock is taken
 *                     under it but the chain's own
 *
 * A function that ends in _locked is called with store.lock held.
 */
#ifndef VHDFS_STORE_INSIDE_H
#define VHDFS_STORE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/guid.h"
#include "chain/chain.h"
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
 * A name in a directory: of an image, of a directory, of what would be one but
 * is left out, or of any symbolic link.  Other names are not kept.
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
	struct store_image *image; /* ENTRY_IMAGE only, else null */
};

struct dir {
	struct dir *next; /* in the store, parents first */
	char *path;       /* as the mount shows it */
	char *real;       /* where it is once links are followed */
	struct file_id id;
	int fd;
	int watch;      /* what inotify calls it; -1: it is not watched */
	unsigned links; /* symbolic links on the way here */
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

/* What was found in an image's file and its parents'. */
struct info {
	const char *format; /* null where it could not be told, as the rest */
	const char *type;
	uint64_t size;
	struct guid id;
	unsigned depth;
	char *parent;   /* as user.vhdfs.parent shows it */
	char *error;    /* null: sound */
	char *readonly; /* why its file takes no write; null: it takes them */
	char *warning;  /* as chain_warning; null: none */
	/* The base names by which its parent is searched, folded (base/fold.h);
	 * null: none. */
	char *wanted[2];
	struct file_id *ancestors;
	size_t n_ancestors;
};

struct store_image {
	struct store *store;
	struct file_id id;
	struct dir_entry *names;
	unsigned refs; /* of the outside; names count not */
	struct info info;
	struct stat seen; /* the file when info was read */
	bool known;       /* info was read at least once */
	bool stale;       /* info is to be read again */
	bool unsettled;   /* it could not be: somebody is writing the file */
	/* Where it could not be read, for no fault of its own: when it is to
	 * be tried again; else 0. CLOCK_MONOTONIC, nanoseconds. */
	int64_t try_at;
	unsigned children;
	unsigned opens;   /* views of it, or about to be */
	unsigned writing; /* of these, for writing */

	pthread_mutex_t open_lock;
	/* Under open_lock: */
	unsigned readers;
	unsigned writers;

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

struct store {
	pthread_mutex_t lock;
	bool read_only;
	struct place *places; /* [0] is the store */
	size_t n_places;
	struct family *family;
	struct reserve reserve;
	int inotify;
	struct dir *dirs; /* the first is the store itself */
	void *images;     /* by id: a tree (tsearch) */
	bool changed;     /* names or images: the catalog is behind */
	bool unsettled;   /* one of the images is */
	bool links_stale; /* links are to be looked at again */
	bool dirs_changed;
	void *changed_names; /* folded: a tree of strings */
	void *logged;        /* errors, by the update that is under way */
	struct timespec polled;
	atomic_bool lost; /* not all that was written is in its image */
};

/* look.c: all return -errno, without words */

bool look_same(const struct file_id *a, const struct file_id *b);
/* Opens a path in the store that no link leads out of. */
int look_beneath(const struct store *store, const char *path, unsigned flags);
/* "dir/name", or name where dir is the store; null: out of memory. */
char *look_join(const char *dir, const char *name);
/* What a name stands for: fills in link, real and id of ret; name stays the
 * caller's. */
int look_at(struct store *store, struct dir *dir, const char *name,
	    struct dir_entry *ret, struct stat *ret_st);
/* The file or directory behind an entry, links followed inside the store. */
int entry_stat(struct store *store, struct dir_entry *entry,
	       struct stat *ret_st);

/* dir.c */

/* Adds the directory at path (real as entry.real) to the store, to be read. */
int dir_add_locked(struct store *store, const char *path, const char *real,
		   unsigned links);
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

/* catalog.c */

void info_fini(struct info *info);
/* A name has come or gone: children may look for it. */
void catalog_name_changed_locked(struct store *store, const char *name);
/* The image with this id, made where there is none; null: out of memory. */
struct store_image *catalog_image_locked(struct store *store,
					 const struct file_id *id);
/* The image lost a name or a reference: frees it when it has none left. */
void catalog_release_locked(struct store *store, struct store_image *image);
/* Is what was read still so, by st, its file's? Else marks it stale. */
void catalog_compare_locked(struct store *store, struct store_image *image,
			    const struct stat *st);
/* Of an image that has no name any more, or cannot be opened by it: takes what
 * its open chain says.  With open_lock held. */
void catalog_take_open(struct store *store, struct store_image *image);
/* Reads again all that is stale. */
void catalog_update_locked(struct store *store);
/* Does its file system let the image be written, as it is now? */
bool catalog_fs_writable_locked(const struct store *store,
				const struct store_image *image);
/* May the image be written, by what the catalog says? */
bool catalog_writable_locked(const struct store *store,
			     const struct store_image *image,
			     const struct stat *st);

/* view.c */

/* Closes what is open of the image. */
int view_end(struct store *store, struct store_image *image);

/* store.c */

/* Brings everything up to date. */
void store_refresh_locked(struct store *store);
int store_image_stat_locked(struct store *store, struct store_image *image,
			    struct stat *ret_st);

#endif
