/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhdfs-img delete-snapshot: remove a snapshot; what only it held goes to its
 * children.
 *
 * ORDER
 *   1. see whether there is room for all copies; rebase each child to the
 *      snapshot's parent, which copies what the child shows of the snapshot;
 *      without a parent, each child becomes a dynamic image (rebase-image.h)
 *   2. sync the images that may have been children: an earlier run, or a
 * rebase, may have died with another parent in the page cache only
 *   3. lock the snapshot against all others; check that it has no child
 *   4. remove its file; sync the directory
 *
 * Every image shows what it showed at every moment.  After a crash the snapshot
 * is there, with fewer children, and the command can be run again.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "img/image-store.h"
#include "img/online.h"
#include "img/rebase-disk.h"
#include "img/rename-recover.h"
#include "img/snapshot-path.h"
#include "store/image-names.h"
#include "store/image-rename.h"
#include "store/leaf-replace.h"
#include "store/leaf-steps.h"
#include "store/store.h"

struct deletion {
	const struct image_roots *roots;
	const char *real; /* path of the image */
	struct snapshots all;
	const struct snapshot *snapshot;
	char *path;     /* of the snapshot; owned */
	bool copy;      /* --copy */
	bool unrelated; /* --unrelated */
	struct rebase_options options;
	uint64_t copied; /* bytes, to all children */
};

static int check_children(const struct deletion *d)
{
	char size[64];

	for (size_t i = 0; i < d->all.n_files; i++)
		if (d->all.files[i].broken &&
		    snapshot_is_parent(d->snapshot, &d->all.files[i]))
			return fail(-EBUSY,
				    "%s: is the parent of %s, which is "
				    "damaged; repair that, or move it away",
				    d->path, d->all.files[i].file);
	if (d->snapshot->children <= 1 || d->copy)
		return 0;
	return fail(-EEXIST,
		    "%s: has %u children; removing it copies up to %s to each "
		    "of them; add --copy to do so",
		    d->path, d->snapshot->children,
		    size_format(d->snapshot->allocated, size, sizeof size));
}

/* *ret: the path of the snapshot's parent, or null; the caller frees it. */
static int find_parent_path(const struct deletion *d, char **ret)
{
	struct chain *chain;
	int r = chain_open(d->roots->cache, d->path, CHAIN_NO_LOCK, &chain);

	if (r < 0)
		return r;
	*ret = NULL;
	if (chain_depth(chain)) {
		*ret = image_roots_absolute(d->roots, chain_path(chain, 1));
		r = *ret ? 0 : fail(-ENOMEM, "out of memory");
	}
	chain_close(chain);
	return r;
}

/* *ret: the absolute path of a file beside the image; the caller frees it. */
static int sibling_operand(const struct deletion *d, const char *file,
			   char **ret)
{
	_cleanup_free_ char *path = NULL;
	int r = snapshot_sibling(d->real, file, &path);

	if (r < 0)
		return r;
	*ret = image_roots_absolute(d->roots, path);
	return *ret ? 0 : fail(-ENOMEM, "out of memory");
}

static int refresh_times(const struct deletion *d, const struct guid *id);

/* Makes the child record the time stamp of its parent's file, if it records
 * another one. */
static int refresh_time(const struct deletion *d,
			const struct snapshot_file *child)
{
	_cleanup_free_ char *path = NULL, *parent = NULL, *warning = NULL,
			    *operand = NULL;
	const struct rebase_options unsafe = { .unsafe = true };
	struct chain *chain;
	uint64_t copied;
	int r = snapshot_sibling(d->real, child->file, &path);

	if (r == 0)
		r = chain_open(d->roots->cache, path, CHAIN_NO_LOCK, &chain);
	if (r < 0)
		return r;
	r = chain_warning(chain, 0, &warning);
	if (r == 0 && warning) {
		parent = image_roots_absolute(d->roots, chain_path(chain, 1));
		r = parent ? 0 : fail(-ENOMEM, "out of memory");
	}
	chain_close(chain);
	if (r == 0 && parent)
		r = sibling_operand(d, child->file, &operand);
	if (r < 0 || !parent)
		return r;
	r = rebase_disk(d->roots, operand, parent, &unsafe, &copied);
	return r < 0 ? r : refresh_times(d, &child->id);
}

/*
 * A child VHD records the modification time of its parent's file, and the file
 * with this identity was changed by a rebase.  The change of the child is in
 * turn one for its own children.
 */
static int refresh_times(const struct deletion *d, const struct guid *id)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->all.n_files; i++)
		if (guid_equal(&d->all.files[i].parents[0], id) &&
		    !name_is_new_leaf(d->all.files[i].file))
			r = refresh_time(d, &d->all.files[i]);
	return r;
}

/* So that snapshots of the image keep a common ancestor with it. */
static int set_origin(const struct deletion *d, const char *file)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	_cleanup_free_ char *path = NULL;
	int r = snapshot_sibling(d->real, file, &path);

	if (r == 0)
		r = root_dir_open(&d->roots->dirs[0], path, false, &io, NULL);
	return r < 0 ? r : snapshot_set_origin(io, d->snapshot);
}

/* What copies to all children need. */
static int add_room(const struct deletion *d, const char *parent, bool compare,
		    struct rebase_room *room)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->all.n_files; i++) {
		_cleanup_free_ char *child = NULL;

		if (!snapshot_is_parent(d->snapshot, &d->all.files[i]))
			continue;
		r = sibling_operand(d, d->all.files[i].file, &child);
		if (r == 0)
			r = rebase_room_add(d->roots, child, parent, compare,
					    room);
	}
	return r;
}

/* The rebase of an only child looks for room itself. */
static int check_room(const struct deletion *d, const char *parent)
{
	struct rebase_room room = { 0 };
	int r;

	if (d->snapshot->children <= 1)
		return 0;
	for (int compare = 0; compare < 2; compare++) {
		room = (struct rebase_room){ .free = UINT64_MAX };
		r = add_room(d, parent, compare, &room);
		if (r < 0 || room.needed <= room.free)
			return 0;
	}
	return rebase_room_fail(&room, d->path,
				"room for copies to its children");
}

/* Images whose origin is the snapshot get the one below it, so that those below
 * stay their snapshots. */
static int move_origins(const struct deletion *d)
{
	const struct snapshot *below = d->snapshot->parent;
	int r = 0;

	for (size_t i = 0; below && r == 0 && i < d->all.n_files; i++) {
		const struct snapshot_file *file = &d->all.files[i];
		_cleanup_(io_close_p) struct io *io = NULL;
		_cleanup_free_ char *path = NULL;

		if (!guid_equal(&file->origin, &d->snapshot->id) ||
		    name_is_new_leaf(file->file))
			continue;
		r = snapshot_sibling(d->real, file->file, &path);
		if (r == 0)
			r = root_dir_open(&d->roots->dirs[0], path, false, &io,
					  NULL);
		if (r == 0)
			r = snapshot_set_origin(io, below);
	}
	return r;
}

/* 1; parent null: none. */
static int rebase_children(struct deletion *d, const char *parent)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->all.n_files; i++) {
		_cleanup_free_ char *child = NULL;
		uint64_t copied = 0;

		if (!snapshot_is_parent(d->snapshot, &d->all.files[i]))
			continue;
		r = sibling_operand(d, d->all.files[i].file, &child);
		if (r == 0 && !parent)
			r = set_origin(d, d->all.files[i].file);
		if (r == 0)
			r = rebase_disk(d->roots, child, parent, &d->options,
					&copied);
		d->copied += copied;
		if (r == 0)
			r = refresh_times(d, &d->all.files[i].id);
	}
	return r;
}

/* Does the file name the parent of the snapshot, or say that this was its
 * parent?
 */
static bool may_have_been_child(const struct snapshot *snapshot,
				const struct snapshot_file *file)
{
	const struct guid *ids = snapshot->parents, *id = &file->parents[0];

	return guid_equal(&file->origin, &snapshot->id) ||
	       (!guid_is_null(id) &&
		(guid_equal(id, &ids[0]) || guid_equal(id, &ids[1])));
}

/* 2 */
static int sync_children(const struct deletion *d)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->all.n_files; i++) {
		const struct snapshot_file *file = &d->all.files[i];
		_cleanup_(io_close_p) struct io *io = NULL;
		_cleanup_free_ char *path = NULL;

		if (!may_have_been_child(d->snapshot, file))
			continue;
		r = snapshot_sibling(d->real, file->file, &path);
		if (r == 0)
			r = root_dir_open(&d->roots->dirs[0], path, false, &io,
					  NULL);
		/* A copy may be gone, as it was continued. */
		if (r == -ENOENT && name_is_new_leaf(file->file)) {
			r = 0;
			continue;
		}
		if (r == 0 && fsync(io->fd) < 0)
			r = fail_errno(-errno, "%s: fsync", io->name);
	}
	return r;
}

/* A file whose parent cannot be read may be a child, too. */
static int find_child(const struct deletion *d, struct store *store,
		      const struct io *io)
{
	_cleanup_free_ char *child = NULL, *possible = NULL;
	int r = store_find_child(store, io->dev, io->ino, STORE_CHILDREN,
				 &child);

	if (r == 0 && !child)
		r = store_find_child(store, io->dev, io->ino,
				     STORE_POSSIBLE_CHILDREN, &possible);
	if (r < 0)
		return r;
	if (child)
		return fail(-EBUSY,
			    "%s: is the parent of %s, which is not in the "
			    "directory of the image; rebase that first",
			    d->path, child);
	if (possible)
		return fail(-EBUSY,
			    "%s: may be the parent of %s, whose parent cannot "
			    "be read; repair or remove that first",
			    d->path, possible);
	return 0;
}

/* 3 */
static int check_childless(const struct deletion *d, const struct io *io)
{
	struct store *store;
	int r = image_store_open(d->roots, d->real, &store);

	if (r < 0)
		return r;
	r = find_child(d, store, io);
	store_close(store);
	return r;
}

/* 4, of the file in io, which is locked: its name real, if that is still its
 * name. */
static int remove_file(const struct deletion *d, struct io *io,
		       const char *real)
{
	struct leaf_place place;
	int r = leaf_place_init(&place, &d->roots->dirs[0], real);

	place.io = io;
	if (r == 0)
		r = leaf_place_check(&place);
	if (r == 0 && unlinkat(place.fd, place.name, 0) < 0)
		r = fail_errno(-errno, "%s", d->path);
	if (r == 0)
		r = leaf_sync_dir(&place);
	leaf_place_fini(&place);
	return r;
}

static int check_unreadable(const struct deletion *d)
{
	if (!d->all.unreadable)
		return 0;
	return fail(-EBUSY,
		    "%s: may be the parent of a file that cannot be read; "
		    "repair or move it away: %s",
		    d->path, d->all.unreadable);
}

/* A mount that has the image knows what such a file is. */
static int remove_offline(const struct deletion *d)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	_cleanup_free_ char *real = NULL;
	int r = check_unreadable(d);

	if (r == 0)
		r = root_dir_open_as_owner(&d->roots->dirs[0], d->path, &io,
					   &real);
	if (r == 0)
		r = io_lock(io, IO_LOCK_EXCLUSIVE);
	if (r == 0)
		r = check_childless(d, io);
	return r < 0 ? r : remove_file(d, io, real);
}

/* 3 and 4 are the mount's, if it has the image open. */
static int remove_online(struct online *online, const char *name)
{
	struct view_request *request = calloc(1, sizeof *request);
	int r;

	if (!request)
		return fail(-ENOMEM, "out of memory");
	request->verb = VIEW_REMOVE_SNAPSHOT;
	snprintf(request->name, sizeof request->name, "%s", name);
	r = online_ask(online, request);
	free(request);
	return r;
}

static int remove_snapshot(const struct deletion *d, const char *name)
{
	_cleanup_free_ char *absolute = image_roots_absolute(d->roots, d->real);
	struct online online = { .fd = -1 };
	int r;

	if (!absolute)
		return fail(-ENOMEM, "out of memory");
	r = online_find(absolute, &online);
	if (r > 0)
		r = remove_online(&online, name);
	else if (r == 0)
		r = online_advise(remove_offline(d));
	online_fini(&online);
	return r;
}

/* Removes what a replacement of a snapshot (replace-image.h) left that was
 * killed: a file that no process has locked, and no intent names, with the mark
 * of a new leaf.  True: it is such a file, and is gone. */
static bool remove_rest(const struct deletion *d, const char *file)
{
	_cleanup_free_ char *name = NULL, *image = NULL;
	struct leaf_place place;
	bool gone;

	if (!name_is_new_leaf(file) ||
	    !(name = strndup(file + 1, strlen(file) - strlen("..leaf"))) ||
	    snapshot_sibling(d->real, name, &image) < 0)
		return false;
	gone = leaf_place_init(&place, &d->roots->dirs[0], image) == 0 &&
	       leaf_remove_rest(&place) > 0;
	leaf_place_fini(&place);
	return gone;
}

/* Removes such files: all; or those that are children of the snapshot, and that
 * no replacement by a child of another image continues.  True: there was one.
 */
static bool remove_rests(const struct deletion *d, bool all)
{
	bool removed = false;

	for (size_t i = 0; i < d->all.n_files; i++)
		if (all || snapshot_is_parent(d->snapshot, &d->all.files[i]))
			removed |= remove_rest(d, d->all.files[i].file);
	return removed;
}

/* A process that died may have removed it, without a sync: this answer holds
 * after a power failure, too. */
static int fail_missing(const struct deletion *d, const char *name)
{
	struct leaf_place place;

	if (leaf_place_init(&place, &d->roots->dirs[0], d->real) == 0)
		(void)leaf_sync_dir(&place);
	leaf_place_fini(&place);
	return snapshot_fail_missing(d->real, name, &d->all);
}

/* The images of the directory, and the snapshot. */
static int list(struct deletion *d, const char *name)
{
	const struct root_dir *root = &d->roots->dirs[0];
	int r = snapshots_list(root, d->real, &d->all);

	if (r < 0)
		return r;
	d->snapshot = snapshot_choose(&d->all, name, d->unrelated);
	if (!d->snapshot)
		return fail_missing(d, name);
	if (!remove_rests(d, false))
		return 0;
	snapshots_fini(&d->all);
	r = snapshots_list(root, d->real, &d->all);
	d->snapshot = snapshot_choose(&d->all, name, d->unrelated);
	return r < 0 || d->snapshot ? r : fail_missing(d, name);
}

static int delete (struct deletion *d, const char *name)
{
	const struct root_dir *root = &d->roots->dirs[0];
	_cleanup_free_ char *parent = NULL;
	int r = rename_recover(d->roots, d->real, NULL, NULL, NULL);

	if (r == 0 && leaf_replace_is_pending(root, d->real))
		r = leaf_replace_recover(root, d->real, NULL);
	/* A mount that has it open has recovered it. */
	if (r == 0 || (r == -EBUSY && !image_rename_is_pending(root, d->real)))
		r = list(d, name);
	if (r < 0)
		return r;
	r = snapshot_sibling(d->real, d->snapshot->file, &d->path);
	if (r == 0)
		r = check_children(d);
	if (r == 0 && d->snapshot->children)
		r = find_parent_path(d, &parent);
	if (r == 0 && d->snapshot->children)
		r = check_room(d, parent);
	if (r == 0 && d->snapshot->children)
		r = rebase_children(d, parent);
	if (r == 0)
		r = sync_children(d);
	if (r == 0)
		r = move_origins(d);
	if (r == 0)
		r = remove_snapshot(d, name);
	if (r == 0)
		(void)remove_rests(d, true);
	return r;
}

static int print_json(const struct deletion *d)
{
	json_t *json = json_pack("{sI}", "copied", (json_int_t)d->copied);
	int r = json_print(json);

	json_decref(json);
	return r;
}

static int run_delete_snapshot(const struct command_line *line)
{
	struct image_roots roots = { 0 };
	struct deletion d = { .roots = &roots,
			      .copy = line->copy,
			      .unrelated = line->unrelated,
			      .options.frees_space = true };
	_cleanup_free_ char *path = NULL, *real = NULL;
	int r;

	if (line->rate && size_parse(line->rate, &d.options.rate) < 0)
		return cli_usage_error(&vhdfs_img, &delete_snapshot_command,
				       "--rate: expected a size such as 50M, "
				       "found '%s'",
				       line->rate);
	r = image_roots_init(&roots, line);
	if (r == 0)
		r = image_roots_path(&roots, line->operands[0], &path);
	if (r == 0)
		r = image_roots_real(&roots, path, &real);
	d.real = real;
	if (r == 0)
		r = delete (&d, line->operands[1]);
	if (r == 0 && line->json)
		r = print_json(&d);
	if (r < 0)
		failed();
	snapshots_fini(&d.all);
	free(d.path);
	image_roots_fini(&roots);
	return r < 0 ? CLI_FAILED : CLI_DONE;
}

static const struct cli_option options[] = {
	CLI_FLAG(copy, "copy",
		 "copy what only the snapshot holds to each of several "
		 "children"),
	CLI_VALUE(rate, "rate", "SIZE", NULL,
		  "copy at most SIZE a second while a child is in use"),
	CLI_FLAG(unrelated, "unrelated",
		 "one of an earlier image of this name, too"),
	CLI_FLAG(json, "json", "print a JSON object"),
	CLI_END,
};

const struct cli_command delete_snapshot_command = {
	.name = "delete-snapshot",
	.summary = "remove a snapshot; its children keep their disks",
	.options = options,
	.operands = { "IMAGE NAME", 2, 2, "<file>" },
	.run = run_delete_snapshot,
};
