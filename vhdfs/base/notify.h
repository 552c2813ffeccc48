/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of a service to its manager, and descriptors that the manager keeps:
 * see sd_notify(3). */
#ifndef VHDFS_BASE_NOTIFY_H
#define VHDFS_BASE_NOTIFY_H

#include <signal.h>

/*
 * Sends the text ("READY=1"), at most 511 bytes, to the socket that
 * NOTIFY_SOCKET names; does nothing where there is none, and ignores a failure.
 */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * As notify, for what the manager waits for: waits, for 30 s at most, while the
 * manager has no room.  -errno without words; 0 also where there is no manager.
 */
int notify_wait(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* This process begins to take over its service anew, and will send READY=1. */
void notify_reloading(void);

/*
 * WATCHDOG.  A manager that supervises its service kills it after so many
 * milliseconds without a sign of life; 0: this process is not supervised.
 */
unsigned notify_watchdog_ms(void);
/* A sign of life.  It may be given as often as one likes: one is sent in a
 * quarter of that time.  For one thread of a process. */
void notify_alive(void);
/* As sigwaitinfo; for a supervised process 0 after a quarter of that time. */
int notify_wait_signal(const sigset_t *set);

/*
 * As notify_wait; fd goes with it as a copy, unless it is -1; -ENOTCONN where
 * there is no manager.
 */
int notify_fd(int fd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Waits, for 30 s at most, until the manager has taken everything that this
 * process sent before.  -errno without words. */
int notify_barrier(void);

#endif
