/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of vhdfs-img, one file each. */
#ifndef VHDFS_IMG_COMMAND_H
#define VHDFS_IMG_COMMAND_H

#include <stdbool.h>

#include "base/command-line.h"

/* The exit code of check if damage remains in the image; see also
 * command-line.h. */
enum { STATUS_DAMAGED = 3 };

/* The values of the options, null where not given, and the operands. */
struct command_line {
	const char *store;
	struct cli_list parents;
	bool json, chain, repair, fixed, force, in_place;
	const char *format, *size, *parent, *block_size, *sector_size;
	char **operands; /* null-ended */
};

extern const struct cli_program vhdfs_img;
extern const struct cli_command create_command, info_command, check_command,
	map_command, convert_command;

/* Prints "vhdfs-img: " and the library's last error to standard error, in one
 * line.  Returns CLI_FAILED. */
int failed(void);

#endif
