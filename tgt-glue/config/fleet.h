/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fleet: every client with all that follows from fleet.conf and the names
 * in the store.  Everything in it is in conf.pool.
 */
#ifndef TGT_GLUE_CONFIG_FLEET_H
#define TGT_GLUE_CONFIG_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chain/chain.h"
#include "io/rootdir.h"
#include "tgt-glue/config/parse.h"
#include "tgt-glue/config/shard.h"

/* Where fleet.conf does not say `spares'. */
enum { SPARES_DEFAULT = 4 };

struct client {
	const char *name;
	const char *label; /* the name as it is in iqn: in lower case */
	int line;          /* in fleet.conf */

	/* What it is to initiators. */
	const char *iqn;
	uint32_t tid;
	const struct shard *home; /* the one that it is to be on ... */
	/* ... and where it is: another one while it is left there. */
	const struct shard *shard;
	const char *scsi_id;
	const char *scsi_sn;

	/* Its images, relative to the store, and the flat file of its own. */
	const char *master;
	int master_line; /* where fleet.conf says so */
	const char *child;
	const char *view;
	uint64_t block_size;  /* of the child image, 0 for its parent's */
	uint32_t sector_size; /* of the disk */

	/* Why its disk must not be exported: something else exports it for
	 * writing (exports_block).  Null: it may be. */
	const char *blocked;
	bool unlisted; /* and so it is in no targets-file */

	bool readonly;
	bool write_cache;
	bool thin;
	bool reset_boot;
	unsigned keep; /* old images that stay when it is reset */

	/* Who is admitted; see acl.h. Null where there is no CHAP. */
	struct strings addresses;
	struct strings initiators;
	bool open;
	const char *user;
	const char *secret;
	const char *mutual_user;
	const char *mutual_secret;
	const char *secret_file;

	const char *mac;
};

struct fleet {
	struct conf conf;
	const char *store;
	const char *mount;
	const char *iqn_prefix;
	struct shard *shards; /* by number */
	size_t n_shards;
	const char *min_free;     /* null: no warning */
	const char *on_low_space; /* a command, or null */
	unsigned spares;          /* files that keep room: see spare.h */
	struct client *clients;
	size_t n;

	struct root_dir
		rootdir; /* the store; fd is -1 where it cannot be opened */
	struct store *images; /* all of it; null until children.c asks for it */
};

/*
 * Reads and resolves.  0 where all is well; -EINVAL where there are mistakes,
 * all of them in fleet->conf then; another error where the file cannot be read.
 * fleet_fini in any case.
 *
 * without_secret: a client whose secret-file need not be there (it is about to
 * be made), or null.
 */
int fleet_load(const char *file, const char *without_secret,
	       struct fleet *fleet);
void fleet_fini(struct fleet *fleet);

/* Keeps fleet.conf as it was read, for fleet_load_good. 0 or -errno, words. */
int fleet_keep(struct fleet *fleet);
/*
 * The fleet that was kept last, in place of a bad one, which fleet_load has
 * been given.  tolerant: without the clients that have mistakes by now, such as
 * a master that is gone from the store; for showing alone.  As fleet_load.
 */
int fleet_load_good(struct fleet *bad, bool tolerant, struct fleet *ret);

/*
 * The path in the store of a client's image that is not of its master's format:
 * the first that exists, or null.  In the fleet's arena.
 */
const char *client_image_of_other_format(struct fleet *fleet,
					 const struct client *client);

struct client *fleet_client(const struct fleet *fleet, const char *name);
struct client *fleet_client_by_iqn(const struct fleet *fleet, const char *iqn);

#endif
