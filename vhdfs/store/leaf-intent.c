/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The intent of a replacement of a leaf (L3 of leaf-steps.c): a file beside the
 * image. */
#include "config.h"

#include "store/leaf-intent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define INTENT_HEAD "vhdfs leaf replacement 1\n"

/* Cuts the line "dir NUMBER" off the end of the text, if it has one.  0: none.
 */
static ino_t cut_dir(char *text)
{
	char *line = strrchr(text, '\n'), *end;
	ino_t dir;

	if (!line || strncmp(line + 1, "dir ", 4) != 0)
		return 0;
	dir = (ino_t)strtoull(line + 5, &end, 10);
	if (*end || !dir)
		return 0;
	*line = '\0';
	return dir;
}

/* KEEP may have any character of a file name: it ends at the end of the text,
 * or before the line of the directory. */
static bool parse(char *text, struct leaf_intent *ret)
{
	static const char keep[] = "keep ";
	unsigned mode;
	char *end, *line;
	ino_t dir;

	if (strncmp(text, INTENT_HEAD, strlen(INTENT_HEAD)) != 0 ||
	    sscanf(text + strlen(INTENT_HEAD), "mode %o", &mode) != 1)
		return false;
	line = strchr(text + strlen(INTENT_HEAD), '\n');
	end = line ? strrchr(line + 1, '\n') : NULL;
	if (!end || strncmp(line + 1, keep, strlen(keep)) != 0)
		return false;
	line += 1 + strlen(keep);
	*end = '\0';
	dir = cut_dir(line);
	if (strchr(line, '/') || strlen(line) > NAME_MAX)
		return false;
	*ret = (struct leaf_intent){ .mode = mode & 07777, .dir = dir };
	strcpy(ret->keep, line);
	return true;
}

int leaf_intent_read(const struct leaf_place *place, struct leaf_intent *ret)
{
	char buf[NAME_MAX + 128];
	int fd = openat(place->fd, place->intent,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return 0;
	n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
	if (n < 0) {
		int r = fail_errno(-errno, "%s/%s", place->dir, place->intent);

		if (fd >= 0)
			close(fd);
		return r;
	}
	close(fd);
	buf[n] = '\0';
	if (parse(buf, ret))
		return 1;
	return fail(-EBADMSG,
		    "%s/%s: expected the record of an interrupted snapshot or "
		    "revert of %s, found other text; remove the file if no "
		    "vhdfs-img made it",
		    place->dir, place->intent, place->name);
}

/* Writes all of text to a new file, synced. */
static int write_text(int dir, const char *name, const char *text)
{
	const size_t len = strlen(text);
	int fd = openat(dir, name,
			O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
	ssize_t n;
	int r = 0;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n != (ssize_t)len)
		r = n < 0 ? -errno : -EIO;
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

int leaf_record_write(const struct leaf_place *place, const char *name,
		      const char *text)
{
	_cleanup_free_ char *new = NULL;
	int r;

	if (asprintf(&new, "%s.new", name) < 0) {
		new = NULL;
		return fail(-ENOMEM, "%s: out of memory", place->path);
	}
	/* Left by a process that died. */
	(void)unlinkat(place->fd, new, 0);
	r = write_text(place->fd, new, text);
	if (r == 0 && renameat(place->fd, new, place->fd, name) < 0)
		r = -errno;
	return r < 0 ? fail_errno(r, "%s/%s", place->dir, name)
		     : leaf_sync_dir(place);
}

/* L3 */
int leaf_intent_write(const struct leaf_place *place, const char *keep)
{
	_cleanup_free_ char *text = NULL;
	struct stat dir;

	if (fstat(place->fd, &dir) < 0)
		return fail_errno(-errno, "%s", place->dir);
	/* Earlier releases read KEEP up to the end of its line. */
	if (asprintf(&text, INTENT_HEAD "mode %o\nkeep %s\ndir %" PRIu64 "\n",
		     (unsigned)place->st.st_mode & 07777, keep ? keep : "",
		     (uint64_t)dir.st_ino) < 0) {
		text = NULL;
		return fail(-ENOMEM, "%s: out of memory", place->path);
	}
	return leaf_record_write(place, place->intent, text);
}

/* L7 */
int leaf_intent_remove(const struct leaf_place *place)
{
	if (unlinkat(place->fd, place->intent, 0) < 0 && errno != ENOENT)
		return fail_errno(-errno, "%s/%s", place->dir, place->intent);
	return leaf_sync_dir(place);
}
