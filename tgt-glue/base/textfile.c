/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text files of tgt-glue. */
#include "config.h"

#include "tgt-glue/base/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"

int textfile_read(const char *path, char **ret_text)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *text = NULL;
	size_t size = 0;

	/* Without memory getdelim fails and sets no flag of the stream. */
	if (f ? getdelim(&text, &size, '\0', f) < 0 && !feof(f)
	      : errno != ENOENT)
		return fail_errno(-errno, "%s", path);
	/* getdelim may allocate nothing for an empty file. */
	*ret_text = text ? steal(text) : strdup("");
	return *ret_text ? 0 : fail(-ENOMEM, "%s: out of memory", path);
}

/* True if the file has this text, mode and group. */
static bool is_written(const char *path, const char *text, mode_t mode,
		       gid_t group)
{
	_cleanup_free_ char *now = NULL;
	struct stat st;

	return textfile_read(path, &now) == 0 && !strcmp(now, text) &&
	       stat(path, &st) == 0 && (st.st_mode & 0777) == mode &&
	       (group == TEXTFILE_ANY_GROUP || st.st_gid == group);
}

static bool same_directory(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/*
 * Makes the name of an unchanged file durable: a process that wrote the file
 * may have been killed between its rename and the sync of the directory.  The
 * file itself was synced before it was renamed.
 *
 * watch calls this every second, so a directory that has not changed since its
 * last sync is not synced again.
 */
static int sync_name(const char *path)
{
	static struct stat synced;
	const int length = (int)(basename(path) - path);
	_cleanup_free_ char *dir = NULL;
	_cleanup_close_ int fd = -1;
	struct stat now;

	if (asprintf(&dir, "%.*s", length ? length : 1, length ? path : ".") <
	    0)
		return fail(-ENOMEM, "%s: out of memory", path);
	if (stat(dir, &now) == 0 && same_directory(&synced, &now))
		return 0;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &now) < 0 || fsync(fd) < 0)
		return fail_errno(-errno, "%s: sync of its directory", path);
	synced = now;
	return 0;
}

int textfile_write(const char *path, const char *text, mode_t mode, gid_t group)
{
	int r;

	if (is_written(path, text, mode, group))
		return sync_name(path);
	r = atomic_file_write(path, text, mode, group);
	return r < 0 ? r : 1;
}

FILE *text_open(char **ret_text, size_t *ret_size)
{
	FILE *f = open_memstream(ret_text, ret_size);

	if (!f)
		abort();
	return f;
}

void text_close(FILE *f)
{
	if (fclose(f) != 0)
		abort();
}
