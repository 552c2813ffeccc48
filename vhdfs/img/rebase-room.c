/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Room for the copies of a rebase. */
#include "config.h"

#include "img/rebase-room.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/size.h"
#include "chain/rebase-room.h"
#include "base/progress.h"

/* For what a rebase writes besides copies: a log, tables, a header. */
#define BESIDES MIB(2)

static void show_progress(void *arg, uint64_t done)
{
	progress_at(arg, done);
}

/* copy: all that parent, the other chain, shows is compared; else see
 * rebase_room_add. */
static int count(struct chain *chain, struct chain *parent, bool copy,
		 bool compare, const struct statvfs *st,
		 struct rebase_room *room)
{
	struct progress progress;
	uint64_t needed;
	int r;

	progress_init(&progress, compare ? chain_size(chain) : 0);
	r = (copy ? chain_copy_room
		  : chain_rebase_room)(chain, parent, st->f_frsize, compare,
				       &needed, show_progress, &progress);
	progress_end(&progress);
	room->needed += needed ? needed + BESIDES : 0;
	room->free = min_u64(room->free, (uint64_t)st->f_bavail * st->f_frsize);
	return r;
}

/* A block device has its space, and some file systems tell nothing. */
static bool has_room(struct chain *chain, struct statvfs *ret)
{
	int fd = chain_leaf(chain)->io->fd;
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       fstatvfs(fd, ret) == 0 && ret->f_frsize &&
	       !(ret->f_frsize & (ret->f_frsize - 1));
}

int rebase_room_add(const struct image_roots *roots, const char *image,
		    const char *parent, bool compare, struct rebase_room *room)
{
	_cleanup_(chain_close_p) struct chain *chain = NULL, *other = NULL;
	struct statvfs st;
	int r = image_roots_open(roots, image, CHAIN_NO_LOCK, &chain);

	if (r == 0 && parent)
		r = image_roots_open(roots, parent, CHAIN_NO_LOCK, &other);
	if (r < 0 || !chain_depth(chain) || !has_room(chain, &st))
		return r;
	return count(chain, other, false, compare, &st, room);
}

int rebase_room_fail(const struct rebase_room *room, const char *image,
		     const char *what)
{
	char needed[64], free[64];

	return fail(-ENOSPC,
		    "%s: %s: expected %s, found %s free on the file system; "
		    "nothing was changed; free space, then run the command "
		    "again",
		    image, what,
		    size_format(room->needed, needed, sizeof needed),
		    size_format(room->free, free, sizeof free));
}

int rebase_room_check(const struct image_roots *roots, const char *image,
		      const char *parent, struct rebase_room *ret)
{
	struct rebase_room room = { 0 };
	int r = 0;

	for (int compare = 0; compare < 2; compare++) {
		room = (struct rebase_room){ .free = UINT64_MAX };
		r = rebase_room_add(roots, image, parent, compare, &room);
		if (r < 0 || room.needed <= room.free)
			return 0;
	}
	*ret = room;
	return rebase_room_fail(&room, image, "room for copies");
}

int rebase_room_check_copy(struct chain *from, struct chain *to,
			   const char *image, struct rebase_room *ret)
{
	struct rebase_room room = { 0 };
	struct statvfs st;
	int r = 0;

	if (!has_room(to, &st))
		return 0;
	for (int compare = 0; compare < 2; compare++) {
		room = (struct rebase_room){ .free = UINT64_MAX };
		r = count(from, to, true, compare, &st, &room);
		if (r < 0 || room.needed <= room.free)
			return r;
	}
	if (ret)
		*ret = room;
	return rebase_room_fail(&room, image, "room for a copy");
}
