/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command line of vhdfs. */
#ifndef VHDFS_FUSE_OPTIONS_H
#define VHDFS_FUSE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
	char *store;      /* owned */
	char *mountpoint; /* owned */
	bool help;
	bool version;
	bool foreground;
	bool read_only;
	bool no_resend;   /* -o no_resend */
	uint64_t reserve; /* -o reserve=, in bytes, or RESERVE_DEFAULT */
	bool remount;     /* -o remount */
	char **parents;   /* -o parents=; owned, with the strings */
	size_t n_parents;
	char *mount; /* options for libfuse, separated by commas, or null; owned
		      */
};

/* -EINVAL or -ENOMEM, with error_text(); then *ret is not set. */
int options_parse(int argc, char **argv, struct options *ret);
/* Makes the paths absolute; they must exist.  -errno with error_text(). */
int options_make_absolute(struct options *options);
/* Appends an option to *list, a list for -o, with its commas and backslashes
 * escaped.  -ENOMEM with error_text(). */
int options_add(char **list, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* *ret: the value of -o with the same meaning, or null without any; the
 * caller's to free.  -ENOMEM with error_text(). */
int options_list(const struct options *options, char **ret);
void options_fini(struct options *options);
void options_print_help(void);

#endif
