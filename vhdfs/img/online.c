/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Online images: finds the mount of an image, and sends requests to it. */
#include "config.h"

#include "img/online.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "io/rootdir.h"
#include "store/image-names.h"

#define MOUNTS "/proc/self/mounts"

enum { MOUNT_LINE_MAX = 64 * 1024, TRIES = 50, TRY_DELAY_MS = 100 };

void online_fini(struct online *online)
{
	if (online->fd >= 0)
		close(online->fd);
	free(online->store);
	free(online->mount);
	free(online->path);
	free(online->view);
}

static int open_view(const struct online *online)
{
	return open(online->view, O_RDWR | O_CLOEXEC);
}

/* Opens the view in the mount, if the image is in its store.  1, 0, -ENOMEM. */
static int try_mount(const struct mntent *mount, const char *real,
		     struct online *ret)
{
	_cleanup_free_ char *store = realpath(mount->mnt_fsname, NULL);
	const char *path = store ? root_dir_below(store, real) : NULL;

	if (!path || strcmp(mount->mnt_type, "fuse.vhdfs") != 0)
		return 0;
	online_fini(ret);
	*ret = (struct online){ .fd = -1, .store = strdup(store) };
	ret->mount = strdup(mount->mnt_dir);
	ret->path = strdup(path);
	if (asprintf(&ret->view, "%s/%s" NAME_VIEW_SUFFIX, mount->mnt_dir,
		     path) < 0)
		ret->view = NULL;
	if (!ret->store || !ret->mount || !ret->path || !ret->view)
		return fail(-ENOMEM, "out of memory");
	ret->fd = open_view(ret);
	return ret->fd >= 0;
}

static void make_token(char token[VIEW_TOKEN_SIZE])
{
	unsigned char bytes[(VIEW_TOKEN_SIZE - 1) / 2] = { 0 };

	(void)!getrandom(bytes, sizeof bytes, 0);
	for (size_t i = 0; i < sizeof bytes; i++)
		sprintf(token + 2 * i, "%02x", bytes[i]);
}

int online_find(const char *real, struct online *ret)
{
	_cleanup_free_ char *buf = malloc(MOUNT_LINE_MAX);
	FILE *mounts = setmntent(MOUNTS, "re");
	struct mntent mount;
	int r = 0;

	*ret = (struct online){ .fd = -1 };
	if (!buf || !mounts)
		r = fail_errno(buf ? -errno : -ENOMEM, MOUNTS);
	while (r == 0 && getmntent_r(mounts, &mount, buf, MOUNT_LINE_MAX))
		r = try_mount(&mount, real, ret);
	if (mounts)
		endmntent(mounts);
	make_token(ret->token);
	return r;
}

int online_advise(int r)
{
	if (r == -EBUSY && strstr(error_text(), "in use by vhdfs ("))
		error_advise("no mount that this user can ask shows it for "
			     "writing; where one does, name the image by its "
			     "path in the store of the mount, as a user with "
			     "access to the view");
	return r;
}

int online_path(const struct online *online, const char *real, char *ret)
{
	const char *path = root_dir_below(online->store, real);

	if (path) {
		snprintf(ret, PATH_MAX, "%s", path);
		return 0;
	}
	return fail(-EXDEV,
		    "%s: expected an image in the store %s, as %s is in use by "
		    "its mount; move it there, or close the image",
		    real, online->store, online->path);
}

int online_store(const char *real, char **ret)
{
	_cleanup_free_ char *buf = malloc(MOUNT_LINE_MAX);
	FILE *mounts = buf ? setmntent(MOUNTS, "re") : NULL;
	struct mntent mount;

	*ret = NULL;
	if (!mounts)
		return fail_errno(buf ? -errno : -ENOMEM, MOUNTS);
	while (!*ret && getmntent_r(mounts, &mount, buf, MOUNT_LINE_MAX)) {
		_cleanup_free_ char *store = realpath(mount.mnt_fsname, NULL);

		if (store && !strcmp(mount.mnt_type, "fuse.vhdfs") &&
		    root_dir_below(store, real))
			*ret = steal(store);
	}
	endmntent(mounts);
	return 0;
}

/* Is it an error of a mount that ended, or was replaced after the death of its
 * processes? */
static bool has_ended(int error)
{
	return error == ENOTCONN || error == ECONNABORTED || error == ENODEV ||
	       error == EIO;
}

/* Opens the view again, in the mount that replaces the one before. */
static void wait_for_mount(struct online *online)
{
	const struct timespec delay = { .tv_nsec = TRY_DELAY_MS * 1000000L };

	/* A view that is open would keep the mount from being removed. */
	if (online->fd >= 0)
		close(online->fd);
	nanosleep(&delay, NULL);
	online->fd = open_view(online);
}

static int fail_request(const struct online *online, int error)
{
	if (error == ENOTTY || error == ENOSYS)
		return fail(-EOPNOTSUPP,
			    "%s: the mount runs a version of vhdfs that cannot "
			    "do this while the image is open; reload it (see "
			    "vhdfs(1)), or unmount it",
			    online->mount);
	return fail_errno(-error, "%s", online->view);
}

int online_ask(struct online *online, struct view_request *request)
{
	int error = 0;

	request->version = VIEW_REQUEST_VERSION;
	memcpy(request->token, online->token, sizeof request->token);
	snprintf(request->path, sizeof request->path, "%s", online->path);
	for (int i = 0; i < TRIES; i++) {
		if (i)
			wait_for_mount(online);
		if (online->fd < 0)
			continue;
		if (ioctl(online->fd, VIEW_REQUEST, request) == 0)
			return request->result < 0 ? fail(request->result, "%s",
							  request->message)
						   : 0;
		error = errno;
		if (!has_ended(error))
			break;
	}
	return fail_request(online, error ? error : ENOTCONN);
}
