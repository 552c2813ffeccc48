/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots of an image: earlier states of its disk, in files of their own.
 *
 * A snapshot named S of the image STEM.ENDING is the file STEM@S.ENDING in the
 * same directory, without write permission.  Its mark, an extended attribute,
 * says of which image it is a snapshot.  A file is a snapshot of an image if
 * its name and its mark say so and it has a common ancestor with the image; a
 * file that was only renamed or copied to such a name is none.
 *
 * When a snapshot without a parent is removed, its children become images
 * without a parent; and a rebase can give an image other parents.  Such images
 * keep the identity of the snapshot that was their parent in another attribute,
 * the origin.
 *
 * THREADS: one thread at a time for each list; any thread for the rest.
 */
#ifndef VHDFS_STORE_SNAPSHOT_H
#define VHDFS_STORE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/guid.h"
#include "io/rootdir.h"

/* The extended attribute of a snapshot's file that has its mark. */
#define SNAPSHOT_MARK "user.vhdfs.snapshot"
#define SNAPSHOT_MARK_HEAD "vhdfs snapshot 1\n"

/* The longest note, in bytes. */
enum { SNAPSHOT_NOTE_MAX = 1000 };

/*
 * 0, or -EINVAL with a message: a name is one that a file name can hold, of
 * printable characters, without '/' and '@' and not beginning with a dot; and
 * neither a number nor "test", which are names of versions and channels.
 */
int snapshot_check_name(const char *name);
/* 0, or -EINVAL with a message: a note is one line of printable text. */
int snapshot_check_note(const char *note);

/*
 * The file name of the snapshot of the image whose path or file name is given;
 * the caller frees it.  Null: out of memory.
 */
char *snapshot_file_name(const char *image, const char *name);

/* The mark of a snapshot that is made now; the caller frees it.  note and
 * token, of the request that makes it, may be null.  Null: out of memory. */
char *snapshot_mark(const char *image, const char *note, const char *token);
/* Says the mark of the open file that it is a snapshot of the image? */
bool snapshot_is_marked(int fd, const char *image);
/* Was the snapshot in this file of the directory made by the request with the
 * token? */
bool snapshot_has_token(int dir, const char *file, const char *token);

struct snapshot {
	char *name;
	char *file;             /* file name */
	char *date;             /* "2026-01-31T23:59:59Z", as the mark says */
	char *note;             /* null: none */
	uint64_t allocated;     /* bytes on disk of its own file */
	struct guid id;         /* identity */
	struct guid parents[2]; /* identities that it accepts as its parent */
	struct guid origin;     /* as in struct snapshot_file */
	unsigned children;      /* files in the directory that name it */
	const struct snapshot *parent; /* null: no snapshot of the image */
	bool current;                  /* the image is a descendant of it */
};

/* An image in the directory, hidden or not. */
struct snapshot_file {
	char *file; /* file name */
	struct guid id;
	struct guid parents[2]; /* identities that it accepts as its parent */
	/* The identity of the snapshot that was its parent before a removal or
	 * a rebase, or of that one's origin; or null. */
	struct guid origin;
};

struct snapshots {
	struct snapshot *at; /* by date, then by name */
	size_t n;
	struct snapshot_file *files; /* all images of the directory */
	size_t n_files;
	/* Why a file that may be an image, and a child, could not be read;
	 * null: there is none. */
	char *unreadable;
};

/*
 * The snapshots of the image at path.  Locks nothing: a mount may hold the
 * files.  0, or -errno with a message; ret is the caller's to snapshots_fini
 * in any case.
 */
int snapshots_list(const struct root_dir *rootdir, const char *image,
		   struct snapshots *ret);
/* The snapshot of that name, or null. */
const struct snapshot *snapshots_find(const struct snapshots *snapshots,
				      const char *name);
/* Does the file name the snapshot as its parent? */
bool snapshot_is_parent(const struct snapshot *snapshot,
			const struct snapshot_file *file);
/*
 * Before the image in io, a child of the snapshot, loses its parent or gets
 * another one: stores its origin.  The next sync of the file makes it durable.
 * 0, or -errno with a message.
 */
int snapshot_set_origin(const struct io *io, const struct snapshot *parent);
void snapshots_fini(struct snapshots *snapshots);

#endif
