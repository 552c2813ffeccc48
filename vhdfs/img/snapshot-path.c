/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of an image's snapshot. */
#include "config.h"

#include "img/snapshot-path.h"

#include <errno.h>

#include "base/error.h"
#include "store/image-names.h"

int snapshot_sibling(const char *real, const char *file, char **ret)
{
	*ret = name_sibling(real, file);
	return *ret ? 0 : fail(-ENOMEM, "out of memory");
}

int snapshot_fail_missing(const char *real, const char *name)
{
	return fail(-ENOENT,
		    "%s: has no snapshot '%s'; `vhdfs-img snapshots %s' shows "
		    "them",
		    real, name, shell_word(real));
}

int snapshot_path(const struct image_roots *roots, const char *real,
		  const char *name, char **ret)
{
	const struct snapshot *snapshot;
	struct snapshots all;
	int r = snapshots_list(&roots->dirs[0], real, &all);

	if (r == 0) {
		snapshot = snapshots_find(&all, name);
		r = snapshot ? snapshot_sibling(real, snapshot->file, ret)
			     : snapshot_fail_missing(real, name);
	}
	snapshots_fini(&all);
	return r;
}
