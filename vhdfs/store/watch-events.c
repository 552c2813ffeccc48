/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watch events: apply what inotify reports to directories and images.
 *
 * The kernel queues an event before the system call that causes it returns.  So
 * a request that drains the queue when it begins sees every change that ended
 * before.  Writes are not watched: most are this process's own, and a program
 * that writes an image closes it in the end (IN_CLOSE_WRITE).
 */
#include "config.h"

#include "store/watch-events.h"

#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/dir.h"
#include "store/watch.h"

/* Events applied one by one; beyond, all directories are read again. */
enum { EVENTS_MAX = 1000 };

/* Events were lost: anything may have changed. */
static void mark_all_stale(struct store *store)
{
	for (struct dir *dir = store->dirs; dir; dir = dir->next) {
		const struct dir_entry *e;

		dir->stale = true;
		TAILQ_FOREACH(e, &dir->entries, link)
			if (e->image)
				quota_forget(&e->image->quota);
	}
}

/* The file was closed after writing, by this process or another. */
static void note_close_write(struct dir *dir, const char *name)
{
	struct dir_entry *e = dir_find_entry_locked(dir, name, strlen(name));

	if (e && e->image && e->image->write_opens)
		atomic_store(&e->image->maybe_replaced, true);
}

/* Attributes of the file were changed, or its owner or mode. */
static void note_attributes(struct dir *dir, const char *name)
{
	struct dir_entry *e = dir_find_entry_locked(dir, name, strlen(name));

	if (e && e->image)
		quota_forget(&e->image->quota);
}

static void apply_event(struct store *store, const struct inotify_event *ev)
{
	bool known = false;

	if (ev->mask & IN_IGNORED)
		return;
	if (ev->mask &
	    (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) {
		mark_all_stale(store);
		return;
	}
	if (ev->mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO))
		store->links_stale = true;
	for (struct dir *dir = store->dirs, *next; dir; dir = next) {
		/* A refresh removes only directories further down the list. */
		if (dir->watch == ev->wd && ev->len) {
			dir_refresh_name_locked(store, dir, ev->name);
			if (ev->mask & IN_CLOSE_WRITE)
				note_close_write(dir, ev->name);
			if (ev->mask & IN_ATTRIB)
				note_attributes(dir, ev->name);
			known = true;
		}
		next = dir->next;
	}
	/* Permissions changed: a directory may be readable now. */
	if (ev->mask & IN_ATTRIB && ev->mask & IN_ISDIR)
		store->dirs_changed = true;
	/* In a directory of -o parents=, which has no struct dir. */
	if (!known && ev->len)
		store->dirs_changed = true;
}

bool watch_poll_locked(struct store *store)
{
	bool any = false;

	store->last_poll = clock_us() / 1000000;
	for (struct dir *dir = store->dirs; dir; dir = dir->next) {
		dir->stale |= dir->polled;
		any |= dir->polled;
	}
	return any;
}

void watch_apply_events_locked(struct store *store)
{
	_Alignas(struct inotify_event) char buf[16 * 1024];
	unsigned taken = 0;
	ssize_t n;

	if (clock_us() / 1000000 - store->last_poll >= WATCH_POLL_SECONDS)
		(void)watch_poll_locked(store);
	/* Not those that come in meanwhile: they may never end. */
	for (int left = watch_bytes_waiting(store);
	     left > 0 && (n = read(store->inotify, buf, sizeof buf)) > 0;
	     left -= (int)n) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *ev = (void *)p;

			if (taken++ < EVENTS_MAX)
				apply_event(store, ev);
			p += sizeof *ev + ev->len;
		}
	}
	if (taken <= EVENTS_MAX)
		return;
	/* Reading all directories again is quicker. */
	mark_all_stale(store);
	store->links_stale = true;
	store->dirs_changed = true;
}
