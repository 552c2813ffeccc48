/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Detection of sessions that watch has not seen, by the image's file. */
#include "config.h"

#include "tgt-glue/command/unseen-sessions.h"

#include <string.h>

/* The disk with that image; adds one, with all zeros, where there is none. */
static struct unseen_disk *disk_of(struct unseen_sessions *unseen,
				   const char *image)
{
	struct unseen_disk *disk;

	for (size_t i = 0; i < unseen->n; i++)
		if (!strcmp(unseen->v[i].image, image))
			return &unseen->v[i];
	unseen->v = arena_grow(&unseen->arena, unseen->v, unseen->n,
			       sizeof *unseen->v);
	disk = &unseen->v[unseen->n++];
	disk->image = arena_strdup(&unseen->arena, image);
	return disk;
}

bool unseen_sessions_check(struct unseen_sessions *unseen,
			   const struct fleet *fleet, const struct disk *disk)
{
	struct unseen_disk *seen;
	struct stat st;
	bool written;

	if (fleet_stat(fleet, disk->child, &st) < 0)
		return false;
	seen = disk_of(unseen, disk->child);
	written = seen->ino == st.st_ino &&
		  (seen->written.tv_sec != st.st_mtim.tv_sec ||
		   seen->written.tv_nsec != st.st_mtim.tv_nsec);
	seen->ino = st.st_ino;
	seen->written = st.st_mtim;
	return written;
}

void unseen_sessions_fini(struct unseen_sessions *unseen)
{
	arena_fini(&unseen->arena);
	memset(unseen, 0, sizeof *unseen);
}
