/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the running tgtd has, by its own words. */
#ifndef TGT_GLUE_TGTD_STATE_H
#define TGT_GLUE_TGTD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tgt-glue/base/arena.h"
#include "tgt-glue/tgtd/client.h"

/* A connection of somebody who is logged in. */
struct tgtd_connection {
	uint64_t sid;
	uint32_t cid;
	const char *initiator;
	const char *address;
};

/* What tgtd has open for a disk, against what is at the disk's path now. */
enum tgtd_file {
	FILE_UNKNOWN, /* nobody has looked (backing_files_inspect), or cannot
			 tell */
	FILE_RIGHT,
	FILE_LOST,  /* it does not answer any more, and is that image's */
	FILE_OTHER, /* it is another image's */
};

/* A disk; of LUN 1 only. */
struct tgtd_lun {
	bool exists;
	bool online;
	bool readonly;
	bool thin;
	uint32_t block_size;
	const char *scsi_id;
	const char *scsi_sn;
	const char *bs_type;
	const char *path; /* null where it has no file */
	enum tgtd_file file;
	/* The state identifier of the mount that is at the path now, "-" where
	 * it has none; null where nothing is there, or backing_files_inspect
	 * was not asked. */
	const char *mount_state;
	bool lost; /* answered writes may be: see opened.h */
};

struct client;
struct messages;

/* The file behind a LUN; of every LUN but 0, which is the controller. */
struct tgtd_backing {
	const char *path; /* null where it has no file */
	bool readonly;
	uint64_t dev,
		ino; /* of that file (backing_files_inspect); 0: not known */
	const struct client
		*client; /* whose disk it is, or null (exports_look) */
};

struct tgtd_target {
	const char *name;
	int32_t tid;
	bool ours; /* tgt-glue made it for this fleet (exports_look) */
	struct tgtd_lun lun;
	bool more_luns; /* others than 0 and 1 */
	struct tgtd_backing *stores;
	size_t n_stores;
	bool logged_in; /* there are sessions, by the list of targets */
	struct tgtd_connection *connections;
	size_t n_connections;
	struct strings accounts; /* incoming */
	const char *outgoing;    /* or null */
	struct strings acl;      /* addresses and names */
};

struct tgtd_state {
	struct arena arena;
	struct tgtd_target *targets;
	size_t n;
	pid_t pid; /* the process that answered; 0: in another pid namespace */
	struct strings accounts; /* all of tgtd's (tgtd_state_read_accounts) */
	/* After -EBADMSG: the target with an initiator whose name or alias has
	 * a line break; 0 where it is not known. */
	int32_t strange_tid;
};

/*
 * Asks for all but the accounts. tgtd_state_fini in any case.  -EBADMSG with
 * words where tgtd's answer has lines that are not its own: an initiator's name
 * or alias has a line break.
 */
int tgtd_state_read(const struct tgtd *tgtd, struct tgtd_state *ret);
int tgtd_state_read_accounts(const struct tgtd *tgtd, struct tgtd_state *live);
void tgtd_state_fini(struct tgtd_state *live);
/* The process that has tgtd's files open; -ESRCH with a message if it is in
 * another pid namespace. */
int tgtd_state_pid(const struct tgtd_state *live, pid_t *ret);
/* Takes apart what tgtd says to "show target", but for the sessions. */
int tgtd_state_parse(struct tgtd_state *live, char *text);
/* As tgtd_state_read, and ends the sessions of a target whose initiator has
 * such a name: they hide what all others do. */
int tgtd_state_read_ending(const struct tgtd *tgtd, struct messages *messages,
			   struct tgtd_state *ret);

struct tgtd_target *tgtd_state_target(const struct tgtd_state *live,
				      const char *name);
struct tgtd_target *tgtd_state_target_by_tid(const struct tgtd_state *live,
					     int32_t tid);
/* Who is logged in to the target at this moment: the number of connections.
 * They are of live's pool. */
int tgtd_state_connections(const struct tgtd *tgtd, struct tgtd_state *live,
			   int32_t tid, struct tgtd_connection **ret);
/* "INITIATOR from ADDRESS", and whether there are others; n is at least 1. */
const char *tgtd_state_initiators(struct arena *arena,
				  const struct tgtd_connection *list, size_t n);
void tgtd_state_end_connections(const struct tgtd *tgtd, int32_t tid,
				const struct tgtd_connection *list, size_t n);
/* The portals that tgtd listens on, "ADDRESS:PORT". */
int tgtd_state_portals(const struct tgtd *tgtd, struct tgtd_state *live,
		       struct strings *ret);

/* Parts of what takes an answer apart: asks to show; the value of "KEY: VALUE"
 * where the line has that key, else null; cuts the next line off *text, without
 * the space at its end. */
int tgtd_state_ask(const struct tgtd *tgtd, enum tgtd_mode mode, int32_t tid,
		   char **ret_text);
const char *tgtd_state_value(const char *line, const char *key);
char *tgtd_state_next_line(char **text);

#endif
