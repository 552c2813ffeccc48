/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Image roots: the directories in which a command looks for images. */
#include "config.h"

#include "img/image-roots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* store is null for the whole file system. */
static int init_store(struct root_dir *dir, const char *store)
{
	if (store)
		return root_dir_init(dir, store);
	dir->fd = AT_FDCWD;
	dir->path = strdup("");
	return dir->path ? 0 : fail(-ENOMEM, "out of memory");
}

int image_roots_init(struct image_roots *roots, const struct command_line *line)
{
	const struct cli_list *parents = &line->parents;
	int r;

	roots->dirs = calloc(1 + parents->n, sizeof *roots->dirs);
	if (!roots->dirs)
		return fail(-ENOMEM, "out of memory");
	r = init_store(&roots->dirs[0], line->store);
	if (r == 0)
		roots->n = 1;
	for (size_t i = 0; r == 0 && i < parents->n; i++) {
		r = root_dir_init(&roots->dirs[roots->n], parents->at[i]);
		if (r == 0)
			roots->n++;
	}
	return r < 0 ? r
		     : parent_cache_new(roots->dirs, roots->n, &roots->cache);
}

void image_roots_fini(struct image_roots *roots)
{
	if (roots->cache)
		parent_cache_free(roots->cache);
	while (roots->n)
		root_dir_fini(&roots->dirs[--roots->n]);
	free(roots->dirs);
}

const char *image_roots_store(const struct image_roots *roots)
{
	return roots->dirs[0].confined ? roots->dirs[0].path : NULL;
}

int image_roots_path(const struct image_roots *roots, const char *path,
		     char **ret)
{
	const char *store = image_roots_store(roots);

	if (store)
		return root_dir_relative(store, path, ret);
	*ret = strdup(path);
	return *ret ? 0 : fail(-ENOMEM, "out of memory");
}

int image_roots_open_file(const struct image_roots *roots, const char *path,
			  bool writable, struct io **ret)
{
	_cleanup_free_ char *inside = NULL;
	int r = image_roots_path(roots, path, &inside);

	return r < 0 ? r
		     : root_dir_open(&roots->dirs[0], inside, writable, ret,
				     NULL);
}

int image_roots_real(const struct image_roots *roots, const char *path,
		     char **ret)
{
	struct io *io;
	int r = root_dir_open(&roots->dirs[0], path, false, &io, ret);

	if (r == 0)
		io_close(io);
	return r;
}

int image_roots_open(const struct image_roots *roots, const char *path,
		     int flags, struct chain **ret)
{
	_cleanup_free_ char *inside = NULL;
	int r = image_roots_path(roots, path, &inside);

	return r < 0 ? r : chain_open(roots->cache, inside, flags, ret);
}

char *image_roots_absolute(const struct image_roots *roots, const char *path)
{
	const char *store = image_roots_store(roots);
	char *absolute;

	if (*path == '/' || !store)
		return strdup(path);
	if (asprintf(&absolute, "%s/%s", strcmp(store, "/") ? store : "",
		     path) < 0)
		return NULL;
	return absolute;
}

int image_roots_real_operand(const struct image_roots *roots, const char *path,
			     char **ret)
{
	_cleanup_free_ char *inside = NULL, *real = NULL;
	int r = image_roots_path(roots, path, &inside);

	if (r == 0)
		r = image_roots_real(roots, inside, &real);
	if (r < 0)
		return r;
	*ret = image_roots_absolute(roots, real);
	return *ret ? 0 : fail(-ENOMEM, "out of memory");
}

int image_roots_check_depth(const struct image_roots *roots, const char *path)
{
	struct chain *chain;
	int r = chain_open(roots->cache, path, CHAIN_NO_LOCK, &chain);

	if (r < 0)
		return r;
	if (chain_depth(chain) >= CHAIN_DEPTH_MAX)
		r = fail(-ELOOP,
			 "%s: expected fewer than %d parents, as a child has "
			 "at most that many, found %u; delete a snapshot first",
			 path, CHAIN_DEPTH_MAX, chain_depth(chain));
	chain_close(chain);
	return r;
}
