/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directories are followed, not files: a file that is replaced by rename is
 * another file.  Of the store all directories are, for a master may lie in any.
 *
 * libinotifytools waits for whole seconds; a timer's signal ends its waiting
 * earlier.
 */
#include "config.h"

#include "tgt-glue/follow.h"

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
#include "tgt-glue/values.h"

/* A burst has ended when nothing came for as long; at most so many times. */
enum { QUIET_USEC = 100 * 1000, BURST_MAX = 2000 };

static const int events =
	IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE;

static void failed(struct follow *follow)
{
	follow->incomplete = true;
	follow->why = inotifytools_error();
}

static void follow_directory(struct follow *follow, const char *dir)
{
	if (inotifytools_wd_from_filename(dir) < 0 &&
	    !inotifytools_watch_file(dir, events))
		failed(follow);
}

static void follow_file(struct follow *follow, const char *name)
{
	_cleanup_free_ char *copy = strdup(name), *copy2 = strdup(name);
	_cleanup_free_ char *dir = NULL;
	const char *path;

	if (!copy || !copy2)
		abort();
	dir = realpath(dirname(copy), NULL);
	if (!dir) {
		follow->incomplete = true;
		follow->why = errno;
		return;
	}
	path = pool_printf(&follow->pool, "%s/%s", dir, basename(copy2));
	if (strings_have(&follow->files, path))
		return;
	strings_add(&follow->pool, &follow->files, path);
	follow_directory(follow, pool_printf(&follow->pool, "%s/", dir));
}

/* The file, and what it leads to. */
static void follow_file_and_link(struct follow *follow, const char *name)
{
	_cleanup_free_ char *real = realpath(name, NULL);

	follow_file(follow, name);
	if (real)
		follow_file(follow, real);
}

static void follow_secret(struct follow *follow, const char *name)
{
	if (!name || strings_have(&follow->secrets, name))
		return;
	strings_add(&follow->pool, &follow->secrets,
		    pool_strdup(&follow->pool, name));
	follow_file_and_link(follow, name);
}

bool follow_same(const struct follow *follow, const struct fleet *fleet)
{
	size_t n = strlen(fleet->store);

	for (size_t i = 0; i < fleet->n; i++)
		if (fleet->clients[i].secret_file &&
		    !strings_have(&follow->secrets,
				  fleet->clients[i].secret_file))
			return false;
	return follow->store && !strncmp(follow->store, fleet->store, n) &&
	       !strcmp(follow->store + n, "/");
}

void follow_start(struct follow *follow, const char *config,
		  const struct fleet *fleet)
{
	follow_fini(follow);
	if (!inotifytools_initialize()) {
		failed(follow);
		return;
	}
	follow->on = true;
	follow_file_and_link(follow, config);
	if (!fleet)
		return;
	for (size_t i = 0; i < fleet->n; i++)
		follow_secret(follow, fleet->clients[i].secret_file);
	if (!fleet->store)
		return;
	follow->store = pool_printf(&follow->pool, "%s/", fleet->store);
	if (!inotifytools_watch_recursively(follow->store, events))
		failed(follow);
}

void follow_fini(struct follow *follow)
{
	if (follow->on)
		inotifytools_cleanup();
	pool_fini(&follow->pool);
	memset(follow, 0, sizeof *follow);
}

/* An editor that has just made the file has more to say. */
static bool is_empty(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size == 0;
}

static bool concerns(struct follow *follow, const struct inotify_event *event)
{
	const char *dir, *name = event->len ? event->name : "";
	_cleanup_free_ char *path = NULL;

	if (event->mask & IN_Q_OVERFLOW)
		return true;
	dir = inotifytools_filename_from_wd(event->wd);
	if (!dir || asprintf(&path, "%s%s", dir, name) < 0)
		return false;
	if (strings_have(&follow->files, path))
		return !(event->mask & IN_CREATE) || !is_empty(path);
	if (!follow->store ||
	    strncmp(dir, follow->store, strlen(follow->store)) != 0)
		return false;
	return *name != '.' && (event->mask & IN_ISDIR || value_ending(name));
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
static bool drain(struct follow *follow)
{
	const struct sigaction action = { .sa_handler = ring };
	struct inotify_event *event;
	bool any = false;

	sigaction(SIGALRM, &action, NULL);
	set_timer(QUIET_USEC);
	for (int i = 0; i < BURST_MAX && (event = inotifytools_next_event(1));
	     i++)
		any = concerns(follow, event) || any;
	set_timer(0);
	return any;
}

bool follow_wait(struct follow *follow)
{
	struct inotify_event *event;
	bool any;

	if (!follow->on) {
		struct timespec second = { .tv_sec = 1 };

		nanosleep(&second, NULL);
		return false;
	}
	event = inotifytools_next_event(1);
	if (!event)
		return false;
	any = concerns(follow, event);
	return drain(follow) || any;
}
