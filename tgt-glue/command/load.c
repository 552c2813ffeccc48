/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fleet.conf as every command loads it, and the messages of a failure. */
#include "config.h"

#include <stdio.h>

#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/config/resolve.h"

int command_failed(void)
{
	print_line(stderr, "tgt-glue: %s", error_text());
	return CLI_FAILED;
}

int command_failed_load(const struct fleet *fleet)
{
	const struct conf *conf = &fleet->conf;

	if (!conf->n_mistakes)
		return command_failed();
	for (size_t i = 0; i < conf->n_mistakes; i++)
		print_line(stderr, "%s", conf->mistakes[i].text);
	return CLI_FAILED;
}

const struct client *command_client(const struct command_line *line,
				    const struct fleet *fleet)
{
	const struct client *client = fleet_client(fleet, *line->clients);

	if (!client)
		print_line(
			stderr,
			"tgt-glue: %s: client: expected one of fleet.conf, found '%s'; `tgt-glue status' lists them",
			line->config, *line->clients);
	return client;
}

bool command_clients(const struct command_line *line, const char *verb,
		     char *const *names, const struct fleet *fleet,
		     struct arena *arena, struct strings *ret)
{
	bool known = true;

	for (; *names; names++) {
		if (!fleet_client(fleet, *names)) {
			print_line(
				stderr,
				"tgt-glue: %s: expected a client of %s, found '%s'; `tgt-glue status' lists them",
				verb, line->config, *names);
			known = false;
		} else if (!strings_have(ret, *names)) {
			strings_add(arena, ret, *names);
		}
	}
	return known;
}

int command_load(const struct command_line *line, struct fleet *fleet)
{
	int r = fleet_load(line->config, NULL, fleet);

	if (r < 0)
		command_failed_load(fleet);
	return r;
}
