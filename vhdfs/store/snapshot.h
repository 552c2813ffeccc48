/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots of an image: earlier states of its disk, in files of their own.
 *
 * A snapshot named S of the image STEM.ENDING is the file STEM@S.ENDING in the
 * same directory, without write permission.  Its mark, an extended attribute,
 * says of which image it is a snapshot.  A file is a snapshot of an image if
 * its name and its mark say so and it has a common ancestor with the image; a
 * file that was only renamed or copied to such a name is none.  One that has no
 * common ancestor is UNRELATED: a snapshot of an earlier image of that name, as
 * of a client that has got another version of its master since.
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
#include "io/file-id.h"
#include "io/rootdir.h"
#include "store/snapshot-mark.h"

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
	struct file_id inode;
	struct guid id;
	struct guid parents[2]; /* identities that it accepts as its parent */
	/* The identity of the snapshot that was its parent before a removal or
	 * a rebase, or of that one's origin; or null. */
	struct guid origin;
	/* The parent's path, relative to the directory, or its name; null: not
	 * stored. */
	char *parent;
	int64_t parent_mtime; /* 0: not stored */
	/* File name of the image of which its name and its mark make it a
	 * snapshot; null: none. */
	char *snapshot_of;
	bool current; /* the image is a descendant of it */
	/* It cannot be opened; what is above was read from its headers. */
	bool broken;
};

struct snapshots {
	struct snapshot *at; /* by date, then by name */
	size_t n;
	struct snapshot *unrelated; /* the same */
	size_t n_unrelated;
	struct snapshot_file *files; /* all images of the directory */
	size_t n_files;
	/* Why a file that may be an image, and a child, could not be read, not
	 * even its headers; null: there is none. */
	char *unreadable;
	/* The image descends from a snapshot of another name, and no image has
	 * that name: the image may have been renamed without its snapshots.
	 * null: there is none. */
	const struct snapshot_file *misnamed;
};

/*
 * The snapshots of the image at path.  Locks nothing: a mount may hold the
 * files.  0, or -errno with a message; ret is the caller's to snapshots_fini
 * in any case.
 */
int snapshots_list(const struct root_dir *rootdir, const char *image,
		   struct snapshots *ret);
/* The same of an image that has, or had, the file name that is given. */
int snapshots_list_as(const struct root_dir *rootdir, const char *image,
		      const char *name, struct snapshots *ret);
/* All images of a directory, dir being its path, "" or with '/' at its end; no
 * snapshots are listed.  As snapshots_list otherwise. */
int snapshots_scan(const struct root_dir *rootdir, const char *dir,
		   struct snapshots *ret);
/* The same where there is no image at path: all its snapshots are unrelated. */
int snapshots_list_missing(const struct root_dir *rootdir, const char *image,
			   struct snapshots *ret);
/* The snapshot of that name, or null. */
const struct snapshot *snapshots_find(const struct snapshots *snapshots,
				      const char *name);
/* The same, unrelated or not. */
const struct snapshot *snapshots_find_any(const struct snapshots *snapshots,
					  const char *name);
/* Does the file name the snapshot as its parent? */
bool snapshot_is_parent(const struct snapshot *snapshot,
			const struct snapshot_file *file);
/*
 * Before the image in io, a child of the snapshot, loses its parent or gets
 * another one: stores its origin.  The next sync of the file makes it durable.
 * io may be open for reading only; if the image has no write bits, io gets a
 * shared lock.  0, or -errno with a message.
 */
int snapshot_set_origin(struct io *io, const struct snapshot *parent);
void snapshots_fini(struct snapshots *snapshots);

#endif
