/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command disks: the states of a client's disk that can be had. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "tgt-glue/reconcile/disk-states.h"
#include "tgt-glue/reconcile/space.h"

static json_t *describe(const struct disk_state *state)
{
	static const char *const kinds[] = {
		[STATE_NOW] = "now",
		[STATE_SNAPSHOT] = "snapshot",
		[STATE_KEPT] = "kept",
		[STATE_OLD] = "put-aside",
	};

	return json_pack("{s:o, s:s, s:o, s:o, s:I, s:o?, s:o?, s:o?}", "which",
			 json_text(state->which), "kind", kinds[state->kind],
			 "file", json_text(state->file), "date",
			 state->date ? json_text(state->date) : json_null(),
			 "size", (json_int_t)state->size, "note",
			 json_text(state->note), "master",
			 json_text(state->master), "error",
			 json_text(state->why));
}

static int print_json(const struct disk_states *states)
{
	json_t *array = json_array();
	int r;

	for (size_t i = 0; array && i < states->n; i++)
		if (json_array_append_new(array, describe(&states->v[i])) < 0) {
			json_decref(array);
			array = NULL;
		}
	r = json_print(array);
	json_decref(array);
	return r;
}

static int max_int(int a, size_t b)
{
	return b > (size_t)a ? (int)b : a;
}

static void print_table(const struct disk_states *states)
{
	int which = (int)strlen("WHICH"), master = (int)strlen("MASTER");

	for (size_t i = 0; i < states->n; i++) {
		const struct disk_state *s = &states->v[i];

		which = max_int(which, strlen(s->which));
		master = max_int(master, s->master ? strlen(s->master) : 0);
	}
	print_line(stdout, "%-*s  %-20s  %6s  %-*s  %s", which, "WHICH", "DATE",
		   "SIZE", master, "MASTER", "NOTE");
	for (size_t i = 0; i < states->n; i++) {
		const struct disk_state *s = &states->v[i];

		print_line(stdout, "%-*s  %-20s  %6s  %-*s%s%s%s%s", which,
			   s->which, s->date ? s->date : "?",
			   size_text(s->size), master,
			   s->master ? s->master : "-", s->note ? "  " : "",
			   s->note ? s->note : "",
			   s->why ? "  cannot be restored: " : "",
			   s->why ? s->why : "");
	}
}

int command_disks(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet;
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const struct client *client;
	struct disk_states states;

	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	client = command_client(line, &fleet);
	if (!client)
		return CLI_FAILED;
	if (disk_states_read(&arena, &fleet, client, &states) < 0 ||
	    (line->json && print_json(&states) < 0))
		return command_failed();
	if (!line->json)
		print_table(&states);
	return CLI_DONE;
}
