/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic of sessions: tgtd's counters of reads and writes.
 *
 * A counter starts at zero with its session and ends with it.
 */
#ifndef TGT_GLUE_TGTD_TRAFFIC_H
#define TGT_GLUE_TGTD_TRAFFIC_H

#include "tgt-glue/base/arena.h"
#include "tgt-glue/tgtd/client.h"

/* Of LUN 1 in one session.  Commands without data are not counted. */
struct traffic {
	int32_t tid;
	uint64_t sid;
	uint64_t read_bytes;
	uint64_t read_commands;
	uint64_t written_bytes;
	uint64_t write_commands;
	/* Commands with another status than GOOD.  That is no failure of the
	 * disk: the first command of each session is answered with a UNIT
	 * ATTENTION. */
	uint64_t errors;
};

struct traffics {
	struct traffic *v;
	size_t n;
};

/* Reads all counters, into arena. 0, or -errno with a message. */
int traffic_read(const struct tgtd *tgtd, struct arena *arena,
		 struct traffics *ret);
/* Parses the answer to "stat". Changes text. */
void traffic_parse(struct arena *arena, char *text, struct traffics *ret);
/* Null if there is none. */
const struct traffic *traffic_of(const struct traffics *all, int32_t tid,
				 uint64_t sid);

#endif
