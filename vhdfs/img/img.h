/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhdfs-img: what its subcommands share. */
#ifndef VHDFS_IMG_IMG_H
#define VHDFS_IMG_IMG_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/printable.h"
#include "chain/chain.h"
#include "format/image.h"

/* Exit statuses. */
enum {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_DAMAGED = 3, /* check found damage that is still there */
};

struct command {
	const char *name;
	const char *operands; /* for the synopsis, options and all */
	const char *summary;
	const char *help; /* the options, a line or more each */
	/* argv[0] is the subcommand's name. Returns an exit status. */
	int (*run)(const struct command *self, int argc, char **argv);
};

extern const struct command create_command, info_command, check_command,
	map_command, convert_command;

/* Every subcommand has these.  next_option takes OPTION_PARENTS itself, for
 * lookup_init. */
enum { OPTION_HELP = 'h', OPTION_STORE = 256, OPTION_PARENTS, OPTION_OWN };
#define OPTIONS_COMMON                                                  \
	{ "store", required_argument, NULL, OPTION_STORE },             \
		{ "parents", required_argument, NULL, OPTION_PARENTS }, \
	{                                                               \
		"help", no_argument, NULL, OPTION_HELP                  \
	}
#define OPTIONS_END \
	{           \
		0   \
	}

/*
 * As getopt_long; '?' for what is no option of the subcommand, once that was
 * said on standard error.
 */
int next_option(const struct command *self, int argc, char **argv,
		const struct option *options);
/* One line on standard error; returns STATUS_USAGE. */
int usage_error(const struct command *self, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints the help; returns STATUS_DONE. */
int show_help(const struct command *self);
/* What is to be returned when next_option said c, which run itself does not
 * take: help or a usage error. */
int other_option(const struct command *self, int c);
/* Are there as many operands as wanted? 0, or a usage error. */
int check_operands(const struct command *self, int argc, int wanted);

/* Shows the library's last error as one line; returns STATUS_FAILED. */
int failed(void);
/* Says fmt on standard error, in one line. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Where a subcommand looks for images: all the world, or --store's DIR; and for
 * parents, by base name, the directories of --parents too. */
struct lookup {
	struct root_dir *roots; /* owned; the first is the world or the store */
	size_t n_roots;
	struct parent_cache *cache;
};

/* store may be null.  lookup is zeroed; lookup_fini also where this fails. */
int lookup_init(struct lookup *lookup, const char *store);
void lookup_fini(struct lookup *lookup);
/* The path that chain_open takes for what the user calls path; -EXDEV with
 * words where that lies outside the store. The caller's to free. */
int lookup_path(const struct lookup *lookup, const char *path, char **ret);
/* Where a file that is to be made must lie, as atomic_file_create takes it. */
const char *lookup_within(const struct lookup *lookup);
/* chain_open of what the user calls path. */
int lookup_open(const struct lookup *lookup, const char *path, int flags,
		struct chain **ret);
/* A path as chain_path gives it, made absolute. The caller's to free. */
char *lookup_absolute(const struct lookup *lookup, const char *path);

#endif
