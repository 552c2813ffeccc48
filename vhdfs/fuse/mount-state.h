/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State identifier of a mount: tells clients whether answered writes may be
 * lost.
 *
 * It is the attribute user.vhdfs.state of the mount's root directory.  If a
 * client reads the same identifier twice, every write that was answered before
 * the first time is in the images the second time, even if the mount was
 * replaced in between.
 *
 * Each mount gets a new identifier, with three exceptions:
 *
 *   - The supervisor replaces the mount: the recovery memory has the writes.
 *   - A supervisor resumes the mount of one that was killed (fdstore.h).
 *   - A mount ends cleanly while files are open: it saves the identifier in
 *     /run/vhdfs for the next mount of the same store at the same mount point.
 *
 * ORDER.  The file is written after all writes are in the images and before the
 * unmount.  It is removed before the next mount serves.  If a step fails, or
 * the processes are killed, the next mount gets a new identifier.
 */
#ifndef VHDFS_FUSE_MOUNT_STATE_H
#define VHDFS_FUSE_MOUNT_STATE_H

#include <stdbool.h>

#include "base/guid.h"

enum { STATE_SIZE = GUID_TEXT_SIZE };

/* Makes a new identifier. */
void mount_state_new(char ret[STATE_SIZE]);

/* Takes the identifier that the last mount of the store at that mount point
 * saved, and removes the file; else makes a new one. */
void mount_state_take(const char *store, const char *point,
		      char ret[STATE_SIZE]);

/* Removes the file, because a supervisor resumes the mount.  False if that
 * fails. */
bool mount_state_forget(const char *point);

/* Saves the identifier.  A failure is ignored: the next mount gets a new one.
 */
void mount_state_save(const char *store, const char *point, const char *state);

#endif
