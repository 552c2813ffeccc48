/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line. */
#ifndef VHDFS_FUSE_OPTIONS_H
#define VHDFS_FUSE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct options {
	const char *store;
	const char *mountpoint;
	bool help;
	bool version;
	bool foreground;
	bool read_only;
	bool remount;   /* of what is mounted already */
	char **parents; /* -o parents=; the strings owned */
	size_t n_parents;
	char *mount; /* for libfuse, separated by commas; owned */
};

/* -EINVAL with words for what makes no sense. */
int options_parse(int argc, char **argv, struct options *ret);
void options_fini(struct options *options);
void options_print_help(void);

#endif
