/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is vhdfs mounted where fleet.conf says, and does it answer?
 *
 * A request to a mount that hangs waits for ever, and no signal ends the wait.
 * So a process of its own asks, and is left alone if no answer comes in time.
 */
#ifndef TGT_GLUE_RECONCILE_MOUNT_PROBE_H
#define TGT_GLUE_RECONCILE_MOUNT_PROBE_H

#include <sys/types.h>

#include "tgt-glue/config/fleet.h"

enum mount_state {
	MOUNT_ANSWERS,
	MOUNT_GONE,   /* nothing is mounted */
	MOUNT_OTHER,  /* something else than vhdfs is */
	MOUNT_DEAD,   /* a mount that no process serves any more */
	MOUNT_SILENT, /* no answer in time */
	MOUNT_DENIED, /* unknown: this user has no permission to look */
};

/* A question that has no answer yet.  All zeros: none. */
struct mount_probe {
	pid_t pid;
	int fd; /* of the answer, while pid is not 0 */
};

/* Waits for the answer at most 5 seconds, and not at all while the question
 * before has none.  Not thread-safe for one probe. */
enum mount_state mount_probe_ask(struct mount_probe *probe,
				 const struct fleet *fleet);
/* Sets fleet's mount_silent, for a command that reads the images themselves if
 * the mount does not answer. */
void mount_probe_set_silent(struct fleet *fleet);
/* Forgets a question that has no answer. */
void mount_probe_fini(struct mount_probe *probe);

/* What is wrong, and what to type, in arena; null where nothing is. */
const char *mount_problem(struct arena *arena, const struct fleet *fleet,
			  enum mount_state state);

#endif
