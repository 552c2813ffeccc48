/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a service tells systemd, where $NOTIFY_SOCKET says that it listens: the
 * protocol of sd_notify(3). */
#ifndef TGT_GLUE_NOTIFY_H
#define TGT_GLUE_NOTIFY_H

/* A line or several of "KEY=VALUE". Does nothing where nobody listens. */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
