/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The targets-file: the fleet as a targets.conf of tgt-admin. */
#ifndef TGT_GLUE_RECONCILE_TARGETS_CONF_H
#define TGT_GLUE_RECONCILE_TARGETS_CONF_H

#include "tgt-glue/reconcile/clients.h"
#include "tgt-glue/reconcile/last-applied.h"

/* The parameter by which tgt-admin's `write-cache off' sets the disk's caching
 * mode page. */
#define TARGETS_CACHE_OFF \
	"mode_page=8:0:18:0x10:0:0xff:0xff:0:0:0xff:0xff:0xff:0xff:0x80:0x14:0:0:0:0:0:0"

/*
 * iSCSI parameters of every target.  With tgtd's default segments of 8 KiB a
 * write of 256 KiB has 32 of them, and with its first burst of 64 KiB the
 * initiator waits for the target to request the rest.  Ends with a null key.
 * tgtd reports them only in a request for each target, so they are compared
 * with the record of what was applied.
 */
extern const struct pair targets_parameters[];

/* The text of one disk, in the clients' arena. */
const char *targets_conf_store(const struct clients *clients,
			       const struct disk *disk);
/* The beginning of a client's block: all that is not of its disks, its users
 * and its access rules. */
const char *targets_conf_parameters(const struct clients *clients,
				    const struct client *client);
/* One client's block, without unlisted disks, in the clients' arena. */
const char *targets_conf_block(const struct clients *clients,
			       const struct client *client);
/*
 * The blocks in the targets-file of targets that are not removed yet and whose
 * disk their successor will export: until then the successor is in no
 * targets-file, and a restarted tgtd exports the disk under the old name.
 */
int targets_conf_kept(const struct clients *clients, const struct shard *shard,
		      const struct tgtd_state *state, struct strings *ret);
/* The shard's whole targets-file: the blocks of its clients that are not
 * unlisted, and the kept blocks (may be null).  The caller frees it. */
char *targets_conf_text(const struct clients *clients,
			const struct shard *shard, const struct strings *kept);
/* The present targets-file with new blocks of the named clients, if it has
 * them.  The caller frees it. */
int targets_conf_text_replaced(const struct clients *clients,
			       const struct shard *shard,
			       const struct strings *names, char **ret_text);
/* The present targets-file without the clients of other shards.  The caller
 * frees it. */
int targets_conf_text_own(const struct clients *clients,
			  const struct shard *shard, char **ret_text);
/*
 * Replaces the shard's targets-file, mode 0600, atomically, and writes the
 * environment of its tgtd's unit beside it.  1, after printing it, if the text
 * changed, 0 if the file had it already, else -errno with a message.
 */
int targets_conf_write(const struct shard *shard, const char *text);
/* Reads the present targets-file: its text, "" if there is none, which the
 * caller frees, and its blocks.  Call last_applied_fini in any case. */
int targets_conf_load(const struct shard *shard, char **ret_text,
		      struct last_applied *ret);
/* Removes all files of a retired shard. */
int targets_conf_remove(const struct shard *shard);

#endif
