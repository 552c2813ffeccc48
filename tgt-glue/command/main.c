/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tgt-glue: the program, and the table of its commands and options. */
#include "config.h"

#include <limits.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/command-line.h"
#include "base/log.h"
#include "tgt-glue/command/boot-script.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/config/resolve.h"

/* CONFDIR is an option of configure. */
#define DEFAULT_CONFIG CONFDIR "/fleet.conf"

static const struct cli_option check_options[] = {
	CLI_FLAG(images, "images", "check all images of the store instead"),
	CLI_VALUE(rate, "rate", "SIZE", NULL,
		  "read at most SIZE a second of the images"),
	CLI_END,
};

static const struct cli_command check_command = {
	.name = "check",
	.summary = "name every mistake in fleet.conf, or every unsound image",
	.options = check_options,
	.run = command_check,
};

static const struct cli_option generate_options[] = {
	CLI_VALUE(shard, "shard", "NUMBER", NULL,
		  "only the file of this shard"),
	CLI_END,
};

static const struct cli_command generate_command = {
	.name = "generate",
	.summary = "print the targets.conf that tgt-admin reads",
	.options = generate_options,
	.run = command_generate,
};

#define FORCE_OPTION                                    \
	CLI_VALUE(force, "force", "CLIENT", "<client>", \
		  "end this client's session if it is in the way")

static const struct cli_option plan_options[] = { FORCE_OPTION, CLI_END };

static const struct cli_command plan_command = {
	.name = "plan",
	.summary = "print what apply would do",
	.options = plan_options,
	.run = command_plan,
};

static const struct cli_option apply_options[] = {
	CLI_FLAG(wait, "wait",
		 "wait for clients to log out, for tgtd and for the mount"),
	FORCE_OPTION,
	CLI_FLAG(remove, "remove",
		 "remove even more than a fifth of the targets, if these are "
		 "at least five"),
	CLI_END,
};

static const struct cli_command apply_command = {
	.name = "apply",
	.summary =
		"make missing images, write targets-file, bring tgtd up to date",
	.options = apply_options,
	.run = command_apply,
};

static const struct cli_option status_options[] = {
	CLI_FLAG(json, "json", "print JSON, for programs"),
	CLI_FLAG(prometheus, "prometheus",
		 "print metrics for node_exporter's textfile directory"),
	CLI_END,
};

static const struct cli_command status_command = {
	.name = "status",
	.summary = "show each client: its target, its sessions, its disk",
	.options = status_options,
	.run = command_status,
};

static const struct cli_command watch_command = {
	.name = "watch",
	.summary = "apply each change when it happens, until stopped",
	.run = command_watch,
};

static const struct cli_command reset_command = {
	.name = "reset",
	.summary = "give clients fresh disks, and keep the old ones",
	.operands = { "CLIENT...", 1, INT_MAX, "<client>" },
	.run = command_reset,
};

static const struct cli_option disks_options[] = {
	CLI_FLAG(json, "json", "print a JSON array"),
	CLI_END,
};

static const struct cli_command disks_command = {
	.name = "disks",
	.summary = "list the states of a client's disk that can be had",
	.options = disks_options,
	.operands = { "CLIENT", 1, 1, "<client>" },
	.run = command_disks,
};

static const struct cli_option snapshot_options[] = {
	CLI_VALUE(note, "note", "TEXT", NULL, "a line that `disks' shows"),
	CLI_END,
};

static const struct cli_command snapshot_command = {
	.name = "snapshot",
	.summary = "keep the present state of clients' disks under a name",
	.options = snapshot_options,
	.operands = { "NAME CLIENT...", 2, INT_MAX, "<client>" },
	.run = command_snapshot,
};

static const struct cli_command revert_command = {
	.name = "revert",
	.summary = "take clients' disks back to a snapshot",
	.operands = { "NAME CLIENT...", 2, INT_MAX, "<client>" },
	.run = command_revert,
};

static const struct cli_option restore_options[] = {
	CLI_VALUE(from, "from", "DIR", "<directory>",
		  "bring back the disks of a backup, and what they need; all "
		  "that DIR has if no client is given"),
	CLI_END,
};

static const struct cli_command restore_command = {
	.name = "restore",
	.summary = "bring back an earlier state of a client's disk",
	.options = restore_options,
	.operands = { "CLIENT WHICH", 2, 2, "<client>" },
	.variant_option = "from",
	.variant = { "[CLIENT...]", 0, INT_MAX, "<client>" },
	.run = command_restore,
};

static const struct cli_option keep_options[] = {
	CLI_VALUE(note, "note", "TEXT", NULL, "a line that `disks' shows"),
	CLI_FLAG(forget, "forget", "let resets go back to the master again"),
	CLI_END,
};

static const struct cli_command keep_command = {
	.name = "keep",
	.summary = "let resets go back to the present state of clients' disks",
	.options = keep_options,
	.operands = { "CLIENT...", 1, INT_MAX, "<client>" },
	.run = command_keep,
};

static const struct cli_command rename_command = {
	.name = "rename",
	.summary = "give a client's images the name that fleet.conf has now",
	.operands = { "OLD NEW", 2, 2, "<client>" },
	.run = command_rename,
};

static const struct cli_option orphans_options[] = {
	CLI_FLAG(json, "json", "print a JSON array"),
	CLI_FLAG(remove, "remove",
		 "remove these images, unless one is a parent"),
	CLI_END,
};

static const struct cli_command orphans_command = {
	.name = "orphans",
	.summary = "list images that belong to no client, or remove some",
	.options = orphans_options,
	.variant_option = "remove",
	.variant = { "FILE...", 1, INT_MAX, "<file>" },
	.run = command_orphans,
};

static const struct cli_option backup_options[] = {
	CLI_VALUE(keep, "keep", "NUMBER", NULL,
		  "how many earlier backups of each image stay in DIR; 1 if "
		  "not given"),
	CLI_END,
};

static const struct cli_command backup_command = {
	.name = "backup",
	.summary = "copy clients' disks, and what they need, to a directory",
	.options = backup_options,
	.operands = { "DIR [CLIENT...]", 1, INT_MAX, "<directory> <client>" },
	.run = command_backup,
};

static const struct cli_command secret_command = {
	.name = "secret",
	.summary = "make a new CHAP secret for a client",
	.operands = { "CLIENT", 1, 1, "<client>" },
	.run = command_secret,
};

static const struct cli_option ipxe_options[] = {
	CLI_VALUE(all, "all", "DIR", "<directory>",
		  "write the scripts of all clients that have a MAC, and "
		  "boot.ipxe, to DIR"),
	CLI_END,
};

static const struct cli_command ipxe_command = {
	.name = "ipxe",
	.summary = "print a client's boot script, or write all boot scripts",
	.options = ipxe_options,
	.operands = { "CLIENT", 1, 1, "<client>" },
	.variant_option = "all",
	.run = command_ipxe,
};

static const struct cli_option dnsmasq_options[] = {
	CLI_VALUE(tftp_root, "tftp-root", "DIR", "<directory>",
		  "directory of the boot scripts, instead of " BOOT_DIRECTORY),
	CLI_END,
};

static const struct cli_command dnsmasq_command = {
	.name = "dnsmasq",
	.summary = "print the configuration of dnsmasq: DHCP and TFTP",
	.options = dnsmasq_options,
	.run = command_dnsmasq,
};

static const struct cli_command *const commands[] = {
	&check_command,
	&generate_command,
	&plan_command,
	&apply_command,
	&status_command,
	&watch_command,
	&reset_command,
	&disks_command,
	&snapshot_command,
	&revert_command,
	&restore_command,
	&keep_command,
	&rename_command,
	&orphans_command,
	&backup_command,
	&secret_command,
	&ipxe_command,
	&dnsmasq_command,
	NULL,
};

static const struct cli_option common_options[] = {
	CLI_VALUE(config, "config", "FILE", "<file>",
		  "instead of " DEFAULT_CONFIG),
	CLI_END,
};

static bool client_exists(const struct command_line *line, const char *name)
{
	_cleanup_(fleet_fini) struct fleet fleet;

	return fleet_load(line->config, NULL, &fleet) == 0 &&
	       fleet_client(&fleet, name);
}

/* The only kind of candidates is "<client>". */
static void offer_clients(const struct command_line *line, const char *kind,
			  const char *word)
{
	_cleanup_(fleet_fini) struct fleet fleet;

	(void)kind;
	/* A mistake elsewhere in fleet.conf does not matter. */
	(void)fleet_load(line->config, NULL, &fleet);
	for (size_t i = 0; i < fleet.n; i++)
		cli_offer(word, fleet.clients[i].name);
}

static const struct cli_program tgt_glue = {
	.name = "tgt-glue",
	.summary = "export the disks of the clients in fleet.conf with tgt",
	.notes = "`tgt-glue COMMAND --help' shows the options of a command.\n"
		 "Exit status: 0 done, 1 failed, 2 wrong usage, 4 a client or "
		 "a target was skipped and named.\n"
		 "See tgt-glue(8) and fleet.conf(5).",
	.options = common_options,
	.commands = commands,
	.operand_exists = client_exists,
	.complete = offer_clients,
};

int main(int argc, char **argv)
{
	struct command_line line = { .config = DEFAULT_CONFIG };
	struct cli_call call;
	int status;

	/* The library logs for mounts; commands print their own messages. */
	log_init("tgt-glue", LOG_LEVEL_NONE, false);
	call = cli_parse(&tgt_glue, argc, argv, &line);
	line.clients = call.operands;
	status = call.command ? call.command->run(&line) : call.status;
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("tgt-glue: standard output");
		return CLI_FAILED;
	}
	return status;
}
