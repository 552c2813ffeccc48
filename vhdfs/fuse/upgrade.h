/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Upgrade: hands over a mount that is in use to another version of the program.
 *
 * The supervisor executes the program that is installed now.  That program
 * inherits the kernel's descriptor of the mount and the descriptors of locked
 * files, and reads a text that describes them.  The images were flushed before.
 *
 * The text is in a memfd, whose number is in the environment.  So versions may
 * differ in all other things.  Each line is a word and its values:
 *
 *     mount FD      the kernel's descriptor
 *     init HEX      the kernel's INIT request
 *     state ID      the mount's state identifier
 *     deaths TEXT   of its workers (base/worker-deaths.h)
 *     file FD DEV INO WRITABLE ERRNO PARENT-DEV PARENT-INO
 *                   a locked file; ERRNO: why it takes no more writes, or 0;
 *                   then the file of its parent image, or 0 0
 *     disk DEV INO DISK-DEV DISK-INO
 *                   a file whose disk has another number than its own
 *     open NUMBER DEV INO WRITABLE LOST
 *                   an open handle of the disk DEV INO; LOST: it could not be
 * opened again lost          some writes did not reach their images end the
 * text is complete
 *
 * A version ignores lines that begin with a word, and values at the end of a
 * line, that it does not know.  A version that does not know "disk" must not
 * get it: it would take the snapshot for the disk.  So --version prints which
 * hand-over the program knows: 2 has "disk".
 */
#ifndef VHDFS_FUSE_UPGRADE_H
#define VHDFS_FUSE_UPGRADE_H

#include <stdbool.h>

#include "fuse/mount.h"

/* The second line of --version: a word, and which hand-over is known. */
#define UPGRADE_WORD "hand-over "
#define UPGRADE_VERSION_LINE UPGRADE_WORD "2"

/* Executes the installed program.  Returns only on failure: -errno, with
 * error_text(); then nothing has changed. */
int upgrade_exec(const struct mount *mount);

/* Was this program started by upgrade_exec? */
bool upgrade_is_under_way(void);
/* Reads the text: sets mount->link, and fills the recovery memory.  -errno with
 * error_text(). */
int upgrade_resume(struct mount *mount);

#endif
