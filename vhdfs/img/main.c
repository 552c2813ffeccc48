/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhdfs-img: makes, describes, checks and converts images. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "img/img.h"

static const struct command *const commands[] = {
	&create_command, &info_command,    &check_command,
	&map_command,    &convert_command,
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static int help(void)
{
	printf("Usage: vhdfs-img COMMAND [OPTION...] OPERAND...\n"
	       "Makes, describes, checks and converts VHD and VHDX images.\n\n");
	for (int i = 0; i < COMMANDS; i++)
		printf("  %-8s  %s\n", commands[i]->name, commands[i]->summary);
	printf("  help      show this help, or a command's\n\n"
	       "  --help     show this help; after a command, that command's\n"
	       "  --version  show the version\n\n"
	       "Exit status: 0 done, 1 failed, 2 wrong usage, "
	       "3 check found damage.\n");
	return STATUS_DONE;
}

static const struct command *find_command(const char *name)
{
	for (int i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

/* --store or --parents, with or without "=DIR". */
static bool takes_directory(const char *arg)
{
	size_t n = strcspn(arg, "=");

	return (n == 7 && !strncmp(arg, "--store", n)) ||
	       (n == 9 && !strncmp(arg, "--parents", n));
}

/* "help [COMMAND]" */
static int run_help(int argc, char **argv)
{
	const char *name = argc > 2 ? argv[2] : "help";
	const struct command *command = find_command(name);

	if (command)
		return show_help(command);
	if (*name == '-' || !strcmp(name, "help"))
		return help();
	note("unknown command %s; see vhdfs-img --help", name);
	return STATUS_USAGE;
}

/*
 * Options before the command are the command's: they are moved behind it.
 * Returns the index of the command, or of what is neither.
 */
static int command_first(int argc, char **argv)
{
	int at = 1;
	char *command;

	while (at < argc && takes_directory(argv[at]))
		at += strchr(argv[at], '=') ? 1 : 2;
	if (at >= argc || !find_command(argv[at]))
		return at < argc ? at : argc - 1;
	command = argv[at];
	memmove(argv + 2, argv + 1, (at - 1) * sizeof *argv);
	argv[1] = command;
	return 1;
}

static int run(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[command_first(argc, argv)] : "";
	const struct command *command = find_command(name);

	/* Unless a file is called so. */
	if (command && argc == 3 && !strcmp(argv[2], "help") &&
	    access("help", F_OK) < 0)
		return show_help(command);
	if (command)
		return command->run(command, argc - 1, argv + 1);
	if (!strcmp(name, "help"))
		return run_help(argc, argv);
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		return help();
	if (!strcmp(name, "--version")) {
		printf("vhdfs-img %s\n", PACKAGE_VERSION);
		return STATUS_DONE;
	}
	note("%s %s; see vhdfs-img --help",
	     *name == '-' ? "unknown option"
	     : *name      ? "unknown command"
			  : "expected a command, found",
	     *name ? name : "none");
	return STATUS_USAGE;
}

int main(int argc, char **argv)
{
	int status;

	log_init("vhdfs-img", LOG_LEVEL_WARN, false);
	status = run(argc, argv);
	/* A full disk under standard output must not look like success. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == STATUS_DONE) {
		note("standard output: %s", strerror(errno));
		status = STATUS_FAILED;
	}
	return status;
}
