/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command secret: makes new CHAP secrets for clients.
 *
 * fleet.conf belongs to the administrator, so no command writes to it.  A
 * client with a secret-file gets the secret there.  For other clients the
 * command prints the lines for fleet.conf.
 */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/base/textfile.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/config/resolve.h"
#include "tgt-glue/config/values.h"

/* 16 letters and digits: 95 bits. */
static int make_secret(char secret[SECRET_MAX + 1])
{
	static const char characters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	const unsigned n = sizeof characters - 1;
	unsigned char byte;

	for (int i = 0; i < SECRET_MAX;) {
		if (getrandom(&byte, 1, 0) != 1)
			return fail_errno(-errno, "random numbers");
		/* 4 * 62 = 248: every character has the same chance. */
		if (byte < 4 * n)
			secret[i++] = characters[byte % n];
	}
	secret[SECRET_MAX] = '\0';
	return 0;
}

/* What is known of the secrets that one call of the command makes. */
struct new_secrets {
	struct arena arena;
	struct pairs by_user;   /* a user has one secret */
	struct strings written; /* secret-files, which clients may share */
};

static void fini(struct new_secrets *s)
{
	arena_fini(&s->arena);
}

/* The new secret of the client's user, or null with an error. */
static const char *secret_of(struct new_secrets *s, const struct client *client)
{
	const char *user = client->user ? client->user : client->name;
	char secret[SECRET_MAX + 1];

	if (!pairs_get(&s->by_user, user)) {
		if (make_secret(secret) < 0)
			return NULL;
		pairs_set(&s->arena, &s->by_user, user, secret);
	}
	return pairs_get(&s->by_user, user);
}

/* The directory of a secret-file is made where it is missing: only root has
 * access to it. */
static int make_directory(struct new_secrets *s, const char *file)
{
	const char *dir = dirname(arena_strdup(&s->arena, file));

	return mkdir(dir, 0700) < 0 && errno != EEXIST
		       ? fail_errno(-errno, "%s", dir)
		       : 0;
}

static int renew(struct new_secrets *s, const struct client *client)
{
	const char *file = client->secret_file, *secret;

	if (file && strings_have(&s->written, file))
		return 0;
	secret = secret_of(s, client);
	if (!secret)
		return -EIO;
	if (!file) {
		printf("[client %s]\nuser = %s\nsecret = %s\n", client->name,
		       client->user ? client->user : client->name, secret);
		return 0;
	}
	if (make_directory(s, file) < 0 ||
	    textfile_write(file, arena_printf(&s->arena, "%s\n", secret), 0600,
			   TEXTFILE_ANY_GROUP) < 0)
		return -EIO;
	strings_add_once(&s->arena, &s->written, file);
	print_line(stdout, "%s: written; `tgt-glue apply' activates it", file);
	return 0;
}

/* Has --missing no file to write for a client that has no secret?  Then it says
 * what fleet.conf lacks. */
static void report_no_place(const struct command_line *line,
			    const struct fleet *fleet,
			    const struct strings *names)
{
	const char *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < names->n; i++) {
		const struct client *client = fleet_client(fleet, names->v[i]);

		if (client->secret_file || client->secret || client->open)
			continue;
		first = first ? first : client->name;
		n++;
	}
	if (n)
		print_line(
			stderr,
			"tgt-glue: secret: %zu client%s (%s%s) no secret and no place for one: expected secret-dir or secret-file, found neither; add `secret-dir = secrets' to [defaults] of %s, and type the command again",
			n, n == 1 ? " has" : "s have", first,
			n == 1 ? "" : " and others", line->config);
}

/* Whether --missing leaves the client alone. */
static bool is_left(const struct command_line *line,
		    const struct client *client)
{
	return line->missing &&
	       (!client->secret_file || access(client->secret_file, F_OK) == 0);
}

int command_secret(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet;
	_cleanup_(fini) struct new_secrets s = { 0 };
	struct strings names = { 0 };
	int code;

	if (fleet_load(line->config, true, &fleet) < 0)
		return command_failed_load(&fleet);
	code = select_clients(line, &fleet, "secret", &s.arena, &names);
	/* --missing replaces nothing. */
	if (code == CLI_DONE && !line->missing)
		code = select_confirm(line, "make new secrets for", &names);
	for (size_t i = 0; code == CLI_DONE && i < names.n; i++) {
		const struct client *client = fleet_client(&fleet, names.v[i]);

		if (!is_left(line, client) && renew(&s, client) < 0)
			code = command_failed();
	}
	if (code == CLI_DONE && line->missing)
		report_no_place(line, &fleet, &names);
	return code;
}
