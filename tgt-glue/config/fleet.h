/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fleet: the model of fleet.conf.  It has every shard and every client with
 * all settings, as they follow from fleet.conf and from the names of the images
 * in the store.  resolve.h makes it.
 *
 * All memory is of conf.arena.  Nothing changes a fleet, and nothing allocates
 * from its arena, after fleet_load: passes have an arena of their own
 * (reconcile/clients.h).
 */
#ifndef TGT_GLUE_CONFIG_FLEET_H
#define TGT_GLUE_CONFIG_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "io/rootdir.h"
#include "tgt-glue/config/parse.h"
#include "tgt-glue/config/shard.h"

/* Unless fleet.conf has `spares'. */
enum { SPARES_DEFAULT = 4 };

struct client {
	const char *name;
	const char *label; /* its part of the IQN: see value_fold_name */
	int line;          /* in fleet.conf, of the first mention */

	/* Identity towards initiators. */
	const char *iqn;
	uint32_t tid;
	const struct shard *home; /* the shard that is to serve it */
	const char *scsi_id;
	const char *scsi_sn;

	/* Its images, as paths in the store. */
	const char *master_name; /* as fleet.conf names it, with its ending */
	const char *master;      /* its file, links followed: a version */
	const char *family;      /* of the master: see versions.h */
	int master_line;         /* in fleet.conf, of the key that names it */
	const char *child;
	const char *image; /* child, or the one in another format that it has */
	const char *view;  /* its disk: the flat file of image in the mount */
	uint64_t block_size; /* of the child image, bytes; 0: its parent's */

	bool readonly;
	bool write_cache;
	bool thin;
	bool reset_boot;
	unsigned keep; /* how many old images a reset keeps */
	/* Another version of its master replaces its disk (update = reset). */
	bool update_reset;

	/* Access; see acl.h.  The CHAP strings are null without CHAP. */
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
	struct shard *shards; /* by number, the retired ones last */
	size_t n_shards;
	const char *min_free;     /* null: no warning */
	const char *on_low_space; /* a command, or null */
	unsigned spares;          /* number of spare files: see spare.h */
	/* How many versions of a master stay that nothing needs; 0: all. */
	unsigned keep_versions;
	struct client *clients;
	size_t n;

	/* The store; fd is -1 where it cannot be opened. */
	struct root_dir rootdir;
};

/* A fleet that fleet_fini takes, though it was not loaded. */
#define NO_FLEET ((struct fleet){ .rootdir.fd = -1 })
void fleet_fini(struct fleet *fleet);

/* The path in the store of the client's image in this format. */
const char *client_image_path(struct fleet *fleet, const struct client *client,
			      const struct image_ops *format);
/* The file at a path in the store, which is not opened: 0, or -errno without a
 * message. */
int fleet_stat(const struct fleet *fleet, const char *path, struct stat *ret);

/* The client, or null. */
const struct client *fleet_client(const struct fleet *fleet, const char *name);
const struct client *fleet_client_by_iqn(const struct fleet *fleet,
					 const char *iqn);
/* The client's name in an IQN with the fleet's prefix, else null. */
const char *fleet_client_name(const struct fleet *fleet, const char *iqn);

/* Reports a mistake of a client, as conf_mistake: "client NAME: ...". */
#define fleet_mistake(fleet, client, line, fmt, ...)                          \
	conf_mistake(&(fleet)->conf, line, "client %s: " fmt, (client)->name, \
		     ##__VA_ARGS__)

/* How many shards fleet.conf wants: those that are not retired. */
unsigned fleet_active_shards(const struct fleet *fleet);

#endif
