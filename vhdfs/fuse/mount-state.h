/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state identifier of a mount: tells whether an answered write can have
 * been lost between two moments.
 *
 * A mount shows it as the attribute user.vhdfs.state of its root directory.
 * Two equal identifiers mean: every write that was answered by the first moment
 * is there at the second one, though the mount may have been made anew.  The
 * identifier is a new one for each mount, with exceptions.  A supervisor
 * that makes the mount anew keeps it, for the kept state has what was answered.
 * And a mount that ended cleanly while files of it were open leaves it in
 * /run/vhdfs to the next mount of the same store at the same place.  A
 * supervisor that goes on with the state of one that was killed (fdstore.h)
 * keeps it, too.
 *
 * ORDER.  The file is removed before the next mount serves, and written after
 * everything is in the images, before the mount is taken away.  Where any step
 * fails, or the processes are killed, the next mount has a new identifier.
 */
#ifndef VHDFS_FUSE_MOUNT_STATE_H
#define VHDFS_FUSE_MOUNT_STATE_H

#include <stdbool.h>

#include "base/guid.h"

enum { STATE_SIZE = GUID_TEXT_SIZE };

/* A new identifier. */
void mount_state_new(char ret[STATE_SIZE]);

/* The identifier that the last mount of the store at that place left, which is
 * taken away; else a new one. */
void mount_state_take(const char *store, const char *point,
		      char ret[STATE_SIZE]);

/* Takes away what was left there: a supervisor goes on with that mount.  False
 * where it stays. */
bool mount_state_forget(const char *point);

/* Leaves it. Without words where that fails: then the next one is new. */
void mount_state_leave(const char *store, const char *point, const char *state);

#endif
