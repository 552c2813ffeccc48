/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhdfs-img snapshots: the tree of an image's snapshots. */
#include "config.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <uniwidth.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "img/snapshot-path.h"
#include "store/snapshot.h"

enum { NAME_COLUMNS = 24 };

static json_t *describe(const struct snapshot *snapshot, bool related)
{
	char id[GUID_TEXT_SIZE];

	return json_pack(
		"{so so ss so sI ss so sI sb sb}", "name",
		json_text(snapshot->name), "file", json_text(snapshot->file),
		"date", snapshot->date, "note",
		snapshot->note ? json_text(snapshot->note) : json_null(),
		"size", (json_int_t)snapshot->allocated, "id",
		guid_format(&snapshot->id, id), "parent",
		snapshot->parent ? json_text(snapshot->parent->name)
				 : json_null(),
		"children", (json_int_t)snapshot->children, "current",
		snapshot->current, "related", related);
}

/* False: out of memory. */
static bool describe_all(json_t *array, const struct snapshot *v, size_t n,
			 bool related)
{
	bool done = array;

	for (size_t i = 0; done && i < n; i++)
		done = json_array_append_new(array, describe(&v[i], related)) ==
		       0;
	return done;
}

static int print_json(const struct snapshots *all, bool unrelated)
{
	json_t *array = json_array();
	int r;

	if (!describe_all(array, all->at, all->n, true) ||
	    !describe_all(array, all->unrelated,
			  unrelated ? all->n_unrelated : 0, false)) {
		json_decref(array);
		array = NULL;
	}
	r = json_print(array);
	json_decref(array);
	return r;
}

/* Columns of a terminal that the text takes. */
static int columns(const char *text)
{
	char escaped[4 * NAME_MAX + 1];

	printable(text, escaped, sizeof escaped);
	return u8_strwidth((const uint8_t *)escaped, "UTF-8");
}

static void print_row(const struct snapshot *snapshot, unsigned indent,
		      bool related)
{
	int used = (int)(2 * indent) + columns(snapshot->name);

	print_line(stdout, "%*s%s%*s %20s %9" PRIu64 " %8u  %s%s%s",
		   (int)(2 * indent), "", snapshot->name,
		   used < NAME_COLUMNS ? NAME_COLUMNS - used : 0, "",
		   snapshot->date, div_up(snapshot->allocated, 1024),
		   snapshot->children,
		   snapshot->current ? "*"
		   : related         ? " "
				     : "-",
		   snapshot->note ? " " : "",
		   snapshot->note ? snapshot->note : "");
}

/* Snapshots of one kind. */
struct list {
	const struct snapshot *v;
	size_t n;
	bool related;
};

/* The snapshots whose parent it is, and theirs below each. */
static void print_below(const struct list *list, const struct snapshot *parent,
			unsigned indent)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].parent == parent && indent <= list->n) {
			print_row(&list->v[i], indent, list->related);
			print_below(list, &list->v[i], indent + 1);
		}
}

static void print_table(const struct snapshots *all, bool unrelated)
{
	const struct list related = { all->at, all->n, true };
	const struct list others = { all->unrelated,
				     unrelated ? all->n_unrelated : 0, false };

	if (!related.n && !others.n)
		return;
	printf("%-*s %20s %9s %8s  %s\n", NAME_COLUMNS, "NAME", "DATE", "KIB",
	       "CHILDREN", "  NOTE");
	print_below(&related, NULL, 0);
	print_below(&others, NULL, 0);
}

static int run_snapshots(const struct command_line *line)
{
	struct image_roots roots = { 0 };
	struct snapshots all = { 0 };
	_cleanup_free_ char *path = NULL, *real = NULL, *misnamed = NULL;
	int r = image_roots_init(&roots, line);

	if (r == 0)
		r = image_roots_path(&roots, line->operands[0], &path);
	if (r == 0)
		r = image_roots_real(&roots, path, &real);
	if (r == 0)
		r = snapshots_list(&roots.dirs[0], real, &all);
	if (r == 0 && line->json)
		r = print_json(&all, line->unrelated);
	else if (r == 0)
		print_table(&all, line->unrelated);
	if (r < 0)
		failed();
	else if ((misnamed = snapshot_misnamed_text(real, &all)))
		print_line(stderr, "vhdfs-img: %s", misnamed);
	snapshots_fini(&all);
	image_roots_fini(&roots);
	return r < 0 ? CLI_FAILED : CLI_DONE;
}

static const struct cli_option options[] = {
	CLI_FLAG(unrelated, "unrelated",
		 "also those of an earlier image of this name"),
	CLI_FLAG(json, "json", "print a JSON array"),
	CLI_END,
};

const struct cli_command snapshots_command = {
	.name = "snapshots",
	.summary = "show the tree of an image's snapshots",
	.notes = "A star marks the snapshots from which IMAGE descends, a "
		 "minus those with which\nit has no common ancestor.",
	.options = options,
	.operands = { "IMAGE", 1, 1, "<file>" },
	.run = run_snapshots,
};
