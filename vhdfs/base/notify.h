/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Service notifications: sends the messages of sd_notify(3) to the service
 * manager, and stores file descriptors there.
 *
 * Without a service manager (no NOTIFY_SOCKET) nothing is sent.
 */
#ifndef VHDFS_BASE_NOTIFY_H
#define VHDFS_BASE_NOTIFY_H

#include <signal.h>

/* Sends a message ("READY=1") of at most 511 bytes.  Never waits; failures are
 * ignored. */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * As notify, for a message that must arrive: waits up to 30 s while the
 * manager's socket is full.  Returns 0, also without a manager, or -errno
 * without a message.
 */
int notify_wait(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Announces that the service reloads (RELOADING=1); the caller sends READY=1
 * when that is done. */
void notify_reloading(void);

/*
 * WATCHDOG.  The manager kills the service after this number of milliseconds
 * without WATCHDOG=1.  0: no watchdog for this process.
 */
unsigned notify_watchdog_ms(void);
/* Sends WATCHDOG=1, at most once in a quarter of the watchdog time, so the
 * caller may call it at any rate.  Only one thread of a process may call it. */
void notify_alive(void);
/* As sigwaitinfo, but with a watchdog it returns 0 after a quarter of the
 * watchdog time without a signal. */
int notify_wait_signal(const sigset_t *set);

/*
 * As notify_wait, with a copy of descriptor fd attached unless fd is -1.
 * -ENOTCONN without a manager.
 */
int notify_fd(int fd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Waits up to 30 s until the manager has processed all earlier messages of this
 * process (BARRIER=1).  Returns 0, or -errno without a message: -ETIMEDOUT,
 * -ENOTCONN without a manager.
 */
int notify_barrier(void);

#endif
