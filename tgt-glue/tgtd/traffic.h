/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sessions have read and written, by tgtd's own counters.  They begin with
 * the session and are gone with it.
 */
#ifndef TGT_GLUE_TGTD_TRAFFIC_H
#define TGT_GLUE_TGTD_TRAFFIC_H

#include <stddef.h>
#include <stdint.h>

#include "tgt-glue/base/arena.h"
#include "tgt-glue/tgtd/client.h"

/* Of LUN 1 in one session. Commands that carry no data are in none of it. */
struct traffic {
	int32_t tid;
	uint64_t sid;
	uint64_t read_bytes;
	uint64_t read_commands;
	uint64_t written_bytes;
	uint64_t write_commands;
	uint64_t errors; /* commands that did not end well */
};

struct traffics {
	struct traffic *v;
	size_t n;
};

/* Asks for all of it; of pool. */
int traffic_read(const struct tgtd *tgtd, struct arena *arena,
		 struct traffics *ret);
/* Takes apart what tgtd says to "stat". */
void traffic_parse(struct arena *arena, char *text, struct traffics *ret);
/* Null where there is none. */
const struct traffic *traffic_of(const struct traffics *all, int32_t tid,
				 uint64_t sid);

#endif
