/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samples of the store's free space and of the size of each client's image,
 * from which status computes how fast they change.
 *
 * watch takes them once an hour, and keeps those of two days in a file beside
 * the targets-file of shard 0, TARGETS-FILE.samples, mode 0600.  A line for the
 * store, and one for each image:
 *
 *     store UNIX-TIME FREE UNIX-TIME FREE ...
 *     IMAGE INODE UNIX-TIME BYTES UNIX-TIME BYTES ...
 *
 * The samples of an image begin again with another file in its place.  The
 * times are for display: no decision depends on them.
 */
#ifndef TGT_GLUE_COMMAND_SAMPLES_H
#define TGT_GLUE_COMMAND_SAMPLES_H

#include "tgt-glue/config/fleet.h"

enum {
	SAMPLE_SECONDS = 3600,
	SAMPLES_MAX = 48, /* of each series */
	/* A growth over less time means nothing. */
	SAMPLE_AGE_MIN = 600,
};

struct series {
	const char *image; /* its path in the store; "store": the free space */
	uint64_t inode;    /* 0: of the store */
	struct {
		int64_t time; /* Unix seconds */
		uint64_t bytes;
	} v[SAMPLES_MAX]; /* the oldest first */
	size_t n;
};

/* All zeros: none. */
struct samples {
	struct arena arena;
	struct series **v; /* the first one is the store's */
	size_t n;
};

/* Reads the file; without a file there are none.  samples_fini in any case. */
int samples_load(const struct fleet *fleet, struct samples *ret);
/* Takes a sample of the store and of each image if an hour has gone by, and
 * writes the file.  now: Unix seconds. */
int samples_take(struct samples *samples, const struct fleet *fleet,
		 int64_t now);
void samples_fini(struct samples *samples);

/*
 * The change of the image's size since its oldest sample, in bytes a day.  NAN:
 * unknown.  *hint: where the search begins, 0 at first; it is updated.
 */
double samples_growth(const struct samples *samples, const char *image,
		      const struct stat *st, int64_t now, size_t *hint);
/* The days until free bytes are used up at the pace of the samples.  NAN: it is
 * unknown, or never. */
double samples_days_until_full(const struct samples *samples, uint64_t free,
			       int64_t now);

#endif
