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

struct disk_state {
	/* The flat file of its image in the mount.  It is the disk's; after
	 * a reset to another format that of the fresh image. */
	const char *view;
	enum client_image_state image;
	const char *image_why; /* of CHILD_OTHER */
	bool image_denied;     /* CHILD_OTHER: this user may not read it */
	/* Of CHILD_READY: the paths of its parent, and of its version: the
	 * nearest ancestor that is of the family of its master. */
	const char *parent;
	const char *version;
	bool behind; /* its version is not the one that fleet.conf wants */
	/* It goes over to the wanted version only if its image is empty, and
	 * a session may have written to it (follow.h). */
	bool only_empty;
	/* This pass replaced it, and has not checked yet that the mount shows
	 * it. */
	bool replaced;
	const char *image_error;     /* why it cannot be created, or null */
	uint32_t sector_size;        /* of the disk, bytes; not of a CD-ROM */
	uint32_t shared_sector_size; /* of master or shared image; 0: not read
				      */
	/* Of a DISK_OWN, from the disk that tgtd has of the same file, recorded
	 * as applied; 0: unknown. */
	uint32_t exported_sector_size;
	bool blocked; /* see struct client_state */
	/* Of a data disk: it is in no targets-file, because it is blocked. */
	bool unlisted;
	/* The earlier state that it is to get; null: not found yet, or none. */
	const struct saved_state *earlier;
};

struct client_state {
	/* The shard that serves the client: its home, or the one where it is,
	 * until it can move. */
	const struct shard *shard;
	/* Why no target may export one of its disks: another one exports it for
	 * writing (exports_block).  Null: a target may. */
	const char *blocked;
	bool unlisted; /* it is in no targets-file, because it is blocked */
};

struct clients {
	const struct fleet *fleet;
	struct arena *arena;  /* of the pass: reasons, paths, texts */
	struct store *images; /* the store's catalog (children_find), or null */
	struct open_views *open_views; /* image_resets_begin, or null */
	/* The earlier state (saved-states.h) that disks to be reset get; null:
	 * they get a fresh image. */
	const char *which;
	/* The earlier name of the one client to be reset, which gets the images
	 * of that name (client-rename.h); null: none. */
	const char *from;
	struct client_state *v;   /* in the order of fleet->clients */
	struct disk_state *disks; /* in the order of fleet->disks */
};

/* Allocates the states in arena; fleet and arena outlive clients.  Keeps
 * images, which and from. */
void clients_init(struct clients *clients, const struct fleet *fleet,
		  struct arena *arena);
/* Closes images. */
void clients_fini(struct clients *clients);
/* True if clients to be reset get no fresh disk, but another one. */
bool clients_get_other_disks(const struct clients *clients);
/* The command to type so that the disk's image is replaced. */
const char *clients_replace_command(const struct clients *clients,
				    const struct disk *disk);
/* client points into fleet->clients. */
struct client_state *clients_state(const struct clients *clients,
				   const struct client *client);
/* disk points into fleet->disks. */
struct disk_state *clients_disk(const struct clients *clients,
				const struct disk *disk);

#endif
