/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What watch has noticed of tgtd and of the mount, in a file beside the
 * targets-file of shard 0, TARGETS-FILE.noticed, mode 0600: so that another
 * watch logs nothing twice, and status shows the last refusals.  It is JSON:
 *
 *     mount      state identifier of the mount whose deaths were counted
 *     deaths     how many deaths of its workers are in the event log
 *     cursor     of the last entry of the journal that was taken; or null
 *     refusals   list of the last refusal of each client: client (null: of
 *                initiators that are those of no client), when (Unix seconds),
 *                initiator (or null), reason
 *
 * The event is logged before the file is written: a crash in between logs it
 * twice.
 */
#ifndef TGT_GLUE_COMMAND_NOTICED_H
#define TGT_GLUE_COMMAND_NOTICED_H

#include "tgt-glue/config/fleet.h"

struct refusal {
	const char *client;
	int64_t when;
	const char *initiator;
	const char *reason;
};

/* All zeros: nothing.  Strings are in arena. */
struct noticed {
	struct arena arena;
	const char *mount;
	uint32_t deaths;
	char *cursor; /* of malloc */
	struct refusal *refusals;
	size_t n;
};

/* Reads the file.  Without a file, or with another text in it, there is
 * nothing.  noticed_fini in any case. */
int noticed_load(const struct fleet *fleet, struct noticed *ret);
/* Writes the file.  Before that, forgets the refusals of clients that the fleet
 * does not have, and frees strings that nothing uses. */
int noticed_save(struct noticed *noticed, const struct fleet *fleet);
void noticed_fini(struct noticed *noticed);

/* The last refusal of the client, or of no client (null); null: none. */
const struct refusal *noticed_refusal(const struct noticed *noticed,
				      const char *client);
/* Sets it.  Copies the strings. */
void noticed_set_refusal(struct noticed *noticed,
			 const struct refusal *refusal);

#endif
