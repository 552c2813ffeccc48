/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parents, open and shared; for chain.c.  See chain.h for what a family is. */
#ifndef VHDFS_CHAIN_FAMILY_H
#define VHDFS_CHAIN_FAMILY_H

#include <pthread.h>
#include <stdatomic.h>

#include "chain/chain.h"
#include "io/io-file.h"

/*
 * A parent that is open.  parent, img, flat and path do not change while
 * somebody holds a reference.
 */
struct layer {
	struct layer *next;   /* in the family's list; under its lock */
	unsigned refs;        /* under the family's lock */
	bool shared;          /* locked against writers, and in the list */
	bool outdated;        /* not for new chains; under the family's lock */
	atomic_bool replaced; /* its file or a parent's holds another image */
	struct file_stamp stamp; /* of the file; under the family's lock */
	struct layer *parent;    /* a reference; null at the end of the chain */
	struct image *img;
	struct flat *flat; /* of it and its parents */
	char *path;        /* as chain_path shows it */
};

struct family {
	const struct place *places;
	size_t n_places;
	/* The list and its references.  No I/O under it: two threads may open
	 * one parent at the same time; the second then takes the first's. */
	pthread_mutex_t lock;
	struct layer *layers;
};

/* A file that was found and opened: in which place, and where it is there. */
struct found {
	size_t place;
	char *real;    /* owned */
	struct io *io; /* owned */
};

void found_fini(struct found *found);

/*
 * Opens the parents of child, which is at real in its place, all the way up.
 * lock: keep writers away from them.  *ret is null where child has no parent;
 * else the caller holds a reference.
 */
int family_open_parents(struct family *family, struct image *child,
			size_t place, const char *real, bool lock,
			struct layer **ret);
/* Puts a new layer, which nothing else uses, into the list, unless another
 * thread was first: returns the one that is to be used, with the caller's
 * reference. */
struct layer *family_share(struct family *family, struct layer *layer);
/* An open layer of that file that is as the file is now, with a reference; null
 * for none. */
struct layer *family_get_current(struct family *family, const struct io *io);
/* For one that is not in the list. */
void family_layer_free(struct layer *layer);
DEFINE_CLEANUP(struct layer *, family_layer_free);
/* Gives a reference back; null is allowed. */
void family_put(struct family *family, struct layer *layer);

/* Looks into the file of an open image again, by a descriptor of its own: 1
 * where it still holds that image, 0 where it holds another or none. */
int family_file_holds(const struct image *open);
/* Are the files of layer (null is allowed) and its parents as they were when
 * they were opened?  Does I/O. */
bool family_is_current(struct family *family, struct layer *layer);

const struct place *family_store(const struct family *family);

/* Where the file of fd is in place, links followed: as place_open's ret_real;
 * path where it is not in there.  The caller's to free; null: no memory. */
char *place_real(const struct place *place, int fd, const char *path);
/* openat, confined where the place is. A descriptor or -errno, no words. */
int place_openat(const struct place *place, const char *path, int flags);
/* path with every part spelled as the one entry that equals it but for case
 * and normal form (base/fold.h); the caller's to free. -ENOENT where there is
 * no such path, or an error that error_is_passing, without words. */
int place_any_case(const struct place *place, const char *path, char **ret);

#endif
