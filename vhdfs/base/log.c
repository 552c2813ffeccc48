/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log: formats lines and sends them to their destination. */
#include "config.h"

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

#include "base/printable.h"

static struct {
	const char *name;
	enum log_level level;
	bool to_syslog;
	void (*sink)(enum log_level level, const char *line);
} log_state = { "vhdfs", LOG_LEVEL_INFO, false, NULL };

void log_init(const char *name, enum log_level level, bool to_syslog)
{
	log_state.name = name;
	log_state.level = level;
	log_state.to_syslog = to_syslog;
	if (to_syslog)
		openlog(name, LOG_PID, LOG_DAEMON);
}

void log_to(void (*sink)(enum log_level level, const char *line))
{
	log_state.sink = sink;
}

void log_reopen(void)
{
	if (!log_state.to_syslog)
		return;
	closelog();
	openlog(log_state.name, LOG_PID, LOG_DAEMON);
}

static void log_line(enum log_level level, const char *fmt, va_list ap)
{
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO,
					LOG_DEBUG };
	char line[1024];

	if (level > log_state.level)
		return;
	vsnprintf(line, sizeof line, fmt, ap);
	printable_in_place(line, sizeof line);
	if (log_state.sink)
		log_state.sink(level, line);
	else if (log_state.to_syslog)
		syslog(priority[level], "%s", line);
	else
		fprintf(stderr, "%s: %s\n", log_state.name, line);
}

#define LOG_FUNCTION(function, level)       \
	void function(const char *fmt, ...) \
	{                                   \
		va_list ap;                 \
                                            \
		va_start(ap, fmt);          \
		log_line(level, fmt, ap);   \
		va_end(ap);                 \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
