/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judge: tests promises 1 to 4 (HACKING) on the state of a file after a crash.
 */
#ifndef VHDFS_TESTS_JUDGE_H
#define VHDFS_TESTS_JUDGE_H

#include "crash/world.h"

struct judge {
	struct world *world;
	uint64_t seed;
	unsigned long states;     /* judged, also during recoveries */
	unsigned long recoveries; /* crashes during a recovery */
	unsigned long repairs;    /* check --repair instead of an open */
};

/*
 * state is a state of the leaf's file after the first n operations and a power
 * cut.  Fails the test unless:
 *  - it opens for reading and for writing, without a repair;
 *  - each sector holds a content that is allowed (world_allows);
 *  - if it still has the identifier of an earlier open, it has the content of
 *    that open: a child made then, in another place, would open on it;
 *  - it can be written and flushed, and its other sectors are unchanged;
 *  - check then finds only leaks;
 *  - all this holds again after a power cut during its recovery;
 *  - check --repair repairs it, with the same content.
 */
void judge_state(struct judge *judge, const struct mem_file *state, size_t n);

#endif
