/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directories: the directories of the store and their entries.
 *
 * Every directory stays open, and a name in it is reached by the name alone, so
 * no path leads out of the store.  Only a symbolic link takes a path, which the
 * kernel keeps inside the store (openat2, RESOLVE_BENEATH).
 *
 * A directory behind a symbolic link has a struct dir of its own, beside that
 * of the real directory.  Links to one another would make an endless tree.  So
 * a link to a directory above it is excluded, and a directory behind more than
 * one link is read only when a request needs it.
 *
 * The target of a link changes with other names: of the target, or of a
 * directory or link in its path.  So every link has an entry, even one without
 * a target, and is resolved again when a name was added or removed anywhere in
 * the store.  It is resolved again when its directory is listed, too: the way
 * may lead through directories outside the store's watches.
 */
#include "config.h"

#include "store/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "store/catalog.h"
#include "store/image-names.h"
#include "store/resolve-path.h"
#include "store/watch.h"

/* More than the kernel follows. */
enum { LINK_PASSES_MAX = 64 };

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct dir_entry *)a)->name,
		      ((const struct dir_entry *)b)->name);
}

/* The directory whose path is the first len bytes of path. */
static struct dir *find_dir(struct store *store, const char *path, size_t len)
{
	struct dir *dir = store->dirs;

	while (dir && (strncmp(dir->path, path, len) != 0 || dir->path[len]))
		dir = dir->next;
	return dir;
}

struct dir *dir_find_locked(struct store *store, const char *path)
{
	return find_dir(store, path, strlen(path));
}

struct dir_entry *dir_find_entry_locked(struct dir *dir, const char *name,
					size_t len)
{
	char copy[NAME_MAX + 1];
	struct dir_entry key = { .name = copy };
	struct dir_entry **found;

	if (len >= sizeof copy)
		return NULL;
	memcpy(copy, name, len);
	copy[len] = '\0';
	found = tfind(&key, &dir->by_name, by_name);
	return found ? *found : NULL;
}

bool dir_shows_locked(struct dir_entry *entry)
{
	struct dir_entry *image;
	size_t len;

	if (entry->kind == ENTRY_EXCLUDED || entry->kind == ENTRY_UNRESOLVED ||
	    entry->hidden)
		return false;
	if (entry->image)
		return strlen(entry->name) + strlen(NAME_VIEW_SUFFIX) <=
		       NAME_MAX;
	if (!name_is_view(entry->name, &len))
		return true;
	image = dir_find_entry_locked(entry->dir, entry->name, len);
	return !image || !image->image;
}

/* Logs that the mount does not show an entry, or one that it now hides. */
static void log_not_shown(struct dir_entry *entry)
{
	struct dir_entry *other;
	char view[NAME_MAX + 8];

	if (entry->hidden)
		return;
	snprintf(view, sizeof view, "%s" NAME_VIEW_SUFFIX, entry->name);
	if (entry->image && strlen(view) > NAME_MAX) {
		log_warn(
			"%s: not shown: the name of its view would be longer than %d bytes; rename the image",
			entry->real, NAME_MAX);
		return;
	}
	other = entry->image
			? dir_find_entry_locked(entry->dir, view, strlen(view))
			: entry;
	if (other && other->kind == ENTRY_DIR && !dir_shows_locked(other))
		log_warn(
			"%s: directory not shown: the view of an image has the same name; rename one of them",
			other->real);
}

static void remove_dir(struct store *store, struct dir **at)
{
	struct dir *dir = *at;

	*at = dir->next;
	watch_remove_locked(store, dir);
	close(dir->fd);
	free(dir->path);
	free(dir->real);
	free(dir);
	store->dirs_changed = true;
}

static void remove_entry(struct store *store, struct dir_entry *entry);

/* Is path that of the entry name in directory up, or below it? */
static bool is_below(const char *path, const char *up, const char *name)
{
	size_t n = strlen(up);

	if (strncmp(path, up, n) != 0 || (n && path[n++] != '/'))
		return false;
	path += n;
	n = strlen(name);
	return strncmp(path, name, n) == 0 && (!path[n] || path[n] == '/');
}

/* Removes the directory name in directory up and all below it; where name is
 * null, all directories.  Allocates nothing, and so cannot fail. */
static void remove_tree(struct store *store, const char *up, const char *name)
{
	for (struct dir **at = &store->dirs; *at;) {
		struct dir *dir = *at;
		struct dir_entry *entry;

		if (name && !is_below(dir->path, up, name)) {
			at = &dir->next;
			continue;
		}
		while ((entry = TAILQ_FIRST(&dir->entries))) {
			/* This loop removes the directories in it, too. */
			if (entry->kind == ENTRY_DIR)
				entry->kind = ENTRY_EXCLUDED;
			remove_entry(store, entry);
		}
		remove_dir(store, at);
	}
}

static void free_entry(struct dir_entry *entry)
{
	free(entry->name);
	free(entry->real);
	free(entry);
}
DEFINE_CLEANUP(struct dir_entry *, free_entry);

static void unlink_name(struct store_image *image, struct dir_entry *entry)
{
	struct dir_entry **at = &image->names;

	while (*at != entry)
		at = &(*at)->next_name;
	*at = entry->next_name;
}

static void remove_entry(struct store *store, struct dir_entry *entry)
{
	struct dir *dir = entry->dir;

	TAILQ_REMOVE(&dir->entries, entry, link);
	tdelete(entry, &dir->by_name, by_name);
	catalog_name_changed_locked(store, entry->name);
	if (entry->image) {
		unlink_name(entry->image, entry);
		catalog_release_locked(entry->image);
	} else if (entry->kind == ENTRY_DIR) {
		remove_tree(store, dir->path, entry->name);
	}
	free_entry(entry);
}

void dir_free_all(struct store *store)
{
	remove_tree(store, "", NULL);
}

/* Is the directory id dir itself or an ancestor of it, by path? */
static bool is_ancestor(struct store *store, struct dir *dir,
			const struct file_id *id)
{
	size_t len = strlen(dir->path);

	for (struct dir *up = dir; up; up = find_dir(store, dir->path, len)) {
		if (file_id_equal(up->id, *id))
			return true;
		if (!len)
			return false;
		while (len && dir->path[len - 1] != '/')
			len--;
		/* Without the slash, which a path of one name lacks. */
		len -= len > 0;
	}
	return false;
}

static int add_subdir(struct store *store, struct dir_entry *entry)
{
	struct dir *dir = entry->dir;
	_cleanup_free_ char *path = resolve_join(dir->path, entry->name);

	if (!path)
		return -ENOMEM;
	if (entry->is_link && is_ancestor(store, dir, &entry->id)) {
		log_warn(
			"%s: not shown: this link leads to a directory above it",
			path);
		return -ELOOP;
	}
	return dir_add_locked(store, path, entry->real,
			      dir->links + entry->is_link, entry->hidden);
}

/* Makes the entry unresolved, until a refresh of its name. */
static int make_unresolved(struct dir_entry *entry)
{
	free(entry->real);
	entry->real = strdup("");
	entry->id = (struct file_id){ 0 };
	entry->kind = ENTRY_UNRESOLVED;
	return entry->real ? 0 : -ENOMEM;
}

/* Does opening a directory fail so when the name was renamed meanwhile? */
static bool was_renamed(int r)
{
	return r == -EXDEV || r == -ENOENT || r == -ENOTDIR;
}

/* Names that are not hidden come first: messages show the first one. */
static void add_name(struct store_image *image, struct dir_entry *entry)
{
	struct dir_entry **at = &image->names;

	while (entry->hidden && *at)
		at = &(*at)->next_name;
	entry->next_name = *at;
	*at = entry;
}

/* Adds the image or directory that the entry refers to to the store. */
static int fill_entry(struct store *store, struct dir_entry *entry)
{
	const struct dir *dir = entry->dir;
	int r = 0;

	if (entry->kind == ENTRY_IMAGE) {
		entry->image = catalog_get_locked(store, &entry->id);
		return entry->image ? 0 : -ENOMEM;
	}
	if (entry->kind == ENTRY_DIR)
		r = add_subdir(store, entry);
	/* The rename causes an event, and that a refresh of the name. */
	if (was_renamed(r))
		r = make_unresolved(entry);
	if (error_is_passing(r))
		return r;
	if (r < 0)
		entry->kind = ENTRY_EXCLUDED;
	else if (entry->kind == ENTRY_EXCLUDED)
		log_warn("%s%s%s: not shown: this link leads out of the store",
			 dir->path, *dir->path ? "/" : "", entry->name);
	return 0;
}

/* Puts the entry into its directory.  Owns the entry, even when it fails. */
static int add_entry(struct store *store, struct dir_entry *entry)
{
	struct dir *dir = entry->dir;
	int r = fill_entry(store, entry);

	if (r < 0) {
		free_entry(entry);
		return r;
	}
	entry->reading = dir->reading;
	entry->cookie = ++dir->last_cookie;
	TAILQ_INSERT_TAIL(&dir->entries, entry, link);
	if (entry->image) {
		add_name(entry->image, entry);
		/* The parent of an image may depend on its path. */
		catalog_mark_stale_locked(entry->image);
	}
	if (!tsearch(entry, &dir->by_name, by_name)) {
		remove_entry(store, entry);
		return -ENOMEM;
	}
	catalog_name_changed_locked(store, entry->name);
	log_not_shown(entry);
	return 0;
}

/* Sets what the new entry is.  -ENOENT: the name gets no entry. */
static int classify(struct store *store, struct dir_entry *entry,
		    struct stat *ret_st)
{
	bool is_image_name = name_is_image(entry->name);
	int r = resolve_name(store, entry, ret_st);

	if (r == -EXDEV && is_image_name) {
		entry->kind = ENTRY_EXCLUDED;
		entry->real = strdup("");
		return entry->real ? 0 : -ENOMEM;
	}
	if (error_is_passing(r))
		return r;
	entry->hidden = entry->dir->hidden || entry->name[0] == '.';
	/* The target of a hidden link has a name of its own in the store, or
	 * is not in the store. */
	if (entry->is_link && entry->hidden)
		return -ENOENT;
	if (r == 0 && S_ISDIR(ret_st->st_mode))
		entry->kind = ENTRY_DIR;
	else if (r == 0 && S_ISREG(ret_st->st_mode) &&
		 (is_image_name || !entry->is_link))
		entry->kind = ENTRY_IMAGE;
	else
		return entry->is_link ? make_unresolved(entry) : -ENOENT;
	entry->hidden |= entry->kind == ENTRY_IMAGE && !is_image_name;
	return 0;
}

static bool is_unchanged(const struct dir_entry *old,
			 const struct dir_entry *found)
{
	return file_id_equal(old->id, found->id) &&
	       !strcmp(old->real, found->real) &&
	       (old->kind == found->kind || old->kind == ENTRY_EXCLUDED);
}

static struct dir_entry *new_entry(struct dir *dir, const char *name)
{
	struct dir_entry *entry = calloc(1, sizeof *entry);

	if (!entry || !(entry->name = strdup(name))) {
		free(entry);
		return NULL;
	}
	entry->dir = dir;
	return entry;
}

static int refresh_name(struct store *store, struct dir *dir, const char *name)
{
	struct dir_entry *old = dir_find_entry_locked(dir, name, strlen(name));
	_cleanup_(free_entry_p) struct dir_entry *found = new_entry(dir, name);
	struct stat st;
	int r = found ? classify(store, found, &st) : -ENOMEM;
	bool same = r == 0 && old && is_unchanged(old, found);

	if (old && (same || error_is_passing(r)))
		old->reading = dir->reading;
	if (same && old->image)
		catalog_check_stamp_locked(old->image, &st);
	if (same || error_is_passing(r))
		return r;
	if (old)
		remove_entry(store, old);
	return r == 0 ? add_entry(store, steal(found)) : 0;
}

int dir_refresh_name_locked(struct store *store, struct dir *dir,
			    const char *name)
{
	bool self = !strcmp(name, ".") || !strcmp(name, "..");
	int r = self ? 0 : refresh_name(store, dir, name);

	if (r < 0)
		dir->retry = true;
	return r;
}

int dir_add_locked(struct store *store, const char *path, const char *real,
		   unsigned links, bool hidden)
{
	_cleanup_close_ int fd =
		resolve_beneath(store, real, O_RDONLY | O_DIRECTORY);
	struct dir **at = &store->dirs;
	struct dir *dir;
	struct stat st;

	if (fd < 0) {
		if (!error_is_passing(fd) && !was_renamed(fd))
			log_warn("%s: not shown: %s", path, strerror(-fd));
		return fd;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	dir = calloc(1, sizeof *dir);
	if (!dir || !(dir->path = strdup(path)) ||
	    !(dir->real = strdup(real))) {
		free(dir ? dir->path : NULL);
		free(dir);
		return -ENOMEM;
	}
	dir->id = file_id_of(&st);
	dir->fd = steal_fd(&fd);
	dir->links = links;
	dir->hidden = hidden;
	dir->stale = true;
	TAILQ_INIT(&dir->entries);
	while (*at)
		at = &(*at)->next;
	*at = dir;
	store->dirs_changed = true;
	/* Before it is read, so that later changes cause events. */
	watch_add_locked(store, dir);
	return 0;
}

/* Refreshes all names in the directory. */
static int read_names(struct store *store, struct dir *dir)
{
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int r = -errno;
	struct dirent *de;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (errno = 0, (de = readdir(d)))
		dir_refresh_name_locked(store, dir, de->d_name);
	return -errno;
}

void dir_read_locked(struct store *store, struct dir *dir)
{
	int r;

	dir->stale = false;
	dir->reading++;
	r = read_names(store, dir);
	if (r < 0 && !dir->read_error_logged)
		log_warn("%s: cannot read the directory: %s",
			 *dir->real ? dir->real : store->roots[0].path,
			 strerror(-r));
	dir->read_error_logged = r < 0;
	if (error_is_passing(r)) {
		/* Names that were not read may exist: keep their entries. */
		dir->retry = true;
		return;
	}
	store->links_stale = true;
	for (struct dir_entry *e = TAILQ_FIRST(&dir->entries), *next; e;
	     e = next) {
		next = TAILQ_NEXT(e, link);
		if (e->reading != dir->reading)
			remove_entry(store, e);
	}
}

void dir_retry_locked(struct store *store)
{
	for (struct dir *dir = store->dirs; dir; dir = dir->next) {
		dir->stale |= dir->retry;
		dir->retry = false;
	}
}

void dir_refresh_links_locked(struct store *store, struct dir *dir)
{
	/* A link with another target gets a new entry behind these. */
	uint64_t last = dir->last_cookie;

	for (struct dir_entry *e = TAILQ_FIRST(&dir->entries), *next;
	     e && e->cookie <= last; e = next) {
		char name[NAME_MAX + 1];

		next = TAILQ_NEXT(e, link);
		if (!e->is_link)
			continue;
		/* The refresh may free the entry. */
		snprintf(name, sizeof name, "%s", e->name);
		dir_refresh_name_locked(store, dir, name);
	}
}

static void refresh_all_links(struct store *store)
{
	store->links_stale = false;
	/* A refresh removes only directories further down the list. */
	for (struct dir *dir = store->dirs; dir; dir = dir->next)
		dir_refresh_links_locked(store, dir);
}

static void read_stale(struct store *store)
{
	/* New directories come after their parents, so one pass reads all; it
	 * removes only directories further down the list. */
	for (struct dir *dir = store->dirs; dir; dir = dir->next)
		if (dir->stale && (dir->links <= 1 || dir->reading))
			dir_read_locked(store, dir);
}

void dir_read_stale_locked(struct store *store)
{
	read_stale(store);
	/* Each pass reads only new directories.  The limit is for links that
	 * change all the time: the next request continues. */
	for (int i = 0; store->links_stale && i < LINK_PASSES_MAX; i++) {
		refresh_all_links(store);
		read_stale(store);
	}
}
