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
#include "io/file-id.h"
#include "io/rootdir.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/config/versions.h"

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

/* The image of that name and format, or null; then *ret_found says what is
 * there. */
static const char *find(struct fleet *fleet, const char *name,
			const char *format, const char **ret_found)
{
	unsigned fitting = value_image_format(name) != NULL;
	const char *chosen = name;
	struct strings found = { 0 };
	struct stat st;

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
		*ret_found = fleet_no_file(fleet, chosen);
	else if (!found.n)
		*ret_found =
			fleet_stat(fleet, name, &st) == -EACCES
				? "none that this user may see: Permission denied; run as root"
				: "none";
	else
		*ret_found = arena_printf(
			&fleet->conf.arena,
			fitting ? "%s, %s; choose one with `format' or an ending"
				: "%s and others, none of this format",
			found.v[0], found.n > 1 ? found.v[1] : "");
	return *ret_found ? NULL : chosen;
}

/* Most clients have the master of another one: it is searched once. */
const char *masters_find(struct fleet *fleet, const char *name,
			 const char *format, const char **ret_found)
{
	struct arena *arena = &fleet->conf.arena;
	const char *key =
		arena_printf(arena, "%s %s", format ? format : "", name);
	const char *chosen = pairs_get(&fleet->masters, key);

	if (chosen)
		return chosen;
	chosen = find(fleet, name, format, ret_found);
	if (chosen)
		pairs_set(arena, &fleet->masters, key, chosen);
	return chosen;
}

const char *masters_mistake(struct fleet *fleet, const char *key,
			    const char *name, const char *found)
{
	return arena_printf(
		&fleet->conf.arena,
		"%s: expected an image %s%s in %s, found %s", key, name,
		value_image_format(name) ? ""
					 : format_or(image_format_endings()),
		fleet->store, found);
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

void masters_set(struct fleet *fleet, struct disk *disk)
{
	struct arena *arena = &fleet->conf.arena;

	disk->master = pairs_get(&fleet->master_files, disk->master_name);
	if (!disk->master) {
		disk->master = masters_file(fleet, disk->master_name);
		pairs_set(arena, &fleet->master_files, disk->master_name,
			  disk->master);
	}
	disk->family = family_of(arena, disk->master);
}

/* The file at a path in the store; all zeros where there is none. */
static struct file_id identify(const struct fleet *fleet, const char *path)
{
	struct stat st;

	return fleet_stat(fleet, path, &st) == 0 ? file_id_of(&st)
						 : (struct file_id){ 0 };
}

/* The first of n disks whose own image is this file, or null. */
static const struct disk *owner_of(const struct fleet *fleet,
				   const struct file_id *children, size_t n,
				   struct file_id file)
{
	for (size_t i = 0; file.ino && i < n; i++)
		if (file_id_equal(children[i], file))
			return &fleet->disks[i];
	return NULL;
}

/* Two names of one file are one disk, which would have two writers. */
static void check_children(struct fleet *fleet, const struct file_id *children)
{
	for (size_t i = 0; i < fleet->n_disks; i++) {
		const struct disk *disk = &fleet->disks[i];
		const struct disk *owner =
			owner_of(fleet, children, i, children[i]);

		if (owner)
			fleet_mistake(
				fleet, disk->client, disk->client->line,
				"expected an image of its own, found %s, which is client %s's %s (%s)",
				disk->child, owner->client->name, owner->child,
				conf_line(&fleet->conf, owner->client->line));
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

static bool lacks_image(const struct disk *disk, struct file_id child,
			const char *disk_name)
{
	return disk->child && !child.ino && text_equal(disk->name, disk_name);
}

static bool any_lacks_image(const struct fleet *fleet,
			    const struct file_id *children,
			    const char *disk_name)
{
	for (size_t i = 0; i < fleet->n_disks; i++)
		if (lacks_image(&fleet->disks[i], children[i], disk_name))
			return true;
	return false;
}

/*
 * A client without an image gets an empty one.  That would be wrong where its
 * image exists under another spelling of its name.  directory: of the images of
 * the disks of that name.
 */
static void check_spelling(struct fleet *fleet, const struct file_id *children,
			   const char *disk_name, const char *directory)
{
	_cleanup_closedir_ DIR *dir =
		any_lacks_image(fleet, children, disk_name)
			? root_dir_opendir(&fleet->rootdir, directory)
			: NULL;

	for (struct dirent *de; dir && (de = readdir(dir));)
		for (size_t i = 0; i < fleet->n_disks; i++) {
			const struct disk *disk = &fleet->disks[i];
			const struct client *c = disk->client;

			if (lacks_image(disk, children[i], disk_name) &&
			    is_misspelt(c, de->d_name))
				fleet_mistake(
					fleet, c, c->line,
					"expected its image %s, found %s/%s, which differs only in case, '_' or '-'; rename the file or the client",
					disk->child, directory, de->d_name);
		}
}

/* A shared image, and the disk whose own image it is. */
struct shared {
	const char *path;
	const struct disk *owner;
};

/* Reports a disk whose master, or shared image, is another disk's own image; of
 * a data disk once for all clients. */
static void check_shared(struct fleet *fleet, const struct file_id *children)
{
	struct arena *arena = &fleet->conf.arena;
	struct shared *v = NULL;
	size_t n = 0, k;

	for (size_t i = 0; i < fleet->n_disks; i++) {
		const struct disk *disk = &fleet->disks[i];
		const char *path = disk->child ? disk->master : disk->image;

		for (k = 0; path && k < n && strcmp(v[k].path, path) != 0;)
			k++;
		if (!path || (disk->name && k < n))
			continue;
		if (k == n) {
			v = arena_grow(arena, v, n, sizeof *v);
			v[n++] = (struct shared){
				path, owner_of(fleet, children, fleet->n_disks,
					       identify(fleet, path))
			};
		}
		if (v[k].owner)
			fleet_mistake(
				fleet, disk->client, disk->master_line,
				"%s: expected an image that is no client's, found %s, which client %s (%s) writes to",
				disk->child ? "master" : "image",
				disk->child ? disk->master_name : path,
				v[k].owner->client->name,
				conf_line(&fleet->conf,
					  v[k].owner->client->line));
	}
}

void masters_check_images(struct fleet *fleet)
{
	struct arena *arena = &fleet->conf.arena;
	struct file_id *children =
		arena_alloc(arena, (fleet->n_disks + 1) * sizeof *children);

	for (size_t i = 0; i < fleet->n_disks; i++)
		if (fleet->disks[i].child)
			children[i] = identify(fleet, fleet->disks[i].child);
	check_children(fleet, children);
	check_spelling(fleet, children, NULL, "clients");
	for (size_t i = 0; i < fleet->n_sections; i++)
		check_spelling(fleet, children, fleet->sections[i].name,
			       arena_printf(arena, "disks/%s",
					    fleet->sections[i].name));
	check_shared(fleet, children);
}
