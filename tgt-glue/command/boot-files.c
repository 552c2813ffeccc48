/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of `ipxe --all': boot scripts in a directory that a TFTP or HTTP server
 * serves.
 *
 * Such a server does not run as root.  Scripts therefore are world-readable;
 * a script with a CHAP secret is readable for the directory's group only, which
 * should be the server's.  On the network the server gives any script to every
 * machine that asks for it.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/command/boot-script.h"
#include "tgt-glue/base/textfile.h"
#include "tgt-glue/config/values.h"

/* Names of machines' scripts, such as 52-54-00-12-34-56.ipxe. */
#define MACHINE_FILE "([0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}\\" BOOT_ENDING

/* One run of `ipxe --all'. */
struct boot_directory {
	const struct fleet *fleet;
	struct arena arena;
	const char *path;
	gid_t group;           /* the directory's */
	struct strings wanted; /* names of the files that belong here */
	size_t n_secret;       /* how many of them hold secrets */
	bool skipped; /* a file of another program was in the way, and stays */
};

/* 1: written by tgt-glue, empty or missing; 0: another program's; or -errno
 * with a message. */
static int is_own_file(const char *path)
{
	_cleanup_free_ char *text = NULL;
	const char *second;
	int r = textfile_read(path, &text);

	if (r < 0)
		return r;
	second = strchr(text, '\n');
	return !*text ||
	       (second && !strncmp(second + 1, BOOT_MARK, strlen(BOOT_MARK)));
}

static int write_one(struct boot_directory *dir, const char *name,
		     const char *text, bool secret, const char *whose)
{
	const char *path = arena_printf(&dir->arena, "%s/%s", dir->path, name);
	int r = is_own_file(path);

	if (r < 0)
		return r;
	strings_add(&dir->arena, &dir->wanted, name);
	if (r == 0) {
		dir->skipped = true;
		print_line(
			stderr,
			"tgt-glue: %s: skipped: expected a script of tgt-glue, found another file; remove it with rm, then run `tgt-glue ipxe --all %s'",
			path, shell_word(dir->path));
		return 0;
	}
	dir->n_secret += secret;
	r = textfile_write(path, text, secret ? 0640 : 0644,
			   secret ? dir->group : TEXTFILE_ANY_GROUP);
	if (r > 0)
		print_line(stdout, "%s: written%s%s", path,
			   *whose ? ", for " : "", whose);
	return r < 0 ? r : 0;
}

/* Removes the scripts of machines that fleet.conf no longer names. */
static int remove_stale(struct boot_directory *dir)
{
	_cleanup_closedir_ DIR *stream = opendir(dir->path);
	struct arena *arena = &dir->arena;

	if (!stream)
		return fail_errno(-errno, "%s", dir->path);
	for (struct dirent *entry; (entry = readdir(stream));) {
		const char *path =
			arena_printf(arena, "%s/%s", dir->path, entry->d_name);

		if (!value_matches(entry->d_name, MACHINE_FILE) ||
		    strings_have(&dir->wanted, entry->d_name) ||
		    is_own_file(path) != 1)
			continue;
		if (unlinkat(dirfd(stream), entry->d_name, 0) < 0)
			return fail_errno(-errno, "%s", path);
		print_line(stdout, "%s: removed", path);
	}
	return 0;
}

static int write_client(struct boot_directory *dir, const struct client *client)
{
	if (!client->mac) {
		print_line(
			stderr,
			"tgt-glue: %s: no script: fleet.conf names no mac for it",
			client->name);
		return 0;
	}
	return write_one(dir, boot_file_name(&dir->arena, client),
			 boot_script(&dir->arena, dir->fleet, client),
			 client->secret != NULL, client->name);
}

static void boot_directory_fini(struct boot_directory *dir)
{
	arena_fini(&dir->arena);
}

int boot_write_all(const struct fleet *fleet, const char *directory)
{
	_cleanup_(boot_directory_fini) struct boot_directory dir = {
		.fleet = fleet, .path = directory
	};
	struct stat st;
	int r = 0;

	if (stat(directory, &st) < 0)
		return fail_errno(-errno, "--all: %s", directory);
	if (!S_ISDIR(st.st_mode))
		return fail(-ENOTDIR,
			    "--all: expected a directory, found a file %s",
			    directory);
	dir.group = st.st_gid;
	/* The dispatcher comes last: it chains to the machines' scripts. */
	for (size_t i = 0; r == 0 && i < fleet->n; i++)
		r = write_client(&dir, &fleet->clients[i]);
	if (r == 0)
		r = write_one(&dir, BOOT_DISPATCHER, boot_dispatcher(), false,
			      "");
	if (r == 0)
		r = remove_stale(&dir);
	if (dir.n_secret)
		print_line(
			stderr,
			"tgt-glue: warning: %s: %zu script%s hold%s a CHAP secret, readable for group %u (of the directory); a TFTP or HTTP server gives them to every machine that asks",
			directory, dir.n_secret, dir.n_secret == 1 ? "" : "s",
			dir.n_secret == 1 ? "s" : "", (unsigned)dir.group);
	return r < 0 ? r : dir.skipped;
}
