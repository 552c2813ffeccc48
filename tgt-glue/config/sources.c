/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that fleet.conf consists of. */
#include "config.h"

#include "tgt-glue/config/sources.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static void add_file(struct sources *sources, struct arena *arena,
		     const char *path, const struct stat *st)
{
	sources->files = arena_grow(arena, sources->files, sources->n_files,
				    sizeof *sources->files);
	sources->files[sources->n_files++] = (struct source_file){ path, *st };
}

void sources_add_main(struct sources *sources, struct arena *arena,
		      FILE *stream)
{
	struct stat st;

	if (fstat(fileno(stream), &st) == 0)
		add_file(sources, arena, NULL, &st);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in the directory that match, sorted. */
static const char *expand_pattern(struct arena *arena, const char *directory,
				  const char *pattern, struct strings *ret)
{
	DIR *dir = opendir(directory);

	/* As an empty one: it may be created later. */
	if (!dir && errno == ENOENT)
		return NULL;
	if (!dir)
		return arena_printf(
			arena, "expected a readable directory, found %s: %s",
			directory, strerror(errno));
	for (const struct dirent *d; (d = readdir(dir));)
		if (fnmatch(pattern, d->d_name, FNM_PERIOD) == 0)
			strings_add(arena, ret,
				    arena_printf(arena, "%s/%s", directory,
						 d->d_name));
	closedir(dir);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, compare_names);
	return NULL;
}

const char *sources_expand(struct sources *sources, struct arena *arena,
			   const char *path, struct strings *ret)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *directory =
		slash ? arena_printf(arena, "%.*s", (int)(slash - path), path)
		      : ".";

	if (!strpbrk(name, "*?[")) {
		strings_add_once(arena, &sources->paths, path);
		strings_add(arena, ret, path);
		return NULL;
	}
	if (slash == path)
		directory = "/";
	strings_add_once(arena, &sources->patterns,
			 arena_printf(arena, "%s/%s", directory, name));
	return expand_pattern(arena, directory, name, ret);
}

/* The file that was opened before, or null. */
static const struct source_file *find_file(const struct sources *sources,
					   const struct stat *st)
{
	for (size_t i = 0; i < sources->n_files; i++)
		if (sources->files[i].st.st_dev == st->st_dev &&
		    sources->files[i].st.st_ino == st->st_ino)
			return &sources->files[i];
	return NULL;
}

const char *sources_open(struct sources *sources, struct arena *arena,
			 const char *path, FILE **ret)
{
	/* O_NONBLOCK: a pipe without a writer would block. */
	_cleanup_close_ int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const struct source_file *before;
	struct stat st;

	strings_add_once(arena, &sources->paths, path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return arena_printf(arena,
				    "expected a readable file, found %s: %s",
				    path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return arena_printf(
			arena,
			"expected a regular file, found %s, which is none",
			path);
	before = find_file(sources, &st);
	if (before)
		return arena_printf(
			arena,
			"expected each file once, found %s again; it is read already, as %s",
			path,
			before->path ? before->path : "fleet.conf itself");
	*ret = fdopen(fd, "r");
	if (!*ret)
		return arena_printf(arena, "%s: %s", path, strerror(errno));
	fd = -1;
	add_file(sources, arena, path, &st);
	return NULL;
}

void sources_go_on(struct sources *sources, struct arena *arena,
		   const char *path, int first, int line)
{
	sources->parts = arena_grow(arena, sources->parts, sources->n_parts,
				    sizeof *sources->parts);
	sources->parts[sources->n_parts++] =
		(struct source_part){ path, first, line };
}

const char *sources_find(const struct sources *sources, int number,
			 int *ret_line)
{
	for (size_t i = sources->n_parts; i-- > 0;) {
		const struct source_part *part = &sources->parts[i];

		if (part->first > number)
			continue;
		*ret_line = number - part->first + part->line;
		return part->path;
	}
	*ret_line = number;
	return NULL;
}
