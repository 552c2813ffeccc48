/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Marks: what the file of an image says of itself, in an extended attribute.
 * The first line of a mark names its kind; each line after it is "KEY VALUE".
 *
 * THREADS: any.
 */
#ifndef VHDFS_STORE_MARK_H
#define VHDFS_STORE_MARK_H

#include <stdbool.h>

enum { MARK_MAX = 4096, MARK_DATE_SIZE = sizeof "2026-01-31T23:59:59Z" };

/* The present time, "2026-01-31T23:59:59Z". */
void mark_date(char ret[MARK_DATE_SIZE]);
/* Reads the mark in an attribute of an open file; false: there is none whose
 * first line is head, which ends with a line break. */
bool mark_read(int fd, const char *attribute, const char *head,
	       char ret[MARK_MAX + 1]);
/* A copy of the value of key, for the caller to free; null: none, or out of
 * memory. */
char *mark_value(const char *mark, const char *key);

#endif
