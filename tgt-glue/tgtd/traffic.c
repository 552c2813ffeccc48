/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic of sessions.
 *
 * tgtd answers with a table, and a line of titles before each target's lines:
 *
 *     tgt lun sid rd_subm(bytes,cmds) rd_done(bytes,cmds) wr_subm(...) ...
 *       5   1   3      1049325     10      1049325     10  65536  1 ...
 */
#include "config.h"

#include "tgt-glue/tgtd/traffic.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"

void traffic_parse(struct arena *arena, char *text, struct traffics *ret)
{
	memset(ret, 0, sizeof *ret);
	for (char *line; (line = strsep(&text, "\n"));) {
		struct traffic t;
		uint64_t lun;

		/* Submitted commands are not read: each is done later, or
		 * lost. */
		if (sscanf(line,
			   "%" SCNd32 " %" SCNu64 " %" SCNu64
			   " %*u %*u %" SCNu64 " %" SCNu64 " %*u %*u %" SCNu64
			   " %" SCNu64 " %" SCNu64,
			   &t.tid, &lun, &t.sid, &t.read_bytes,
			   &t.read_commands, &t.written_bytes,
			   &t.write_commands, &t.errors) != 8 ||
		    lun != 1)
			continue;
		ret->v = arena_grow(arena, ret->v, ret->n, sizeof *ret->v);
		ret->v[ret->n++] = t;
	}
}

int traffic_read(const struct tgtd *tgtd, struct arena *arena,
		 struct traffics *ret)
{
	_cleanup_free_ char *text = NULL;
	int r = tgtd_ask(tgtd, TGTD_SYSTEM, TGTD_STAT, TGTD_NO_TID, &text);

	if (r == 0)
		traffic_parse(arena, text, ret);
	return r;
}

const struct traffic *traffic_of(const struct traffics *all, int32_t tid,
				 uint64_t sid)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].tid == tid && all->v[i].sid == sid)
			return &all->v[i];
	return NULL;
}
