/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Event log of the fleet: a file of JSON lines, and the journal. */
#include "config.h"

#include "tgt-glue/base/events.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_LIBSYSTEMD
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#endif

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

/* How often a file that is renamed meanwhile is opened again. */
enum { OPENS_MAX = 4 };

static int open_once(const char *file)
{
	return open(file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
		    0640);
}

/* Opens the file; creates it, and its directory. */
static int open_file(const char *file)
{
	_cleanup_free_ char *dir = NULL;
	int fd = open_once(file);

	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? -errno : fd;
	dir = strdup(file);
	if (!dir || !strrchr(dir, '/'))
		return -ENOENT;
	*strrchr(dir, '/') = '\0';
	if (mkdir(dir, 0750) < 0 && errno != EEXIST)
		return -errno;
	fd = open_once(file);
	return fd < 0 ? -errno : fd;
}

/* Whether the name is still that of the open file. */
static bool is_same(const char *file, const struct stat *open)
{
	struct stat named;

	return stat(file, &named) == 0 && named.st_ino == open->st_ino &&
	       named.st_dev == open->st_dev;
}

/* Renames a file that is full.  The lock keeps another program from renaming
 * the next file, too.  Returns whether the file is to be opened again. */
static bool rotate(const char *file, int fd, const struct stat *st)
{
	_cleanup_free_ char *before = NULL;

	/* A lock that is held is not waited for: the line goes to the file. */
	if (st->st_size < EVENT_FILE_MAX || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	if (!is_same(file, st))
		return true;
	return asprintf(&before, "%s.1", file) >= 0 &&
	       rename(file, before) == 0;
}

/* Opens the file that the next line belongs to.  Returns a descriptor that the
 * caller closes, or -errno. */
static int open_current(const char *file, struct stat *ret_st)
{
	for (int i = 0;; i++) {
		_cleanup_close_ int fd = open_file(file);

		if (fd < 0)
			return fd;
		if (fstat(fd, ret_st) < 0)
			return -errno;
		if (!S_ISREG(ret_st->st_mode))
			return -EINVAL;
		if (i == OPENS_MAX || !rotate(file, fd, ret_st))
			return steal_fd(&fd);
	}
}

/* Whether the file ends within a line. */
static bool is_torn(int fd, const struct stat *st)
{
	char last;

	return st->st_size && lseek(fd, -1, SEEK_END) >= 0 &&
	       read(fd, &last, 1) == 1 && last != '\n';
}

static int append(const char *file, const char *json)
{
	_cleanup_free_ char *line = NULL;
	struct stat st;
	_cleanup_close_ int fd = open_current(file, &st);
	int n;
	ssize_t done;

	if (fd < 0)
		return fd;
	n = asprintf(&line, "%s%s\n", is_torn(fd, &st) ? "\n" : "", json);
	if (n < 0)
		return -ENOMEM;
	done = write(fd, line, (size_t)n);
	if (done < 0)
		return -errno;
	return done == n ? 0 : -ENOSPC;
}

#ifdef HAVE_LIBSYSTEMD
/* Adds NAME=VALUE; name in upper case, with _ for -. */
static void add_field(struct arena *arena, struct strings *list,
		      const char *prefix, const char *name, const char *value)
{
	char *text = arena_printf(arena, "%s%s=%s", prefix, name, value);

	for (char *c = text; *c != '='; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	strings_add(arena, list, text);
}

static const char *field_text(struct arena *arena, const json_t *value)
{
	_cleanup_free_ char *dump = NULL;

	if (json_is_string(value))
		return json_string_value(value);
	dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	return arena_strdup(arena, dump ? dump : "");
}

static void send_to_journal(const struct event *event, json_t *all)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const char *message =
		json_string_value(json_object_get(all, "message"));
	struct strings list = { 0 };
	const char *name;
	struct iovec *iov;
	json_t *value;

	add_field(&arena, &list, "", "message",
		  event->client ? arena_printf(&arena, "%s: %s", event->client,
					       message)
				: message);
	add_field(&arena, &list, "", "priority",
		  arena_printf(&arena, "%d", event->priority));
	add_field(&arena, &list, "", "syslog-identifier", "tgt-glue");
	json_object_foreach(all, name, value)
	{
		if (strcmp(name, "message") != 0 && strcmp(name, "time") != 0 &&
		    !json_is_null(value))
			add_field(&arena, &list, "vhdfs-", name,
				  field_text(&arena, value));
	}
	iov = arena_alloc(&arena, list.n * sizeof *iov);
	for (size_t i = 0; i < list.n; i++)
		iov[i] = (struct iovec){ (void *)list.v[i], strlen(list.v[i]) };
	/* Without a journal this does nothing. */
	(void)sd_journal_sendv(iov, (int)list.n);
}
#else
static void send_to_journal(const struct event *event, json_t *all)
{
	(void)event;
	(void)all;
}
#endif

/* The whole object, which the caller releases; null: out of memory. */
static json_t *make_object(const struct event *event, const char *message)
{
	json_t *all = json_pack("{s:I, s:s}", "time", (json_int_t)time(NULL),
				"event", event->kind);

	if (all && event->client)
		json_object_set_new(all, "client", json_text(event->client));
	if (all &&
	    json_object_set_new(all, "message", json_text(message)) < 0) {
		json_decref(all);
		return NULL;
	}
	if (all && event->fields)
		json_object_update_missing(all, event->fields);
	return all;
}

void event_write(const struct event_log *log, const struct event *event,
		 const char *fmt, ...)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_free_ char *text = NULL;
	struct event whole = *event;
	va_list ap;
	json_t *all;
	int r = 0;

	if (!whole.priority)
		whole.priority = LOG_INFO;
	va_start(ap, fmt);
	all = make_object(&whole, arena_vprintf(&arena, fmt, ap));
	va_end(ap);
	text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	if (!text)
		r = -ENOMEM;
	else if (log->file)
		r = append(log->file, text);
	if (r < 0)
		messages_print(log->messages,
			       "%s: the event log cannot be written: %s",
			       log->file ? log->file : "-", strerror(-r));
	if (all)
		send_to_journal(&whole, all);
	json_decref(all);
	json_decref(event->fields);
}

static bool is_text(const json_t *event, const char *name)
{
	return json_is_string(json_object_get(event, name));
}

json_t *event_parse(const char *line)
{
	json_t *event = json_loads(line, 0, NULL);
	const json_t *client = json_object_get(event, "client");

	if (event && json_is_integer(json_object_get(event, "time")) &&
	    is_text(event, "event") && is_text(event, "message") &&
	    (!client || json_is_string(client)))
		return event;
	json_decref(event);
	return NULL;
}

int64_t event_time(const json_t *event)
{
	return json_integer_value(json_object_get(event, "time"));
}

const char *event_client(const json_t *event)
{
	return json_string_value(json_object_get(event, "client"));
}

const char *event_message(const json_t *event)
{
	return json_string_value(json_object_get(event, "message"));
}

/* A time before now: a number and a unit. */
static bool read_age(const char *text, int64_t now, int64_t *ret)
{
	static const struct {
		char name;
		int64_t seconds;
	} units[] = {
		{ 's', 1 },     { 'm', 60 },     { 'h', 3600 },
		{ 'd', 86400 }, { 'w', 604800 },
	};
	const size_t n = strspn(text, "0123456789");

	if (!n || n > 9 || !text[n] || text[n + 1])
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (units[i].name == text[n]) {
			*ret = now - atoll(text) * units[i].seconds;
			return true;
		}
	return false;
}

bool event_read_time(const char *text, int64_t now, int64_t *ret)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%d %H:%M",
					     "%Y-%m-%d %H:%M:%S" };

	if (read_age(text, now, ret))
		return true;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct tm tm = { .tm_isdst = -1 }, read;
		const char *end = strptime(text, forms[i], &tm);

		if (!end || *end || !isdigit((unsigned char)*text))
			continue;
		tm.tm_isdst = -1;
		read = tm;
		*ret = mktime(&tm);
		/* mktime takes 31 February for a day of March. */
		return tm.tm_mday == read.tm_mday && tm.tm_mon == read.tm_mon;
	}
	return false;
}
