/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clients' disks: sections [disk NAME] and the key `disks'. */
#include "config.h"

#include "tgt-glue/config/disks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format/registry.h"
#include "tgt-glue/config/masters.h"
#include "tgt-glue/config/tid.h"
#include "tgt-glue/config/values.h"

/* The key that makes a disk one of that kind. */
static const enum disk_key kind_keys[] = {
	[DISK_CHILD] = DISK_KEY_MASTER,
	[DISK_OWN] = DISK_KEY_SIZE,
	[DISK_SHARED] = DISK_KEY_IMAGE,
	[DISK_CDROM] = DISK_KEY_CDROM,
};
enum { KINDS = sizeof kind_keys / sizeof *kind_keys };

/* The other keys that a disk of that kind may have, beside lun and readonly. */
#define KEY(name) (1u << DISK_KEY_##name)
static const unsigned other_keys[KINDS] = {
	[DISK_CHILD] = KEY(FORMAT) | KEY(BLOCK_SIZE) | KEY(RESET) | KEY(KEEP) |
		       KEY(QUOTA) | KEY(UPDATE) | KEY(WRITE_CACHE) | KEY(THIN),
	[DISK_OWN] = KEY(FORMAT) | KEY(BLOCK_SIZE) | KEY(QUOTA) |
		     KEY(WRITE_CACHE) | KEY(THIN),
	[DISK_SHARED] = KEY(FORMAT),
};

/* The section that is being resolved. */
struct resolving {
	struct fleet *fleet;
	const struct conf_disk *own;
	struct disk *disk;
};

/* Reports a mistake of the section, on that line. */
#define mistake(r, line, fmt, ...)                               \
	conf_mistake(&(r)->fleet->conf, line, "[disk %s]: " fmt, \
		     (r)->own->name, ##__VA_ARGS__)

static const char *value_of(const struct resolving *r, enum disk_key key)
{
	return r->own->keys[key].value;
}

static int line_of(const struct resolving *r, enum disk_key key)
{
	return r->own->keys[key].line;
}

static bool flag_of(const struct resolving *r, enum disk_key key,
		    bool otherwise)
{
	const char *value = value_of(r, key);

	return value ? value_is_yes(value) : otherwise;
}

/* False, after reporting it, unless exactly one key says the kind. */
static bool resolve_kind(struct resolving *r)
{
	enum disk_key found = DISK_KEYS;

	for (size_t i = 0; i < KINDS; i++) {
		const enum disk_key key = kind_keys[i];

		if (!line_of(r, key))
			continue;
		if (found != DISK_KEYS) {
			mistake(r, line_of(r, key),
				"expected one of size, master, image and cdrom, found %s and %s",
				conf_disk_key_name(found),
				conf_disk_key_name(key));
			return false;
		}
		found = key;
		r->disk->kind = (enum disk_kind)i;
	}
	if (found == DISK_KEYS)
		mistake(r, r->own->line,
			"expected one of size, master, image and cdrom, found none");
	return found != DISK_KEYS;
}

/* Reports keys that a disk of this kind does not have. */
static void check_keys(struct resolving *r)
{
	const enum disk_kind kind = r->disk->kind;
	const unsigned keys = other_keys[kind] | KEY(LUN) | KEY(READONLY) |
			      1u << kind_keys[kind];

	for (unsigned key = 0; key < DISK_KEYS; key++)
		if (line_of(r, key) && !(keys & 1u << key))
			mistake(r, line_of(r, key),
				"%s: expected none for a disk with %s, found one",
				conf_disk_key_name(key),
				conf_disk_key_name(kind_keys[kind]));
	if ((kind == DISK_SHARED || kind == DISK_CDROM) &&
	    !flag_of(r, DISK_KEY_READONLY, true))
		mistake(r, line_of(r, DISK_KEY_READONLY),
			"readonly: expected yes, because all clients share its file, found no");
}

static void resolve_lun(struct resolving *r)
{
	const struct fleet *fleet = r->fleet;

	if (!line_of(r, DISK_KEY_LUN))
		mistake(r, r->own->line,
			"expected lun, found none; add `lun = N', from %d to %d, which no other disk has or had",
			SYSTEM_LUN + 1, LUN_MAX);
	r->disk->lun = value_read_number(value_of(r, DISK_KEY_LUN), 0);
	for (size_t i = 0; r->disk->lun && i < fleet->n_sections; i++)
		if (fleet->sections[i].lun == r->disk->lun)
			mistake(r, line_of(r, DISK_KEY_LUN),
				"lun: expected a number of its own, found %u, which disk %s also has",
				r->disk->lun, fleet->sections[i].name);
}

/* The image that the key names; null after reporting a mistake. */
static const char *find_image(struct resolving *r, enum disk_key key)
{
	const char *wanted = value_of(r, key), *found, *path;

	if (!wanted || r->fleet->rootdir.fd < 0)
		return NULL;
	path = masters_find(r->fleet, wanted, value_of(r, DISK_KEY_FORMAT),
			    &found);
	if (!path)
		mistake(r, line_of(r, key), "%s",
			masters_mistake(r->fleet, conf_disk_key_name(key),
					wanted, found));
	r->disk->master_line = line_of(r, key);
	return path;
}

/* tgt-admin reads the file's whole path. */
static void resolve_cdrom(struct resolving *r)
{
	struct fleet *fleet = r->fleet;
	const char *path = value_of(r, DISK_KEY_CDROM), *found, *expected;
	const int line = line_of(r, DISK_KEY_CDROM);

	if (!path || fleet->rootdir.fd < 0)
		return;
	found = fleet_no_file(fleet, path);
	expected = value_check(&value_mount, fleet->store);
	if (found)
		mistake(r, line, "cdrom: expected a file %s in %s, found %s",
			path, fleet->store, found);
	if (expected)
		mistake(r, line, "cdrom: expected as store %s, found %s",
			expected, fleet->store);
	r->disk->image = path;
	r->disk->view =
		arena_printf(&fleet->conf.arena, "%s/%s", fleet->store, path);
}

/* The mount shows no file with a hidden name. */
static bool is_hidden(const char *path)
{
	return *path == '.' || strstr(path, "/.");
}

/*
 * The view of the image's own file: a session keeps the version with which it
 * began, also when the mount comes back, and tgtd's path tells which version
 * that is.
 */
static void resolve_shared(struct resolving *r)
{
	struct disk *disk = r->disk;
	const char *file;

	disk->image = find_image(r, DISK_KEY_IMAGE);
	if (!disk->image)
		return;
	file = masters_file(r->fleet, disk->image);
	disk->view = arena_printf(&r->fleet->conf.arena, "%s/%s.raw",
				  r->fleet->mount,
				  is_hidden(file) ? disk->image : file);
}

static void resolve_file(struct resolving *r)
{
	struct disk *disk = r->disk;
	const char *size = value_of(r, DISK_KEY_SIZE);

	switch (disk->kind) {
	case DISK_CHILD:
		disk->master_name = find_image(r, DISK_KEY_MASTER);
		if (disk->master_name)
			masters_set(r->fleet, disk);
		break;
	case DISK_OWN:
		disk->size = size ? value_read_size(size) : 0;
		break;
	case DISK_SHARED:
		resolve_shared(r);
		break;
	case DISK_CDROM:
		resolve_cdrom(r);
		break;
	}
}

static void resolve_section(struct resolving *r)
{
	struct disk *disk = r->disk;
	const struct conf *conf = &r->fleet->conf;
	const size_t mistakes = conf->n_mistakes;
	const char *block_size = value_of(r, DISK_KEY_BLOCK_SIZE);
	const char *reset = value_of(r, DISK_KEY_RESET);
	const char *update = value_of(r, DISK_KEY_UPDATE);

	disk->name = r->own->name;
	disk->conf = r->own;
	if (!strcmp(disk->name, "none"))
		mistake(r, r->own->line,
			"expected another name, because `disks = none' means no disks, found none");
	resolve_lun(r);
	if (resolve_kind(r)) {
		check_keys(r);
		resolve_file(r);
	}
	disk->block_size = block_size ? value_read_size(block_size) : 0;
	disk->readonly = disk->kind == DISK_SHARED ||
			 disk->kind == DISK_CDROM ||
			 flag_of(r, DISK_KEY_READONLY, false);
	disk->write_cache = flag_of(r, DISK_KEY_WRITE_CACHE, true);
	disk->thin = flag_of(r, DISK_KEY_THIN, false);
	disk->reset_boot = reset && !strcmp(reset, "boot");
	disk->update_reset = update && !strcmp(update, "reset");
	disk->keep =
		value_read_number(value_of(r, DISK_KEY_KEEP), DEFAULT_KEEP);
	disks_set_quota(disk, value_of(r, DISK_KEY_QUOTA));
	disk->mistaken = conf->n_mistakes != mistakes;
}

static int by_lun(const void *a, const void *b)
{
	const struct disk *x = a, *y = b;

	return (x->lun > y->lun) - (x->lun < y->lun);
}

void disks_resolve_sections(struct fleet *fleet)
{
	struct conf *conf = &fleet->conf;

	fleet->sections = arena_alloc(
		&conf->arena, (conf->n_disks + 1) * sizeof *fleet->sections);
	for (size_t i = 0; i < conf->n_disks; i++) {
		struct resolving r = { fleet, conf->disks[i],
				       &fleet->sections[i] };

		resolve_section(&r);
		fleet->n_sections++;
	}
	qsort(fleet->sections, fleet->n_sections, sizeof *fleet->sections,
	      by_lun);
}

/* The image that the disk has now, else the one that it gets.  Its format is
 * that of an earlier master, or of an earlier `format', until it is reset. */
static const char *current_image(struct fleet *fleet, const struct disk *disk)
{
	struct stat st;

	if (fleet_stat(fleet, disk->child, &st) == 0)
		return disk->child;
	for (int i = 0; image_formats[i]; i++) {
		const char *path =
			disk_image_path(fleet, disk, image_formats[i]);

		if (!image_format_is_raw(image_formats[i]) &&
		    fleet_stat(fleet, path, &st) == 0)
			return path;
	}
	return disk->child;
}

void disks_set_image(struct fleet *fleet, struct disk *disk,
		     const struct image_ops *format)
{
	disk->child = disk_image_path(fleet, disk, format);
	disk->image = current_image(fleet, disk);
	disk->view = arena_printf(&fleet->conf.arena, "%s/%s.raw", fleet->mount,
				  disk->image);
}

void disks_set_quota(struct disk *disk, const char *value)
{
	disk->has_quota = value != NULL;
	disk->quota =
		value && strcmp(value, "no") != 0 ? value_read_size(value) : 0;
}

void disks_set_ids(struct fleet *fleet, struct disk *disk, const char *text)
{
	struct arena *arena = &fleet->conf.arena;

	disk->scsi_sn = arena_printf(arena, "%016" PRIx64, tid_serial(text));
	disk->scsi_id = arena_printf(arena, "vhdfs-%s", disk->scsi_sn);
}

static void add_disk(struct fleet *fleet, struct client *client,
		     const struct disk *section)
{
	const struct setting *format = &section->conf->keys[DISK_KEY_FORMAT];
	struct disk *disk = &client->disks[client->n_disks++];

	*disk = *section;
	disk->client = client;
	disks_set_ids(fleet, disk,
		      arena_printf(&fleet->conf.arena, "%s/%s", client->iqn,
				   disk->name));
	if (disk->mistaken || !fleet->mount)
		return;
	if (disk->kind == DISK_CHILD && disk->master)
		disks_set_image(fleet, disk, value_image_format(disk->master));
	else if (disk->kind == DISK_OWN)
		disks_set_image(fleet, disk,
				format->value
					? image_format_by_name(format->value)
					: image_format_default());
}

/* The words of the value. */
static struct strings words_of(struct arena *arena, const char *value)
{
	char *rest = arena_strdup(arena, value);
	struct strings words = { 0 };

	for (char *word; (word = strsep(&rest, " \t"));)
		if (*word)
			strings_add(arena, &words, word);
	return words;
}

static bool is_section(const struct fleet *fleet, const char *name)
{
	for (size_t i = 0; i < fleet->n_sections; i++)
		if (!strcmp(fleet->sections[i].name, name))
			return true;
	return false;
}

bool disks_resolve_client(struct fleet *fleet, struct client *client,
			  const char *names, int line)
{
	struct strings words = { 0 };
	bool good = true;

	if (!names || !strcmp(names, "none"))
		return true;
	words = words_of(&fleet->conf.arena, names);
	for (size_t i = 0; i < words.n; i++)
		if (!is_section(fleet, words.v[i]))
			fleet_mistake(
				fleet, client, line,
				"disks: expected disks that have a section [disk NAME], or none, found '%s'",
				words.v[i]);
	/* A name that is found twice is one disk. */
	for (size_t i = 0; i < fleet->n_sections; i++)
		if (strings_have(&words, fleet->sections[i].name)) {
			add_disk(fleet, client, &fleet->sections[i]);
			good = good && !fleet->sections[i].mistaken;
		}
	return good;
}
