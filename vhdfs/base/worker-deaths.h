/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deaths of the workers of a mount, which the attribute
 * user.vhdfs.worker-deaths of its root directory tells:
 *
 *     COUNT TIME SIGNAL TIME SIGNAL ...
 *
 * COUNT: of all since the mount was made; TIME: Unix seconds, and SIGNAL: what
 * killed the worker, of the last WORKER_DEATHS_MAX, the oldest first.  A SIGNAL
 * of 0 is unknown: the supervisor died too, or the worker could not start.
 */
#ifndef VHDFS_BASE_WORKER_DEATHS_H
#define VHDFS_BASE_WORKER_DEATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORKER_DEATHS_ATTRIBUTE "user.vhdfs.worker-deaths"

enum {
	WORKER_DEATHS_MAX = 8,
	/* Of the text, with its NUL. */
	WORKER_DEATHS_SIZE = 16 + WORKER_DEATHS_MAX * 36,
};

/* All zeros: none. */
struct worker_deaths {
	uint32_t count;
	struct worker_death {
		int64_t time; /* Unix seconds */
		int32_t signal;
	} v[WORKER_DEATHS_MAX]; /* the death of number N is v[N % MAX] */
};

void worker_deaths_add(struct worker_deaths *deaths, int64_t time, int signal);
/* The death of that number, from 0; null where there is none, or it is older
 * than the last WORKER_DEATHS_MAX. */
const struct worker_death *worker_deaths_get(const struct worker_deaths *deaths,
					     uint32_t number);

void worker_deaths_format(const struct worker_deaths *deaths,
			  char ret[WORKER_DEATHS_SIZE]);
/* False, and no deaths: the text is none of worker_deaths_format.  What follows
 * a line break is ignored. */
bool worker_deaths_parse(const char *text, struct worker_deaths *ret);

/* Reads the attribute of the mount at that path.  False, and no deaths: it has
 * none, as the mount of another program, or of an earlier version. */
bool worker_deaths_read(const char *mount, struct worker_deaths *ret);

#endif
