/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directories are followed, not files: a file that is replaced by rename is
 * another file.  Of the store all directories are, for a master may lie in any.
 *
 * libinotifytools waits for whole seconds; a timer's signal ends its waiting
 * earlier.
 */
#include "config.h"

#include "tgt-glue/command/inotify.h"

#include <errno.h>
#include <inotifytools/inotify.h>
#include <inotifytools/inotifytools.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "tgt-glue/config/values.h"

/* A burst has ended when nothing came for as long; at most so many times. */
enum { QUIET_USEC = 100 * 1000, BURST_MAX = 2000 };

static const int events =
	IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE;

static void failed(struct inotify *inotify)
{
	inotify->incomplete = true;
	inotify->why = inotifytools_error();
}

static void follow_directory(struct inotify *inotify, const char *dir)
{
	if (inotifytools_wd_from_filename(dir) < 0 &&
	    !inotifytools_watch_file(dir, events))
		failed(inotify);
}

static void follow_file(struct inotify *inotify, const char *name)
{
	_cleanup_free_ char *copy = strdup(name), *copy2 = strdup(name);
	_cleanup_free_ char *dir = NULL;
	const char *path;

	if (!copy || !copy2)
		abort();
	dir = realpath(dirname(copy), NULL);
	if (!dir) {
		inotify->incomplete = true;
		inotify->why = errno;
		return;
	}
	path = arena_printf(&inotify->arena, "%s/%s", dir, basename(copy2));
	if (strings_have(&inotify->files, path))
		return;
	strings_add(&inotify->arena, &inotify->files, path);
	follow_directory(inotify, arena_printf(&inotify->arena, "%s/", dir));
}

/* The file, and what it leads to. */
static void follow_file_and_link(struct inotify *inotify, const char *name)
{
	_cleanup_free_ char *real = realpath(name, NULL);

	follow_file(inotify, name);
	if (real)
		follow_file(inotify, real);
}

static void follow_secret(struct inotify *inotify, const char *name)
{
	if (!name || strings_have(&inotify->secrets, name))
		return;
	strings_add(&inotify->arena, &inotify->secrets,
		    arena_strdup(&inotify->arena, name));
	follow_file_and_link(inotify, name);
}

bool inotify_covers(const struct inotify *inotify, const struct fleet *fleet)
{
	size_t n = strlen(fleet->store);

	for (size_t i = 0; i < fleet->n; i++)
		if (fleet->clients[i].secret_file &&
		    !strings_have(&inotify->secrets,
				  fleet->clients[i].secret_file))
			return false;
	return inotify->store && !strncmp(inotify->store, fleet->store, n) &&
	       !strcmp(inotify->store + n, "/");
}

void inotify_start(struct inotify *inotify, const char *config,
		   const struct fleet *fleet)
{
	inotify_fini(inotify);
	if (!inotifytools_initialize()) {
		failed(inotify);
		return;
	}
	inotify->on = true;
	follow_file_and_link(inotify, config);
	if (!fleet)
		return;
	for (size_t i = 0; i < fleet->n; i++)
		follow_secret(inotify, fleet->clients[i].secret_file);
	if (!fleet->store)
		return;
	inotify->store = arena_printf(&inotify->arena, "%s/", fleet->store);
	if (!inotifytools_watch_recursively(inotify->store, events))
		failed(inotify);
}

void inotify_fini(struct inotify *inotify)
{
	if (inotify->on)
		inotifytools_cleanup();
	arena_fini(&inotify->arena);
	memset(inotify, 0, sizeof *inotify);
}

/* An editor that has just made the file has more to say. */
static bool is_empty(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size == 0;
}

static bool concerns(struct inotify *inotify, const struct inotify_event *event)
{
	const char *dir, *name = event->len ? event->name : "";
	_cleanup_free_ char *path = NULL;

	if (event->mask & IN_Q_OVERFLOW)
		return true;
	dir = inotifytools_filename_from_wd(event->wd);
	if (!dir || asprintf(&path, "%s%s", dir, name) < 0)
		return false;
	if (strings_have(&inotify->files, path))
		return !(event->mask & IN_CREATE) || !is_empty(path);
	if (!inotify->store ||
	    strncmp(dir, inotify->store, strlen(inotify->store)) != 0)
		return false;
	return *name != '.' &&
	       (event->mask & IN_ISDIR || value_image_format(name));
}

static void ring(int signal)
{
	(void)signal;
}

static void set_timer(long usec)
{
	const struct itimerval timer = { .it_interval.tv_usec = usec,
					 .it_value.tv_usec = usec };

	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Takes what comes until nothing does: did any of it concern us? */
static bool drain(struct inotify *inotify)
{
	const struct sigaction action = { .sa_handler = ring };
	struct inotify_event *event;
	bool any = false;

	sigaction(SIGALRM, &action, NULL);
	set_timer(QUIET_USEC);
	for (int i = 0; i < BURST_MAX && (event = inotifytools_next_event(1));
	     i++)
		any = concerns(inotify, event) || any;
	set_timer(0);
	return any;
}

bool inotify_wait(struct inotify *inotify)
{
	struct inotify_event *event;
	bool any;

	if (!inotify->on) {
		struct timespec second = { .tv_sec = 1 };

		nanosleep(&second, NULL);
		return false;
	}
	event = inotifytools_next_event(1);
	if (!event)
		return false;
	any = concerns(inotify, event);
	return drain(inotify) || any;
}
