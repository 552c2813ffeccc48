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
#include "tgt-glue/config/values.h"

/* Unless fleet.conf has `spares'. */
enum { SPARES_DEFAULT = 4 };
/* Unless it has `keep'. */
enum { DEFAULT_KEEP = 1 };

struct client;

enum disk_kind {
	DISK_CHILD,  /* the client's child of a master */
	DISK_OWN,    /* the client's own image, without a parent */
	DISK_SHARED, /* an image that all clients read */
	DISK_CDROM,  /* a file of the store, which all clients read */
};

/* A disk of a client: a LUN of its target. */
struct disk {
	const struct client *client; /* null in fleet.sections */
	const char *name;            /* null: the system disk */
	unsigned lun;
	enum disk_kind kind;
	const struct conf_disk *conf; /* its section; null: the system disk */
	bool mistaken;                /* the section has mistakes */

	/* Identity towards initiators. */
	const char *scsi_id;
	const char *scsi_sn;

	/* Its images, as paths in the store. */
	/* Of DISK_CHILD: as fleet.conf names it, with its ending; its file,
	 * links followed: a version; the family of that (versions.h). */
	const char *master_name;
	const char *master;
	const char *family;
	int master_line; /* in fleet.conf, of the key that names master or image
			  */
	const char *child; /* the client's own image; null: it is shared */
	/* child, or the one in another format that it has; the shared file */
	const char *image;
	/* The flat file of image in the mount; of DISK_CDROM the file itself */
	const char *view;
	uint64_t size;       /* of the disk of a new DISK_OWN, bytes */
	uint64_t block_size; /* of the own image, bytes; 0: the default */

	bool readonly;
	bool write_cache;
	bool thin;
	bool reset_boot;
	unsigned keep; /* how many old images a reset keeps */
	/* Another version of its master replaces it (update = reset). */
	bool update_reset;
	int64_t keep_age; /* seconds; younger ones stay, too: old-images.h */
	bool has_quota;   /* fleet.conf sets it ... */
	uint64_t quota;   /* ... in bytes; 0: none */
};

struct client {
	const char *name;
	const char *label; /* its part of the IQN: see value_fold_name */
	int line;          /* in fleet.conf, of the first mention */

	/* Identity towards initiators. */
	const char *iqn;
	uint32_t tid;
	const struct shard *home; /* the shard that is to serve it */

	struct disk *disks; /* the system disk first; of fleet.disks */
	size_t n_disks;

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
	/* The mount hangs: a request to it may wait for ever, so none is sent.
	 * status and versions set it before they read anything (mount-probe.h).
	 */
	bool mount_silent;
	const char *iqn_prefix;
	struct shard *shards; /* by number, the retired ones last */
	size_t n_shards;
	const char *min_free;     /* null: no warning */
	const char *reserve;      /* of the mount; null: any */
	const char *on_low_space; /* a command, or null */
	const char *warn;         /* the same */
	unsigned spares;          /* number of spare files: see spare.h */
	/* How many versions of a master stay that nothing needs; 0: all. */
	unsigned keep_versions;
	const char *log_file; /* of events: see base/events.h */
	struct client *clients;
	size_t n;
	struct disk *disks; /* of all clients, in their order */
	size_t n_disks;
	struct disk *sections; /* the [disk NAME] by LUN: what they say */
	size_t n_sections;

	/* What masters.c found: images by format and name, files by image. */
	struct pairs masters;
	struct pairs master_files;

	/* The store; fd is -1 where it cannot be opened. */
	struct root_dir rootdir;
	struct directories *directories; /* of the store, of fleet_stat */
};

/* A fleet that fleet_fini takes, though it was not loaded. */
#define NO_FLEET ((struct fleet){ .rootdir.fd = -1 })
void fleet_fini(struct fleet *fleet);
/* None yet; of fleet.directories. */
struct directories *fleet_directories(void);

/* The path in the store of the disk's image in this format. */
const char *disk_image_path(struct fleet *fleet, const struct disk *disk,
			    const struct image_ops *format);
/* True if the path in the store is that of a client's image, or would be. */
bool fleet_is_client_path(const char *path);
/* The file at a path in the store, which is not opened: 0, or -errno without a
 * message.  Directories in which files were found are kept open. */
int fleet_stat(const struct fleet *fleet, const char *path, struct stat *ret);

/* True if the path, which may be null, is below the mount. */
bool fleet_mount_has(const struct fleet *fleet, const char *path);

/* Null if the path in the store is that of a regular file, else a description
 * of what is there. */
const char *fleet_no_file(const struct fleet *fleet, const char *path);

/* The client, or null. */
const struct client *fleet_client(const struct fleet *fleet, const char *name);
const struct client *fleet_client_by_iqn(const struct fleet *fleet,
					 const char *iqn);
/* The name that the client's initiator gets: the first `initiator', or
 * IQN-PREFIX:initiator:NAME where it has none. */
const char *fleet_initiator_name(struct arena *arena, const struct fleet *fleet,
				 const struct client *client);
/* The only client that has this name among its initiators, or whose initiator
 * gets it; else null. */
const struct client *fleet_client_by_initiator(const struct fleet *fleet,
					       const char *initiator);
/* The client's disk with that number, or null. */
const struct disk *client_lun(const struct client *client, unsigned lun);
/* The client's disk of that name (null: its system disk), or null. */
struct disk *client_disk(const struct client *client, const char *name);
/* True if a disk of the client has `reset = boot'. */
bool client_resets_at_boot(const struct client *client);
/* The directory of the disk's own image, a path in the store, in arena. */
const char *disk_directory(struct arena *arena, const struct disk *disk);
/* The same, open: a descriptor, or -errno without a message. */
int disk_directory_open(const struct fleet *fleet, const struct disk *disk);
/* For messages, in arena: "disk", or "disk NAME"; "CLIENT", or "CLIENT: disk
 * NAME"; and the arguments of `tgt-glue reset' for the disk. */
const char *disk_title(struct arena *arena, const struct disk *disk);
const char *disk_words(struct arena *arena, const struct disk *disk);
const char *disk_reset_words(struct arena *arena, const struct disk *disk);
/* "CLIENT", or "disk NAME of CLIENT", in arena. */
const char *disk_owner_words(struct arena *arena, const struct disk *disk);
/* The client's name in an IQN with the fleet's prefix, else null. */
const char *fleet_client_name(const struct fleet *fleet, const char *iqn);

/* Reports a mistake of a client, as conf_mistake: "client NAME: ...". */
#define fleet_mistake(fleet, client, line, fmt, ...)                          \
	conf_mistake(&(fleet)->conf, line, "client %s: " fmt, (client)->name, \
		     ##__VA_ARGS__)

/* How many shards fleet.conf wants: those that are not retired. */
unsigned fleet_active_shards(const struct fleet *fleet);

#endif
