/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Check that no master descends from a client's image. */
#include "config.h"

#include "tgt-glue/versions/check-parents.h"

#include <dirent.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/image-names.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/config/versions.h"
#include "tgt-glue/reconcile/ancestors.h"

static bool is_of_client(const void *arg, const char *path)
{
	(void)arg;
	return fleet_is_client_path(path);
}

static void check_image(const struct fleet *fleet, struct arena *arena,
			const char *path, struct strings *ret)
{
	const char *found;

	if (image_ancestor(fleet, arena, path, is_of_client, NULL, &found) <
		    0 ||
	    !found)
		return;
	strings_add(
		arena, ret,
		arena_printf(
			arena,
			"%s: parent: expected no image of a client, found %s; type `vhdfs-img rebase --parent VERSION %s' with the version on which that client stands",
			path, found, shell_path(fleet->store, path)));
}

static void check_directory(const struct fleet *fleet, struct arena *arena,
			    const char *dir, struct strings *ret)
{
	_cleanup_closedir_ DIR *entries =
		root_dir_opendir(&fleet->rootdir, dir);

	for (struct dirent *e; entries && (e = readdir(entries));)
		if (e->d_type != DT_LNK && value_image_format(e->d_name))
			check_image(fleet, arena,
				    arena_printf(arena, "%s%s", dir, e->d_name),
				    ret);
}

struct strings check_parents(const struct fleet *fleet, struct arena *arena)
{
	struct strings directories = { 0 }, found = { 0 };

	for (size_t i = 0; i < fleet->n_disks; i++) {
		const char *family = fleet->disks[i].family;

		if (family && !fleet_is_client_path(family))
			strings_add_once(
				arena, &directories,
				arena_printf(arena, "%.*s",
					     (int)(name_last(family) - family),
					     family));
	}
	for (size_t i = 0; i < directories.n; i++)
		check_directory(fleet, arena, directories.v[i], &found);
	return found;
}
