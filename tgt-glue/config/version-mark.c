/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mark of a version, in an extended attribute of its file. */
#include "config.h"

#include "tgt-glue/config/version-mark.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/mark.h"
#include "store/snapshot.h"

#define VERSION_MARK "user.vhdfs.version"
#define VERSION_MARK_HEAD "vhdfs version 1\n"

static const char *value(struct arena *arena, const char *mark, const char *key)
{
	_cleanup_free_ char *text = mark_value(mark, key);

	return text ? arena_strdup(arena, text) : "";
}

static bool read_mark(struct arena *arena, int fd, struct version_mark *ret)
{
	char mark[MARK_MAX + 1];
	const bool is = mark_read(fd, VERSION_MARK, VERSION_MARK_HEAD, mark);

	/* The note of a snapshot is that of the version to be. */
	if (!is && !mark_read(fd, SNAPSHOT_MARK, SNAPSHOT_MARK_HEAD, mark))
		*mark = '\0';
	ret->date = is ? value(arena, mark, "date") : "";
	ret->client = is ? value(arena, mark, "client") : "";
	ret->disk = is ? value(arena, mark, "disk") : "";
	ret->note = value(arena, mark, "note");
	return is;
}

static const char *date_of_change(struct arena *arena, int fd)
{
	char date[MARK_DATE_SIZE] = "";
	struct stat st;
	struct tm tm;

	if (fstat(fd, &st) == 0 && gmtime_r(&st.st_mtim.tv_sec, &tm))
		strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return arena_strdup(arena, date);
}

bool version_mark_read(struct arena *arena, const struct root_dir *rootdir,
		       const char *path, struct version_mark *ret)
{
	_cleanup_close_ int fd =
		root_dir_openat(rootdir, path, O_RDONLY | O_CLOEXEC);

	*ret = (struct version_mark){ "", "", "", "" };
	if (fd < 0)
		return false;
	if (read_mark(arena, fd, ret))
		return true;
	*ret = (struct version_mark){ date_of_change(arena, fd), "", "", "" };
	return false;
}

static int write_mark(int fd, const char *text)
{
	struct stat st;

	if (fsetxattr(fd, VERSION_MARK, text, strlen(text), 0) < 0 ||
	    (fremovexattr(fd, SNAPSHOT_MARK) < 0 && errno != ENODATA) ||
	    fstat(fd, &st) < 0 || fchmod(fd, st.st_mode & 07555) < 0 ||
	    fsync(fd) < 0)
		return -errno;
	return 0;
}

int version_mark_set(struct arena *arena, const struct root_dir *rootdir,
		     const char *path, const char *client, const char *disk,
		     const char *note)
{
	_cleanup_close_ int fd =
		root_dir_openat(rootdir, path, O_RDONLY | O_CLOEXEC);
	char date[MARK_DATE_SIZE];
	struct version_mark has;
	int r = fd < 0 ? fd : 0;

	if (r == 0) {
		bool marked = read_mark(arena, fd, &has);

		mark_date(date);
		r = write_mark(
			fd,
			arena_printf(arena,
				     VERSION_MARK_HEAD
				     "date %s\nclient %s\n%s%s%snote %s\n",
				     marked ? has.date : date, client,
				     disk ? "disk " : "", disk ? disk : "",
				     disk ? "\n" : "", note ? note : has.note));
	}
	return r < 0 ? fail_errno(r, "%s: attribute " VERSION_MARK, path) : 0;
}
