/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log: one line an event, to standard error or, for a daemon, to syslog. */
#ifndef VHDFS_BASE_LOG_H
#define VHDFS_BASE_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_NONE = -1, /* drops all lines */
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/*
 * name goes before every line.  Lines above level are dropped.  Call before
 * threads start; the functions below may be called from any thread.
 */
void log_init(const char *name, enum log_level level, bool to_syslog);

/*
 * Hands each line to sink, without the name, instead: for a library in a
 * program that has a log of its own.  Call before threads start, or while they
 * log nothing; sink may be called from any thread.
 */
void log_to(void (*sink)(enum log_level level, const char *line));

/* Lets go of the descriptor that goes to syslog: the next line opens another.
 */
void log_reopen(void);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
