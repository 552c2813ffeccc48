/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps of the rename of an image with its snapshots; image-rename.c states
 * their order. */
#include "config.h"

#include "store/rename-steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "format/registry.h"
#include "io/io-file.h"
#include "store/image-names.h"
#include "store/protected-parent.h"

static int fail_memory(void)
{
	return fail(-ENOMEM, "out of memory");
}

void renaming_fini(struct renaming *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->items[i].img)
			image_close(r->items[i].img);
		else if (r->items[i].io)
			io_close(r->items[i].io);
		free(r->items[i].from);
		free(r->items[i].to);
	}
	free(r->items);
	snapshots_fini(&r->all);
	rename_record_fini(&r->record);
	leaf_place_fini(&r->place);
}

bool item_is_image(const struct renaming *r, const struct item *item)
{
	return item->file->inode.ino == r->record.inode &&
	       item->file->inode.dev == r->place.st.st_dev;
}

static struct item *item_of_file(const struct renaming *r, struct file_id inode)
{
	for (size_t i = 0; i < r->n; i++)
		if (file_id_equal(r->items[i].file->inode, inode))
			return &r->items[i];
	return NULL;
}

int renaming_make_items(struct renaming *r)
{
	r->items = calloc(r->all.n_files + 1, sizeof *r->items);
	if (!r->items)
		return fail_memory();
	for (size_t i = 0; i < r->all.n_files; i++)
		if (!item_of_file(r, r->all.files[i].inode))
			r->items[r->n++].file = &r->all.files[i];
	return 0;
}

int renaming_get_inode(const struct renaming *r, const char *name,
		       struct file_id *ret)
{
	struct stat st;

	if (fstatat(r->place.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		*ret = file_id_of(&st);
		return 1;
	}
	return errno == ENOENT
		       ? 0
		       : fail_errno(-errno, "%s/%s", r->place.dir, name);
}

/* The item that gets the name `to' instead of `from', and has one of them. */
static int set_names(struct renaming *r, const char *from, const char *to)
{
	struct file_id inode;
	struct item *item;
	int rc = renaming_get_inode(r, from, &inode);

	if (rc == 0)
		rc = renaming_get_inode(r, to, &inode);
	item = rc > 0 ? item_of_file(r, inode) : NULL;
	/* Removed since; or no image any more. */
	if (rc < 0 || !item || item->to)
		return rc < 0 ? rc : 0;
	item->from = strdup(from);
	item->to = strdup(to);
	return item->from && item->to ? 0 : fail_memory();
}

int renaming_set_names(struct renaming *r)
{
	const struct rename_record *record = &r->record;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < record->n_files; i++) {
		const char *file = record->files[i];
		_cleanup_free_ char *other =
			rename_file_name(file, record->from, record->to);

		if (!other)
			return fail_memory();
		rc = r->undoes ? set_names(r, other, file)
			       : set_names(r, file, other);
	}
	return rc;
}

/* Does the file accept the identity of the other one as its parent's? */
static bool names_id(const struct item *child, const struct item *parent)
{
	const struct guid *ids = child->file->parents;
	const struct guid *id = &parent->file->id;

	return child != parent && !guid_is_null(id) &&
	       (guid_equal(&ids[0], id) || guid_equal(&ids[1], id));
}

/*
 * The item's parent.  Files may be copies of each other, with one identity: the
 * one to which the path leads is the parent, which may be elsewhere.  A path
 * that leads nowhere, or to a file of another identity, is of an earlier name.
 */
static struct item *find_parent(const struct renaming *r,
				const struct item *child)
{
	const char *path = child->file->parent;
	struct item *at = NULL;
	struct stat st;

	if (path && fstatat(r->place.fd, path, &st, 0) == 0) {
		at = item_of_file(r, file_id_of(&st));
		if (!at || names_id(child, at))
			return at;
	}
	for (size_t i = 0; i < r->n; i++)
		if (names_id(child, &r->items[i]))
			return &r->items[i];
	return NULL;
}

/* Which images N4 is for. */
static void find_children(struct renaming *r)
{
	bool more = true;

	for (size_t i = 0; i < r->n; i++)
		r->items[i].parent = find_parent(r, &r->items[i]);
	while (more) {
		more = false;
		for (size_t i = 0; i < r->n; i++) {
			struct item *item = &r->items[i];
			const struct item *parent = item->parent;

			if (item->names_anew || !parent)
				continue;
			item->names_anew =
				parent->to || (parent->names_anew &&
					       item->file->parent_mtime);
			more = more || item->names_anew;
		}
	}
}

/* The image always: its lock excludes other renames. */
static bool is_involved(const struct renaming *r, const struct item *item)
{
	return item->to || item->names_anew || item_is_image(r, item);
}

static int fail_changed(const struct renaming *r, const char *file)
{
	return fail(-EBUSY,
		    "%s/%s: was changed by another program just now; run the "
		    "command again",
		    r->place.dir, file);
}

/* real: the path of the item's file, links followed.  A path to its parent
 * begins at that file's directory. */
static int check_directory(const struct renaming *r, const struct item *item,
			   const char *real)
{
	const char *image = r->request->real;
	const size_t len = name_last(image) - image;

	if (len == (size_t)(name_last(real) - real) &&
	    !strncmp(image, real, len))
		return 0;
	return fail(-EBUSY,
		    "%s/%s: is a link to %s, which the rename changes, and "
		    "which is in another directory; move that beside the "
		    "image, or rebase it to another parent",
		    r->place.dir, item->file->file, real);
}

static int open_item(const struct renaming *r, struct item *item)
{
	_cleanup_free_ char *path =
		name_sibling(r->request->real, item->file->file);
	_cleanup_free_ char *real = NULL;
	int rc = path ? root_dir_open_as_owner(r->request->rootdir, path,
					       &item->io, &real)
		      : fail_memory();

	if (rc == 0)
		rc = check_directory(r, item, real);
	if (rc == 0)
		rc = io_lock(item->io, IO_LOCK_EXCLUSIVE);
	if (rc == 0)
		rc = image_open(item->io, NULL, &item->img);
	if (rc == 0 && (item->io->dev != item->file->inode.dev ||
			item->io->ino != item->file->inode.ino))
		rc = fail_changed(r, item->file->file);
	return rc;
}

/* The image first. */
static int open_items(struct renaming *r)
{
	int rc = 0;

	for (int others = 0; others < 2; others++)
		for (size_t i = 0; rc == 0 && i < r->n; i++)
			if (is_involved(r, &r->items[i]) &&
			    item_is_image(r, &r->items[i]) == !others)
				rc = open_item(r, &r->items[i]);
	return rc;
}

static bool same_file(const struct snapshot_file *a,
		      const struct snapshot_file *b)
{
	return guid_equal(&a->id, &b->id) &&
	       guid_equal(&a->parents[0], &b->parents[0]) &&
	       guid_equal(&a->parents[1], &b->parents[1]);
}

/* What the items were made from may have changed before they were locked.
 * Now the renamed images can get no other child. */
static int check_unchanged(const struct renaming *r)
{
	struct snapshots now;
	int rc = snapshots_list(r->request->rootdir, r->request->real, &now);

	for (size_t i = 0; rc == 0 && i < now.n_files; i++) {
		struct item *item = item_of_file(r, now.files[i].inode);
		struct item made = { .file = &now.files[i] };

		for (size_t k = 0; rc == 0 && !item && k < r->n; k++)
			if (r->items[k].to && names_id(&made, &r->items[k]))
				rc = fail_changed(r, now.files[i].file);
		if (item && is_involved(r, item) &&
		    !same_file(item->file, &now.files[i]))
			rc = fail_changed(r, now.files[i].file);
	}
	snapshots_fini(&now);
	return rc;
}

/* A file that cannot be read may be a child, or a snapshot. */
static int check_unreadable(const struct renaming *r)
{
	if (!r->all.unreadable)
		return 0;
	return fail(-EBUSY,
		    "%s: may be the parent of a file that cannot be read; "
		    "repair or move it away: %s",
		    r->place.path, r->all.unreadable);
}

static int call_check(const struct renaming *r)
{
	_cleanup_free_ struct file_id *files = calloc(r->n + 1, sizeof *files);
	size_t n = 0;

	if (!r->request->check)
		return 0;
	if (!files)
		return fail_memory();
	for (size_t i = 0; i < r->n; i++)
		if (r->items[i].to)
			files[n++] = r->items[i].file->inode;
	return r->request->check(r->request->ctx, files, n);
}

int renaming_lock_all(struct renaming *r)
{
	int rc = check_unreadable(r);

	if (rc < 0)
		return rc;
	find_children(r);
	rc = open_items(r);
	if (rc == 0)
		rc = check_unchanged(r);
	return rc < 0 ? rc : call_check(r);
}

/* N3, N6: the item has its new name, too. */
static int link_item(const struct renaming *r, const struct item *item)
{
	struct file_id inode;
	int code, rc = renaming_get_inode(r, item->to, &inode);

	if (rc < 0 || (rc > 0 && file_id_equal(inode, item->file->inode)))
		return rc < 0 ? rc : 0;
	if (linkat(r->place.fd, item->from, r->place.fd, item->to, 0) == 0)
		return 0;
	code = -errno;
	if (code == -EPERM || code == -EOPNOTSUPP)
		return fail(code,
			    "%s/%s: the file system refuses a hard link to %s, "
			    "which this needs",
			    r->place.dir, item->to, item->from);
	return fail_errno(code, "%s/%s: link", r->place.dir, item->to);
}

int renaming_link(const struct renaming *r, bool image)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->n; i++)
		if (r->items[i].to && item_is_image(r, &r->items[i]) == image)
			rc = link_item(r, &r->items[i]);
	return rc < 0 ? rc : leaf_sync_dir(&r->place);
}

/* What was done before may be in the page cache only, of a process that died.
 */
static int sync_item(const struct item *item)
{
	return fsync(item->io->fd) < 0
		       ? fail_errno(-errno, "%s: fsync", item->io->name)
		       : 0;
}

static int set_parent(const struct renaming *r, struct item *child)
{
	const struct item *item = child->parent;
	_cleanup_free_ char *path = NULL, *relative = NULL;
	struct protected_parent parent = { .img = item->img };
	struct image_params params = { .type = IMAGE_DIFFERENCING };
	int rc;

	if (asprintf(&path, "%s/%s", r->place.dir,
		     item->to ? item->to : item->file->file) < 0) {
		path = NULL;
		return fail_memory();
	}
	parent.path = path;
	rc = protected_parent_describe(&parent, r->place.dir, &params,
				       &relative);
	if (rc < 0)
		return rc;
	return protected_parent_is_named(child->img, &params)
		       ? sync_item(child)
		       : image_set_parent(child->img, &params);
}

/* N4 for the item, and first for its parent. */
static int name_anew(const struct renaming *r, struct item *item)
{
	int rc = 0;

	if (!item->names_anew || item->done)
		return 0;
	item->done = true;
	if (item->parent)
		rc = name_anew(r, item->parent);
	return rc < 0 ? rc : set_parent(r, item);
}

/* N5 */
static int mark_item(const struct renaming *r, const struct item *item)
{
	const char *to = renaming_to(r);
	_cleanup_free_ char *name = snapshot_name_within(to, item->to);
	int rc = 0, fd = item->io->fd;

	if (!name)
		return 0;
	if (!snapshot_is_marked(fd, to))
		rc = snapshot_mark_rename(fd, item->io->name, to);
	return rc < 0 ? rc : sync_item(item);
}

int renaming_apply(struct renaming *r)
{
	int rc = renaming_link(r, false);

	for (size_t i = 0; rc == 0 && i < r->n; i++)
		rc = name_anew(r, &r->items[i]);
	for (size_t i = 0; rc == 0 && i < r->n; i++)
		if (r->items[i].to)
			rc = mark_item(r, &r->items[i]);
	return rc;
}

/* The image's name at the end. */
static const char *own_name(const struct renaming *r)
{
	bool by_hand = true;

	for (size_t i = 0; i < r->record.n_files; i++)
		by_hand = by_hand && strcmp(r->record.files[i], r->record.from);
	return by_hand ? r->record.to : renaming_to(r);
}

static int remove_item(const struct renaming *r, const struct item *item)
{
	struct file_id inode;
	int rc = renaming_get_inode(r, item->from, &inode);

	if (rc <= 0 || !file_id_equal(inode, item->file->inode))
		return rc < 0 ? rc : 0;
	return unlinkat(r->place.fd, item->from, 0) < 0
		       ? fail_errno(-errno, "%s/%s", r->place.dir, item->from)
		       : 0;
}

int renaming_remove_old(const struct renaming *r)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->n; i++)
		if (r->items[i].to)
			rc = remove_item(r, &r->items[i]);
	if (rc == 0)
		rc = leaf_sync_dir(&r->place);
	return rc < 0 ? rc
		      : rename_record_remove(&r->place, &r->record,
					     own_name(r));
}
