/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "unit/place-mem.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"

static const struct place_mem *mem_place(const struct place *place)
{
	return (const struct place_mem *)place;
}

/* The part that begins at *path, and its length; moves past it. */
static const char *next_part(const char **path, size_t *ret_len)
{
	const char *part = *path + strspn(*path, "/");

	*ret_len = strcspn(part, "/");
	*path = part + *ret_len;
	return part;
}

/* path without ".", ".." and doubled slashes, in out. */
static int resolve(const char *path, char *out, size_t size)
{
	size_t n = 0, len;

	if (*path == '/')
		return -EXDEV;
	for (;;) {
		const char *part = next_part(&path, &len);

		if (len == 0)
			break;
		if (len == 1 && *part == '.')
			continue;
		if (len == 2 && !strncmp(part, "..", 2)) {
			if (n == 0)
				return -EXDEV;
			while (n && out[--n] != '/')
				;
			continue;
		}
		if (n + len + 2 > size)
			return -ENAMETOOLONG;
		if (n)
			out[n++] = '/';
		memcpy(out + n, part, len);
		n += len;
	}
	out[n] = '\0';
	return 0;
}

static int open_at(const struct place_mem *place, const char *real,
		   const char *name, bool writable, struct io **ret)
{
	for (size_t i = 0; i < place->n_files; i++) {
		int r;

		if (strcmp(place->files[i].path, real) != 0)
			continue;
		r = place->files[i].open(place->files[i].file, name, writable,
					 ret);
		if (r < 0)
			return r;
		(*ret)->dev = 1;
		(*ret)->ino = (ino_t)(uintptr_t)place->files[i].file;
		return 0;
	}
	return fail_errno(-ENOENT, "%s", name);
}

static int open_mem(const struct place *place, const char *path, bool writable,
		    struct io **ret, char **ret_real)
{
	char real[PATH_MAX];
	int r = resolve(path, real, sizeof real);

	if (r == -EXDEV)
		return fail(r, "%s: leads out of %s", path, place->root);
	if (r < 0)
		return fail_errno(r, "%s", path);
	if (ret_real && !(*ret_real = strdup(real)))
		return fail(-ENOMEM, "%s: out of memory", path);
	r = open_at(mem_place(place), real, path, writable, ret);
	if (r < 0 && ret_real)
		free(steal(*ret_real));
	return r;
}

static char *any_case_mem(const struct place *place, const char *path)
{
	const struct place_mem *mem = mem_place(place);
	char real[PATH_MAX];
	const char *found = NULL;

	if (resolve(path, real, sizeof real) < 0)
		return NULL;
	for (size_t i = 0; i < mem->n_files; i++) {
		if (strcasecmp(mem->files[i].path, real) != 0)
			continue;
		if (found)
			return NULL;
		found = mem->files[i].path;
	}
	return found ? strdup(found) : NULL;
}

static const struct place_ops mem_place_ops = {
	.open = open_mem,
	.any_case = any_case_mem,
};

void place_mem_init(struct place_mem *place)
{
	memset(place, 0, sizeof *place);
	place->place.ops = &mem_place_ops;
	place->place.fd = -1;
	place->place.root = (char *)"(memory)";
	place->place.confined = true;
}

static int open_mem_file(void *file, const char *name, bool writable,
			 struct io **ret)
{
	return io_mem_open(file, name, writable, ret);
}

void place_mem_add(struct place_mem *place, const char *path,
		   struct mem_file *file)
{
	place_mem_add_other(place, path, open_mem_file, file);
}

void place_mem_add_other(struct place_mem *place, const char *path,
			 place_mem_open *open, void *file)
{
	if (place->n_files == PLACE_MEM_FILES)
		abort();
	place->files[place->n_files].path = path;
	place->files[place->n_files].open = open;
	place->files[place->n_files++].file = file;
}
