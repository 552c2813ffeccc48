/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of an image's snapshot. */
#include "config.h"

#include "img/snapshot-path.h"

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "store/image-names.h"

int snapshot_sibling(const char *real, const char *file, char **ret)
{
	*ret = name_sibling(real, file);
	return *ret ? 0 : fail(-ENOMEM, "out of memory");
}

char *snapshot_misnamed_text(const char *real, const struct snapshots *all)
{
	const struct snapshot_file *file = all->misnamed;
	_cleanup_free_ char *old = NULL;
	char *text;

	if (!file)
		return NULL;
	old = name_sibling(real, file->snapshot_of);
	if (!old ||
	    asprintf(&text,
		     "%s, from which %s descends, is a snapshot of %s, which "
		     "does not exist; if %s was renamed, type `vhdfs-img "
		     "rename %s %s'",
		     file->file, name_last(real), file->snapshot_of,
		     name_last(real), shell_word(old), shell_word(real)) < 0)
		return NULL;
	return text;
}

const struct snapshot *snapshot_choose(const struct snapshots *all,
				       const char *name, bool unrelated)
{
	return unrelated ? snapshots_find_any(all, name)
			 : snapshots_find(all, name);
}

int snapshot_fail_missing(const char *real, const char *name,
			  const struct snapshots *all)
{
	_cleanup_free_ char *misnamed = snapshot_misnamed_text(real, all);
	const struct snapshot *unrelated = snapshots_find_any(all, name);
	int r = fail(-ENOENT,
		     "%s: has no snapshot '%s'; `vhdfs-img snapshots %s' shows "
		     "them",
		     real, name, shell_word(real));

	if (unrelated)
		error_advise("%s is one of an earlier image of this name, and "
			     "has no common ancestor with it: add --unrelated",
			     unrelated->file);
	if (misnamed)
		error_advise("%s", misnamed);
	return r;
}

int snapshot_path(const struct image_roots *roots, const char *real,
		  const char *name, bool unrelated, char **ret)
{
	const struct snapshot *snapshot;
	struct snapshots all;
	int r = snapshots_list(&roots->dirs[0], real, &all);

	if (r == 0) {
		snapshot = snapshot_choose(&all, name, unrelated);
		r = snapshot ? snapshot_sibling(real, snapshot->file, ret)
			     : snapshot_fail_missing(real, name, &all);
	}
	snapshots_fini(&all);
	return r;
}
