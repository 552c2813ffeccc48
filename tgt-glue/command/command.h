/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of tgt-glue, one file each, and what they share. */
#ifndef TGT_GLUE_COMMAND_COMMAND_H
#define TGT_GLUE_COMMAND_COMMAND_H

#include "base/command-line.h"
#include "tgt-glue/config/fleet.h"

struct reconcile;

/* The exit code where a client or a target was skipped, and named; the others
 * are CLI_DONE, CLI_FAILED and CLI_USAGE. */
enum { EXIT_SKIPPED = 4 };

/* The values of the options, null where not given, and the operands. */
struct command_line {
	const char *config;
	const char *explain; /* a client's name, a pattern or @GROUP */
	bool wait;
	const char *force; /* a client's name */
	bool remove;       /* many targets, too */
	bool json;
	bool prometheus;
	bool follow;
	bool all;     /* every client, without operands for clients */
	bool yes;     /* do not ask */
	bool missing; /* only clients without a secret-file */
	const char *tftp_root;
	const char *shard; /* a number */
	const char *disk;  /* the name of a data disk */
	const char *keep;  /* a number */
	bool images;       /* check those of the store */
	const char *rate;  /* a size */
	const char *from;  /* a directory of a backup */
	const char *note;  /* a line of text */
	const char *since; /* a time */
	bool forget;
	bool back;      /* to the version before */
	bool copy;      /* to each of several children */
	bool unclean;   /* file systems that were not unmounted, too */
	char **clients; /* the operands, null-ended */
};

/* Each command returns an exit code; its messages are printed. */
int command_check(const struct command_line *line);
int command_generate(const struct command_line *line);
int command_plan(const struct command_line *line);
int command_apply(const struct command_line *line);
int command_status(const struct command_line *line);
int command_watch(const struct command_line *line);
int command_reset(const struct command_line *line);
int command_disks(const struct command_line *line);
int command_disks_remove(const struct command_line *line);
int command_snapshot(const struct command_line *line);
int command_revert(const struct command_line *line);
int command_keep(const struct command_line *line);
int command_orphans(const struct command_line *line);
int command_rename(const struct command_line *line);
int command_end_session(const struct command_line *line);
int command_restore(const struct command_line *line);
int command_restore_from(const struct command_line *line);
int command_backup(const struct command_line *line);
int command_secret(const struct command_line *line);
int command_ipxe(const struct command_line *line);
int command_dnsmasq(const struct command_line *line);
int command_publish(const struct command_line *line);
int command_promote(const struct command_line *line);
int command_versions(const struct command_line *line);
int command_retire(const struct command_line *line);
int command_log(const struct command_line *line);
int command_answer(const struct command_line *line);

/*
 * Loads fleet.conf and prints each mistake in it to standard error.  Returns 0
 * or the error of fleet_load.  fleet_fini in any case.
 */
int command_load(const struct command_line *line, struct fleet *fleet);
/*
 * The same under the lock that every command that changes something takes.
 * Returns a descriptor that holds the lock until the caller closes it.
 */
int command_load_locked(const struct command_line *line, struct fleet *fleet);
/* The client of that name; null, after reporting it, if fleet.conf has none. */
const struct client *command_client(const struct command_line *line,
				    const struct fleet *fleet,
				    const char *name);
/* Brings back the state of the disk of clients whose names are in reconcile's
 * arena: clients.which and options.reset are set, verb is for messages.  Frees
 * reconcile.  Returns an exit code. */
int command_bring_back(const struct command_line *line, const char *verb,
		       struct reconcile *reconcile);
/* The exit code of a command whose pass returned r. */
int command_exit_code(const struct reconcile *reconcile, int r);
/* Prints "tgt-glue: " and the last error to standard error.  Returns
 * CLI_FAILED. */
int command_failed(void);
/* The same for a failure of fleet_load: prints each mistake in fleet.conf. */
int command_failed_load(const struct fleet *fleet);

#endif
