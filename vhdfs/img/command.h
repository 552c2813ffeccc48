/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of vhdfs-img, one file each. */
#ifndef VHDFS_IMG_COMMAND_H
#define VHDFS_IMG_COMMAND_H

#include <stdbool.h>

#include "base/command-line.h"

/* Exit codes of single commands; see also command-line.h. */
enum {
	STATUS_DAMAGED = 3,   /* check: damage remains in the image */
	STATUS_DIFFERENT = 1, /* compare: the disks differ */
	STATUS_TROUBLE = 2,   /* compare: the disks were not compared */
};

/* The values of the options, null where not given, and the operands. */
struct command_line {
	const char *store;
	struct cli_list parents;
	bool json, chain, repair, fixed, force, in_place, strict, unsafe,
		discard, copy, no_parent, in_use, unrelated;
	const char *format, *size, *parent, *block_size, *sector_size, *search,
		*note, *rate;
	char **operands; /* null-ended */
};

extern const struct cli_program vhdfs_img;
extern const struct cli_command create_command, info_command, check_command,
	map_command, convert_command, compare_command, rebase_command,
	snapshot_command, snapshots_command, revert_command,
	delete_snapshot_command, rename_command;

/* Prints "vhdfs-img: " and the library's last error to standard error, in one
 * line.  Returns CLI_FAILED. */
int failed(void);

#endif
