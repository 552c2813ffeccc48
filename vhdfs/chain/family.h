/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parents, open and shared; for chain.c.  See chain.h for what a family is. */
#ifndef VHDFS_CHAIN_FAMILY_H
#define VHDFS_CHAIN_FAMILY_H

#include "chain/chain.h"

/*
 * A parent that is open.  parent, img, flat and path do not change while
 * somebody holds a reference.
 */
struct layer {
	struct layer *next;   /* in the family's list; under its lock */
	unsigned refs;        /* under the family's lock */
	bool shared;          /* locked against writers, and in the list */
	struct layer *parent; /* a reference; null at the end of the chain */
	struct image *img;
	struct flat *flat; /* of it and its parents */
	char *path;        /* as chain_path shows it */
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
/* Gives a reference back; null is allowed. */
void family_put(struct family *family, struct layer *layer);

const struct place *family_store(const struct family *family);

/* openat, confined where the place is. A descriptor or -errno, no words. */
int place_openat(const struct place *place, const char *path, int flags);
/* path with every part spelled as the one entry that equals it but for case;
 * the caller's to free. -ENOENT where there is no such path, or an error that
 * error_is_passing, without words. */
int place_any_case(const struct place *place, const char *path, char **ret);

#endif
