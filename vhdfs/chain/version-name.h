/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File names of the versions of a master: STEM@NUMBER.ENDING, where the master
 * is called STEM.ENDING.
 *
 * THREADS: any.
 */
#ifndef VHDFS_CHAIN_VERSION_NAME_H
#define VHDFS_CHAIN_VERSION_NAME_H

enum { VERSION_MAX = 999999999 };

/* The number of the version of the master called name whose file name is file;
 * 0: it is the name of no version.  A number has no leading zero. */
unsigned version_number(const char *file, const char *name);

#endif
