/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the running tgtd has, by its own words. */
#ifndef TGT_GLUE_LIVE_H
#define TGT_GLUE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tgt-glue/pool.h"
#include "tgt-glue/tgtd.h"

/* A connection of somebody who is logged in. */
struct live_connection {
	uint64_t sid;
	uint32_t cid;
	const char *initiator;
	const char *address;
};

/* What tgtd has open for a disk, against what is at the disk's path now. */
enum live_file {
	FILE_UNKNOWN, /* nobody has looked (files_look), or cannot tell */
	FILE_RIGHT,
	FILE_LOST,  /* it does not answer any more, and is that image's */
	FILE_OTHER, /* it is another image's */
};

/* A disk; of LUN 1 only. */
struct live_lun {
	bool exists;
	bool online;
	bool readonly;
	bool thin;
	uint32_t block_size;
	const char *scsi_id;
	const char *scsi_sn;
	const char *bs_type;
	const char *path; /* null where it has no file */
	enum live_file file;
	/* The state identifier of the mount that is at the path now, "-" where
	 * it has none; null where nothing is there, or files_look was not
	 * asked. */
	const char *mount_state;
	bool lost; /* answered writes may be: see opened.h */
};

struct client;
struct notes;

/* The file behind a LUN; of every LUN but 0, which is the controller. */
struct live_store {
	const char *path; /* null where it has no file */
	bool readonly;
	uint64_t dev, ino; /* of that file (files_look); 0: not known */
	const struct client
		*client; /* whose disk it is, or null (exports_look) */
};

struct live_target {
	const char *name;
	int32_t tid;
	bool ours; /* tgt-glue made it for this fleet (exports_look) */
	struct live_lun lun;
	bool more_luns; /* others than 0 and 1 */
	struct live_store *stores;
	size_t n_stores;
	bool logged_in; /* there are sessions, by the list of targets */
	struct live_connection *connections;
	size_t n_connections;
	struct strings accounts; /* incoming */
	const char *outgoing;    /* or null */
	struct strings acl;      /* addresses and names */
};

struct live {
	struct pool pool;
	struct live_target *targets;
	size_t n;
	struct strings accounts; /* all that tgtd knows */
	/* After -EBADMSG: the target with an initiator whose name or alias has
	 * a line break; 0 where it is not known. */
	int32_t strange_tid;
};

/*
 * Asks for all of it. live_fini in any case.  -EBADMSG with words where tgtd's
 * answer has lines that are not its own: an initiator's name or alias has a
 * line break.
 */
int live_read(const struct tgtd *tgtd, struct live *ret);
void live_fini(struct live *live);
/* Takes apart what tgtd says to "show target", but for the sessions. */
int live_parse_targets(struct live *live, char *text);
/* As live_read, and ends the sessions of a target whose initiator has such a
 * name: they hide what all others do. */
int live_read_ending(const struct tgtd *tgtd, struct notes *notes,
		     struct live *ret);

struct live_target *live_target(const struct live *live, const char *name);
struct live_target *live_target_by_tid(const struct live *live, int32_t tid);
/* Who is logged in to the target at this moment: the number of connections.
 * They are of live's pool. */
int live_connections(const struct tgtd *tgtd, struct live *live, int32_t tid,
		     struct live_connection **ret);
void live_end_connections(const struct tgtd *tgtd, int32_t tid,
			  const struct live_connection *list, size_t n);
/* The portals that tgtd listens on, "ADDRESS:PORT". */
int live_portals(const struct tgtd *tgtd, struct live *live,
		 struct strings *ret);

/* Parts of what takes an answer apart: asks to show; the value of "KEY: VALUE"
 * where the line has that key, else null; cuts the next line off *text, without
 * the space at its end. */
int live_ask(const struct tgtd *tgtd, enum tgtd_mode mode, int32_t tid,
	     char **ret_text);
const char *live_value(const char *line, const char *key);
char *live_next_line(char **text);

#endif
