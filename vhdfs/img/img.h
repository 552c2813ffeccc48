/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhdfs-img: what its subcommands share. */
#ifndef VHDFS_IMG_IMG_H
#define VHDFS_IMG_IMG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/command-line.h"
#include "base/json.h"
#include "base/printable.h"
#include "chain/chain.h"
#include "format/image.h"

/* Exit statuses. */
enum {
	STATUS_DONE = CLI_DONE,
	STATUS_FAILED = CLI_FAILED,
	STATUS_USAGE = CLI_USAGE,
	STATUS_DAMAGED = 3, /* check found damage that is still there */
};

/* The values of the options, null where not given, and the operands. */
struct command_line {
	const char *store;
	struct cli_list parents;
	bool json, chain, repair, fixed, force, in_place;
	const char *format, *size, *parent, *block_size, *sector_size;
	char **operands;
};

extern const struct cli_program vhdfs_img;
extern const struct cli_command create_command, info_command, check_command,
	map_command, convert_command;

#define JSON_OPTION(text)                                                \
	{                                                                \
		.name = "json", .help = text, .offset = CLI_MEMBER(json) \
	}

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

/* lookup is zeroed; lookup_fini also where this fails. */
int lookup_init(struct lookup *lookup, const struct command_line *line);
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
