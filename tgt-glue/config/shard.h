/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tgtd has one event loop, and so one processor.  Where that is not enough
 * several share the fleet, and each with the clients that are its own is a
 * shard: another control port, other ports, another targets-file.  Shard 0 is
 * the tgtd that fleet.conf describes; the others follow from it and from their
 * number.
 *
 * INVARIANT: no two tgtds export a client's disk, and no two targets-files name
 * it: two initiators would write to one disk.
 */
#ifndef TGT_GLUE_CONFIG_SHARD_H
#define TGT_GLUE_CONFIG_SHARD_H

#include <stdbool.h>
#include <stddef.h>

#include "tgt-glue/base/arena.h"

/* Where fleet.conf says no other. */
#define DEFAULT_TARGETS_FILE "/etc/tgt/conf.d/vhdfs.conf"

enum { SHARDS_MAX = 16 };

struct fleet;

struct shard {
	unsigned number;
	/* Beyond `shards' of fleet.conf, but it was one: what it has goes to
	 * others. */
	bool retired;
	int control_port;
	/* Where clients find it; none only for shard 0, whose is tgtd's own. */
	struct strings portals;
	const char *targets_file;
	const char *tgtd; /* it, in words */
};

/*
 * The shard, of n, that a target is on where fleet.conf does not say.  It
 * follows from the name alone, so it is the same whoever else comes or goes; of
 * n + 1 it is the same one or the new one.
 */
unsigned shard_of(const char *iqn, unsigned n);

/*
 * Makes fleet->shards, the retired ones at its end.  Notes mistakes: ports that
 * cannot be counted on from, or that meet.
 */
void shard_resolve(struct fleet *fleet);
/* How many are not retired. */
unsigned shard_wanted(const struct fleet *fleet);

/* The options of tgtd's --iscsi, of pool. */
const char *shard_iscsi_options(struct arena *arena, const struct shard *shard);
/* For the unit that starts it, of pool; see contrib/systemd/vhdfs-tgtd@. */
const char *shard_environment(struct arena *arena, const struct shard *shard);

/* The command that starts the shard's tgtd, in one of two buffers of the
 * thread, used in turn. */
const char *shard_start(const struct shard *shard);

#endif
