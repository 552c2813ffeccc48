/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and marks of snapshots. */
#include "config.h"

#include "store/snapshot-mark.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "io/lent-bit.h"
#include "base/printable.h"
#include "store/image-names.h"
#include "store/mark.h"

#define MARK_HEAD SNAPSHOT_MARK_HEAD
enum { MARK_NAME_MAX = 4 * NAME_MAX + 1 };

/* Of text that is shorter than the buffer. */
static bool is_printable(const char *text)
{
	char escaped[2 * SNAPSHOT_NOTE_MAX];

	return !strcmp(printable(text, escaped, sizeof escaped), text);
}

int snapshot_check_name(const char *name)
{
	const char *wrong = NULL;

	if (strlen(name) > NAME_MAX / 2)
		wrong = "a shorter name";
	else if (!*name)
		wrong = "one character or more";
	else if (*name == '.')
		wrong = "a name that does not begin with a dot";
	else if (strpbrk(name, "/@") || !is_printable(name))
		wrong = "printable characters without / and @";
	else if (!name[strspn(name, "0123456789")] || !strcasecmp(name, "test"))
		wrong = "a name that is no number and not \"test\", which are "
			"versions and channels of masters";
	return wrong ? fail(-EINVAL, "snapshot name: expected %s, found '%s'",
			    wrong, name)
		     : 0;
}

int snapshot_check_note(const char *note)
{
	if (strlen(note) <= SNAPSHOT_NOTE_MAX && is_printable(note))
		return 0;
	return fail(-EINVAL,
		    "note: expected one line of at most %d bytes of printable "
		    "text, found '%s'",
		    SNAPSHOT_NOTE_MAX, note);
}

/* The length of the file name without its ending. */
static size_t stem_length(const char *file)
{
	const char *dot = strrchr(file, '.');

	return dot ? (size_t)(dot - file) : strlen(file);
}

char *snapshot_file_name(const char *image, const char *name)
{
	const char *file = name_last(image);
	size_t stem = stem_length(file);
	char *made;

	if (asprintf(&made, "%.*s@%s%s", (int)stem, file, name, file + stem) <
	    0)
		return NULL;
	return made;
}

char *snapshot_name_within(const char *image, const char *file)
{
	size_t stem = stem_length(image), ending = strlen(image + stem);
	size_t len = strlen(file);

	if (len <= stem + 1 + ending || strncmp(file, image, stem) != 0 ||
	    file[stem] != '@' || strcmp(file + len - ending, image + stem) != 0)
		return NULL;
	return strndup(file + stem + 1, len - stem - 1 - ending);
}

char *snapshot_image_name(const char *file)
{
	const char *at = strrchr(file, '@'), *dot = strrchr(file, '.');
	char *image;

	if (!at || at == file || !dot || dot < at + 2)
		return NULL;
	return asprintf(&image, "%.*s%s", (int)(at - file), file, dot) < 0
		       ? NULL
		       : image;
}

/* The image's file name as a mark has it: a line, with escapes for what cannot
 * be in one. */
static const char *marked_name(const char *image, char buf[MARK_NAME_MAX])
{
	return printable(name_last(image), buf, MARK_NAME_MAX);
}

char *snapshot_mark(const char *image, const char *note, const char *token)
{
	char date[MARK_DATE_SIZE];
	char *mark, image_name[MARK_NAME_MAX];

	mark_date(date);
	if (asprintf(&mark, MARK_HEAD "image %s\ndate %s\nnote %s\n%s%s%s",
		     marked_name(image, image_name), date, note ? note : "",
		     token ? "token " : "", token ? token : "",
		     token ? "\n" : "") < 0)
		return NULL;
	return mark;
}

static bool get_mark(int fd, char ret[MARK_MAX + 1])
{
	return mark_read(fd, SNAPSHOT_MARK, MARK_HEAD, ret);
}

bool snapshot_is_marked(int fd, const char *image)
{
	_cleanup_free_ char *found = NULL;
	char mark[MARK_MAX + 1], name[MARK_NAME_MAX];

	if (get_mark(fd, mark))
		found = mark_value(mark, "image");
	return found && !strcmp(found, marked_name(image, name));
}

bool snapshot_has_token(int dir, const char *file, const char *token)
{
	int fd = openat(dir, file,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *found = NULL;
	char mark[MARK_MAX + 1];

	if (fd < 0)
		return false;
	if (get_mark(fd, mark))
		found = mark_value(mark, "token");
	close(fd);
	return found && !strcmp(found, token);
}

bool snapshot_has_mark(int fd)
{
	char mark[MARK_MAX + 1];

	return get_mark(fd, mark);
}

char *snapshot_mark_value(int fd, const char *key)
{
	char mark[MARK_MAX + 1];

	return get_mark(fd, mark) ? mark_value(mark, key) : NULL;
}

int snapshot_mark_rename(int fd, const char *name, const char *image)
{
	_cleanup_free_ char *old = NULL, *new = NULL;
	char mark[MARK_MAX + 1], buf[MARK_NAME_MAX];
	const char *rest;
	int r;

	if (get_mark(fd, mark))
		old = mark_value(mark, "image");
	/* The first line of all marks. */
	if (!old || strncmp(mark + strlen(MARK_HEAD), "image ", 6) != 0)
		return fail(-EBADMSG,
			    "%s: attribute " SNAPSHOT_MARK
			    ": expected a mark whose first line says `image', "
			    "found another or none",
			    name);
	rest = mark + strlen(MARK_HEAD) + strlen("image ") + strlen(old);
	if (asprintf(&new, MARK_HEAD "image %s%s", marked_name(image, buf),
		     rest) < 0) {
		new = NULL;
		return fail(-ENOMEM, "%s: out of memory", name);
	}
	r = lent_bit_set_attribute(fd, SNAPSHOT_MARK, new, strlen(new));
	return r < 0 ? fail_errno(r, "%s: attribute " SNAPSHOT_MARK, name) : 0;
}
