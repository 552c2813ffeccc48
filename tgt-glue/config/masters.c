/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/config/masters.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "chain/parent-cache.h"
#include "format/registry.h"
#include "io/rootdir.h"
#include "tgt-glue/config/values.h"

/* What is at path in the store: null for a file, else words for what. */
static const char *not_a_file(struct fleet *fleet, const char *path)
{
	_cleanup_close_ int fd = root_dir_openat(&fleet->rootdir, path, O_PATH);
	struct stat st;

	if (fd == -EXDEV)
		return "one that leads out of the store";
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? "nothing"
						       : strerror(-fd);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return "something that is no file";
	return NULL;
}

static DIR *open_directory(struct fleet *fleet, const char *path)
{
	int fd = root_dir_openat(&fleet->rootdir, *path ? path : ".",
				 O_RDONLY | O_DIRECTORY);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* Every name in the directory of wanted that is wanted's last part and an
 * image's ending. */
static struct strings with_endings(struct fleet *fleet, const char *wanted)
{
	struct arena *arena = &fleet->conf.arena;
	const char *slash = strrchr(wanted, '/');
	const char *base = slash ? slash + 1 : wanted;
	const char *path =
		arena_printf(arena, "%.*s", (int)(base - wanted), wanted);
	_cleanup_closedir_ DIR *dir = open_directory(fleet, path);
	struct strings found = { 0 };
	size_t n = strlen(base);

	for (struct dirent *de; dir && (de = readdir(dir));)
		if (!strncmp(de->d_name, base, n) && de->d_name[n] == '.' &&
		    !strchr(de->d_name + n + 1, '.') &&
		    value_image_format(de->d_name))
			strings_add(
				arena, &found,
				arena_printf(arena, "%s%s", path, de->d_name));
	return found;
}

const char *masters_find(struct fleet *fleet, const char *wanted,
			 const char *format, const char **ret_found)
{
	const char *chosen = wanted;
	struct strings found;
	unsigned fitting = 0;

	if (value_image_format(wanted)) {
		*ret_found = not_a_file(fleet, wanted);
		return *ret_found ? NULL : wanted;
	}
	found = with_endings(fleet, wanted);
	for (size_t i = 0; i < found.n; i++) {
		const char *has = value_image_format(found.v[i])->name;

		if (found.n > 1 && format && strcmp(format, has) != 0)
			continue;
		chosen = found.v[i];
		fitting++;
	}
	if (fitting == 1) {
		*ret_found = not_a_file(fleet, chosen);
		return *ret_found ? NULL : chosen;
	}
	*ret_found =
		!found.n
			? "none"
			: arena_printf(
				  &fleet->conf.arena,
				  fitting ? "%s, %s; choose with `format' or an ending"
					  : "%s and others, none of that format",
				  found.v[0], found.n > 1 ? found.v[1] : "");
	return NULL;
}

/* The file behind a path in the store; all zeros where there is none. */
static struct stat file_at(const struct fleet *fleet, const char *path)
{
	_cleanup_close_ int fd = root_dir_openat(&fleet->rootdir, path, O_PATH);
	struct stat st = { 0 };

	if (fd < 0 || fstat(fd, &st) < 0)
		memset(&st, 0, sizeof st);
	return st;
}

static bool is_child(const struct client *owner, const struct stat *child,
		     const char *master, const struct stat *st)
{
	return !strcmp(owner->child, master) ||
	       (st->st_ino && child->st_ino == st->st_ino &&
		child->st_dev == st->st_dev);
}

/* The client whose image this master is, or null. */
static const struct client *owner_of(const struct fleet *fleet,
				     const struct stat *children,
				     const char *master)
{
	const struct stat st = file_at(fleet, master);

	for (size_t i = 0; i < fleet->n; i++)
		if (fleet->clients[i].child &&
		    is_child(&fleet->clients[i], &children[i], master, &st))
			return &fleet->clients[i];
	return NULL;
}

/* Two names of one image are one disk, and would have two writers. */
static void check_children(struct fleet *fleet, const struct stat *children)
{
	for (size_t i = 0; i < fleet->n; i++)
		for (size_t k = 0; children[i].st_ino && k < i; k++) {
			const struct client *a = &fleet->clients[k];
			const struct client *b = &fleet->clients[i];

			if (children[i].st_ino == children[k].st_ino &&
			    children[i].st_dev == children[k].st_dev)
				conf_mistake(
					&fleet->conf, b->line,
					"client %s: expected an image of its own, found %s, which is client %s's %s (line %d)",
					b->name, b->child, a->name, a->child,
					a->line);
		}
}

/* Is the name an image's of a client of that label, under another spelling? */
static bool is_misspelt(const struct client *client, const char *name)
{
	const struct image_ops *format = value_image_format(name);
	const char *dot = strrchr(name, '.');
	char base[CLIENT_NAME_MAX + 1];

	if (!format || dot - name > CLIENT_NAME_MAX ||
	    strcasecmp(dot + 1, format->name) != 0)
		return false;
	snprintf(base, sizeof base, "%.*s", (int)(dot - name), name);
	value_fold_name(base);
	return !strcmp(base, client->label) &&
	       (strncmp(name, client->name, (size_t)(dot - name)) != 0 ||
		strcmp(dot + 1, format->name) != 0);
}

/*
 * A client without an image would be given an empty one, though it has a disk
 * under another spelling of its name.
 */
static void check_spelling(struct fleet *fleet, const struct stat *children)
{
	_cleanup_closedir_ DIR *dir = open_directory(fleet, "clients");

	for (struct dirent *de; dir && (de = readdir(dir));)
		for (size_t i = 0; i < fleet->n; i++) {
			const struct client *c = &fleet->clients[i];

			if (c->child && !children[i].st_ino &&
			    is_misspelt(c, de->d_name))
				conf_mistake(
					&fleet->conf, c->line,
					"client %s: expected its image %s, found clients/%s, which differs in case, '_' or '-' alone; rename the one or the other",
					c->name, c->child, de->d_name);
		}
}

void masters_check_images(struct fleet *fleet)
{
	struct stat *children = arena_alloc(&fleet->conf.arena,
					    (fleet->n + 1) * sizeof *children);
	const struct client *owner = NULL;
	const char *asked = NULL;

	for (size_t i = 0; i < fleet->n; i++)
		if (fleet->clients[i].child)
			children[i] = file_at(fleet, fleet->clients[i].child);
	check_children(fleet, children);
	check_spelling(fleet, children);
	for (size_t i = 0; i < fleet->n; i++) {
		const struct client *client = &fleet->clients[i];

		if (!client->master)
			continue;
		/* Most have the same as the one before. */
		if (!asked || strcmp(asked, client->master) != 0)
			owner = owner_of(fleet, children, client->master);
		asked = client->master;
		if (owner)
			conf_mistake(
				&fleet->conf, client->master_line,
				"client %s: master: expected an image that is no client's, found %s, which client %s (line %d) writes to",
				client->name, client->master, owner->name,
				owner->line);
	}
}
