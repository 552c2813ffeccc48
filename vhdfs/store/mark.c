/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Marks: texts in extended attributes of the files of images. */
#include "config.h"

#include "store/mark.h"

#include <string.h>
#include <sys/xattr.h>
#include <time.h>

void mark_date(char ret[MARK_DATE_SIZE])
{
	time_t now = time(NULL);
	struct tm tm;

	*ret = '\0';
	if (gmtime_r(&now, &tm))
		strftime(ret, MARK_DATE_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

bool mark_read(int fd, const char *attribute, const char *head,
	       char ret[MARK_MAX + 1])
{
	ssize_t n = fgetxattr(fd, attribute, ret, MARK_MAX);

	if (n < 0)
		return false;
	ret[n] = '\0';
	return !strncmp(ret, head, strlen(head));
}

char *mark_value(const char *mark, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = mark; line;) {
		if (!strncmp(line, key, len) && line[len] == ' ')
			return strndup(line + len + 1,
				       strcspn(line + len + 1, "\n"));
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return NULL;
}
