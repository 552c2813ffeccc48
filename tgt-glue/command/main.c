/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/printable.h"
#include "tgt-glue/command/boot-script.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/reconcile/targets-conf.h"
#include "tgt-glue/config/resolve.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/reconcile/client-image.h"

/* CONFDIR: what configure was told. */
#define DEFAULT_CONFIG CONFDIR "/fleet.conf"

struct command {
	const char *name;
	int (*run)(const struct command_line *line);
	const char *options; /* letters of the options that it takes */
	/* How many names of clients it takes. */
	enum { NONE, ONE, SEVERAL } client;
	const char *help;
};

static const struct command commands[] = {
	{ "check", command_check, "", NONE,
	  "name every mistake in fleet.conf" },
	{ "generate", command_generate, "s", NONE,
	  "print the targets.conf that tgt-admin reads" },
	{ "plan", command_plan, "f", NONE, "say what apply would do" },
	{ "apply", command_apply, "wfr", NONE,
	  "make missing images, write targets-file, bring tgtd to it" },
	{ "status", command_status, "jp", NONE,
	  "show each client: its target, who is logged in, its disk" },
	{ "watch", command_watch, "", NONE,
	  "apply what changes, as it does, until it is stopped" },
	{ "reset", command_reset, "", SEVERAL,
	  "give these clients fresh disks, and put the old ones aside" },
	{ "secret", command_secret, "", ONE,
	  "make a new CHAP secret for a client" },
	{ "ipxe", command_ipxe, "a", ONE,
	  "print the client's boot script, or write all of them" },
	{ "dnsmasq", command_dnsmasq, "t", NONE,
	  "print dnsmasq's part of booting: DHCP and TFTP" },
};

enum { OPTION_HELP = 'h', OPTION_CONFIG = 256, OPTION_VERSION };

static const struct option options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "wait", no_argument, NULL, 'w' },
	{ "force", required_argument, NULL, 'f' },
	{ "remove", no_argument, NULL, 'r' },
	{ "json", no_argument, NULL, 'j' },
	{ "prometheus", no_argument, NULL, 'p' },
	{ "all", required_argument, NULL, 'a' },
	{ "tftp-root", required_argument, NULL, 't' },
	{ "shard", required_argument, NULL, 's' },
	{ NULL, 0, NULL, 0 },
};

/* What each option is; letter 0: of every command. */
static const struct {
	char letter;
	const char *text;
} option_lines[] = {
	{ 0, "  --config FILE    instead of " DEFAULT_CONFIG "\n" },
	{ 'w',
	  "  --wait           apply: wait for clients to log out, for tgtd and the mount\n" },
	{ 'f',
	  "  --force CLIENT   apply, plan: end that client's session if it is in the way\n" },
	{ 'r',
	  "  --remove         apply: also more than a fifth of the targets, if at least five\n" },
	{ 'j', "  --json           status: for programs\n" },
	{ 'p',
	  "  --prometheus     status: for node_exporter's textfile directory\n" },
	{ 'a',
	  "  --all DIR        ipxe: a file for each machine's MAC, and boot.ipxe\n" },
	{ 's', "  --shard NUMBER   generate: that shard's alone\n" },
	{ 't',
	  "  --tftp-root DIR  dnsmasq: where those files are, instead of " BOOT_DIRECTORY
	  "\n" },
	{ 0,
	  "  -h, --help       show this; after a command, that command's\n" },
	{ 0, "  --version        show the version\n" },
};

/* command null: of all of them. */
static void print_help(const struct command *command)
{
	static const char *const operands[] = {
		[NONE] = "", [ONE] = " CLIENT", [SEVERAL] = " CLIENT..."
	};

	if (command)
		printf("Usage: tgt-glue [--config FILE] %s [OPTION...]%s\nDoes: %s.\n",
		       command->name, operands[command->client], command->help);
	else
		printf("Usage: tgt-glue [--config FILE] COMMAND\n"
		       "Exports the clients' disks that fleet.conf describes with tgt.\n\n"
		       "Commands:\n");
	for (size_t i = 0; !command && i < sizeof commands / sizeof *commands;
	     i++)
		printf("  %-8s  %s\n", commands[i].name, commands[i].help);
	printf("%s\nOptions:\n",
	       command ? "" : "  help      show this, or a command's help\n");
	for (size_t i = 0; i < sizeof option_lines / sizeof *option_lines; i++)
		if (!command || !option_lines[i].letter ||
		    strchr(command->options, option_lines[i].letter))
			fputs(option_lines[i].text, stdout);
	printf("\nExit status: 0 done, 1 failed, 2 wrong usage, 4 something was left as it is\n"
	       "and named.  See tgt-glue(8) and fleet.conf(5).\n");
}

static int usage(const char *what, const char *word)
{
	print_line(stderr, "tgt-glue: %s%s%s%s; see `tgt-glue --help'", what,
		   word ? " '" : "", word ? word : "", word ? "'" : "");
	return EXIT_USAGE;
}

static const struct command *command_named(const char *name)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* "help [COMMAND]", or a command's --help. */
static int show_help(const char *name)
{
	const struct command *command = name ? command_named(name) : NULL;

	if (name && !command && strcmp(name, "help") != 0)
		return usage("unknown command", name);
	print_help(command);
	return EXIT_DONE;
}

/* "COMMAND help": -1 where it is a client's name. */
static int help_as_operand(const struct command_line *line,
			   const struct command *command)
{
	struct fleet fleet;
	bool is_client;

	if (!command)
		return -1;
	is_client = command->client != NONE &&
		    fleet_load(line->config, NULL, &fleet) == 0 &&
		    fleet_client(&fleet, "help");
	if (command->client != NONE)
		fleet_fini(&fleet);
	return is_client ? -1 : show_help(command->name);
}

/* -1 to go on, else the exit code. Letters of the options seen go to seen. */
static int read_options(int argc, char **argv, struct command_line *line,
			char *seen)
{
	bool help = false;
	size_t n = 0;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case OPTION_CONFIG:
			line->config = optarg;
			break;
		case OPTION_HELP:
			help = true;
			break;
		case OPTION_VERSION:
			puts("tgt-glue " PACKAGE_VERSION);
			return EXIT_DONE;
		case 'w':
			line->wait = true;
			break;
		case 'f':
			line->force = optarg;
			break;
		case 'r':
			line->remove = true;
			break;
		case 'j':
			line->json = true;
			break;
		case 'p':
			line->prometheus = true;
			break;
		case 'a':
			line->all = optarg;
			break;
		case 't':
			line->tftp_root = optarg;
			break;
		case 's':
			line->shard = optarg;
			break;
		default:
			return usage("unknown option or missing argument",
				     argv[optind - 1]);
		}
		if (c < 256 && c != OPTION_HELP && !strchr(seen, c))
			seen[n++] = (char)c;
	}
	if (help)
		return show_help(argv[optind]);
	if (argv[optind] && !strcmp(argv[optind], "help"))
		return show_help(argv[optind + 1]);
	if (optind == argc - 2 && !strcmp(argv[optind + 1], "help"))
		return help_as_operand(line, command_named(argv[optind]));
	return -1;
}

int command_failed(void)
{
	print_line(stderr, "tgt-glue: %s", error_text());
	return EXIT_FAILED;
}

int command_load(const struct command_line *line, struct fleet *fleet)
{
	int r = fleet_load(line->config, NULL, fleet);

	if (r < 0 && fleet->conf.n_mistakes)
		conf_print_mistakes(&fleet->conf, stderr);
	else if (r < 0)
		command_failed();
	return r;
}

int command_check(const struct command_line *line)
{
	struct fleet fleet;
	int r = command_load(line, &fleet);

	if (r == 0)
		print_line(stdout, "%s: %zu client%s, no mistakes",
			   line->config, fleet.n, fleet.n == 1 ? "" : "s");
	fleet_fini(&fleet);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* A number of one of the fleet's shards. */
static int check_shard(const struct fleet *fleet, const char *said)
{
	const unsigned n = shard_wanted(fleet);

	if (!said || (!value_shard(said) && (unsigned)atoi(said) < n))
		return 0;
	fail(-ENOENT, "--shard: expected a number from 0 to %u, found '%s'",
	     n - 1, said);
	command_failed();
	return -ENOENT;
}

int command_generate(const struct command_line *line)
{
	struct fleet fleet;
	struct clients clients;
	int r = command_load(line, &fleet);

	if (r == 0)
		r = check_shard(&fleet, line->shard);
	if (r == 0) {
		clients_init(&clients, &fleet);
		client_images_inspect(&clients);
	}
	for (unsigned i = 0; r == 0 && i < shard_wanted(&fleet); i++) {
		char *text;

		if (line->shard && (unsigned)atoi(line->shard) != i)
			continue;
		text = targets_conf_text(&clients, &fleet.shards[i], NULL);
		fputs(text, stdout);
		free(text);
	}
	fleet_fini(&fleet);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct command_line line = { .config = DEFAULT_CONFIG };
	const struct command *command;
	char seen[8] = "";
	int r, operands, wanted;

	/* The mount logs what it finds in the store; what a command finds it
	 * says itself. */
	log_init("tgt-glue", LOG_LEVEL_NONE, false);
	opterr = 0;
	r = read_options(argc, argv, &line, seen);
	if (r >= 0)
		return r;
	if (optind == argc)
		return usage("expected a command", NULL);
	command = command_named(argv[optind]);
	if (!command)
		return usage("unknown command", argv[optind]);
	for (const char *c = seen; *c; c++)
		if (!strchr(command->options, *c))
			return usage("not an option of", command->name);
	operands = argc - optind - 1;
	wanted = line.all ? NONE : command->client;
	if (operands < (wanted != NONE))
		return usage("expected a CLIENT after", command->name);
	if (wanted != SEVERAL && operands > (int)wanted)
		return usage("unexpected operand", argv[optind + 1 + wanted]);
	if (wanted != NONE)
		line.client = argv[optind + 1];
	line.clients = argv + optind + 1;
	r = command->run(&line);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("tgt-glue: standard output");
		return EXIT_FAILED;
	}
	return r;
}
