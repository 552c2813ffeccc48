/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths of Windows, which locators store: their separators. */
#ifndef VHDFS_FORMAT_WINDOWS_PATH_H
#define VHDFS_FORMAT_WINDOWS_PATH_H

/* Replaces each separator from by to, in place.  Returns path. */
static inline char *path_replace(char *path, char from, char to)
{
	for (char *p = path; *p; p++)
		if (*p == from)
			*p = to;
	return path;
}

#endif
