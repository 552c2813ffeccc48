/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mark of a version: when it was published, from which disk, and a note. */
#ifndef TGT_GLUE_CONFIG_VERSION_MARK_H
#define TGT_GLUE_CONFIG_VERSION_MARK_H

#include "io/rootdir.h"
#include "tgt-glue/base/arena.h"

/* Texts in arena, "" where the mark has none. */
struct version_mark {
	const char *date;
	const char *client;
	const char *disk; /* the name of a data disk */
	const char *note;
};

/* Reads the mark of the image at path.  A file without one, as a version that
 * was copied to its name, has the date of its last change.  False: there is no
 * mark. */
bool version_mark_read(struct arena *arena, const struct root_dir *rootdir,
		       const char *path, struct version_mark *ret);
/*
 * The file of the snapshot at path becomes a version's: it gets a mark instead
 * of the snapshot's, and loses its write permission; durably.  disk null: the
 * system disk of the client.  note null: that of the mark which it has.  A file
 * that has a version's mark keeps its date. 0, or -errno with a message.
 */
int version_mark_set(struct arena *arena, const struct root_dir *rootdir,
		     const char *path, const char *client, const char *disk,
		     const char *note);

#endif
