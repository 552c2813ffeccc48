/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying owner, mode and extended attributes from one open file to another. */
#ifndef VHDFS_STORE_COPY_ATTRIBUTES_H
#define VHDFS_STORE_COPY_ATTRIBUTES_H

/*
 * Gives file descriptor `to' the owner, group, mode, access control list and
 * extended attributes of `from', but for the attribute named except. Attributes
 * of namespaces that this process may not write are skipped: the system sets
 * them itself (security labels).  name is for messages.  0 or -errno with a
 * message.  Any thread.
 */
int copy_attributes(int from, int to, const char *except, const char *name);

#endif
