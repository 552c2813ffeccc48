/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line. */
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
	uint64_t reserve; /* -o reserve=, or RESERVE_DEFAULT */
	bool remount;     /* of what is mounted already */
	char **parents;   /* -o parents=; the strings owned */
	size_t n_parents;
	char *mount; /* for libfuse, separated by commas; owned */
};

/* -EINVAL with words for what makes no sense. */
int options_parse(int argc, char **argv, struct options *ret);
/* The paths, of what is there. -errno with words. */
int options_make_absolute(struct options *options);
/* A command line that says the same, of the program at path: null-ended, the
 * caller's to free with options_free_line. Null: out of memory. */
char **options_make_line(const struct options *options, const char *path);
void options_free_line(char **line);
void options_fini(struct options *options);
void options_print_help(void);

#endif
