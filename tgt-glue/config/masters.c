/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of masters, resolved to images; an image has one writer. */
#include "config.h"

#include "tgt-glue/config/masters.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "format/registry.h"
#include "io/rootdir.h"
#include "tgt-glue/config/values.h"

/* Null where path in the store is a regular file, otherwise a description of
 * what is there. */
static const char *describe_no_file(struct fleet *fleet, const char *path)
{
	struct stat st;
	int r = fleet_stat(fleet, path, &st);

	if (r == -EXDEV)
		return "a link that leads out of the store";
	if (r < 0)
		return r == -ENOENT || r == -ENOTDIR ? "nothing" : strerror(-r);
	return S_ISREG(st.st_mode) ? NULL
				   : "something other than a regular file";
}

/* All images in the store that are called name and an image's ending. */
static struct strings add_endings(struct fleet *fleet, const char *name)
{
	struct arena *arena = &fleet->conf.arena;
	const char *slash = strrchr(name, '/');
	const char *base = slash ? slash + 1 : name;
	const char *path =
		arena_printf(arena, "%.*s", (int)(base - name), name);
	_cleanup_closedir_ DIR *dir = root_dir_opendir(&fleet->rootdir, path);
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

const char *masters_find(struct fleet *fleet, const char *name,
			 const char *format, const char **ret_found)
{
	unsigned fitting = value_image_format(name) != NULL;
	const char *chosen = name;
	struct strings found = { 0 };

	if (!fitting)
		found = add_endings(fleet, name);
	for (size_t i = 0; i < found.n; i++) {
		const char *has = value_image_format(found.v[i])->name;

		if (found.n > 1 && format && strcmp(format, has) != 0)
			continue;
		chosen = found.v[i];
		fitting++;
	}
	if (fitting == 1)
		*ret_found = describe_no_file(fleet, chosen);
	else if (!found.n)
		*ret_found = "none";
	else
		*ret_found = arena_printf(
			&fleet->conf.arena,
			fitting ? "%s, %s; choose one with `format' or an ending"
				: "%s and others, none of this format",
			found.v[0], found.n > 1 ? found.v[1] : "");
	return *ret_found ? NULL : chosen;
}

const char *masters_file(struct fleet *fleet, const char *path)
{
	_cleanup_close_ int fd = root_dir_openat(&fleet->rootdir, path, O_PATH);
	_cleanup_free_ char *real =
		fd < 0 ? NULL : root_dir_real_path(&fleet->rootdir, fd, path);

	/* A link to a file without an image's ending gives no format. */
	return arena_strdup(&fleet->conf.arena,
			    real && value_image_format(real) ? real : path);
}

/* The file at a path in the store; all zeros where there is none. */
static struct stat stat_file(const struct fleet *fleet, const char *path)
{
	struct stat st;

	return fleet_stat(fleet, path, &st) == 0 ? st : (struct stat){ 0 };
}

/* The first of n clients whose image is this file, or null. */
static const struct client *owner_of(const struct fleet *fleet,
				     const struct stat *children, size_t n,
				     const struct stat *st)
{
	for (size_t i = 0; st->st_ino && i < n; i++)
		if (children[i].st_ino == st->st_ino &&
		    children[i].st_dev == st->st_dev)
			return &fleet->clients[i];
	return NULL;
}

/* Two names of one file are one disk, which would have two writers. */
static void check_children(struct fleet *fleet, const struct stat *children)
{
	for (size_t i = 0; i < fleet->n; i++) {
		const struct client *client = &fleet->clients[i];
		const struct client *owner =
			owner_of(fleet, children, i, &children[i]);

		if (owner)
			fleet_mistake(
				fleet, client, client->line,
				"expected an image of its own, found %s, which is client %s's %s (line %d)",
				client->child, owner->name, owner->child,
				owner->line);
	}
}

/* Whether the file name is the client's image in another spelling. */
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
 * A client without an image gets an empty one.  That would be wrong where its
 * image exists under another spelling of its name.
 */
static void check_spelling(struct fleet *fleet, const struct stat *children)
{
	_cleanup_closedir_ DIR *dir =
		root_dir_opendir(&fleet->rootdir, "clients");

	for (struct dirent *de; dir && (de = readdir(dir));)
		for (size_t i = 0; i < fleet->n; i++) {
			const struct client *c = &fleet->clients[i];

			if (c->child && !children[i].st_ino &&
			    is_misspelt(c, de->d_name))
				fleet_mistake(
					fleet, c, c->line,
					"expected its image %s, found clients/%s, which differs only in case, '_' or '-'; rename the file or the client",
					c->child, de->d_name);
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
			children[i] = stat_file(fleet, fleet->clients[i].child);
	check_children(fleet, children);
	check_spelling(fleet, children);
	for (size_t i = 0; i < fleet->n; i++) {
		const struct client *client = &fleet->clients[i];

		if (!client->master)
			continue;
		/* Most clients have the same master as the one before. */
		if (!asked || strcmp(asked, client->master) != 0) {
			const struct stat st = stat_file(fleet, client->master);

			owner = owner_of(fleet, children, fleet->n, &st);
		}
		asked = client->master;
		if (owner)
			fleet_mistake(
				fleet, client, client->master_line,
				"master: expected an image that is no client's, found %s, which client %s (line %d) writes to",
				client->master_name, owner->name, owner->line);
	}
}
