/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a service tells its manager: see sd_notify(3). */
#ifndef VHDFS_BASE_NOTIFY_H
#define VHDFS_BASE_NOTIFY_H

/*
 * Sends the text ("READY=1"), at most 511 bytes, to the socket that
 * NOTIFY_SOCKET names; does nothing where there is none, and nobody is to mind
 * when it fails.
 */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
