/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command orphans: images that belong to no client of fleet.conf. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "tgt-glue/reconcile/orphan-images.h"
#include "tgt-glue/reconcile/space.h"

struct work {
	struct fleet fleet;
	struct arena arena;
	struct orphans orphans;
	struct store *images;
};

static void work_fini(struct work *w)
{
	if (w->images)
		store_close(w->images);
	fleet_fini(&w->fleet);
	arena_fini(&w->arena);
}

/* A child of the orphan, in arena; null: none, or unknown. */
static const char *child_of(struct work *w, const struct orphan *orphan)
{
	_cleanup_free_ char *child = NULL;

	if (orphan_child(&w->fleet, &w->images, orphan, &child) < 0 || !child)
		return NULL;
	return arena_strdup(&w->arena, child);
}

static int print_json(struct work *w)
{
	json_t *array = json_array();
	int r;

	for (size_t i = 0; array && i < w->orphans.n; i++) {
		const struct orphan *o = &w->orphans.v[i];
		json_t *one = json_pack("{s:o, s:o, s:I, s:o?}", "file",
					json_text(o->path), "client",
					json_text(o->client), "size",
					(json_int_t)o->size, "child",
					json_text(child_of(w, o)));

		if (json_array_append_new(array, one) < 0) {
			json_decref(array);
			array = NULL;
		}
	}
	r = json_print(array);
	json_decref(array);
	return r;
}

static void print_table(struct work *w)
{
	if (w->orphans.n)
		print_line(stdout, "%6s  %s", "SIZE", "FILE");
	for (size_t i = 0; i < w->orphans.n; i++) {
		const struct orphan *o = &w->orphans.v[i];
		const char *child = child_of(w, o);

		print_line(stdout, "%6s  %s%s%s%s", size_text(o->size), o->path,
			   child ? " (the parent of " : "", child ? child : "",
			   child ? ")" : "");
	}
}

/* Counts the orphans of which path is the printed form; *ret is one of them. */
static size_t find_printed(const struct work *w, const char *path,
			   const struct orphan **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < w->orphans.n; i++) {
		const struct orphan *o = &w->orphans.v[i];
		_cleanup_free_ char *text = printable_copy(o->path);

		if (!text || strcmp(text, path) != 0)
			continue;
		*ret = o;
		n++;
	}
	return n;
}

/* The orphan that the operand names: by its path in the store, or the absolute
 * one; else by its path as it is printed, if it is the only one that is printed
 * so; null, after reporting it: none. */
static const struct orphan *find(const struct work *w, const char *operand)
{
	const size_t n = strlen(w->fleet.store);
	const struct orphan *found = NULL;
	const char *path = operand;
	size_t printed;

	if (!strncmp(path, w->fleet.store, n) && path[n] == '/')
		path += n + 1;
	for (size_t i = 0; i < w->orphans.n; i++)
		if (!strcmp(w->orphans.v[i].path, path))
			return &w->orphans.v[i];
	printed = find_printed(w, path, &found);
	if (printed > 1)
		print_line(
			stderr,
			"tgt-glue: orphans: expected the name of one image, found '%s', as %zu are printed; name each with its own bytes, such as $'\\xff' in bash",
			operand, printed);
	else if (!printed)
		print_line(
			stderr,
			"tgt-glue: orphans: expected an image that belongs to no client, found '%s'; `tgt-glue orphans' lists them",
			operand);
	return printed == 1 ? found : NULL;
}

/* Removes those that it can.  Children are removed before their parents,
 * whatever the order of the operands.  Returns how many are removed. */
static size_t remove_some(struct work *w, const struct orphan **list, size_t n)
{
	size_t removed = 0;

	for (size_t i = 0; i < n; i++) {
		if (!list[i] ||
		    orphan_remove(&w->fleet, &w->images, list[i]) < 0)
			continue;
		print_line(stdout, "%s: removed", list[i]->path);
		list[i] = NULL;
		removed++;
	}
	return removed;
}

static int remove_named(struct work *w, char *const *operands)
{
	const struct orphan **list;
	bool known = true;
	size_t n = 0;

	while (operands[n])
		n++;
	list = arena_alloc(&w->arena, n * sizeof *list);
	for (size_t i = 0; i < n; i++) {
		list[i] = find(w, operands[i]);
		known = known && list[i];
		/* One that is named twice is removed once. */
		for (size_t k = 0; k < i && list[i]; k++)
			if (list[k] == list[i])
				list[i] = NULL;
	}
	if (!known)
		return CLI_FAILED;
	while (remove_some(w, list, n))
		;
	for (size_t i = 0; i < n; i++) {
		if (!list[i] ||
		    orphan_remove(&w->fleet, &w->images, list[i]) == 0)
			continue;
		command_failed();
		known = false;
	}
	return known ? CLI_DONE : CLI_FAILED;
}

int command_orphans(const struct command_line *line)
{
	_cleanup_close_ int lock = -1;
	_cleanup_(work_fini) struct work w = { .fleet = NO_FLEET };

	if (line->remove) {
		lock = command_load_locked(line, &w.fleet);
		if (lock < 0)
			return CLI_FAILED;
	} else if (command_load(line, &w.fleet) < 0) {
		return CLI_FAILED;
	}
	if (orphans_read(&w.arena, &w.fleet, &w.orphans) < 0)
		return command_failed();
	if (line->remove)
		return remove_named(&w, line->clients);
	if (line->json)
		return print_json(&w) < 0 ? command_failed() : CLI_DONE;
	print_table(&w);
	return CLI_DONE;
}
