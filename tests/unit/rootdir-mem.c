/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Root directory with files in memory. */
#include "config.h"

#include "unit/rootdir-mem.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "io/rootdir.h"

static const struct rootdir_mem *mem_rootdir(const struct root_dir *rootdir)
{
	return (const struct rootdir_mem *)rootdir;
}

/* The path's next component and its length; advances *path. */
static const char *next_part(const char **path, size_t *ret_len)
{
	const char *part = *path + strspn(*path, "/");

	*ret_len = strcspn(part, "/");
	*path = part + *ret_len;
	return part;
}

/* Removes ".", ".." and repeated slashes from path; the result is in out. */
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

static int open_at(const struct rootdir_mem *rootdir, const char *real,
		   const char *name, bool writable, struct io **ret)
{
	for (size_t i = 0; i < rootdir->n_files; i++) {
		int r;

		if (strcmp(rootdir->files[i].path, real) != 0)
			continue;
		r = rootdir->files[i].open(rootdir->files[i].file, name,
					   writable, ret);
		if (r < 0)
			return r;
		(*ret)->dev = 1;
		(*ret)->ino = (ino_t)(uintptr_t)rootdir->files[i].file;
		return 0;
	}
	return fail_errno(-ENOENT, "%s", name);
}

static int open_mem(const struct root_dir *rootdir, const char *path,
		    bool writable, struct io **ret, char **ret_real)
{
	char real[PATH_MAX];
	int r = resolve(path, real, sizeof real);

	if (r == -EXDEV)
		return fail(r, "%s: leads out of %s", path, rootdir->path);
	if (r < 0)
		return fail_errno(r, "%s", path);
	if (ret_real && !(*ret_real = strdup(real)))
		return fail(-ENOMEM, "%s: out of memory", path);
	r = open_at(mem_rootdir(rootdir), real, path, writable, ret);
	if (r < 0 && ret_real)
		free(steal(*ret_real));
	return r;
}

static char *any_case_mem(const struct root_dir *rootdir, const char *path)
{
	const struct rootdir_mem *mem = mem_rootdir(rootdir);
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

static const struct root_dir_ops mem_rootdir_ops = {
	.open = open_mem,
	.any_case = any_case_mem,
};

void rootdir_mem_init(struct rootdir_mem *rootdir)
{
	memset(rootdir, 0, sizeof *rootdir);
	rootdir->rootdir.ops = &mem_rootdir_ops;
	rootdir->rootdir.fd = -1;
	rootdir->rootdir.path = (char *)"(memory)";
	rootdir->rootdir.confined = true;
}

static int open_mem_file(void *file, const char *name, bool writable,
			 struct io **ret)
{
	return io_mem_open(file, name, writable, ret);
}

void rootdir_mem_add(struct rootdir_mem *rootdir, const char *path,
		     struct mem_file *file)
{
	rootdir_mem_add_other(rootdir, path, open_mem_file, file);
}

void rootdir_mem_add_other(struct rootdir_mem *rootdir, const char *path,
			   rootdir_mem_open *open, void *file)
{
	if (rootdir->n_files == ROOTDIR_MEM_FILES)
		abort();
	rootdir->files[rootdir->n_files].path = path;
	rootdir->files[rootdir->n_files].open = open;
	rootdir->files[rootdir->n_files++].file = file;
}
