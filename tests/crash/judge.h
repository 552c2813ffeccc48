/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether what a crash left is as good as was promised. */
#ifndef VHDFS_TESTS_JUDGE_H
#define VHDFS_TESTS_JUDGE_H

#include "crash/world.h"

struct judge {
	struct world *world;
	uint64_t seed;
	unsigned long states; /* that were judged, those of recoveries too */
	unsigned long recoveries; /* crashes while one was mended */
	unsigned long repairs;    /* check --repair instead of an open */
};

/*
 * state is what the leaf's file is after the first n operations and a power
 * cut.  Fails the test unless: it opens by itself, for reading and for writing;
 * every sector holds what it may; where it has the identifier that it had at an
 * earlier open, it holds what it held then, for a child that was made then and
 * lies elsewhere opens on it; it can be written and flushed, and the rest
 * stays as it is; check then finds nothing but leaks; the same when the power
 * goes again while it is opened and first written; and check --repair makes it
 * sound, with the same content.
 */
void judge_state(struct judge *judge, const struct mem_file *state, size_t n);

#endif
