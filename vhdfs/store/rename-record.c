/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of a rename of an image with its snapshots. */
#include "config.h"

#include "store/rename-record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/leaf-intent.h"

#define RECORD_HEAD "vhdfs rename 1\n"

char *rename_record_name(const char *image)
{
	char *name;

	return asprintf(&name, ".%s.rename", image) < 0 ? NULL : name;
}

static int fail_memory(void)
{
	return fail(-ENOMEM, "out of memory");
}

int rename_record_add(struct rename_record *record, const char *file)
{
	char **grown =
		realloc(record->files, (record->n_files + 1) * sizeof *grown);

	if (!grown)
		return fail_memory();
	record->files = grown;
	grown[record->n_files] = strdup(file);
	return grown[record->n_files] ? (record->n_files++, 0) : fail_memory();
}

static int print_record(const struct rename_record *record, char **ret)
{
	size_t size;
	FILE *f = open_memstream(ret, &size);
	bool failed;

	*ret = NULL;
	if (!f)
		return fail_memory();
	fprintf(f, RECORD_HEAD "from %s\nto %s\ninode %" PRIu64 "\n",
		record->from, record->to, (uint64_t)record->inode);
	for (size_t i = 0; i < record->n_files; i++)
		fprintf(f, "file %s\n", record->files[i]);
	failed = ferror(f);
	return fclose(f) != 0 || failed || !*ret ? fail_memory() : 0;
}

static const char *other_name(const struct rename_record *record,
			      const char *own)
{
	return strcmp(own, record->from) ? record->from : record->to;
}

int rename_record_write(const struct leaf_place *place,
			const struct rename_record *record, const char *own)
{
	_cleanup_free_ char *first = rename_record_name(own);
	_cleanup_free_ char *second =
		rename_record_name(other_name(record, own));
	_cleanup_free_ char *text = NULL;
	int r = first && second ? print_record(record, &text) : fail_memory();

	if (r == 0)
		r = leaf_record_write(place, first, text);
	if (r == 0 && linkat(place->fd, first, place->fd, second, 0) < 0)
		r = fail_errno(-errno, "%s/%s: link", place->dir, second);
	return r < 0 ? r : leaf_sync_dir(place);
}

/* Reads all of the file; the caller frees *ret.  1, or 0: there is none. */
static int read_text(const struct leaf_place *place, const char *name,
		     char **ret)
{
	int fd = openat(place->fd, name,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_fclose_ FILE *f = NULL;
	size_t size = 0;

	if (fd < 0 && errno == ENOENT)
		return 0;
	f = fd < 0 ? NULL : fdopen(fd, "re");
	if (!f) {
		int code = -errno;

		if (fd >= 0)
			close(fd);
		return fail_errno(code, "%s/%s", place->dir, name);
	}
	errno = 0;
	if (getdelim(ret, &size, '\0', f) < 0 && (ferror(f) || errno))
		return fail_errno(errno ? -errno : -EIO, "%s/%s", place->dir,
				  name);
	return 1;
}

/* Parses one line; false: it is not of a record. */
static bool parse_line(const char *line, struct rename_record *record)
{
	char *end;

	if (strchr(line, '/'))
		return false;
	if (!strncmp(line, "from ", 5) && line[5] && !record->from)
		return (record->from = strdup(line + 5));
	if (!strncmp(line, "to ", 3) && line[3] && !record->to)
		return (record->to = strdup(line + 3));
	if (!strncmp(line, "inode ", 6)) {
		record->inode = (ino_t)strtoull(line + 6, &end, 10);
		return !*end && record->inode;
	}
	return !strncmp(line, "file ", 5) && line[5] &&
	       rename_record_add(record, line + 5) == 0;
}

static bool parse(char *text, struct rename_record *record)
{
	char *line;

	if (!text || strncmp(text, RECORD_HEAD, strlen(RECORD_HEAD)) != 0)
		return false;
	text += strlen(RECORD_HEAD);
	while ((line = strsep(&text, "\n")) && text)
		if (!parse_line(line, record))
			return false;
	return record->from && record->to && record->inode;
}

int rename_record_read(const struct leaf_place *place, const char *image,
		       struct rename_record *ret)
{
	_cleanup_free_ char *name = rename_record_name(image), *text = NULL;
	int r;

	*ret = (struct rename_record){ 0 };
	if (!name)
		return fail_memory();
	r = read_text(place, name, &text);
	if (r <= 0)
		return r;
	if (parse(text, ret) &&
	    (!strcmp(ret->from, image) || !strcmp(ret->to, image)))
		return 1;
	return fail(-EBADMSG,
		    "%s/%s: expected the record of an interrupted rename of "
		    "%s, found other text; remove the file if no vhdfs-img "
		    "made it",
		    place->dir, name, image);
}

/* In doubt all is done again. */
static bool may_exist(const struct leaf_place *place, const char *image)
{
	_cleanup_free_ char *name = rename_record_name(image);
	struct stat st;

	return !name ||
	       fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	       errno != ENOENT;
}

bool rename_record_is_complete(const struct leaf_place *place,
			       const struct rename_record *record)
{
	return may_exist(place, record->from) && may_exist(place, record->to);
}

static int remove_name(const struct leaf_place *place, const char *image)
{
	_cleanup_free_ char *name = rename_record_name(image);

	if (!name)
		return fail_memory();
	if (unlinkat(place->fd, name, 0) < 0 && errno != ENOENT)
		return fail_errno(-errno, "%s/%s", place->dir, name);
	return leaf_sync_dir(place);
}

void rename_record_remove_new(const struct leaf_place *place, const char *image)
{
	(void)unlinkat(place->fd, format_arg(".%s.rename.new", image), 0);
}

int rename_record_remove(const struct leaf_place *place,
			 const struct rename_record *record, const char *own)
{
	int r = remove_name(place, other_name(record, own));

	rename_record_remove_new(place, own);
	return r < 0 ? r : remove_name(place, own);
}

void rename_record_fini(struct rename_record *record)
{
	for (size_t i = 0; i < record->n_files; i++)
		free(record->files[i]);
	free(record->files);
	free(record->from);
	free(record->to);
	*record = (struct rename_record){ 0 };
}

/* The length of the file name without its ending. */
static size_t stem_length(const char *file)
{
	const char *dot = strrchr(file, '.');

	return dot ? (size_t)(dot - file) : strlen(file);
}

char *rename_file_name(const char *file, const char *from, const char *to)
{
	const size_t len = strlen(from);
	const size_t stem = stem_length(from), to_stem = stem_length(to);
	char *name;
	int r;

	if (!strcmp(file, from))
		return strdup(to);
	if (*file == '.' && !strncmp(file + 1, from, len) &&
	    file[1 + len] == '.')
		r = asprintf(&name, ".%s%s", to, file + 1 + len);
	else if (!strncmp(file, from, stem) && file[stem] == '@')
		r = asprintf(&name, "%.*s%s", (int)to_stem, to, file + stem);
	else
		return strdup(file);
	return r < 0 ? NULL : name;
}
