/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hook: a command of the administrator, such as on-low-space.
 *
 * It may take any time, so nothing waits for it.  It runs in a process group of
 * its own, without standard input, with standard output and error of this
 * program, and with no other descriptor.
 */
#ifndef TGT_GLUE_BASE_HOOK_H
#define TGT_GLUE_BASE_HOOK_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Starts the command: words between spaces, and the arguments, a null-ended
 * list.  key: its name in fleet.conf, for messages.  Returns its process id; 0
 * where it cannot be started, which is reported.
 */
pid_t hook_start(const char *key, const char *command,
		 const char *const arguments[]);
/* Whether the command has ended; a failure is reported.  pid 0: true. */
bool hook_has_ended(const char *key, const char *command, pid_t pid);

#endif
