/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File names compared as NTFS and the programs of Windows and macOS compare
 * them: letters of any case and of any normal form are the same.
 */
#ifndef VHDFS_BASE_FOLD_H
#define VHDFS_BASE_FOLD_H

#include <stdbool.h>

/*
 * The folded form of a name: two names are the same where strcmp finds their
 * folded forms equal.  UTF-8 is folded by Unicode's rules (full case folding,
 * then canonical decomposition); of a name that is not UTF-8 only the letters
 * of ASCII.  The caller's to free; null: out of memory.
 */
char *name_fold(const char *name);

#endif
