/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scripted races, each run on every shape of disk. */
#ifndef VHDFS_TESTS_SCRIPT_H
#define VHDFS_TESTS_SCRIPT_H

#include "unit/scene.h"

struct script {
	const char *name;
	CMUnitTestFunction play;
};

#define SCRIPT(f)     \
	{             \
#f, f \
	}

/* main's exit status.  VHDFS_ONLY is a pattern of names: "SHAPE: SCRIPT". */
int scripts_run(const struct script *scripts, size_t n);

/* Calls once for each operation of these kinds at which the first actor can be
 * stopped. */
void play(void **state, unsigned ops,
	  bool (*once)(struct scene *s, struct pause_point *stop));
void flush(struct scene *s);

#endif
