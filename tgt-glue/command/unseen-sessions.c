/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Detection of sessions that watch has not seen, by the image's file. */
#include "config.h"

#include "tgt-glue/command/unseen-sessions.h"

#include <string.h>

/* The client's disk; adds one, with all zeros, where there is none. */
static struct unseen_disk *disk_of(struct unseen_sessions *unseen,
				   const char *iqn)
{
	struct unseen_disk *disk;

	for (size_t i = 0; i < unseen->n; i++)
		if (!strcmp(unseen->v[i].iqn, iqn))
			return &unseen->v[i];
	unseen->v = arena_grow(&unseen->arena, unseen->v, unseen->n,
			       sizeof *unseen->v);
	disk = &unseen->v[unseen->n++];
	disk->iqn = arena_strdup(&unseen->arena, iqn);
	return disk;
}

bool unseen_sessions_check(struct unseen_sessions *unseen,
			   const struct fleet *fleet,
			   const struct client *client)
{
	struct unseen_disk *disk;
	struct stat st;
	bool written;

	if (fleet_stat(fleet, client->disks->child, &st) < 0)
		return false;
	disk = disk_of(unseen, client->iqn);
	written = disk->ino == st.st_ino &&
		  (disk->written.tv_sec != st.st_mtim.tv_sec ||
		   disk->written.tv_nsec != st.st_mtim.tv_nsec);
	disk->ino = st.st_ino;
	disk->written = st.st_mtim;
	return written;
}

void unseen_sessions_fini(struct unseen_sessions *unseen)
{
	arena_fini(&unseen->arena);
	memset(unseen, 0, sizeof *unseen);
}
