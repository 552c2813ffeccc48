/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command disks: the states of a client's disks that can be had. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/reconcile/mount-probe.h"
#include "tgt-glue/reconcile/saved-states.h"
#include "tgt-glue/reconcile/space.h"

/* The states of one disk. */
struct disk_states {
	const struct disk *disk;
	struct saved_states states;
};

struct list {
	struct arena arena;
	struct disk_states *v; /* the system disk first */
	size_t n;
};

static json_t *related(const struct saved_state *state)
{
	return state->snapshot || state->other_format
		       ? json_boolean(!state->unrelated)
		       : json_null();
}

static json_t *describe(const struct disk *disk,
			const struct saved_state *state)
{
	static const char *const kinds[] = {
		[STATE_NOW] = "now",
		[STATE_SNAPSHOT] = "snapshot",
		[STATE_KEPT] = "kept",
		[STATE_OLD] = "put-aside",
	};

	return json_pack(
		"{s:o?, s:o, s:s, s:o, s:o, s:I, s:o?, s:o?, s:o, s:o?}",
		"disk", json_text(disk->name), "which", json_text(state->which),
		"kind", kinds[state->kind], "file", json_text(state->file),
		"date", state->date ? json_text(state->date) : json_null(),
		"size", (json_int_t)state->size, "note", json_text(state->note),
		"master", json_text(state->master), "related", related(state),
		"error", json_text(state->why));
}

/* False: out of memory. */
static bool describe_all(json_t *array, const struct disk_states *of)
{
	bool done = true;

	for (size_t i = 0; done && i < of->states.n; i++)
		done = json_array_append_new(
			       array, describe(of->disk, &of->states.v[i])) ==
		       0;
	return done;
}

static int print_json(const struct list *list)
{
	json_t *array = json_array();
	int r;

	for (size_t i = 0; array && i < list->n; i++)
		if (!describe_all(array, &list->v[i])) {
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

/* Of columns. */
struct widths {
	int which, master;
};

static struct widths widths_of(const struct list *list)
{
	struct widths w = { (int)strlen("WHICH"), (int)strlen("MASTER") };

	for (size_t i = 0; i < list->n; i++)
		for (size_t k = 0; k < list->v[i].states.n; k++) {
			const struct saved_state *s = &list->v[i].states.v[k];

			w.which = max_int(w.which, strlen(s->which));
			w.master = max_int(w.master,
					   s->master ? strlen(s->master) : 0);
		}
	return w;
}

static void print_state(const struct saved_state *s, struct widths w)
{
	print_line(stdout, "%-*s  %-20s  %6s  %-*s%s%s%s%s%s", w.which,
		   s->which, s->date ? s->date : "?", size_text(s->size),
		   w.master, s->master ? s->master : "-", s->note ? "  " : "",
		   s->note ? s->note : "",
		   s->unrelated ? "  (of an earlier disk)" : "",
		   s->why ? "  cannot be restored: " : "",
		   s->why ? s->why : "");
}

static void print_table(const struct list *list)
{
	const struct widths w = widths_of(list);

	print_line(stdout, "%-*s  %-20s  %6s  %-*s  %s", w.which, "WHICH",
		   "DATE", "SIZE", w.master, "MASTER", "NOTE");
	for (size_t i = 0; i < list->n; i++) {
		const struct disk *disk = list->v[i].disk;

		if (disk->name)
			print_line(stdout, "disk %s:", disk->name);
		for (size_t k = 0; k < list->v[i].states.n; k++)
			print_state(&list->v[i].states.v[k], w);
	}
}

/* The client's disks with an image of its own; only: of that name, or null. */
static int read_states(struct list *list, const struct fleet *fleet,
		       const struct client *client, const char *only)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < client->n_disks; i++) {
		const struct disk *disk = &client->disks[i];
		struct disk_states of = { .disk = disk };

		if (!disk->child ||
		    (only && (!disk->name || strcmp(disk->name, only) != 0)))
			continue;
		r = saved_states_read(&list->arena, fleet, disk, &of.states);
		list->v = arena_grow(&list->arena, list->v, list->n,
				     sizeof *list->v);
		list->v[list->n++] = of;
	}
	return r;
}

static int print(const struct command_line *line, const struct fleet *fleet,
		 const struct client *client)
{
	struct list list = { 0 };
	int r = read_states(&list, fleet, client, line->disk);

	if (r == 0 && line->json)
		r = print_json(&list);
	else if (r == 0)
		print_table(&list);
	arena_fini(&list.arena);
	return r < 0 ? command_failed() : CLI_DONE;
}

int command_disks(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const struct client *client;
	struct strings names = { 0 };

	if (line->remove)
		return command_disks_remove(line);
	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	client = command_client(line, &fleet, line->clients[0]);
	if (!client)
		return CLI_FAILED;
	strings_add(&arena, &names, client->name);
	if (!select_have_disk(line, &fleet, "disks", SELECT_WITH_IMAGE, &names))
		return CLI_FAILED;
	/* The images themselves tell their parents, too. */
	mount_probe_set_silent(&fleet);
	return print(line, &fleet, client);
}
