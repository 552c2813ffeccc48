/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pending writes: find the views of an image in the mounts of its store. */
#include "config.h"

#include "img/pending-writes.h"

#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "io/rootdir.h"

bool pending_writes_of_view(const char *writes)
{
	unsigned long long begun, flushed;

	return sscanf(writes, "%*d %llu %llu", &begun, &flushed) == 2 &&
	       begun != flushed;
}

static bool is_pending_in(const struct mntent *mount, const char *image)
{
	_cleanup_free_ char *store = realpath(mount->mnt_fsname, NULL);
	const char *relative = store ? root_dir_below(store, image) : NULL;
	_cleanup_free_ char *view = NULL;
	char writes[80];
	ssize_t n;

	if (!relative ||
	    asprintf(&view, "%s/%s.raw", mount->mnt_dir, relative) < 0)
		return false;
	n = getxattr(view, "user.vhdfs.writes", writes, sizeof writes - 1);
	writes[n > 0 ? n : 0] = '\0';
	return pending_writes_of_view(writes);
}

bool pending_writes_exist(const char *image)
{
	_cleanup_free_ char *real = realpath(image, NULL);
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	char buf[16384];
	struct mntent mount;
	bool pending = false;

	while (real && mounts && !pending &&
	       getmntent_r(mounts, &mount, buf, sizeof buf))
		pending = !strcmp(mount.mnt_type, "fuse.vhdfs") &&
			  is_pending_in(&mount, real);
	if (mounts)
		endmntent(mounts);
	return pending;
}
