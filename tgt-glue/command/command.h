/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of tgt-glue, a file each. */
#ifndef TGT_GLUE_COMMAND_COMMAND_H
#define TGT_GLUE_COMMAND_COMMAND_H

#include "tgt-glue/config/fleet.h"

struct reconcile;

/* Exit codes. */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_LEFT = 4, /* something was left as it is, and named */
};

/* What was said on the command line. */
struct command_line {
	const char *config;
	bool wait;
	const char *force; /* a client's name, or null */
	bool remove;       /* many targets, too */
	bool json;
	bool prometheus;
	const char *all;       /* a directory for all scripts, or null */
	const char *tftp_root; /* or null */
	const char *shard;     /* its number, or null */
	const char *client;    /* the operand, where the command takes one */
	char **clients;        /* ... or several: null-ended */
};

int command_check(const struct command_line *line);
int command_generate(const struct command_line *line);
int command_plan(const struct command_line *line);
int command_apply(const struct command_line *line);
int command_status(const struct command_line *line);
int command_watch(const struct command_line *line);
int command_reset(const struct command_line *line);
int command_secret(const struct command_line *line);
int command_ipxe(const struct command_line *line);
int command_dnsmasq(const struct command_line *line);

/* Loads fleet.conf, and says on standard error all that is wrong with it.
 * fleet_fini in any case. */
int command_load(const struct command_line *line, struct fleet *fleet);
/* As it is under the lock of all who change things, which *ret_lock, where it
 * succeeds, holds until it is closed. */
int command_load_locked(const struct command_line *line, struct fleet *fleet,
			int *ret_lock);
/* The exit code of a command whose pass returned r. */
int command_exit_code(const struct reconcile *reconcile, int r);
/* "tgt-glue: " and the last error, to standard error. Returns EXIT_FAILED. */
int command_failed(void);

#endif
