/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Search for a child of an image by the content of files. */
#include "config.h"

#include "store/child-search.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "format/registry.h"
#include "io/io-file.h"
#include "store/snapshot.h"

struct search {
	const struct root_dir *rootdir;
	struct guid id; /* of the image */
	/* Files that are no children. */
	struct file_id self, except;
};

static int search_dir(const struct search *search, const char *dir, bool *ret);

static bool is_directory(DIR *dir, const struct dirent *entry)
{
	struct stat st;

	if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
		return false;
	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       S_ISDIR(st.st_mode);
}

static int search_below(const struct search *search, const char *dir, bool *ret)
{
	_cleanup_closedir_ DIR *d = root_dir_opendir(search->rootdir, dir);
	/* As the store, without those that this user cannot read. */
	int r = d || errno == EACCES || errno == ENOENT
			? 0
			: fail_errno(-errno, "%s", dir);
	struct dirent *entry;

	while (d && r == 0 && !*ret && (errno = 0, (entry = readdir(d)))) {
		_cleanup_free_ char *below = NULL;

		if (!is_directory(d, entry))
			continue;
		if (asprintf(&below, "%s%s/", dir, entry->d_name) < 0) {
			below = NULL;
			return fail(-ENOMEM, "out of memory");
		}
		r = search_dir(search, below, ret);
	}
	if (d && r == 0 && !*ret && errno)
		r = fail_errno(-errno, "%s", dir);
	return r;
}

static bool is_child(const struct search *search,
		     const struct snapshot_file *file)
{
	return !file_id_equal(file->inode, search->self) &&
	       !file_id_equal(file->inode, search->except) &&
	       !guid_is_null(&search->id) &&
	       (guid_equal(&file->parents[0], &search->id) ||
		guid_equal(&file->parents[1], &search->id));
}

static int search_files(const struct search *search,
			const struct snapshots *all, bool *ret)
{
	for (size_t i = 0; !*ret && i < all->n_files; i++)
		*ret = is_child(search, &all->files[i]);
	return !*ret && all->unreadable ? fail(-EBUSY, "%s", all->unreadable)
					: 0;
}

static int search_dir(const struct search *search, const char *dir, bool *ret)
{
	struct snapshots all = { 0 };
	int r = snapshots_scan(search->rootdir, dir, &all);

	if (r == -EACCES || r == -ENOENT)
		r = 0;
	if (r == 0)
		r = search_files(search, &all, ret);
	snapshots_fini(&all);
	return r < 0 || *ret ? r : search_below(search, dir, ret);
}

static int read_id(const struct io *image, struct guid *ret)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	struct image *img;
	int r = io_file_reopen(image, &io);

	if (r == 0)
		r = image_open(io, NULL, &img);
	if (r < 0)
		return r;
	steal(io); /* It is the image's. */
	*ret = img->id;
	image_close(img);
	return 0;
}

/* The caller frees it; null: out of memory. */
static char *choose_dir(const struct root_dir *rootdir, const char *dir)
{
	const char *above = strrchr(dir, '/');
	size_t len = above == dir ? strlen(dir) : (size_t)(above - dir);
	char *chosen;

	if (rootdir->confined)
		return strdup("");
	return asprintf(&chosen, "%.*s/", (int)len, dir) < 0 ? NULL : chosen;
}

int child_search(const struct root_dir *rootdir, const char *dir,
		 const struct io *io, struct file_id except, bool *ret)
{
	struct search search = { .rootdir = rootdir,
				 .self = io_file_id(io),
				 .except = except };
	_cleanup_free_ char *chosen = choose_dir(rootdir, dir);
	int r = chosen ? read_id(io, &search.id)
		       : fail(-ENOMEM, "out of memory");

	*ret = false;
	return r < 0 ? r : search_dir(&search, chosen, ret);
}
