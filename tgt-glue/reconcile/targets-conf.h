/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fleet as tgt-admin's targets.conf. */
#ifndef TGT_GLUE_RECONCILE_TARGETS_CONF_H
#define TGT_GLUE_RECONCILE_TARGETS_CONF_H

#include "tgt-glue/reconcile/clients.h"
#include "tgt-glue/tgtd/state.h"

/*
 * What tgt-admin's `write-cache off' does to the disk's caching mode page, as
 * tgtd takes it.
 */
#define TARGETS_CACHE_OFF \
	"mode_page=8:0:18:0x10:0:0xff:0xff:0:0:0xff:0xff:0xff:0xff:0x80:0x14:0:0:0:0:0:0"

/*
 * What is told to every target beyond tgtd's defaults: with segments of 8 KiB a
 * write of 256 KiB is 32 of them, and with a first burst of 64 KiB it waits for
 * the target to ask for the rest.  Ends with a null name.  To ask tgtd for them
 * takes a request a target, so they are compared with what was applied.
 */
struct targets_conf_parameter {
	const char *name;
	const char *value;
};
extern const struct targets_conf_parameter targets_parameters[];

/* One client's block; in the fleet's pool. */
const char *targets_conf_block(const struct clients *clients,
			       const struct client *client);
/*
 * The blocks that the targets-file has now of targets that are left and whose
 * disk their successor is to have: until they are gone the successor is in no
 * file, and a tgtd that is started anew finds the disk where it is.
 */
int targets_conf_kept(const struct clients *clients, const struct shard *shard,
		      const struct tgtd_state *live, struct strings *ret);
/* The shard's whole file: its clients' blocks but those of unlisted ones, and
 * the blocks that are kept, or null.  The caller's to free. */
char *targets_conf_text(const struct clients *clients,
			const struct shard *shard, const struct strings *kept);
/* What the shard's file has now with the blocks of these clients, where it has
 * them, as they are to be. The caller's. */
int targets_conf_text_but(const struct clients *clients,
			  const struct shard *shard,
			  const struct strings *names, char **ret_text);
/* What the shard's file has now without the clients that are on another shard.
 * The caller's. */
int targets_conf_text_without_others(const struct clients *clients,
				     const struct shard *shard,
				     char **ret_text);
/*
 * Writes it to the shard's targets-file, mode 0600, whole or not at all, and
 * what starts its tgtd beside it.  1 where it was written, 0 where the file had
 * that text already.
 */
int targets_conf_write(const struct shard *shard, const char *text);
/* What the targets-file has now, "" where there is none; the caller's. */
int targets_conf_read(const struct shard *shard, char **ret_text);
/* Removes all that was written for a shard that is retired. */
int targets_conf_remove(const struct shard *shard);

#endif
