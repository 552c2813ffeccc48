/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Space that the images of a fleet take: the sums. */
#include "config.h"

#include "tgt-glue/reconcile/image-use.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "io/file-id.h"
#include "store/image-names.h"
#include "tgt-glue/config/families.h"
#include "tgt-glue/config/versions.h"
#include "tgt-glue/reconcile/kept-image.h"

const char *const image_use_names[USE_KINDS] = {
	[USE_PRESENT] = "present", [USE_OLD] = "put-aside",
	[USE_KEPT] = "kept",       [USE_SNAPSHOTS] = "snapshots",
	[USE_UNUSED] = "unused",   [USE_MASTERS] = "masters",
};

uint64_t image_use_sum(const struct image_use *use)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < USE_KINDS; i++)
		sum += use->v[i];
	return sum;
}

/* The snapshot's name, with the ending of its image. */
static bool is_kept(const char *snapshot)
{
	char name[NAME_MAX + 1];

	snprintf(name, sizeof name, "%.*s", (int)strcspn(snapshot, "."),
		 snapshot);
	return kept_image_number(name);
}

static enum image_use_kind kind_of(const struct client *client,
				   const char *path)
{
	const char *name = name_last(path), *at = strchr(name, '@');

	if (*name == '.')
		return USE_OLD;
	for (size_t i = 0; i < client->n_disks; i++)
		if (text_equal(client->disks[i].image, path))
			return USE_PRESENT;
	if (!at)
		return USE_UNUSED;
	return is_kept(at + 1) ? USE_KEPT : USE_SNAPSHOTS;
}

void image_use_add_client(struct image_use *use, const struct client *client,
			  const char *path, uint64_t bytes)
{
	use->v[kind_of(client, path)] += bytes;
}

/* The files that were added. */
struct added {
	struct arena arena;
	struct file_id *v;
	size_t n;
};

static void add_file(struct image_use *use, struct added *added,
		     const struct stat *st)
{
	const struct file_id id = file_id_of(st);

	for (size_t i = 0; i < added->n; i++)
		if (file_id_equal(added->v[i], id))
			return;
	added->v =
		arena_grow(&added->arena, added->v, added->n, sizeof *added->v);
	added->v[added->n++] = id;
	use->v[USE_MASTERS] += (uint64_t)st->st_blocks * 512;
}

static void add_family(struct image_use *use, struct added *added,
		       const struct fleet *fleet, const char *family)
{
	struct versions versions;

	if (versions_read(&added->arena, &fleet->rootdir, family, &versions) <
	    0)
		return;
	for (size_t i = 0; i < versions.n; i++)
		add_file(use, added, &versions.v[i].st);
	if (versions.plain)
		add_file(use, added, &versions.plain_st);
}

void image_use_add_masters(struct image_use *use, const struct fleet *fleet)
{
	struct added added = { 0 };
	struct strings seen = { 0 }, unnamed;

	for (size_t i = 0; i < fleet->n_disks; i++) {
		const struct disk *disk = &fleet->disks[i];
		const char *path = disk->child ? disk->master : disk->image;
		struct stat st;

		if (!path || strings_have(&seen, path))
			continue;
		strings_add(&added.arena, &seen, path);
		if (fleet_stat(fleet, path, &st) == 0)
			add_file(use, &added, &st);
		if (disk->family)
			add_family(use, &added, fleet, disk->family);
	}
	unnamed = families_unnamed(&added.arena, fleet);
	for (size_t i = 0; i < unnamed.n; i++)
		add_family(use, &added, fleet, unnamed.v[i]);
	arena_fini(&added.arena);
}
