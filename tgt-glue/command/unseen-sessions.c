/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/command/unseen-sessions.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "io/rootdir.h"

static struct unseen_disk *find(const struct unseen_sessions *unseen,
				const char *iqn)
{
	for (size_t i = 0; i < unseen->n; i++)
		if (!strcmp(unseen->v[i].iqn, iqn))
			return &unseen->v[i];
	return NULL;
}

static struct unseen_disk *add(struct unseen_sessions *unseen, const char *iqn)
{
	struct unseen_disk *disk;

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
	_cleanup_close_ int fd =
		root_dir_openat(&fleet->rootdir, client->child, O_PATH);
	struct unseen_disk *disk = find(unseen, client->iqn);
	struct stat st;
	bool written;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	if (!disk)
		disk = add(unseen, client->iqn);
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
