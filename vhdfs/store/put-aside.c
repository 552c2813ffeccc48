/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of images that were put aside: stamps, and the next name. */
#include "config.h"

#include "store/put-aside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/image-names.h"

static const int64_t second = 1000000;

/* Without the year 9999, so that each stamp has a next one. */
enum { YEAR_MAX = 9998 };

void stamp_write(int64_t stamp, char text[STAMP_SIZE])
{
	const int64_t usec = (stamp % second + second) % second;
	const time_t seconds = (time_t)(stamp / second - (stamp % second < 0));
	char all[96];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	snprintf(all, sizeof all, "%04d%02d%02dT%02d%02d%02d.%06dZ",
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		 tm.tm_min, tm.tm_sec, (int)usec);
	memcpy(text, all, STAMP_SIZE - 1);
	text[STAMP_SIZE - 1] = '\0';
}

bool stamp_read(const char *text, int64_t *ret)
{
	char again[STAMP_SIZE];
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y%m%dT%H%M%S", &tm);
	int usec;

	if (!rest || sscanf(rest, ".%6dZ", &usec) != 1 ||
	    tm.tm_year + 1900 > YEAR_MAX)
		return false;
	*ret = (int64_t)timegm(&tm) * second + usec;
	/* strptime accepts spaces, timegm the 31st of February. */
	stamp_write(*ret, again);
	return !strcmp(text, again);
}

int64_t stamp_next(int64_t newest, int64_t now)
{
	char text[STAMP_SIZE];
	int64_t stamp;

	stamp_write(now, text);
	if (!stamp_read(text, &stamp) || stamp != now)
		now = 0;
	return newest != INT64_MIN && now <= newest ? newest + 1 : now;
}

char *put_aside_image_name(const char *file)
{
	const char *dot = strchr(file, '\0') - STAMP_SIZE;
	int64_t stamp;

	return *file == '.' && dot > file + 1 && *dot == '.' &&
			       stamp_read(dot + 1, &stamp)
		       ? strndup(file + 1, (size_t)(dot - file - 1))
		       : NULL;
}

bool put_aside_is_of(const char *file, const char *image)
{
	const size_t len = strlen(image);
	int64_t stamp;

	return *file == '.' && !strncmp(file + 1, image, len) &&
	       file[1 + len] == '.' && stamp_read(file + len + 2, &stamp);
}

/* The greatest stamp of the image in the directory. */
static int find_newest(DIR *dir, const char *file, int64_t *ret)
{
	const size_t len = strlen(file);
	struct dirent *e;
	int64_t stamp;

	*ret = INT64_MIN;
	for (errno = 0; (e = readdir(dir)); errno = 0)
		if (e->d_name[0] == '.' && !strncmp(e->d_name + 1, file, len) &&
		    e->d_name[1 + len] == '.' &&
		    stamp_read(e->d_name + len + 2, &stamp) && stamp > *ret)
			*ret = stamp;
	return -errno;
}

int64_t stamp_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * second + now.tv_nsec / 1000;
}

int put_aside_name(const struct root_dir *rootdir, const char *image,
		   char **ret)
{
	const char *file = name_last(image);
	_cleanup_free_ char *path = strndup(image, (size_t)(file - image));
	char text[STAMP_SIZE];
	int64_t newest;
	DIR *dir;
	int r;

	if (!path)
		return fail(-ENOMEM, "%s: out of memory", image);
	r = root_dir_openat(rootdir, *path ? path : ".",
			    O_RDONLY | O_DIRECTORY);
	dir = r < 0 ? NULL : fdopendir(r);
	if (!dir)
		return fail_errno(r < 0 ? r : -errno, "%s", image);
	r = find_newest(dir, file, &newest);
	closedir(dir);
	if (r < 0)
		return fail_errno(r, "%s", image);
	stamp_write(stamp_next(newest, stamp_now()), text);
	if (asprintf(ret, ".%s.%s", file, text) < 0)
		return fail(-ENOMEM, "%s: out of memory", image);
	return 0;
}
