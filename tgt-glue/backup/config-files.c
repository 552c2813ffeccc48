/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of fleet.conf and of the files that it names. */
#include "config.h"

#include "tgt-glue/backup/config-files.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/backup/transfer.h"
#include "tgt-glue/base/textfile.h"

/* The path in the backup of the file with this real path. */
static const char *path_in_backup(struct arena *arena, const char *conf_dir,
				  const char *real)
{
	const char *below = root_dir_below(conf_dir, real);

	return below ? arena_printf(arena, CONFIG_DIRECTORY "/%s", below)
		     : arena_printf(arena, CONFIG_OTHER "%s", real);
}

static int copy_text(const struct root_dir *to, struct arena *arena,
		     const char *real, const char *path, mode_t mode)
{
	_cleanup_free_ char *text = NULL;
	int r = transfer_make_directories(to, path);

	if (r == 0)
		r = textfile_read(real, &text);
	if (r == 0)
		r = textfile_write(arena_printf(arena, "%s/%s", to->path, path),
				   text, mode, TEXTFILE_ANY_GROUP);
	return r < 0 ? r : 0;
}

static int copy_one(const struct root_dir *to, struct arena *arena,
		    const char *conf_dir, const char *file, bool secret)
{
	_cleanup_free_ char *real = realpath(file, NULL);
	struct stat st;

	if (!real || stat(real, &st) < 0)
		return fail_errno(-errno, "%s", file);
	if (!S_ISREG(st.st_mode))
		return fail(-EINVAL,
			    "%s: expected a regular file, found another", file);
	return copy_text(to, arena, real, path_in_backup(arena, conf_dir, real),
			 secret ? 0600 : st.st_mode & 0777);
}

/* The files with secrets that fleet.conf names, each once. */
static struct strings secret_files(const struct fleet *fleet,
				   struct arena *arena)
{
	struct strings files = { 0 };

	for (size_t i = 0; i < fleet->n; i++)
		if (fleet->clients[i].secret_file)
			strings_add_once(arena, &files,
					 fleet->clients[i].secret_file);
	return files;
}

int config_files_copy(const struct fleet *fleet, const struct root_dir *to,
		      struct arena *arena)
{
	const struct strings files = secret_files(fleet, arena);
	_cleanup_free_ char *conf = realpath(fleet->conf.file, NULL);
	const char *dir;
	int r;

	if (!conf)
		return fail_errno(-errno, "%s", fleet->conf.file);
	dir = arena_printf(arena, "%.*s",
			   conf == strrchr(conf, '/')
				   ? 1
				   : (int)(strrchr(conf, '/') - conf),
			   conf);
	r = copy_one(to, arena, dir, conf, false);
	for (size_t i = 1; i < fleet->conf.sources.n_files; i++) {
		int one = copy_one(to, arena, dir,
				   fleet->conf.sources.files[i].path, false);

		if (r == 0)
			r = one;
	}
	for (size_t i = 0; i < files.n; i++) {
		int one = copy_one(to, arena, dir, files.v[i], true);

		if (r == 0)
			r = one;
	}
	return r;
}
