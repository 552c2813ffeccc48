/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages, and where images are looked for. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "img/img.h"
#include "io/rootdir.h"

void note(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	print_line(stderr, "vhdfs-img: %s", text);
}

int failed(void)
{
	print_line(stderr, "vhdfs-img: %s", error_text());
	return STATUS_FAILED;
}

static int open_store(struct lookup *lookup, const char *store)
{
	struct root_dir *rootdir = &lookup->roots[lookup->n_roots];
	int r = 0;

	if (store) {
		r = root_dir_init(rootdir, store, true);
	} else {
		rootdir->fd = AT_FDCWD;
		rootdir->path = strdup("");
		if (!rootdir->path)
			r = fail(-ENOMEM, "out of memory");
	}
	if (r == 0)
		lookup->n_roots++;
	return r;
}

int lookup_init(struct lookup *lookup, const struct command_line *line)
{
	const struct cli_list *parents = &line->parents;
	int r;

	lookup->roots = calloc(1 + parents->n, sizeof *lookup->roots);
	if (!lookup->roots)
		return fail(-ENOMEM, "out of memory");
	r = open_store(lookup, line->store);
	for (size_t i = 0; r == 0 && i < parents->n; i++) {
		r = root_dir_init(&lookup->roots[1 + i], parents->at[i], true);
		if (r == 0)
			lookup->n_roots++;
	}
	return r < 0 ? r
		     : parent_cache_new(lookup->roots, lookup->n_roots,
					&lookup->cache);
}

void lookup_fini(struct lookup *lookup)
{
	if (lookup->cache)
		parent_cache_free(lookup->cache);
	while (lookup->n_roots)
		root_dir_fini(&lookup->roots[--lookup->n_roots]);
	free(lookup->roots);
}

int lookup_path(const struct lookup *lookup, const char *path, char **ret)
{
	if (lookup->roots[0].confined)
		return root_dir_relative(lookup->roots[0].path, path, ret);
	*ret = strdup(path);
	return *ret ? 0 : fail(-ENOMEM, "out of memory");
}

const char *lookup_within(const struct lookup *lookup)
{
	return lookup->roots[0].confined ? lookup->roots[0].path : NULL;
}

int lookup_open(const struct lookup *lookup, const char *path, int flags,
		struct chain **ret)
{
	_cleanup_free_ char *within = NULL;
	int r = lookup_path(lookup, path, &within);

	return r < 0 ? r : chain_open(lookup->cache, within, flags, ret);
}

char *lookup_absolute(const struct lookup *lookup, const char *path)
{
	const char *root = lookup->roots[0].path;
	char *absolute;

	if (*path == '/' || !lookup->roots[0].confined)
		return strdup(path);
	if (asprintf(&absolute, "%s/%s", strcmp(root, "/") ? root : "", path) <
	    0)
		return NULL;
	return absolute;
}
