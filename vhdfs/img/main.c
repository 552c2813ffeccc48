/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhdfs-img: the program; its commands are in a file each. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/printable.h"
#include "img/command.h"

static const struct cli_command *const commands[] = {
	&create_command,
	&info_command,
	&check_command,
	&map_command,
	&convert_command,
	&compare_command,
	&rebase_command,
	&snapshot_command,
	&snapshots_command,
	&revert_command,
	&delete_snapshot_command,
	&rename_command,
	NULL,
};

static const struct cli_option common_options[] = {
	CLI_VALUE(store, "store", "DIR", "<directory>",
		  "use only images, parents too, that lie in DIR"),
	CLI_LIST(parents, "parents", "DIR", "<directory>",
		 "look for parents by name in DIR, too; repeatable"),
	CLI_END,
};

static bool file_exists(const struct command_line *line, const char *name)
{
	(void)line;
	return access(name, F_OK) == 0;
}

const struct cli_program vhdfs_img = {
	.name = "vhdfs-img",
	.summary = "make, describe, check and convert images of virtual disks",
	.notes = "`vhdfs-img COMMAND --help' shows the options of a command.\n"
		 "Exit status: 0 done, 1 failed, 2 wrong usage, 3 check found "
		 "damage.",
	.options = common_options,
	.commands = commands,
	.operand_exists = file_exists,
};

int failed(void)
{
	print_line(stderr, "vhdfs-img: %s", error_text());
	return CLI_FAILED;
}

static int run(struct command_line *line, int argc, char **argv)
{
	struct cli_call call = cli_parse(&vhdfs_img, argc, argv, line);

	line->operands = call.operands;
	return call.command ? call.command->run(line) : call.status;
}

int main(int argc, char **argv)
{
	struct command_line line = { 0 };
	int status;

	log_init("vhdfs-img", LOG_LEVEL_WARN, false);
	status = run(&line, argc, argv);
	free(line.parents.at);
	/* A full disk under standard output must not look like success. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == CLI_DONE) {
		print_line(stderr, "vhdfs-img: standard output: %s",
			   strerror(errno));
		status = CLI_FAILED;
	}
	return status;
}
