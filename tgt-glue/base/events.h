/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event log of the fleet: logins, resets, low space.
 *
 * Each event is a line of JSON at the end of a file, and an entry in the
 * journal of systemd where the program is built with libsystemd.  An object has
 *
 *     time     Unix seconds
 *     event    its kind, one word: login, reset
 *     client   a client's name; not where the event concerns no client
 *     message  a sentence, without the client's name
 *
 * and the fields of its kind, in which null is an unknown value.  The entry in
 * the journal has MESSAGE, PRIORITY, VHDFS_EVENT, VHDFS_CLIENT, and each field
 * as VHDFS_NAME.
 *
 * SEVERAL PROGRAMS may write to the file at once: a line is one write with
 * O_APPEND.  A line is not synced.  What a crash left of one ends before the
 * next.  A file of EVENT_FILE_MAX bytes is renamed to FILE.1, whose place it
 * takes, under a lock of the file.
 *
 * All functions are for the main thread.
 */
#ifndef TGT_GLUE_BASE_EVENTS_H
#define TGT_GLUE_BASE_EVENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include <jansson.h>

#include "tgt-glue/base/messages.h"

enum { EVENT_FILE_MAX = 16 << 20 };

/* Where events go, and the messages of a log that cannot be written. */
struct event_log {
	const char *file; /* null: to the journal alone */
	struct messages *messages;
};

struct event {
	const char *kind;
	const char *client; /* null: none */
	int priority;       /* of syslog.h; LOG_EMERG: LOG_INFO */
	json_t *fields;     /* an object, which event_write releases; or null */
};

/* Writes the event; fmt: its message.  A failure is a message, and changes
 * nothing else.  Creates the file, mode 0640, and its directory. */
void event_write(const struct event_log *log, const struct event *event,
		 const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Parses a line of the file: the event, which the caller releases with
 * json_decref, or null where the line is none. */
json_t *event_parse(const char *line);
/* A member that event_parse has checked; client: null where there is none. */
int64_t event_time(const json_t *event);
const char *event_client(const json_t *event);
const char *event_message(const json_t *event);

/* Reads a time: "2026-01-31", "2026-01-31 12:00" or "2026-01-31 12:00:30" of
 * local time, or the time before now "90s", "30m", "2h", "3d" or "2w".  False:
 * the text is none. */
bool event_read_time(const char *text, int64_t now, int64_t *ret);

#endif
