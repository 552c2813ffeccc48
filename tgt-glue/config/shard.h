/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shards: the tgtds that share the clients of one fleet.
 *
 * A tgtd has one event loop, so it can use one CPU.  When that CPU is
 * saturated, several tgtds share the clients.  A shard is one tgtd with its
 * clients, its control port, its portals and its targets-file.  Shard 0 is the
 * tgtd that fleet.conf describes; the settings of shard K follow from these and
 * from K.
 *
 * INVARIANT: a client's disk is exported by at most one tgtd and named in at
 * most one targets-file.  Otherwise two initiators would write to one disk.
 */
#ifndef TGT_GLUE_CONFIG_SHARD_H
#define TGT_GLUE_CONFIG_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tgt-glue/config/parse.h"
#include "tgt-glue/config/values.h"

/* The targets-file of shard 0, unless fleet.conf names another. */
#define DEFAULT_TARGETS_FILE "/etc/tgt/conf.d/vhdfs.conf"

struct shard {
	unsigned number;
	/* fleet.conf had this shard and has it no longer (its number is not
	 * below `shards'): its clients migrate to other shards. */
	bool retired;
	int control_port;
	/* "ADDRESS" or "ADDRESS:PORT"; empty only for shard 0, which then
	 * listens where tgtd listens by default. */
	struct strings portals;
	const char *targets_file;
	const char *tgtd; /* the name of its tgtd in messages */
};

/*
 * The shard, from 0 to n - 1, of a target whose client has no `shard' in
 * fleet.conf.  It depends on the IQN and n alone, so adding or removing clients
 * moves no other client.  For n + 1 the result is the same shard or the new
 * one.
 */
unsigned shard_of(const char *iqn, unsigned n);

/*
 * The shards of fleet.conf, in *ret, and after them the retired ones.  Returns
 * their number.  Reports as mistakes port ranges that are too high or overlap.
 */
size_t shard_resolve(struct conf *conf, struct shard **ret);

/* The text of the file beside the targets-file whose name has that ending, ""
 * if there is none; the caller frees it. */
int shard_file_read(const struct shard *shard, const char *ending,
		    char **ret_text);
/* Replaces that file, atomically.  1 if the text changed, 0 if the file had it
 * already, else -errno with a message. */
int shard_file_write(const struct shard *shard, const char *ending,
		     const char *text, mode_t mode);

/* The argument of tgtd's --iscsi. */
const char *shard_iscsi_options(struct arena *arena, const struct shard *shard);
/* The environment file of the unit contrib/systemd/vhdfs-tgtd@. */
const char *shard_environment(struct arena *arena, const struct shard *shard);

/* The command that starts the shard's tgtd, for messages; as format_arg. */
const char *shard_start(const struct shard *shard);

#endif
