/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Case folding of file names, for comparison as NTFS, Windows and macOS do it:
 * upper and lower case are equal, and so are all Unicode normal forms.
 *
 * Images from those systems name their parents in any case and normal form.
 */
#ifndef VHDFS_BASE_FOLD_H
#define VHDFS_BASE_FOLD_H

/*
 * Returns the folded form of name: two names are equal if strcmp of their
 * folded forms is 0.  UTF-8 is folded by Unicode's rules (full case folding,
 * then canonical decomposition).  In a name that is not valid UTF-8 only ASCII
 * letters are folded.  The caller frees the result; null: out of memory.
 */
char *name_fold(const char *name);

#endif
