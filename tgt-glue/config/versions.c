/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Versions of a master: names, and the list of a directory. */
#include "config.h"

#include "tgt-glue/config/versions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "chain/version-name.h"
#include "io/file-id.h"
#include "store/image-names.h"
#include "tgt-glue/config/values.h"

const char *const channel_names[CHANNELS] = { "production", "test", "back" };

/* Is it "@test", or "@" and a version's number, of length n? */
static bool is_suffix(const char *text, size_t n)
{
	return (n == strlen("@test") && !strncmp(text, "@test", n)) ||
	       (n > 1 && n <= 10 && *text == '@' && text[1] != '0' &&
		strspn(text + 1, "0123456789") >= n - 1);
}

const char *family_of(struct arena *arena, const char *path)
{
	const char *dot = strrchr(path, '.'), *at;

	if (!value_image_format(path))
		return NULL;
	at = memrchr(path, '@', (size_t)(dot - path));
	if (!at || at <= name_last(path) || !is_suffix(at, (size_t)(dot - at)))
		return arena_strdup(arena, path);
	return arena_printf(arena, "%.*s%s", (int)(at - path), path, dot);
}

unsigned family_number(const char *family, const char *path)
{
	const char *name = name_last(family);
	const size_t dir = (size_t)(name - family);

	return !strncmp(family, path, dir) && !strchr(path + dir, '/')
		       ? version_number(path + dir, name)
		       : 0;
}

bool family_has(const char *family, const char *path)
{
	return !strcmp(family, path) || family_number(family, path);
}

const char *family_path(struct arena *arena, const char *family,
			const char *word, bool hidden)
{
	const char *name = name_last(family), *dot = strrchr(name, '.');

	return arena_printf(arena, "%.*s%s%.*s@%s%s", (int)(name - family),
			    family, hidden ? "." : "", (int)(dot - name), name,
			    word, dot);
}

const char *channel_path(struct arena *arena, const char *family,
			 enum channel channel)
{
	if (channel == CHANNEL_PRODUCTION)
		return family;
	return family_path(arena, family, channel_names[channel],
			   channel == CHANNEL_BACK);
}

static int by_number(const void *pa, const void *pb)
{
	const struct version *a = pa, *b = pb;

	return a->number < b->number ? -1 : a->number > b->number;
}

const struct version *versions_find(const struct versions *versions,
				    unsigned number)
{
	for (size_t i = 0; i < versions->n; i++)
		if (versions->v[i].number == number)
			return &versions->v[i];
	return NULL;
}

const struct version *versions_find_file(const struct versions *versions,
					 const struct stat *st)
{
	for (size_t i = 0; i < versions->n; i++)
		if (file_id_equal(file_id_of(&versions->v[i].st),
				  file_id_of(st)))
			return &versions->v[i];
	return NULL;
}

uint64_t versions_allocated(const struct versions *versions)
{
	const struct stat *plain = &versions->plain_st;
	uint64_t blocks = 0;

	for (size_t i = 0; i < versions->n; i++)
		blocks += (uint64_t)versions->v[i].st.st_blocks;
	if (versions->plain && !versions_find_file(versions, plain))
		blocks += (uint64_t)plain->st_blocks;
	return blocks * 512;
}

unsigned versions_last(const struct versions *versions)
{
	return versions->n ? versions->v[versions->n - 1].number : 0;
}

int version_stat(const struct root_dir *rootdir, const char *path, int flags,
		 struct stat *ret)
{
	_cleanup_close_ int fd =
		root_dir_openat(rootdir, path, O_PATH | O_CLOEXEC | flags);

	if (fd < 0)
		return fd;
	return fstat(fd, ret) < 0 ? -errno : 0;
}

static void read_channels(struct arena *arena, const struct root_dir *rootdir,
			  struct versions *versions)
{
	struct stat st;

	versions->plain = version_stat(rootdir, versions->family, O_NOFOLLOW,
				       &versions->plain_st) == 0 &&
			  S_ISREG(versions->plain_st.st_mode);
	for (enum channel c = 0; c < CHANNELS; c++)
		if (version_stat(rootdir,
				 channel_path(arena, versions->family, c), 0,
				 &st) == 0)
			versions->channels[c] =
				versions_find_file(versions, &st);
}

int versions_read(struct arena *arena, const struct root_dir *rootdir,
		  const char *family, struct versions *ret)
{
	const char *dir = arena_printf(
		arena, "%.*s", (int)(name_last(family) - family), family);
	_cleanup_closedir_ DIR *entries = root_dir_opendir(rootdir, dir);

	*ret = (struct versions){ .family = family };
	if (!entries)
		return fail_errno(-errno, "%s/%s", rootdir->path, dir);
	for (struct dirent *e; (e = readdir(entries));) {
		struct version version = {
			.number = version_number(e->d_name, name_last(family)),
			.path = arena_printf(arena, "%s%s", dir, e->d_name),
		};

		/* A link with a number is another name of a version. */
		if (!version.number ||
		    version_stat(rootdir, version.path, O_NOFOLLOW,
				 &version.st) < 0 ||
		    !S_ISREG(version.st.st_mode))
			continue;
		ret->v = arena_grow(arena, ret->v, ret->n, sizeof *ret->v);
		ret->v[ret->n++] = version;
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, by_number);
	read_channels(arena, rootdir, ret);
	return 0;
}
