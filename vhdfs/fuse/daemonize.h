/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Daemonize: continue in a background process, after its start has succeeded.
 */
#ifndef VHDFS_FUSE_DAEMONIZE_H
#define VHDFS_FUSE_DAEMONIZE_H

/*
 * Forks, and returns in the new process.  The old process waits, and exits with
 * 0 when the new one calls daemonize_finish, or with 1 if it ends before.  If
 * the old process gets SIGINT or SIGTERM, which the caller has blocked, it
 * sends the signal to the new process, waits until that has ended, and dies of
 * the signal. -errno with error_text().
 */
int daemonize_begin(void);
/* Reports success to the old process.  From now on this process has no terminal
 * and works in /.  -errno with error_text(). */
int daemonize_finish(void);

#endif
