/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a pass finds out and decides about each client.  The configuration is
 * not changed after it was read; this stands beside it.
 */
#ifndef TGT_GLUE_RECONCILE_CLIENTS_H
#define TGT_GLUE_RECONCILE_CLIENTS_H

#include "tgt-glue/config/fleet.h"

enum client_image_state {
	CHILD_UNKNOWN, /* before client_image_inspect */
	CHILD_READY,
	CHILD_MISSING,
	/* It exists, and is no child of the configured master, or its parent
	 * cannot be determined. */
	CHILD_OTHER,
};

struct client_state {
	/* The shard that serves the client: its home, or the one where it is,
	 * until it can move. */
	const struct shard *shard;
	/* The flat file of its image in the mount.  It is the client's; after
	 * a reset to another format that of the fresh image. */
	const char *view;
	enum client_image_state image;
	const char *image_why;       /* of CHILD_OTHER */
	const char *image_error;     /* why it cannot be created, or null */
	uint32_t sector_size;        /* of the disk, bytes */
	uint32_t master_sector_size; /* 0: not read */
	/* Why no target may export its disk: another one exports it for writing
	 * (exports_block).  Null: a target may. */
	const char *blocked;
	bool unlisted; /* it is in no targets-file, because it is blocked */
	/* The earlier state of its disk that it is to get; null: not found
	 * yet, or none. */
	const struct disk_state *earlier;
};

struct clients {
	const struct fleet *fleet;
	struct arena *arena;  /* of the pass: reasons, paths, texts */
	struct store *images; /* the store's catalog (children_find), or null */
	/* The earlier state of their disk that clients to be reset get
	 * (disk-states.h); null: a fresh disk. */
	const char *which;
	/* The earlier name of the one client to be reset, which gets the images
	 * of that name (client-rename.h); null: none. */
	const char *from;
	struct client_state *v; /* in the order of fleet->clients */
};

/* Allocates the states in arena; fleet and arena outlive clients.  Keeps
 * images, which and from. */
void clients_init(struct clients *clients, const struct fleet *fleet,
		  struct arena *arena);
/* Closes images. */
void clients_fini(struct clients *clients);
/* True if clients to be reset get no fresh disk, but another one. */
bool clients_get_other_disks(const struct clients *clients);
/* The command to type so that the client's image is replaced. */
const char *clients_replace_command(const struct clients *clients,
				    const struct client *client);
/* client points into fleet->clients. */
struct client_state *clients_state(const struct clients *clients,
				   const struct client *client);

#endif
