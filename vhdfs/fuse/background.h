/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Going into the background. */
#ifndef VHDFS_FUSE_BACKGROUND_H
#define VHDFS_FUSE_BACKGROUND_H

/*
 * Goes on in a new process, without a terminal and in no directory; the old one
 * exits with success.  SIGINT and SIGTERM are blocked: one that the old process
 * gets is handed on to the new one, whose end it waits for, and then ends it as
 * well.
 */
int background_enter(void);

#endif
