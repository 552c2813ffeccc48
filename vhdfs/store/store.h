/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store: a directory of images, as it is now.  It knows which names there
 * are, which file each stands for, what each image is, whose parent it is, and
 * which are open.
 *
 * LIVE.  Every function that takes the store looks first whether anything has
 * changed in the directory (inotify tells, at once and for nothing when nothing
 * has; where the file system cannot tell, everything is looked at again once a
 * second) and reads again what has.
 *
 * NAMES AND IMAGES.  Several names (hard links, symbolic links inside the
 * store) may stand for one image: device and inode number tell.  A path is
 * relative to the store, '/' between its parts, "" the store itself.
 *
 * THREADS: every function may be called from any thread.
 */
#ifndef VHDFS_STORE_STORE_H
#define VHDFS_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

struct store;
/* One image, whatever its names; see view.h for what is in it. */
struct store_image;

struct store_options {
	const char *path;
	char *const *parents; /* further directories to search for parents */
	size_t n_parents;
	bool read_only;
	uint64_t reserve; /* see reserve.h; bytes, or RESERVE_DEFAULT */
};

/* Opens the directory and reads all of it. -ENOTDIR, -ENOENT with words. */
int store_open(const struct store_options *options, struct store **ret);
/*
 * Flushes and closes what is open, and frees everything, whatever it returns.
 * Nobody else uses the store.  -EIO, without words, where an image, now or when
 * it was closed before, did not take all that was written to it.
 */
int store_close(struct store *store);

/* The store's absolute path, links followed. */
const char *store_root(const struct store *store);

/*
 * What the mount shows as name in the directory at path: a view or a directory.
 * *ret_image, with a reference, is null for a directory.  -ENOENT, without
 * words, where it shows nothing by that name.
 */
int store_lookup(struct store *store, const char *path, const char *name,
		 struct stat *ret_st, struct store_image **ret_image);

/* As stat of what the mount shows. -ENOENT or -ESTALE where it is gone. */
int store_stat_dir(struct store *store, const char *path, struct stat *ret_st);
int store_stat_image(struct store *store, struct store_image *image,
		     struct stat *ret_st);

/*
 * Calls each(arg, name, st, cookie) for what the mount shows in the directory
 * at path, beginning after the entry whose cookie is given (0: the first);
 * until it returns false.  Of st only the type and the inode number are set.
 * A cookie stays the same while the entry exists.
 */
typedef bool store_each(void *arg, const char *name, const struct stat *st,
			uint64_t cookie);
int store_list(struct store *store, const char *path, uint64_t after,
	       store_each *each, void *arg);

/*
 * The image or the directory that matches, whatever its name: with a reference,
 * or the path, the caller's to free; null where there is none.
 */
struct store_image *store_find_image(struct store *store,
				     bool (*matches)(const void *what,
						     dev_t dev, ino_t ino),
				     const void *what);
char *store_find_dir(struct store *store,
		     bool (*matches)(const void *what, const char *path),
		     const void *what);

/* Flushes all that is open for writing; the first error, each is logged. */
int store_flush(struct store *store);

/* Lets go of a reference. */
void store_image_put(struct store *store, struct store_image *image);

/* The image that is that file, with a reference: made where the store has no
 * name of it.  Null: out of memory. */
struct store_image *store_image_of_file(struct store *store, dev_t dev,
					ino_t ino);

enum store_kin {
	STORE_CHILDREN,
	/* Also an image of which the parent cannot be told: what cannot be
	 * read, or is being written. */
	STORE_POSSIBLE_CHILDREN,
};

/*
 * The path of an image whose parent is that file, by what the images say,
 * hidden ones too, and not by names or permissions: the caller's to free; null:
 * there is none.  0, or -ENOMEM with words.
 */
int store_child_of(struct store *store, dev_t dev, ino_t ino,
		   enum store_kin kin, char **ret);

/* Which file it is. */
void store_image_file(const struct store_image *image, dev_t *ret_dev,
		      ino_t *ret_ino);

/* What the image is known by in messages; the caller's to free. */
char *store_image_name(struct store *store, struct store_image *image);

/* The attributes, by name ("format", "type", "id", "parent", "depth",
 * "error", "readonly-reason", "warning", "writes"), null-ended. */
extern const char *const store_attributes[];
/* One of them, the caller's to free. -ENODATA, without words, where the image
 * has none by that name. */
int store_attribute(struct store *store, struct store_image *image,
		    const char *name, char **ret);

int store_statvfs(struct store *store, struct statvfs *ret);

#endif
