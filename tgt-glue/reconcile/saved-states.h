/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * States of a client's disk: the present one, and the earlier ones that a
 * restore can bring back.  These are the image's snapshots, which it may have
 * as parents, and its old images, which were put aside.  A snapshot may be
 * unrelated: of an earlier image, which was a child of another version of the
 * master, or of another master (store/snapshot.h).
 *
 * Each state has a short name, its WHICH: `now', the name of a snapshot, `kept'
 * for the state to which a reset goes back (kept-image.h), or the stamp of an
 * old image.  A snapshot of the client's earlier image in another format, as
 * pc1@x.vhd beside pc1.vhdx, has the WHICH `x.vhd'.
 */
#ifndef TGT_GLUE_RECONCILE_SAVED_STATES_H
#define TGT_GLUE_RECONCILE_SAVED_STATES_H

#include "tgt-glue/config/fleet.h"

enum saved_state_kind { STATE_NOW, STATE_SNAPSHOT, STATE_KEPT, STATE_OLD };

struct saved_state {
	enum saved_state_kind kind;
	const char *which;
	/* Its name; null: of another kind, or of another format. */
	const char *snapshot;
	const char *file; /* path in the store */
	const char *date; /* as 2026-01-31T23:59:59Z */
	uint64_t size;    /* of its own file on disk, bytes */
	const char *note; /* null: none */
	/* Its nearest ancestor outside of the image's directory, a path in the
	 * store; null: none, or unknown. */
	const char *master;
	bool unrelated;
	bool other_format; /* a snapshot of an image in another format */
	const char *why;   /* why its parents cannot be found; null: they can */
};

struct saved_states {
	struct saved_state *v; /* the present one first, then by date, newest
				* first */
	size_t n;
};

/* The names of states that no snapshot may have. */
#define WHICH_NOW "now"
#define WHICH_KEPT "kept"

/*
 * Reads the states of the disk, which has an image of its own, into arena.
 * Locks nothing.  0, or -errno with a message.
 */
int saved_states_read(struct arena *arena, const struct fleet *fleet,
		      const struct disk *disk, struct saved_states *ret);

/*
 * The snapshot of that name, or the kept one, without reading all states: its
 * date and master are null, and unrelated is not set.  Null, without a message:
 * there is none.
 */
const struct saved_state *saved_states_snapshot(struct arena *arena,
						const struct fleet *fleet,
						const struct disk *disk,
						const char *which);

/*
 * The earlier state of that name, or the old image whose stamp begins with it,
 * if it is the only one.  Null, with a message, if there is none, or more than
 * one has the name.
 */
const struct saved_state *saved_states_find(const struct saved_states *states,
					    const struct client *client,
					    const char *which);

/*
 * The disk of which the file at path, in the store, is the present state, a
 * snapshot or an old image by its name; and the state's WHICH, in arena.  Null:
 * of none.
 */
const struct disk *saved_state_owner(struct arena *arena,
				     const struct fleet *fleet,
				     const char *path, const char **ret_which);

/* 0 if the state can be opened with all its parents; else -errno with a message
 * that names the file that is missing. */
int saved_state_check(const struct fleet *fleet,
		      const struct saved_state *state);

/* 0, or -EINVAL with a message: a snapshot of a client has a name that
 * vhdfs-img accepts and that is that of no other kind of state. */
int saved_states_check_name(const char *name);
/* The same of a new snapshot of an administrator: publish and backup use names
 * that begin so for their own, which they remove. */
#define PUBLISH_SNAPSHOT "publishing-"
#define BACKUP_SNAPSHOT "tgt-glue-backup"
int saved_states_check_new_name(const char *name);

#endif
