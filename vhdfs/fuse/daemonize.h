/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Going into the background. */
#ifndef VHDFS_FUSE_DAEMONIZE_H
#define VHDFS_FUSE_DAEMONIZE_H

/*
 * Goes on in a new process; the old one waits until daemonize_finish, and then
 * exits with success, or until the new one ends, and fails.  SIGINT and SIGTERM
 * are blocked: one that the old process gets is handed on to the new one, whose
 * end it waits for, and then ends it as well.
 */
int daemonize_begin(void);
/* All went well: without a terminal and in no directory from now on. */
int daemonize_finish(void);

#endif
