/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A master without versions becomes one with versions. */
#include "config.h"

#include "tgt-glue/versions/adopt.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "io/io.h"
#include "tgt-glue/versions/links.h"
#include "tgt-glue/versions/reparent.h"

/* The first part of A1. */
static int protect(const struct fleet *fleet, const struct versions *versions)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	int r = root_dir_open(&fleet->rootdir, versions->family, false, &io,
			      NULL);

	if (r == 0)
		r = io_lock(io, IO_LOCK_SHARED);
	if (r == 0 && (fchmod(io->fd, versions->plain_st.st_mode & 07555) < 0 ||
		       fsync(io->fd) < 0))
		r = fail_errno(-errno, "%s/%s", fleet->store, versions->family);
	return r;
}

/* A1.  *ret: the version that is the image. */
static int name_it(const struct fleet *fleet, struct arena *arena,
		   struct versions *versions, const char **ret)
{
	const struct version *has =
		versions_find_file(versions, &versions->plain_st);
	/* 1, unless versions were made by hand. */
	const unsigned number =
		versions_find(versions, 1) ? versions_last(versions) + 1 : 1;
	int r;

	if (has) {
		*ret = has->path;
		return 0;
	}
	*ret = family_path(arena, versions->family,
			   arena_printf(arena, "%u", number), false);
	r = protect(fleet, versions);
	return r < 0 ? r : link_file(fleet, versions->family, *ret);
}

int adopt(const struct fleet *fleet, struct arena *arena,
	  struct versions *versions)
{
	const char *path;
	int r;

	if (!versions->plain)
		return 0;
	r = name_it(fleet, arena, versions, &path);
	if (r == 0)
		r = reparent(fleet, &versions->plain_st, path); /* A2 */
	if (r == 0)
		r = link_set(fleet, versions->family, path); /* A3 */
	if (r == 0)
		print_line(stdout, "%s: it is %s now, and a link to it",
			   versions->family, path);
	return r < 0 ? r
		     : versions_read(arena, &fleet->rootdir, versions->family,
				     versions);
}
