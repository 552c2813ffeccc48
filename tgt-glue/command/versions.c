/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command versions: the versions of a master, as a list or as JSON. */
#include "config.h"

#include "tgt-glue/config/versions.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "tgt-glue/command/behind.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/command/family.h"
#include "tgt-glue/config/families.h"
#include "tgt-glue/config/version-mark.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/ancestors.h"
#include "tgt-glue/reconcile/mount-probe.h"
#include "tgt-glue/reconcile/space.h"

enum { CHANNEL_WIDTH = sizeof "production back" - 1 };

/* Disks that are on a version. */
struct disk_list {
	const struct disk **v;
	size_t n;
};

struct list {
	struct fleet fleet;
	struct arena arena;
	struct clients clients;
	struct versions versions;
	struct disk_list *on; /* of each version */
};

/* The version of the disk, or null. */
static const struct version *version_of(const struct list *list,
					const struct disk *disk)
{
	const struct disk_state *state = clients_disk(&list->clients, disk);
	struct stat st;

	return state->version && fleet_stat(&list->fleet, state->version,
					    &st) == 0
		       ? versions_find_file(&list->versions, &st)
		       : NULL;
}

/* Reads the versions of the family, in the place of those of another. */
static int read_list(struct list *list, const char *family)
{
	int r = versions_read(&list->arena, &list->fleet.rootdir, family,
			      &list->versions);

	list->on = arena_alloc(&list->arena,
			       (list->versions.n + 1) * sizeof *list->on);
	for (size_t i = 0; r == 0 && i < list->fleet.n_disks; i++) {
		const struct disk *disk = &list->fleet.disks[i];
		const struct version *version;
		struct disk_list *on;

		if (!text_equal(disk->family, family))
			continue;
		client_image_inspect(&list->clients, disk);
		version = version_of(list, disk);
		if (!version)
			continue;
		on = &list->on[version - list->versions.v];
		on->v = arena_grow(&list->arena, on->v, on->n, sizeof *on->v);
		on->v[on->n++] = disk;
	}
	return r;
}

/* The clients that have the disk of that name (null: the system disk) on it. */
static struct strings clients_with(struct list *list,
				   const struct disk_list *on, const char *name)
{
	struct strings names = { 0 };

	for (size_t i = 0; i < on->n; i++)
		if (text_equal(on->v[i]->name, name))
			strings_add(&list->arena, &names,
				    on->v[i]->client->name);
	return names;
}

/* The clients that have any disk on it. */
static struct strings clients_on(struct list *list, const struct disk_list *on)
{
	struct strings names = { 0 };

	/* The disks of a client are next to each other. */
	for (size_t i = 0; i < on->n; i++)
		if (!i || on->v[i]->client != on->v[i - 1]->client)
			strings_add(&list->arena, &names,
				    on->v[i]->client->name);
	return names;
}

/* Names of the channels that lead to the version. */
static struct strings channels_of(struct list *list,
				  const struct version *version)
{
	struct strings names = { 0 };

	for (enum channel c = 0; c < CHANNELS; c++)
		if (list->versions.channels[c] == version)
			strings_add(&list->arena, &names, channel_names[c]);
	return names;
}

static const char *join(struct arena *arena, const struct strings *list)
{
	const char *text = "";

	for (size_t i = 0; i < list->n; i++)
		text = arena_printf(arena, "%s%s%s", text, i ? " " : "",
				    list->v[i]);
	return text;
}

/* The clients whose disk of that name is on it. */
static void print_clients(struct list *list, const struct disk_list *on,
			  const char *name)
{
	struct strings clients = clients_with(list, on, name);

	if (clients.n)
		print_line(stdout, "           on it%s%s: %s",
			   name ? " with disk " : "", name ? name : "",
			   join(&list->arena, &clients));
}

static void print_version(struct list *list, const struct version *version)
{
	struct strings channels = channels_of(list, version);
	const struct disk_list *on = &list->on[version - list->versions.v];
	struct strings clients = clients_on(list, on);
	struct version_mark mark;

	version_mark_read(&list->arena, &list->fleet.rootdir, version->path,
			  &mark);
	print_line(stdout, "%9u  %-20s  %8s  %7zu  %-*s%s%s", version->number,
		   mark.date, size_text((uint64_t)version->st.st_blocks * 512),
		   clients.n, *mark.note ? CHANNEL_WIDTH : 0,
		   join(&list->arena, &channels), *mark.note ? "  " : "",
		   mark.note);
	print_clients(list, on, NULL);
	for (size_t i = 0; i < list->fleet.n_sections; i++)
		print_clients(list, on, list->fleet.sections[i].name);
}

static void print_text(struct list *list)
{
	const char *family = list->versions.family;

	if (!list->versions.n) {
		print_line(
			stdout,
			"%s has no versions; `tgt-glue publish CLIENT %s' makes them",
			family, family);
		return;
	}
	print_line(stdout, "%9s  %-20s  %8s  %7s  %-*s  %s", "VERSION", "DATE",
		   "OWN SIZE", "CLIENTS", CHANNEL_WIDTH, "CHANNEL", "NOTE");
	for (size_t i = 0; i < list->versions.n; i++)
		print_version(list, &list->versions.v[i]);
	behind_print(&list->clients, family);
}

static json_t *strings_json(const struct strings *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(array, json_text(list->v[i]));
	return array;
}

static json_t *disks_json(const struct disk_list *on)
{
	json_t *array = json_array();

	for (size_t i = 0; i < on->n; i++)
		json_array_append_new(array, json_pack("{s:s, s:s?}", "client",
						       on->v[i]->client->name,
						       "disk", on->v[i]->name));
	return array;
}

static json_t *version_json(struct list *list, const struct version *version)
{
	const struct disk_list *on = &list->on[version - list->versions.v];
	struct strings channels = channels_of(list, version);
	struct strings clients = clients_on(list, on);
	struct version_mark mark;
	const char *parent;

	version_mark_read(&list->arena, &list->fleet.rootdir, version->path,
			  &mark);
	if (image_parent_of(&list->fleet, &list->arena, version->path,
			    &parent) < 0)
		parent = NULL;
	return json_pack(
		"{s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:I, s:o, s:o, s:o}",
		"number", (json_int_t)version->number, "file",
		json_text(version->path), "parent",
		parent ? json_text(parent) : json_null(), "date", mark.date,
		"note", json_text(mark.note), "client", json_text(mark.client),
		"disk", *mark.disk ? json_text(mark.disk) : json_null(),
		"allocated", (json_int_t)version->st.st_blocks * 512,
		"channels", strings_json(&channels), "clients",
		strings_json(&clients), "disks", disks_json(on));
}

static json_t *list_json(struct list *list)
{
	json_t *all = json_array();

	for (size_t i = 0; i < list->versions.n; i++)
		json_array_append_new(all,
				      version_json(list, &list->versions.v[i]));
	return all;
}

static int print_and_free(json_t *all)
{
	int r = json_print(all);

	json_decref(all);
	return r;
}

static int run_one(const struct command_line *line, struct list *list)
{
	const char *family;
	int r = command_family(&list->fleet, &list->arena, line->clients[0],
			       NULL, &family);

	if (r == 0)
		r = read_list(list, family);
	if (r == 0 && line->json)
		r = print_and_free(list_json(list));
	else if (r == 0)
		print_text(list);
	return r;
}

/* A master, as an object of the list of all. */
static json_t *master_json(struct list *list, bool named)
{
	return json_pack("{s:o, s:b, s:I, s:o}", "master",
			 json_text(list->versions.family), "named", named,
			 "allocated",
			 (json_int_t)versions_allocated(&list->versions),
			 "versions", list_json(list));
}

static void print_master(struct list *list, bool named)
{
	print_line(stdout, "%s%s", list->versions.family,
		   named ? "" : " (no disk of fleet.conf has it)");
	/* Nothing is to be published as an image that may be no master. */
	if (named || list->versions.n)
		print_text(list);
}

/* Prints these masters, or adds them to all. */
static int run_families(struct list *list, const struct strings *families,
			bool named, json_t *all)
{
	for (size_t i = 0; i < families->n; i++) {
		int r = read_list(list, families->v[i]);

		if (r < 0)
			return r;
		if (all) {
			json_array_append_new(all, master_json(list, named));
			continue;
		}
		if (i || !named)
			putchar('\n');
		print_master(list, named);
	}
	return 0;
}

/* Prints all masters of the fleet, and then the others in the store. */
static int run_all(const struct command_line *line, struct list *list)
{
	const struct strings named = families_named(&list->arena, &list->fleet);
	const struct strings others =
		families_unnamed(&list->arena, &list->fleet);
	json_t *all = line->json ? json_array() : NULL;
	int r = run_families(list, &named, true, all);

	if (r == 0)
		r = run_families(list, &others, false, all);
	if (r == 0 && all)
		return print_and_free(all);
	json_decref(all);
	return r;
}

static int run(const struct command_line *line, struct list *list)
{
	/* The images themselves tell their parents, too. */
	mount_probe_set_silent(&list->fleet);
	clients_init(&list->clients, &list->fleet, &list->arena);
	return line->clients[0] ? run_one(line, list) : run_all(line, list);
}

int command_versions(const struct command_line *line)
{
	struct list list = { .fleet = NO_FLEET };
	int code = CLI_FAILED;

	if (command_load(line, &list.fleet) == 0)
		code = run(line, &list) < 0 ? command_failed() : CLI_DONE;
	clients_fini(&list.clients);
	arena_fini(&list.arena);
	fleet_fini(&list.fleet);
	return code;
}
