/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From one version of the program to the next, while the mount is in use: the
 * supervisor execs what is installed now and hands on the kernel's descriptor,
 * those of locked files, and what is open.  All is flushed by then.
 *
 * It is handed on as text, in a memfd whose number is in the environment, so
 * that versions may differ in all else: a line each, a word and its values.
 *
 *     mount FD                        the kernel's descriptor
 *     init HEX                        its first request
 *     file FD DEV INO WRITABLE ERRNO PARENT-DEV PARENT-INO
 *                                     locked; ERRNO: it takes no more writes;
 *                                     which file is its parent, 0 0 for none
 *     open NUMBER DEV INO WRITABLE LOST
 *                                     an open that was granted; LOST: it could
 *                                     not be opened again
 *     lost                            not all that was written is in its image
 *     end                             nothing is missing
 *
 * Lines that begin with another word, and values at the end of a line, are for
 * versions that know them.
 */
#ifndef VHDFS_FUSE_UPGRADE_H
#define VHDFS_FUSE_UPGRADE_H

#include <stdbool.h>

#include "fuse/mount.h"
#include "fuse/options.h"

/* Does not return when it succeeds; else why not, with words: all is as before
 * then. */
int upgrade_exec(struct mount *mount, const struct options *options);

/* Was this program started so? */
bool upgrade_is_under_way(void);
/* Sets mount's fd and init, and what is kept. -errno with words. */
int upgrade_resume(struct mount *mount);

#endif
