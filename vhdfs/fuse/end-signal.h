/* SPDX-License-Identifier: GPL-2.0-or-later */
/* End signal: SIGINT or SIGTERM, which end a mount, while they are blocked. */
#ifndef VHDFS_FUSE_END_SIGNAL_H
#define VHDFS_FUSE_END_SIGNAL_H

#include <signal.h>

/* The one that is pending; 0: none. */
static inline int pending_end_signal(void)
{
	sigset_t set;

	sigpending(&set);
	if (sigismember(&set, SIGINT))
		return SIGINT;
	return sigismember(&set, SIGTERM) ? SIGTERM : 0;
}

#endif
