/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scripts in a directory that a TFTP or HTTP server serves.  Such a server is
 * another user than root, so who it is must read them: all are for everybody to
 * read, but for those with a secret in them, which are for the directory's
 * group.  On the network the server gives them to every client that asks.
 */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/command/boot-script.h"
#include "tgt-glue/base/textfile.h"

/* One run over a directory. */
struct writing {
	struct fleet *fleet;
	const char *directory;
	gid_t group;           /* the directory's */
	struct strings wanted; /* the files that are to be there */
	size_t secret;         /* how many of them hold secrets */
	bool left;             /* something that is not ours was in the way */
};

/* 1: it is ours or not there; 0: somebody else's. */
static int is_ours(const char *path)
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

static int write_one(struct writing *w, const char *name, const char *text,
		     bool secret, const char *whose)
{
	const char *path = arena_printf(&w->fleet->conf.arena, "%s/%s",
					w->directory, name);
	int r = is_ours(path);

	if (r < 0)
		return r;
	strings_add(&w->fleet->conf.arena, &w->wanted, name);
	if (r == 0) {
		w->left = true;
		print_line(
			stderr,
			"tgt-glue: %s: left as it is: expected a script of tgt-glue's, found another; remove it with rm, then type `tgt-glue ipxe --all %s\'",
			path, shell_word(w->directory));
		return 0;
	}
	w->secret += secret;
	r = textfile_write(path, text, secret ? 0640 : 0644,
			   secret ? w->group : TEXTFILE_ANY_GROUP);
	if (r > 0)
		print_line(stdout, "%s: written%s%s", path,
			   *whose ? ", for " : "", whose);
	return r < 0 ? r : 0;
}

/* "52-54-00-12-34-56.ipxe"? */
static bool is_machine_file(const char *name)
{
	for (int i = 0; i < 17; i++)
		if (i % 3 == 2 ? name[i] != '-'
			       : !isxdigit((unsigned char)name[i]))
			return false;
	return !strcmp(name + 17, BOOT_ENDING);
}

/* Removes what we wrote for machines that are gone. */
static int remove_stale(struct writing *w)
{
	_cleanup_closedir_ DIR *dir = opendir(w->directory);
	struct arena *arena = &w->fleet->conf.arena;

	if (!dir)
		return fail_errno(-errno, "%s", w->directory);
	for (struct dirent *entry; (entry = readdir(dir));) {
		const char *path = arena_printf(arena, "%s/%s", w->directory,
						entry->d_name);

		if (!is_machine_file(entry->d_name) ||
		    strings_have(&w->wanted, entry->d_name) ||
		    is_ours(path) != 1)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			return fail_errno(-errno, "%s", path);
		print_line(stdout, "%s: removed", path);
	}
	return 0;
}

static int write_client(struct writing *w, const struct client *client)
{
	if (!client->mac) {
		print_line(
			stderr,
			"tgt-glue: %s: no script: fleet.conf names no mac for it",
			client->name);
		return 0;
	}
	return write_one(w, boot_file_name(w->fleet, client),
			 boot_script(w->fleet, client), client->secret != NULL,
			 client->name);
}

int boot_write_all(struct fleet *fleet, const char *directory)
{
	struct writing w = { .fleet = fleet, .directory = directory };
	struct stat st;
	int r = 0;

	if (stat(directory, &st) < 0)
		return fail_errno(-errno, "--all: %s", directory);
	if (!S_ISDIR(st.st_mode))
		return fail(-ENOTDIR,
			    "--all: expected a directory, found a file %s",
			    directory);
	w.group = st.st_gid;
	/* The machines' first: what hands over to them comes after them. */
	for (size_t i = 0; r == 0 && i < fleet->n; i++)
		r = write_client(&w, &fleet->clients[i]);
	if (r == 0)
		r = write_one(&w, BOOT_DISPATCHER, boot_dispatcher(fleet),
			      false, "");
	if (r == 0)
		r = remove_stale(&w);
	if (w.secret)
		print_line(
			stderr,
			"tgt-glue: warning: %s: %zu script%s hold%s a CHAP secret, readable for group %u (the directory's); a TFTP or HTTP server gives them to every machine that asks",
			directory, w.secret, w.secret == 1 ? "" : "s",
			w.secret == 1 ? "s" : "", (unsigned)w.group);
	return r < 0 ? r : w.left;
}
