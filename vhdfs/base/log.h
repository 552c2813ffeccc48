/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log: one line per event, to standard error, syslog or a callback. */
#ifndef VHDFS_BASE_LOG_H
#define VHDFS_BASE_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_NONE = -1, /* no line is logged */
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/*
 * name, which is not copied, is the prefix of every line.  Lines above level
 * are dropped.  Without to_syslog lines go to standard error.  Call it before
 * other threads start; log_error to log_debug may be called from any thread.
 */
void log_init(const char *name, enum log_level level, bool to_syslog);

/*
 * Passes each line, without the name, to sink: for a library in a program that
 * has its own log.  Call it while no other thread logs.  sink is called in the
 * thread that logs.
 */
void log_to(void (*sink)(enum log_level level, const char *line));

/* Closes the syslog socket; the next line opens another one. */
void log_reopen(void);

/* Log one line of at most 1023 bytes, made printable (printable.h). */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
