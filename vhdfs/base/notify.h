/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of a service to its manager, and descriptors that the manager keeps:
 * see sd_notify(3). */
#ifndef VHDFS_BASE_NOTIFY_H
#define VHDFS_BASE_NOTIFY_H

/*
 * Sends the text ("READY=1"), at most 511 bytes, to the socket that
 * NOTIFY_SOCKET names; does nothing where there is none, and ignores a failure.
 */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * The same for what has to arrive: waits, for 30 s at most, while the manager
 * has no room.  fd goes with it as a copy, unless it is -1.  -errno without
 * words.
 */
int notify_fd(int fd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Waits, for 30 s at most, until the manager has taken everything that this
 * process sent before.  -errno without words. */
int notify_barrier(void);

#endif
