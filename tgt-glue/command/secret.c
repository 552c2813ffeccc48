/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command secret: makes a new CHAP secret for a client.
 *
 * fleet.conf belongs to the administrator, so no command writes to it.  A
 * client with a secret-file gets the secret there.  For other clients the
 * command prints the lines for fleet.conf.
 */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/base/textfile.h"
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

int command_secret(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet;
	char secret[SECRET_MAX + 1], text[SECRET_MAX + 2];
	const struct client *client;

	if (fleet_load(line->config, *line->clients, &fleet) < 0)
		return command_failed_load(&fleet);
	client = command_client(line, &fleet, *line->clients);
	if (!client)
		return CLI_FAILED;
	if (make_secret(secret) < 0)
		return command_failed();
	if (!client->secret_file) {
		printf("[client %s]\nuser = %s\nsecret = %s\n", client->name,
		       client->user ? client->user : client->name, secret);
		return CLI_DONE;
	}
	snprintf(text, sizeof text, "%s\n", secret);
	if (textfile_write(client->secret_file, text, 0600,
			   TEXTFILE_ANY_GROUP) < 0)
		return command_failed();
	print_line(stdout, "%s: written; `tgt-glue apply' activates it",
		   client->secret_file);
	return CLI_DONE;
}
