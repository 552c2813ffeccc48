/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tgtd's state, from its answers: targets, disks, sessions, accounts. */
#ifndef TGT_GLUE_TGTD_STATE_H
#define TGT_GLUE_TGTD_STATE_H

#include "io/file-id.h"
#include "tgt-glue/base/arena.h"
#include "tgt-glue/tgtd/client.h"

/* A connection of a session. */
struct tgtd_connection {
	uint64_t sid;
	uint32_t cid;
	const char *initiator;
	const char *address;
};

/* The file that tgtd has open for a disk, compared with the one that the
 * disk's path names now. */
enum tgtd_file {
	FILE_UNKNOWN, /* before backing_files_inspect, or /proc does not tell */
	FILE_RIGHT,
	FILE_LOST,  /* that image's, in a mount that is gone */
	FILE_OTHER, /* another image's */
};

struct disk;
struct messages;

/* A LUN of a target; every one but 0, which is the controller. */
struct tgtd_lun {
	unsigned number;
	bool cd;
	bool online;
	bool readonly;
	bool thin;
	uint32_t block_size;
	const char *scsi_id;
	const char *scsi_sn;
	const char *bs_type;
	const char *path; /* null if it has no file */
	enum tgtd_file file;
	struct file_id id; /* of the file at path (backing_files_inspect) */
	/* The client's disk that it exports (exports_inspect), or null. */
	const struct disk *disk;
	/*
	 * The state identifier of the mount at the path now, "-" if it has
	 * none; null if the path names no file, or before
	 * backing_files_inspect.
	 */
	const char *mount_state;
	/* Of a disk that clients share: the inode number of the file at the
	 * path now (backing_files_inspect); 0: another disk, or none. */
	uint64_t shared;
	bool lost; /* answered writes may be lost: see opened.h */
};

struct tgtd_target {
	const char *name;
	int32_t tid;
	bool ours; /* tgt-glue made it for this fleet (exports_inspect) */
	struct tgtd_lun *luns; /* without LUN 0 */
	size_t n_luns;
	bool logged_in; /* it has sessions, by the list of targets */
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
	struct index names; /* of the targets */
	pid_t pid; /* the process that answered; 0: in another pid namespace */
	struct strings accounts; /* all of tgtd's (tgtd_state_read_accounts) */
	/* After -EBADMSG: the target of the initiator whose name or alias has
	 * a line break; 0: unknown. */
	int32_t forged_tid;
};

/*
 * Reads all but the accounts.  Call tgtd_state_fini in any case.  -EBADMSG
 * with a message if the answer has forged lines: an initiator's name or alias
 * has a line break.
 */
int tgtd_state_read(const struct tgtd *tgtd, struct tgtd_state *ret);
int tgtd_state_read_accounts(const struct tgtd *tgtd, struct tgtd_state *live);
void tgtd_state_fini(struct tgtd_state *live);
/* The process that has tgtd's files open; -ESRCH with a message if it is in
 * another pid namespace. */
int tgtd_state_pid(const struct tgtd_state *live, pid_t *ret);
/* Parses the answer to "show target", without the sessions.  Changes text. */
int tgtd_state_parse(struct tgtd_state *live, char *text);
/* As tgtd_state_read; ends the sessions of a target with forged lines first,
 * because no target's state can be read while they last. */
int tgtd_state_read_ending(const struct tgtd *tgtd, struct messages *messages,
			   struct tgtd_state *ret);

struct tgtd_target *tgtd_state_target(const struct tgtd_state *live,
				      const char *name);
struct tgtd_target *tgtd_state_target_by_tid(const struct tgtd_state *live,
					     int32_t tid);
/* The target's LUN of that number, or null. */
struct tgtd_lun *tgtd_state_lun(const struct tgtd_target *target,
				unsigned number);
/* Reads the target's connections.  0, or -errno with a message; after -EBADMSG
 * it has those that could be read. */
int tgtd_state_connections(const struct tgtd *tgtd, struct arena *arena,
			   struct tgtd_target *target);
/* "INITIATOR from ADDRESS", and whether there are others; for a target that has
 * connections. */
const char *tgtd_state_initiators(struct arena *arena,
				  const struct tgtd_target *target);
/* Ends the connections that were read; some may have ended meanwhile. */
void tgtd_state_end_connections(const struct tgtd *tgtd,
				const struct tgtd_target *target);
/*
 * For parsers of answers: returns the value of "KEY: VALUE" if the line has
 * that key, else null; cuts the next line off *text, without the space at its
 * end.
 */
const char *tgtd_state_value(const char *line, const char *key);
char *tgtd_state_next_line(char **text);

#endif
