/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rename of an image together with its snapshots.
 *
 * NAMES, in one directory: the image FROM becomes TO; each of its snapshots
 * FROM@S becomes TO@S, and each old image .FROM.STAMP becomes .TO.STAMP.  The
 * record (rename-record.h) has the names, and the number of the image's file.
 *
 * ORDER; each step is durable before the next.
 *   N1  Open all of these images, and the ones that name them as their parents,
 *       locked against all other processes.  Check that the directory has no
 *       other child of theirs and no file with a new name.
 *   N2  Write the record.
 *   N3  Link each snapshot and old image to its new name: it has both.
 *   N4  Each child, after its parent, names its parent by the new name.  A VHD
 *       stores the time of its parent's file: children of changed children
 *       name theirs anew, too.
 *   N5  The mark of each snapshot names TO.
 *   N6  Link the image to TO.  From here on the rename is finished, not undone.
 *   N7  Remove the old names.
 *   N8  Remove the record.
 *
 * RECOVERY.  The image's file has the name TO: N1, N3 to N5, N7 and N8 are done
 * again, each of which only makes durable what was done before.  Else the same
 * steps are done with FROM and TO exchanged, which undoes them.  A failure
 * before N6 is undone in the same way.  A record with one name is removed:
 * nothing was done, or nothing is left to do.
 *
 * An image that was renamed to TO by other means has no name FROM, and its
 * snapshots get names that belong to it: all steps but N6.
 */
#include "config.h"

#include "store/image-rename.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/image-names.h"
#include "store/put-aside.h"
#include "store/rename-steps.h"
#include "store/snapshot.h"

static int fail_memory(void)
{
	return fail(-ENOMEM, "out of memory");
}

/* Opens the directory; and the number of the image's file. */
static int begin(struct renaming *r)
{
	const struct image_rename *request = r->request;
	int rc = leaf_place_init(&r->place, request->rootdir, request->real);

	if (rc == 0 && fstatat(r->place.fd, r->place.name, &r->place.st,
			       AT_SYMLINK_NOFOLLOW) < 0)
		rc = fail_errno(-errno, "%s", r->place.path);
	return rc;
}

/* What the record has of a new rename. */
static int make_record(struct renaming *r)
{
	const struct image_rename *request = r->request;
	struct rename_record *record = &r->record;
	int rc = 0;

	record->from = strdup(request->from);
	record->to = strdup(request->to);
	record->inode = r->place.st.st_ino;
	if (!record->from || !record->to)
		return fail_memory();
	if (!strcmp(r->place.name, record->from))
		rc = rename_record_add(record, record->from);
	for (size_t i = 0; rc == 0 && i < r->all.n; i++)
		rc = rename_record_add(record, r->all.at[i].file);
	/* Those of an earlier image go with the name, not with a file that
	 * had it. */
	for (size_t i = 0; rc == 0 && !strcmp(r->place.name, record->from) &&
			   i < r->all.n_unrelated;
	     i++)
		rc = rename_record_add(record, r->all.unrelated[i].file);
	for (size_t i = 0; rc == 0 && i < r->all.n_files; i++)
		if (put_aside_is_of(r->all.files[i].file, record->from))
			rc = rename_record_add(record, r->all.files[i].file);
	return rc;
}

/* A damaged file that may be a snapshot of the image would be left behind. */
static int check_broken(const struct renaming *r)
{
	for (size_t i = 0; i < r->all.n_files; i++) {
		const struct snapshot_file *file = &r->all.files[i];
		_cleanup_free_ char *name =
			snapshot_name_within(r->record.from, file->file);

		if (file->broken && name)
			return fail(-EBUSY,
				    "%s/%s: is damaged; repair it, or move it "
				    "away",
				    r->place.dir, file->file);
	}
	return 0;
}

/* Is there a snapshot to rename, at least; and has it no name that exists? */
static int check_names(const struct renaming *r)
{
	const char *name = r->place.name;
	struct file_id inode;
	int rc = check_broken(r);

	if (rc < 0)
		return rc;
	if (strcmp(name, r->record.from) != 0 && !r->all.n)
		return fail(-ENOENT,
			    "%s/%s: no such file; and %s descends from no "
			    "snapshot of it",
			    r->place.dir, r->record.from, name);
	for (size_t i = 0; rc == 0 && i < r->n; i++) {
		const struct item *item = &r->items[i];

		if (item_is_image(r, item) && item->file->snapshot_of)
			return fail(-EINVAL,
				    "%s: is a snapshot of %s; rename that",
				    r->place.path, item->file->snapshot_of);
		if (!item->to)
			continue;
		rc = renaming_get_inode(r, item->to, &inode);
		if (rc > 0)
			rc = fail(-EEXIST, "%s/%s: file exists", r->place.dir,
				  item->to);
	}
	return rc;
}

/* N1 of a new rename. */
static int prepare(struct renaming *r)
{
	const struct image_rename *request = r->request;
	int rc = begin(r);

	if (rc == 0)
		rc = snapshots_list_as(request->rootdir, request->real,
				       request->from, &r->all);
	if (rc == 0)
		rc = make_record(r);
	if (rc == 0)
		rc = renaming_make_items(r);
	if (rc == 0)
		rc = renaming_set_names(r);
	if (rc == 0)
		rc = check_names(r);
	return rc < 0 ? rc : renaming_lock_all(r);
}

/* *ret_linked: N6 was done, so nothing is to be undone. */
static int run(struct renaming *r, bool *ret_linked)
{
	int rc = rename_record_write(&r->place, &r->record, r->place.name);

	if (rc == 0)
		rc = renaming_apply(r);
	if (rc == 0)
		rc = renaming_link(r, true);
	*ret_linked = rc == 0;
	return rc < 0 ? rc : renaming_remove_old(r);
}

static bool has_name(const struct renaming *r, const char *name)
{
	struct file_id inode;

	return renaming_get_inode(r, name, &inode) > 0 &&
	       inode.ino == r->record.inode && inode.dev == r->place.st.st_dev;
}

/* Is the rename to be undone? */
static int choose_direction(struct renaming *r, bool undo)
{
	const char *from = r->record.from, *to = r->record.to;

	r->undoes = undo || !has_name(r, to);
	if (undo || !r->undoes || has_name(r, from))
		return 0;
	return fail(
		-EBADMSG,
		"%s/.%s.rename: expected the record of an interrupted "
		"rename, found that neither %s nor %s is its image; if both "
		"are right, remove .%s.rename and .%s.rename",
		r->place.dir, from, from, to, from, to);
}

/* With the record read. */
static int recover_read(struct renaming *r, bool undo)
{
	int rc = choose_direction(r, undo);

	if (rc == 0)
		rc = snapshots_list(r->request->rootdir, r->request->real,
				    &r->all);
	if (rc == 0)
		rc = renaming_make_items(r);
	if (rc == 0)
		rc = renaming_set_names(r);
	if (rc == 0)
		rc = renaming_lock_all(r);
	/* Another process may have done it before the locks. */
	if (rc < 0 || !rename_record_is_complete(&r->place, &r->record))
		return rc;
	rc = renaming_apply(r);
	return rc < 0 ? rc : renaming_remove_old(r);
}

static bool is_between(const struct rename_record *record,
		       const struct image_rename *request)
{
	return !strcmp(record->from, request->from) &&
	       !strcmp(record->to, request->to);
}

/* Removes a record that a process did not write to its end, if none is at it.
 */
static void remove_new(const struct renaming *r)
{
	_cleanup_(io_close_p) struct io *io = NULL;

	if (root_dir_open_as_owner(r->request->rootdir, r->request->real, &io,
				   NULL) == 0 &&
	    io_lock(io, IO_LOCK_EXCLUSIVE) == 0)
		rename_record_remove_new(&r->place, r->place.name);
}

static int recover(const struct image_rename *request, bool undo,
		   bool *ret_done)
{
	_cleanup_(renaming_fini) struct renaming r = { .request = request,
						       .place.fd = -1 };
	int rc = begin(&r);

	if (rc == 0)
		rc = rename_record_read(&r.place, r.place.name, &r.record);
	if (rc == 0)
		remove_new(&r);
	if (rc <= 0)
		return rc;
	if (ret_done)
		*ret_done = is_between(&r.record, request) &&
			    has_name(&r, r.record.to);
	if (!rename_record_is_complete(&r.place, &r.record))
		return rename_record_remove(&r.place, &r.record, r.place.name);
	return recover_read(&r, undo);
}

int image_rename_recover(const struct image_rename *request, bool *ret_done)
{
	if (ret_done)
		*ret_done = false;
	return recover(request, false, ret_done);
}

bool image_rename_is_pending(const struct root_dir *rootdir, const char *image)
{
	static const char *const endings[] = { "rename", "rename.new" };
	bool found = false;

	for (size_t i = 0; !found && i < 2; i++) {
		_cleanup_free_ char *path = name_sibling(
			image,
			format_arg(".%s.%s", name_last(image), endings[i]));
		int fd = path ? root_dir_openat(rootdir, path,
						O_PATH | O_NOFOLLOW)
			      : -1;

		found = fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	return found;
}

/* Keeps the error's message.  The check may be why. */
static void undo(const struct image_rename *request)
{
	struct image_rename again = *request;
	struct error why = *error_last();
	int rc;

	again.check = NULL;
	rc = recover(&again, true, NULL);
	error_set(&why);
	if (rc < 0)
		error_advise("what was begun could not be undone: the next "
			     "command on %s does",
			     name_last(request->real));
}

int image_rename(const struct image_rename *request)
{
	struct renaming r = { .request = request, .place.fd = -1 };
	bool linked = false, begun;
	int rc = prepare(&r);

	begun = rc == 0;
	if (begun)
		rc = run(&r, &linked);
	if (rc < 0 && linked)
		error_advise("it has the name %s, and the next command on that "
			     "does the rest",
			     request->to);
	renaming_fini(&r);
	if (rc < 0 && begun && !linked)
		undo(request);
	return rc;
}
