/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lent write bit: the owner's write permission of a file without any, for the
 * time of one system call.
 *
 * A parent has no write bits.  Its owner, if that is not root, may neither open
 * it for writing nor change its attributes, as a rebase, a rename and a removal
 * do.  So a process of the owner gives the file the bit, makes the call, and
 * takes the bit back; a descriptor that is open for writing stays so.
 *
 * ORDER
 *   B1  Lock the file against writers.
 *   B2  Set the owner's write bit and the sticky bit, in one change of the
 *       mode.  The sticky bit has no other meaning for a file.
 *   B3  The call.
 *   B4  Clear both bits.
 *
 * A crash between B2 and B4 leaves the two bits: a lent write bit, which is no
 * write permission to any program of vhdfs (mode_write_bits).  The next one
 * that opens the file for writing, lists the snapshots of its directory, makes
 * a child of it, or examines it for a mount, clears both.
 *
 * WHY A BIT OF THE MODE.  The mark has to appear in the same change as the
 * write bit: an extended attribute cannot, for the owner may set one only while
 * the file has the write bit.  An attribute of each parent, set before its
 * write bits are removed, would be missing on parents of earlier versions.  A
 * file beside the image takes a directory in which the owner may write.  The
 * setuid bit as a second mark is dangerous for a file with execute bits.  So an
 * image of which a user sets the sticky bit, and that has no write bit but the
 * owner's, is taken for a lent one, and loses both bits; nothing of its
 * contents changes, and chmod u+w gives the permission back.
 *
 * B1 excludes an undo of a snapshot (store/leaf-steps.c): B4 would remove the
 * write bits that it gives back.
 *
 * THREADS: any; one process or several.
 */
#ifndef VHDFS_IO_LENT_BIT_H
#define VHDFS_IO_LENT_BIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define MODE_WRITE_BITS ((mode_t)(S_IWUSR | S_IWGRP | S_IWOTH))

/* Has a file of this mode a lent write bit? */
static inline bool mode_is_lent(mode_t mode)
{
	return (mode & (S_ISVTX | MODE_WRITE_BITS)) == (S_ISVTX | S_IWUSR);
}

/* The mode that the file has without the lent write bit. */
static inline mode_t mode_without_lent(mode_t mode)
{
	return mode_is_lent(mode) ? mode & ~(mode_t)(S_ISVTX | S_IWUSR) : mode;
}

/* The write bits of a mode, but for a lent one. */
static inline mode_t mode_write_bits(mode_t mode)
{
	return mode_without_lent(mode) & MODE_WRITE_BITS;
}

/*
 * Opens the file of fd, which may be an O_PATH descriptor, once more for
 * reading and writing; if this user owns it, also without write bits.  A
 * descriptor, or -errno with a message, which calls the file by its name.
 * -EBUSY: another process has it locked exclusively; -EOPNOTSUPP: neither a
 * regular file nor a block device.
 */
int lent_bit_open(int fd, const char *name);
/* As fsetxattr, on a file that the caller has locked.  0, or -errno without a
 * message. */
int lent_bit_set_attribute(int fd, const char *attribute, const void *value,
			   size_t size);
/* The same, as fremovexattr. */
int lent_bit_remove_attribute(int fd, const char *attribute);
/* Clears a lent write bit that a crash left.  Does nothing if there is none, or
 * if this user does not own the file, or another process has it locked
 * exclusively.  Keeps the last error. */
void lent_bit_clear(int fd, const char *name);

#endif
