/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Search for a parent by its identity, whatever its name. */
#include "config.h"

#include "img/find-parent.h"

#include <errno.h>
#include <fts.h>
#include <string.h>

#include "base/error.h"
#include "base/guid.h"
#include "format/registry.h"
#include "io/io-file.h"

static bool has_identity(const char *path, const struct parent_ref *ref)
{
	struct image *img;
	struct io *io;
	bool equal;

	if (io_file_open(path, false, &io) < 0)
		return false;
	if (image_open(io, NULL, &img) < 0) {
		io_close(io);
		return false;
	}
	equal = guid_equal(&img->id, &ref->id) ||
		(!guid_is_null(&ref->id2) && guid_equal(&img->id, &ref->id2));
	image_close(img);
	return equal;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

int find_parent(const char *dir, const char *child,
		const struct parent_ref *ref, char **ret)
{
	char *roots[] = { (char *)dir, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	char id[GUID_TEXT_SIZE];
	FTSENT *entry;

	*ret = NULL;
	if (!fts)
		return fail_errno(-errno, "%s", dir);
	while (!*ret && (entry = fts_read(fts))) {
		if (entry->fts_info != FTS_F ||
		    !image_format_by_image_name(entry->fts_name,
						entry->fts_namelen) ||
		    !has_identity(entry->fts_path, ref))
			continue;
		*ret = strdup(entry->fts_path);
		if (!*ret)
			break;
	}
	fts_close(fts);
	if (*ret)
		return 0;
	return fail(-ENOENT,
		    "%s: no image in %s has the identity %s, which is that of "
		    "its parent",
		    child, dir, guid_format(&ref->id, id));
}
