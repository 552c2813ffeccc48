/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tgt-glue: the program, and the table of its commands and options. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/command-line.h"
#include "base/log.h"
#include "tgt-glue/command/boot-script.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/command/offer-states.h"
#include "tgt-glue/command/reader.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/config/resolve.h"

/* CONFDIR is an option of configure. */
#define DEFAULT_CONFIG CONFDIR "/fleet.conf"

static const struct cli_option check_options[] = {
	CLI_VALUE(explain, "explain", "CLIENT", SELECT_KIND,
		  "print each value of these clients, and where it comes from"),
	CLI_FLAG(images, "images", "check all images of the store instead"),
	CLI_VALUE(rate, "rate", "SIZE", NULL,
		  "read at most SIZE a second of the images"),
	CLI_END,
};

static const struct cli_command check_command = {
	.name = "check",
	.summary = "name every mistake in fleet.conf, or every unsound image",
	.notes = SELECT_NOTES,
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
	CLI_FLAG(follow, "follow",
		 "with --json: print the status, then a line for each change"),
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

static const struct cli_option reset_options[] = {
	SELECT_DISK_OPTION("this data disk, which has a master, instead of the "
			   "system disk"),
	SELECT_OPTIONS,
	CLI_END,
};

static const struct cli_command reset_command = {
	.name = "reset",
	.options = reset_options,
	.summary = "give clients fresh disks, and keep the old ones",
	.notes = SELECT_NOTES,
	SELECT_OPERANDS,
	.run = command_reset,
};

static const struct cli_option publish_options[] = {
	CLI_VALUE(disk, "disk", "NAME", "<disk>",
		  "this data disk, instead of the disk whose master MASTER is, "
		  "or else the system disk"),
	CLI_VALUE(note, "note", "TEXT", NULL, "a line that `versions' shows"),
	CLI_FLAG(unclean, "unclean", "even if a file system was not unmounted"),
	CLI_END,
};

static const struct cli_command publish_command = {
	.name = "publish",
	.summary = "make a client's disk the next version of a master",
	.options = publish_options,
	.operands = { "CLIENT MASTER", 2, 2, "<client> <master>" },
	.run = command_publish,
};

static const struct cli_option promote_options[] = {
	CLI_FLAG(back, "back", "the version that was in production before"),
	CLI_END,
};

static const struct cli_command promote_command = {
	.name = "promote",
	.summary = "put a version of a master, or the one under test, in "
		   "production",
	.options = promote_options,
	.operands = { "MASTER [VERSION]", 1, 2, "<master>" },
	.run = command_promote,
};

static const struct cli_option versions_options[] = {
	CLI_FLAG(json, "json", "print JSON, for programs"),
	CLI_END,
};

static const struct cli_command versions_command = {
	.name = "versions",
	.summary = "list the versions of masters, and the clients on them",
	.options = versions_options,
	.operands = { "[MASTER]", 0, 1, "<master>" },
	.run = command_versions,
};

static const struct cli_command retire_command = {
	.name = "retire",
	.summary = "remove a version of a master that nothing needs",
	.operands = { "MASTER VERSION", 2, 2, "<master>" },
	.run = command_retire,
};

static const struct cli_option disks_options[] = {
	SELECT_DISK_OPTION("only this data disk, instead of all disks; with "
			   "--remove, instead of the system disk"),
	CLI_FLAG(json, "json", "print a JSON array"),
	CLI_FLAG(remove, "remove", "remove these earlier states of a disk"),
	CLI_FLAG(copy, "copy",
		 "with --remove: copy what only a snapshot holds to each of "
		 "several children"),
	CLI_END,
};

static const struct cli_command disks_command = {
	.name = "disks",
	.summary = "list the states of a client's disks that can be had",
	.options = disks_options,
	.operands = { "CLIENT", 1, 1, "<client>" },
	.variant_option = "remove",
	.variant = { "CLIENT WHICH...", 2, INT_MAX, OFFER_STATES },
	.run = command_disks,
};

#define STATE_DISK_OPTION \
	SELECT_DISK_OPTION("this data disk, instead of the system disk")

static const struct cli_option snapshot_options[] = {
	STATE_DISK_OPTION,
	CLI_VALUE(note, "note", "TEXT", NULL, "a line that `disks' shows"),
	SELECT_OPTIONS,
	CLI_END,
};

static const struct cli_command snapshot_command = {
	.name = "snapshot",
	.summary = "keep the present state of clients' disks under a name",
	.notes = SELECT_NOTES,
	.options = snapshot_options,
	SELECT_OPERANDS_AFTER_NAME,
	.run = command_snapshot,
};

static const struct cli_option revert_options[] = { STATE_DISK_OPTION,
						    SELECT_OPTIONS, CLI_END };

static const struct cli_command revert_command = {
	.name = "revert",
	.summary = "take clients' disks back to a snapshot",
	.notes = SELECT_NOTES,
	.options = revert_options,
	.operands = { "NAME CLIENT...", 2, INT_MAX, OFFER_SNAPSHOTS },
	.variant_option = "all",
	.variant = { "NAME", 1, 1, OFFER_SNAPSHOTS },
	.run = command_revert,
};

static const struct cli_option restore_options[] = {
	STATE_DISK_OPTION,
	CLI_VALUE(from, "from", "DIR", "<directory>",
		  "bring back the disks of a backup, and what they need; all "
		  "that DIR has if no client is given"),
	CLI_END,
};

static const struct cli_command restore_command = {
	.name = "restore",
	.summary = "bring back an earlier state of a client's disk",
	.options = restore_options,
	.operands = { "CLIENT WHICH", 2, 2, OFFER_STATES },
	.variant_option = "from",
	.variant = { "[CLIENT...]", 0, INT_MAX, "<client>" },
	.run = command_restore,
};

static const struct cli_option keep_options[] = {
	SELECT_DISK_OPTION("this data disk, which has a master, instead of the "
			   "system disk"),
	CLI_VALUE(note, "note", "TEXT", NULL, "a line that `disks' shows"),
	CLI_FLAG(forget, "forget", "let resets go back to the master again"),
	SELECT_OPTIONS,
	CLI_END,
};

static const struct cli_command keep_command = {
	.name = "keep",
	.summary = "let resets go back to the present state of clients' disks",
	.notes = SELECT_NOTES,
	.options = keep_options,
	SELECT_OPERANDS,
	.run = command_keep,
};

static const struct cli_option end_session_options[] = { SELECT_OPTIONS,
							 CLI_END };

static const struct cli_command end_session_command = {
	.name = "end-session",
	.summary = "end the sessions of clients; they may log in again",
	.notes = SELECT_NOTES,
	.options = end_session_options,
	SELECT_OPERANDS,
	.run = command_end_session,
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

static const struct cli_option secret_options[] = {
	SELECT_OPTIONS,
	CLI_FLAG(missing, "missing",
		 "only for clients whose secret-file does not exist"),
	CLI_END,
};

static const struct cli_command secret_command = {
	.name = "secret",
	.summary = "make new CHAP secrets for clients",
	.notes = SELECT_NOTES,
	.options = secret_options,
	SELECT_OPERANDS,
	.run = command_secret,
};

static const struct cli_option ipxe_options[] = {
	CLI_FLAG(all, "all",
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
	.variant = { "DIR", 1, 1, "<directory>" },
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

static const struct cli_option log_options[] = {
	CLI_VALUE(
		since, "since", "TIME", NULL,
		"only what happened since: 2026-01-31, '2026-01-31 12:00', 2h "
		"or 3d"),
	CLI_FLAG(json, "json", "print one JSON object a line, for programs"),
	CLI_END,
};

static const struct cli_command log_command = {
	.name = "log",
	.summary = "print the events of the fleet: logins, resets, low space",
	.options = log_options,
	.operands = { "CLIENT...", 0, INT_MAX, SELECT_KIND },
	.notes = SELECT_NOTES,
	.run = command_log,
};

static const struct cli_command answer_command = {
	.name = "answer",
	.summary = "answer one request of a user without privileges, for "
		   "tgt-glue-status@.service",
	.run = command_answer,
};

static const struct cli_command *const commands[] = {
	&check_command,       &generate_command,
	&plan_command,        &apply_command,
	&status_command,      &watch_command,
	&reset_command,       &disks_command,
	&snapshot_command,    &revert_command,
	&restore_command,     &keep_command,
	&end_session_command, &rename_command,
	&orphans_command,     &publish_command,
	&promote_command,     &versions_command,
	&retire_command,      &backup_command,
	&secret_command,      &ipxe_command,
	&dnsmasq_command,     &log_command,
	&answer_command,      NULL,
};

static const struct cli_option common_options[] = {
	CLI_VALUE(config, "config", "FILE", "<file>",
		  "instead of " DEFAULT_CONFIG),
	CLI_END,
};

static bool client_exists(const struct command_line *line, const char *name)
{
	_cleanup_(fleet_fini) struct fleet fleet;

	return fleet_load(line->config, false, &fleet) == 0 &&
	       fleet_client(&fleet, name);
}

/* A master is offered without its ending, as fleet.conf may name it. */
static void offer_masters(struct fleet *fleet, const char *word)
{
	struct arena *arena = &fleet->conf.arena;
	struct strings masters = { 0 };

	for (size_t i = 0; i < fleet->n_disks; i++) {
		const char *family = fleet->disks[i].family;

		if (family)
			strings_add_once(
				arena, &masters,
				arena_printf(
					arena, "%.*s",
					(int)(strrchr(family, '.') - family),
					family));
	}
	for (size_t i = 0; i < masters.n; i++)
		cli_offer(word, masters.v[i]);
}

/* Offers candidates of the kinds "<client>", "<disk>", "<master>", SELECT_KIND,
 * OFFER_STATES and OFFER_SNAPSHOTS. */
static void offer_names(const struct command_line *line, const char *kind,
			char *const *operands, int n, const char *word)
{
	_cleanup_(fleet_fini) struct fleet fleet;

	/* A mistake elsewhere in fleet.conf does not matter. */
	(void)fleet_load(line->config, false, &fleet);
	if (n > 0 && !strcmp(kind, OFFER_STATES))
		offer_states(&fleet, operands[0], line->disk, word);
	else if (n == 0 && !strcmp(kind, OFFER_SNAPSHOTS))
		offer_snapshots(&fleet, line->disk, word);
	else if (!strcmp(kind, SELECT_KIND) || !strcmp(kind, OFFER_SNAPSHOTS))
		select_offer(&fleet, word);
	else if (!strcmp(kind, "<master>"))
		offer_masters(&fleet, word);
	else if (!strcmp(kind, "<disk>"))
		for (size_t i = 0; i < fleet.n_sections; i++)
			cli_offer(word, fleet.sections[i].name);
	else
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
	.complete = offer_names,
};

/* Another user than root reads through a socket, unless it names a fleet.conf
 * of its own. */
static int run(const struct cli_command *command,
	       const struct command_line *line)
{
	const bool default_config = !strcmp(line->config, DEFAULT_CONFIG);
	int code;

	if (default_config && reader_ask(line, command->run, &code))
		return code;
	code = command->run(line);
	if (default_config && code == CLI_FAILED)
		reader_print_hint(command->run);
	return code;
}

int main(int argc, char **argv)
{
	struct command_line line = { .config = DEFAULT_CONFIG };
	struct cli_call call;
	int status;

	/* The library logs for mounts; commands print their own messages. */
	log_init("tgt-glue", LOG_LEVEL_NONE, false);
	call = cli_parse(&tgt_glue, argc, argv, &line);
	line.clients = call.operands;
	status = call.command ? run(call.command, &line) : call.status;
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("tgt-glue: standard output");
		return CLI_FAILED;
	}
	return status;
}
