/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/base/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

int textfile_read(const char *path, char **ret_text)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *text = NULL;
	size_t size = 0;

	if (!f && errno == ENOENT) {
		*ret_text = strdup("");
		return *ret_text ? 0 : -ENOMEM;
	}
	if (!f || (getdelim(&text, &size, '\0', f) < 0 && ferror(f)))
		return fail_errno(-errno, "%s", path);
	/* An empty file gives no text at all. */
	*ret_text = text ? steal(text) : strdup("");
	return *ret_text ? 0 : -ENOMEM;
}

/* Is all as it should be already? */
static bool is_written(const char *path, const char *text, mode_t mode,
		       gid_t group)
{
	_cleanup_free_ char *now = NULL;
	struct stat st;

	return textfile_read(path, &now) == 0 && !strcmp(now, text) &&
	       stat(path, &st) == 0 && (st.st_mode & 0777) == mode &&
	       (group == TEXTFILE_ANY_GROUP || st.st_gid == group);
}

/* Makes temp a file of this text that is on disk. */
static int write_temp(const char *temp, const char *text, mode_t mode,
		      gid_t group)
{
	_cleanup_close_ int fd = -1;
	size_t len = strlen(text);

	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	if (group != TEXTFILE_ANY_GROUP && fchown(fd, (uid_t)-1, group) < 0)
		return -errno;
	if (fchmod(fd, mode) < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

int textfile_write(const char *path, const char *text, mode_t mode, gid_t group)
{
	_cleanup_free_ char *temp = NULL;
	int r;

	if (is_written(path, text, mode, group))
		return 0;
	/* tgt-admin reads *.conf, and boot.ipxe chains to *.ipxe: no such. */
	if (asprintf(&temp, "%s.new", path) < 0)
		return fail(-ENOMEM, "out of memory");
	r = write_temp(temp, text, mode, group);
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temp);
		return fail_errno(r, "%s", path);
	}
	return 1;
}
