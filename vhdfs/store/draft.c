/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "store/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/guid.h"
#include "io/io-file.h"

/* ".NAME.RANDOM.new" beside path, or null when out of memory. */
static char *temp_name(const char *path)
{
	struct guid random = guid_random();
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char *temp;

	/* The name is cut: with what is added it must stay a valid one. */
	if (asprintf(&temp, "%.*s.%.200s.%08" PRIx32 ".new", (int)(name - path),
		     path, name, get_le32(random.b)) < 0)
		return NULL;
	return temp;
}

int draft_create(const char *path, struct draft *ret)
{
	_cleanup_free_ char *temp = temp_name(path), *copy = strdup(path);
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (!temp || !copy)
		return fail(-ENOMEM, "%s: out of memory", path);
	if (lstat(path, &st) == 0)
		return fail(-EEXIST, "%s: exists; it is not overwritten", path);
	fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return fail_errno(-errno, "%s", path);
	r = io_file_from_fd(steal_fd(&fd), path, true, &ret->io);
	if (r < 0) {
		unlink(temp);
		return r;
	}
	ret->path = steal(copy);
	ret->temp = steal(temp);
	return 0;
}

/* Names temp path, unless something has that name. */
static int rename_new(const char *temp, const char *path)
{
	if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system without that flag (NFS): a link replaces nothing
	 * either. */
	if (link(temp, path) < 0)
		return -errno;
	unlink(temp);
	return 0;
}

/* Makes the names in path's directory durable. */
static int sync_directory(const char *path)
{
	_cleanup_free_ char *dir = strdup(path);
	_cleanup_close_ int fd = -1;
	char *slash;

	if (!dir)
		return -ENOMEM;
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int draft_publish(struct draft *draft)
{
	int r = io_sync(draft->io);

	if (r < 0)
		return r;
	r = rename_new(draft->temp, draft->path);
	if (r == -EEXIST)
		return fail(r, "%s: exists; it is not overwritten",
			    draft->path);
	if (r < 0)
		return fail_errno(r, "%s", draft->path);
	free(steal(draft->temp));
	r = sync_directory(draft->path);
	return r < 0 ? fail_errno(r, "%s: syncing its directory", draft->path)
		     : 0;
}

void draft_fini(struct draft *draft)
{
	if (draft->temp)
		unlink(draft->temp);
	if (draft->io)
		io_close(draft->io);
	free(draft->temp);
	free(draft->path);
	memset(draft, 0, sizeof *draft);
}
