/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notification of changes, with libinotifytools.
 *
 * Watches are on directories, not on files: a file that is replaced by rename
 * is another file.  In the store every directory is watched, because a master
 * may be in any of them.
 *
 * All paths are real paths, without symbolic links: a watch stands for a
 * directory, so a directory needs one name.
 *
 * libinotifytools waits for whole seconds and keeps its descriptor to itself,
 * so this file waits and reads by itself, and uses the library for what it does
 * well: the watches of a tree, and the names that belong to them.
 */
#include "config.h"

#include "tgt-glue/command/inotify.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inotifytools/inotify.h>
#include <inotifytools/inotifytools.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tgt-glue/config/values.h"

/* Milliseconds: how long to wait for a change, and after how long without one a
 * burst of changes has ended.  A burst is cut after so many reads. */
enum { WAIT_MS = 1000, QUIET_MS = 100, BURST_MAX = 2000 };

static const int events = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
			  IN_CLOSE_WRITE | IN_MOVE_SELF;

static void failed(struct inotify *inotify, int why)
{
	inotify->incomplete = true;
	inotify->why = why;
}

static void follow_directory(struct inotify *inotify, const char *path)
{
	if (inotifytools_wd_from_filename(path) < 0 &&
	    !inotifytools_watch_file(path, events))
		failed(inotify, inotifytools_error());
}

static void follow_file(struct inotify *inotify, const char *name)
{
	struct arena *arena = &inotify->arena;
	_cleanup_free_ char *dir =
		realpath(dirname(arena_strdup(arena, name)), NULL);
	const char *path;

	if (!dir) {
		failed(inotify, errno);
		return;
	}
	path = arena_printf(arena, "%s/%s", dir,
			    basename(arena_strdup(arena, name)));
	if (strings_have(&inotify->files, path))
		return;
	strings_add(arena, &inotify->files, path);
	follow_directory(inotify, arena_printf(arena, "%s/", dir));
}

/* Follows the file and, where it is a symbolic link, the file it leads to. */
static void follow_file_and_link(struct inotify *inotify, const char *name)
{
	_cleanup_free_ char *real = realpath(name, NULL);

	follow_file(inotify, name);
	if (real)
		follow_file(inotify, real);
}

/* Follows the directory of a pattern, and its name, if it is made later. */
static void follow_pattern(struct inotify *inotify, const char *pattern)
{
	struct arena *arena = &inotify->arena;
	const char *directory = dirname(arena_strdup(arena, pattern));
	_cleanup_free_ char *real = realpath(directory, NULL);

	follow_file_and_link(inotify, directory);
	if (!real)
		return;
	strings_add_once(arena, &inotify->patterns,
			 arena_printf(arena, "%s/%s", real,
				      basename(arena_strdup(arena, pattern))));
	follow_directory(inotify, arena_printf(arena, "%s/", real));
}

static void follow_sources(struct inotify *inotify,
			   const struct sources *sources)
{
	for (size_t i = 0; i < sources->paths.n; i++)
		follow_file_and_link(inotify, sources->paths.v[i]);
	for (size_t i = 0; i < sources->patterns.n; i++)
		follow_pattern(inotify, sources->patterns.v[i]);
}

static void follow_store(struct inotify *inotify, const char *store)
{
	inotify->store = arena_printf(&inotify->arena, "%s/", store);
	if (stat(store, &inotify->store_stat) < 0)
		failed(inotify, errno);
	if (!inotifytools_watch_recursively(inotify->store, events))
		failed(inotify, inotifytools_error());
}

/* Whether this store is watched.  A mount on it makes it another directory. */
static bool follows_store(const struct inotify *inotify, const char *store)
{
	const struct stat *followed = &inotify->store_stat;
	struct stat st;

	return inotify->store && stat(store, &st) == 0 &&
	       st.st_dev == followed->st_dev && st.st_ino == followed->st_ino;
}

/*
 * Begins without any watch.  The library's descriptor is the one that is free
 * now: the kernel gives out the lowest, and this process has one thread.
 */
static bool start(struct inotify *inotify)
{
	inotify_fini(inotify);
	inotify->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (inotify->fd < 0) {
		failed(inotify, errno);
		return false;
	}
	close(inotify->fd);
	inotify->on = inotifytools_initialize();
	if (!inotify->on)
		failed(inotify, inotifytools_error());
	else if (fcntl(inotify->fd, F_SETFD, FD_CLOEXEC) < 0)
		failed(inotify, errno);
	return !inotify->incomplete;
}

bool inotify_follow(struct inotify *inotify, const char *config,
		    const struct fleet *fleet)
{
	_cleanup_free_ char *store = NULL;
	const size_t files = inotify->files.n, patterns = inotify->patterns.n;
	bool anew = !inotify->on || inotify->stale || inotify->incomplete;

	if (fleet && fleet->store)
		store = realpath(fleet->store, NULL);
	anew = anew || (store && !follows_store(inotify, store));
	if (anew && !start(inotify))
		return true;
	follow_file_and_link(inotify, config);
	if (fleet)
		follow_sources(inotify, &fleet->conf.sources);
	for (size_t i = 0; fleet && i < fleet->n; i++)
		if (fleet->clients[i].secret_file)
			follow_file_and_link(inotify,
					     fleet->clients[i].secret_file);
	if (anew && store)
		follow_store(inotify, store);
	else if (fleet && fleet->store && !store)
		failed(inotify, ENOENT);
	return anew || inotify->files.n != files ||
	       inotify->patterns.n != patterns;
}

void inotify_fini(struct inotify *inotify)
{
	if (inotify->on)
		inotifytools_cleanup();
	arena_fini(&inotify->arena);
	memset(inotify, 0, sizeof *inotify);
}

/* An editor that has just created the file is about to write to it. */
static bool is_empty(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size == 0;
}

/* Whether fleet.conf includes files of that name in the directory, whose path
 * ends with a slash. */
static bool is_included(const struct inotify *inotify, const char *dir,
			const char *name)
{
	const size_t n = strlen(dir);

	for (size_t i = 0; i < inotify->patterns.n; i++) {
		const char *pattern = inotify->patterns.v[i];

		if (!strncmp(pattern, dir, n) && !strchr(pattern + n, '/') &&
		    fnmatch(pattern + n, name, FNM_PERIOD) == 0)
			return true;
	}
	return false;
}

/* Whether the change concerns the fleet. */
static bool concerns(struct inotify *inotify, const struct inotify_event *event)
{
	const char *dir, *name = event->len ? event->name : "";
	_cleanup_free_ char *path = NULL;

	if (event->mask &
	    (IN_ISDIR | IN_MOVE_SELF | IN_IGNORED | IN_Q_OVERFLOW))
		inotify->stale = true;
	if (event->mask & IN_Q_OVERFLOW)
		return true;
	dir = inotifytools_filename_from_wd(event->wd);
	if (!dir || asprintf(&path, "%s%s", dir, name) < 0)
		return false;
	if (strings_have(&inotify->files, path) ||
	    is_included(inotify, dir, name))
		return event->mask & IN_ISDIR || !(event->mask & IN_CREATE) ||
		       !is_empty(path);
	if (!inotify->store ||
	    strncmp(dir, inotify->store, strlen(inotify->store)) != 0)
		return false;
	return *name != '.' &&
	       (event->mask & IN_ISDIR || value_image_format(name));
}

/* Waits for events and reads them.  Returns false where none came. */
static bool read_events(struct inotify *inotify, int timeout_ms,
			bool *ret_concerns)
{
	char buf[16 << 10] __attribute__((aligned(8)));
	struct pollfd poll_fd = { .fd = inotify->fd, .events = POLLIN };
	ssize_t n = -1;

	if (poll(&poll_fd, 1, timeout_ms) > 0)
		n = read(inotify->fd, buf, sizeof buf);
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (void *)(buf + at);

		*ret_concerns = concerns(inotify, event) || *ret_concerns;
		at += (ssize_t)(sizeof *event + event->len);
	}
	return n > 0;
}

bool inotify_wait(struct inotify *inotify)
{
	bool any = false;

	if (!inotify->on || fcntl(inotify->fd, F_GETFD) < 0) {
		poll(NULL, 0, WAIT_MS);
		return false;
	}
	if (read_events(inotify, WAIT_MS, &any))
		for (int i = 0; i < BURST_MAX; i++)
			if (!read_events(inotify, QUIET_MS, &any))
				break;
	return any;
}
