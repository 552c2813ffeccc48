/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store: a directory of images, always up to date.  It knows the names in the
 * directory, the file of each name, what each image is, its parent, and which
 * images are open.
 *
 * UP TO DATE.  Every function that takes the store first applies the changes of
 * the directory that inotify reports; without a change this costs one system
 * call.  Where the file system reports none, the directory is read again once a
 * second.
 *
 * IMAGES.  One image is one file, by device and inode number.  It may have
 * several names: hard links, and symbolic links inside the store.  A path is
 * relative to the store, with '/' between its parts; "" is the store itself.
 * A view is an image as the mount shows it: a raw disk, whose name is that of
 * the image and ".raw".
 *
 * REFERENCES.  An image that a function returns is valid until store_image_put.
 *
 * THREADS: every function may be called from any thread, but for store_open and
 * store_close.
 */
#ifndef VHDFS_STORE_STORE_H
#define VHDFS_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "io/file-id.h"

struct store;
/* One image, under all its names; view.h opens and reads it. */
struct store_image;

struct store_options {
	const char *path;
	char *const *parents; /* further directories to search for parents */
	size_t n_parents;
	bool read_only;
	uint64_t reserve; /* see reserve.h; bytes, or RESERVE_DEFAULT */
};

/* Opens the directory and reads all of it.  -ENOTDIR, -ENOENT and others, with
 * a message. */
int store_open(const struct store_options *options, struct store **ret);
/*
 * Flushes and closes all images and frees the store, even when it fails.  No
 * other thread may use the store.  -EIO, without a message: a write was lost,
 * now or when an image was closed before.
 */
int store_close(struct store *store);

/* The store's absolute path, links followed; valid while the store is open. */
const char *store_root(const struct store *store);

/*
 * The view or directory that the mount shows as name in the directory at path.
 * *ret_image: a reference of the view's image; null for a directory.  -ENOENT,
 * without a message: the mount shows nothing by that name.
 */
int store_lookup(struct store *store, const char *path, const char *name,
		 struct stat *ret_st, struct store_image **ret_image);

/* stat of a directory or a view.  -ENOENT or -ESTALE, without a message: it was
 * removed. */
int store_stat_dir(struct store *store, const char *path, struct stat *ret_st);
int store_stat_image(struct store_image *image, struct stat *ret_st);

/*
 * Calls each(arg, name, st, cookie) for what the mount shows in the directory
 * at path, from the first entry behind cookie `after' (0: from the first),
 * until each returns false.  Only the type and the inode number of st are set.
 * An entry keeps its cookie as long as it exists.  each must not call the
 * store. -ENOENT, without a message: there is no such directory.
 */
typedef bool store_each(void *arg, const char *name, const struct stat *st,
			uint64_t cookie);
int store_list(struct store *store, const char *path, uint64_t after,
	       store_each *each, void *arg);

/*
 * The image or the directory for which matches() is true: *ret_image with a
 * reference, or *ret_path, the caller's to free; null: none.  matches gets
 * either an image or a path, and must not call the store, but for
 * store_image_disk.
 */
typedef bool store_matches(const void *what, const struct store_image *image,
			   const char *path);
void store_find(struct store *store, store_matches *matches, const void *what,
		struct store_image **ret_image, char **ret_path);

/* Flushes all open images.  Logs each error and returns the last.  Only one
 * thread may call it. */
int store_flush(struct store *store);

/* Gives a reference back. */
void store_image_put(struct store_image *image);

/* The image of this file, with a reference; created where the store has no name
 * for it.  Null: out of memory. */
struct store_image *store_image_of_file(struct store *store, dev_t dev,
					ino_t ino);

enum store_child_kind {
	STORE_CHILDREN,
	/* Also images with an unknown parent: their parent reference cannot be
	 * read, or they are being written. */
	STORE_POSSIBLE_CHILDREN,
};

/*
 * *ret: the path of an image, hidden or not, whose parent is this file, as the
 * examined files say, whatever their permissions; the caller's to free.  Null:
 * none.  0, or -ENOMEM with a message.
 */
int store_find_child(struct store *store, dev_t dev, ino_t ino,
		     enum store_child_kind kin, char **ret);
/* The same, of images with a name in another directory than this one; symbolic
 * links are no names.  *ret: that name. */
int store_find_child_elsewhere(struct store *store, struct file_id parent,
			       struct file_id directory,
			       enum store_child_kind kin, char **ret);

/*
 * Calls each(arg, PATH) for every image that store_find_child could find.  each
 * must not call the store.
 */
void store_each_child(struct store *store, dev_t dev, ino_t ino,
		      enum store_child_kind kin,
		      void (*each)(void *arg, const char *path), void *arg);

/* The image's disk (io/recovery.h, DISKS), which stays the same. */
struct file_id store_image_disk(const struct store_image *image);

/* The image's path for messages, the caller's to free; null: out of memory. */
char *store_image_name(struct store_image *image);

/* Names of the attributes ("format", "type", "id", "parent", "depth", "error",
 * "readonly-reason", "warning", "writes", "inode", "quota"), null-ended. */
extern const char *const store_attributes[];
/* The value of an attribute, the caller's to free.  -ENODATA, without a
 * message: the image has no such attribute. */
int store_attribute(struct store_image *image, const char *name, char **ret);
/*
 * Sets the attribute "quota" (quota.h) of the image's file to a value of size
 * bytes; value null removes it.  flags: as setxattr.  All errors without a
 * message.  -EPERM: another name; -EINVAL: no size; -EROFS: the store is
 * read-only; -EACCES: the view has no write permission; -ENODATA, -EEXIST.
 */
int store_set_attribute(struct store_image *image, const char *name,
			const char *value, size_t size, int flags);

/* How many bytes writes leave free (reserve.h); 0 where the store is read-only.
 */
uint64_t store_reserve(const struct store *store);

/* statvfs of the store's file system.  0 or -errno, without a message. */
int store_statvfs(struct store *store, struct statvfs *ret);

#endif
