/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Warnings: what watch tells the administrator through `warn' of fleet.conf.
 *
 *     KIND          SUBJECT             VALUE
 *     low-space     path of the store   free bytes
 *     quota         a client            bytes that its image takes
 *     reset-failed  a client            why
 *
 * These three arguments are added to the command.  Warnings form a queue, and
 * one command runs at a time.  A warning is given when its state begins, also
 * where watch starts in it.
 */
#ifndef TGT_GLUE_COMMAND_WARNINGS_H
#define TGT_GLUE_COMMAND_WARNINGS_H

#include <sys/types.h>

#include "tgt-glue/base/events.h"
#include "tgt-glue/config/fleet.h"

/* Warnings that wait; more are dropped, and a message says so. */
enum { WARNINGS_MAX = 64 };

/* All zeros: none. */
struct warnings {
	struct warning {
		char *kind, *subject, *value;
	} queue[WARNINGS_MAX]; /* the next one first */
	size_t n;
	pid_t pid;             /* of the running command, or 0 */
	int64_t next_quotas;   /* when to look at the quotas: sessions_clock */
	struct arena arena;    /* of shorts */
	struct strings shorts; /* images that take nine tenths of their quota */
};

/* Adds a warning to the queue, if fleet.conf has `warn'. */
void warnings_add(struct warnings *warnings, const struct fleet *fleet,
		  const char *kind, const char *subject, const char *value);
/* To be called each second: warns of images that take more than nine tenths of
 * their quota, also as an event, and runs the next command. */
void warnings_check(struct warnings *warnings, const struct fleet *fleet,
		    const struct event_log *log);
void warnings_fini(struct warnings *warnings);

#endif
