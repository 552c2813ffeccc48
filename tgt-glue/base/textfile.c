/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text files of tgt-glue. */
#include "config.h"

#include "tgt-glue/base/textfile.h"

#include <errno.h>
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

int textfile_write(const char *path, const char *text, mode_t mode, gid_t group)
{
	int r;

	if (is_written(path, text, mode, group))
		return 0;
	r = atomic_file_write(path, text, mode, group);
	return r < 0 ? r : 1;
}

size_t text_byte_order_mark(const char *text)
{
	return strncmp(text, "\xef\xbb\xbf", 3) ? 0 : 3;
}

bool text_is_utf16(const char *text)
{
	return !strncmp(text, "\xff\xfe", 2) || !strncmp(text, "\xfe\xff", 2);
}

unsigned textfile_open_mode(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    !(st.st_mode & (S_IRWXG | S_IRWXO)))
		return 0;
	return st.st_mode & 07777;
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
