/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhdfs-img rebase: give a child another parent, or none; its disk stays the
 * same. */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "format/registry.h"
#include "img/command.h"
#include "img/find-parent.h"
#include "img/image-roots.h"
#include "img/rebase-disk.h"
#include "io/rootdir.h"
#include "store/image-names.h"
#include "store/snapshot.h"

/* --search: *ret is the path of the image that has the identity of the image's
 * parent; the caller frees it. */
static int search(const struct image_roots *roots, const char *image,
		  const char *dir, char **ret)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_(io_close_p) struct io *io = NULL;
	struct parent_ref ref = { 0 };
	struct image *img;
	int r = image_roots_path(roots, image, &path);

	if (r == 0)
		r = root_dir_open(&roots->dirs[0], path, false, &io, NULL);
	if (r == 0)
		r = image_open(io, NULL, &img);
	if (r < 0)
		return r;
	steal(io);
	r = image_parent(img, &ref);
	if (r == 0)
		r = find_parent(dir, img->io->name, &ref, ret);
	parent_ref_fini(&ref);
	image_close(img);
	return r;
}

/* room: null if there was enough. */
static int set_origin(const struct image_roots *roots, const char *path,
		      const struct snapshots *all, const char *file)
{
	_cleanup_(io_close_p) struct io *io = NULL;

	for (size_t i = 0; i < all->n_files; i++) {
		if (strcmp(all->files[i].file, file) != 0)
			continue;
		for (size_t k = 0; k < all->n; k++) {
			if (!snapshot_is_parent(&all->at[k], &all->files[i]))
				continue;
			return root_dir_open(&roots->dirs[0], path, false, &io,
					     NULL) < 0
				       ? 0
				       : snapshot_set_origin(io, &all->at[k]);
		}
	}
	return 0;
}

/* So that the image's snapshots, of which it will be no child, stay its
 * snapshots. */
static int keep_origin(const struct image_roots *roots, const char *image)
{
	_cleanup_free_ char *path = NULL, *real = NULL;
	struct snapshots all = { 0 };
	int r = image_roots_path(roots, image, &path);

	if (r == 0)
		r = image_roots_real(roots, path, &real);
	if (r < 0)
		return r;
	/* The rebase itself says what is wrong with the image. */
	if (snapshots_list(&roots->dirs[0], path, &all) == 0)
		r = set_origin(roots, path, &all, name_last(real));
	snapshots_fini(&all);
	return r;
}

static int print_json(const char *parent, uint64_t copied,
		      const struct rebase_room *room)
{
	json_t *json = json_pack("{so sI}", "parent",
				 parent ? json_text(parent) : json_null(),
				 "copied", (json_int_t)copied);
	int r;

	if (json && room) {
		json_object_set_new(json, "needed",
				    json_integer((json_int_t)room->needed));
		json_object_set_new(json, "free",
				    json_integer((json_int_t)room->free));
	}
	r = json_print(json);

	json_decref(json);
	return r;
}

static int run(const struct command_line *line, const char *image,
	       uint64_t rate)
{
	struct rebase_room room = { 0 };
	const struct rebase_options options = { .unsafe = line->unsafe,
						.rate = rate,
						.room = &room };
	struct image_roots roots = { 0 };
	_cleanup_free_ char *found = NULL;
	const char *parent = line->parent;
	uint64_t copied = 0;
	int r = image_roots_init(&roots, line);

	if (r == 0 && line->search)
		r = search(&roots, image, line->search, &found);
	if (found)
		parent = found;
	if (r == 0 && !line->unsafe)
		r = keep_origin(&roots, image);
	if (r == 0)
		r = rebase_disk(&roots, image, parent, &options, &copied);
	if (r == 0 && line->json)
		r = print_json(parent, copied, NULL);
	if (r < 0)
		failed();
	if (room.needed && line->json && print_json(parent, copied, &room) < 0)
		failed();
	image_roots_fini(&roots);
	return r < 0 ? CLI_FAILED : CLI_DONE;
}

static int run_rebase(const struct command_line *line)
{
	unsigned n = !!line->parent + !!line->search + line->no_parent;
	uint64_t rate = 0;

	if (n != 1)
		return cli_usage_error(&vhdfs_img, &rebase_command,
				       "expected one of --parent, --search and "
				       "--no-parent, found %s",
				       n ? "several" : "none");
	if (line->no_parent && line->unsafe)
		return cli_usage_error(
			&vhdfs_img, &rebase_command,
			"--unsafe needs --parent or --search: without a parent "
			"the contents are copied");
	if (line->search && !line->unsafe)
		return cli_usage_error(
			&vhdfs_img, &rebase_command,
			"--search needs --unsafe: the parent that has the "
			"identity is taken for equal");
	if (line->rate && size_parse(line->rate, &rate) < 0)
		return cli_usage_error(&vhdfs_img, &rebase_command,
				       "--rate: expected a size such as 50M, "
				       "found '%s'",
				       line->rate);
	return run(line, line->operands[0], rate);
}

static const struct cli_option options[] = {
	CLI_VALUE(parent, "parent", "PARENT", "<file>",
		  "the new parent, which loses its write bits"),
	CLI_FLAG(unsafe, "unsafe",
		 "change the reference only, and do not compare: PARENT was "
		 "moved, renamed, or replaced by its equal"),
	CLI_VALUE(search, "search", "DIR", "<directory>",
		  "with --unsafe: find the parent in DIR by its identity"),
	CLI_FLAG(no_parent, "no-parent",
		 "copy all that IMAGE shows to it: it becomes a dynamic image"),
	CLI_VALUE(rate, "rate", "SIZE", NULL,
		  "copy at most SIZE a second while the image is in use"),
	CLI_FLAG(json, "json", "print a JSON object"),
	CLI_END,
};

const struct cli_command rebase_command = {
	.name = "rebase",
	.summary = "give a child another parent or none; its disk stays the "
		   "same",
	.options = options,
	.operands = { "IMAGE", 1, 1, "<file>" },
	.run = run_rebase,
};
