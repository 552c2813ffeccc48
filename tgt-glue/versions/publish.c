/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * publish: a disk of a client, its system disk or a data disk, becomes the next
 * version of a master.
 *
 * ORDER, so that a publish that was interrupted at any step and is run again
 * ends in the same state:
 *
 *   P0  a master without versions gets version 1     (adopt.h: A1 to A3)
 *   P1  what the client's own snapshots have, down to the image outside
 *       clients/ and disks/ on which they stand, is copied to the client's
 *       image: that is its parent then.  So no version has a parent there
 *   P2  the state of the disk is frozen as a snapshot,
 *       clients/CLIENT@publishing-NAME.vhdx, of a data disk in its directory;
 *       the client goes on as its child
 *   P3  the frozen image
 *       a  gets the name masters/NAME@NUMBER.vhdx, too (a hard link)
 *       b  gets the mark of a version instead of a snapshot's
 *       c  is named so by all its children
 *       d  loses its name as a snapshot
 *   P4  the link masters/NAME@test.vhdx leads to it
 *
 * The state on disk tells what is done: after P2 the frozen image exists, and
 * after P3a the version of the same file has its number.  After P3d the client
 * has an image without data, whose parent is a version that was published from
 * it: nothing but P4 may be left.
 *
 * A frozen image is published only while the client's image is a child of it
 * without data.  If the disk has changed since, it stays as a snapshot, or as
 * the version that it is after P3a, and the state of now is frozen under
 * another name, publishing-NAME-2 and so on.
 */
#include "config.h"

#include "tgt-glue/versions/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "io/file-id.h"
#include "store/image-names.h"
#include "tgt-glue/base/vhdfs-img.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/reconcile/image-parent.h"
#include "tgt-glue/reconcile/saved-states.h"
#include "tgt-glue/reconcile/ancestors.h"
#include "tgt-glue/tgtd/backing-files.h"
#include "tgt-glue/versions/adopt.h"
#include "tgt-glue/versions/check-names.h"
#include "tgt-glue/versions/links.h"
#include "tgt-glue/versions/look.h"
#include "tgt-glue/versions/reparent.h"
#include "tgt-glue/config/version-mark.h"

struct publishing {
	const struct fleet *fleet;
	const struct disk *disk;
	const struct publish_options *options;
	struct arena *arena;
	struct versions versions;
	const char *name;   /* of the snapshot that freezes the state */
	const char *frozen; /* the path of the frozen image */
	bool resumes;       /* the frozen image exists */
	const char *path;   /* of the version */
	unsigned number;
};

/* Adds the process of the shard's tgtd to pids. */
static int check_shard(const struct client *client, const struct shard *shard,
		       pid_t *pids, size_t *n)
{
	_cleanup_(tgtd_state_fini) struct tgtd_state live = { 0 };
	const struct tgtd_target *target;
	struct tgtd tgtd;
	int r = tgtd_open(shard->control_port, &tgtd);

	/* It certainly does not run. */
	if (r == -ECONNREFUSED || r == -ENOENT)
		return 0;
	if (r == 0)
		r = tgtd_state_read(&tgtd, &live);
	if (r < 0)
		return r;
	if (tgtd_state_pid(&live, &pids[*n]) == 0)
		++*n;
	target = tgtd_state_target(&live, client->iqn);
	if (!target || !target->n_connections)
		return 0;
	return fail(
		-EBUSY,
		"%s: logged in: %s; shut it down, then type the command again",
		client->name, tgtd_state_initiators(&live.arena, target));
}

/* 0 if the client is logged in to no tgtd of the fleet and no other program has
 * the disk open; -EBUSY with a message that names them; another -errno if a
 * tgtd that may run does not answer. */
static int check_idle(const struct fleet *fleet, const struct disk *disk)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	pid_t pids[2 * SHARDS_MAX];
	const char *user;
	size_t n = 0;

	for (size_t i = 0; i < fleet->n_shards; i++) {
		int r = check_shard(disk->client, &fleet->shards[i], pids, &n);

		if (r < 0)
			return r;
	}
	user = backing_files_user(&arena, disk->view, pids, n);
	return user ? fail(-EBUSY,
			   "%s: its %s is open: %s; end that program, then type the command again",
			   disk->client->name, disk_title(&arena, disk), user)
		    : 0;
}

static bool is_of_no_client(const void *arg, const char *path)
{
	(void)arg;
	return !fleet_is_client_path(path);
}

/* P1 */
static int merge(const struct fleet *fleet, const struct disk *disk)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const char *image =
		arena_printf(&arena, "%s/%s", fleet->store, disk->image);
	const char *parent, *base;
	int r = image_parent_of(fleet, &arena, disk->image, &parent);

	if (r == 0)
		r = image_ancestor(fleet, &arena, disk->image, is_of_no_client,
				   NULL, &base);
	if (r < 0 || !parent || (base && !strcmp(base, parent)))
		return r;
	if (!base)
		return vhdfs_img_run((const char *const[]){
			"vhdfs-img", "rebase", "--store", fleet->store,
			"--no-parent", image, NULL });
	base = arena_printf(&arena, "%s/%s", fleet->store, base);
	return vhdfs_img_run((const char *const[]){
		"vhdfs-img", "rebase", "--store", fleet->store, "--parent",
		base, image, NULL });
}

/* P2 */
static int freeze(const struct publishing *p)
{
	struct arena *arena = p->arena;
	const char *image =
		arena_printf(arena, "%s/%s", p->fleet->store, p->disk->image);

	return vhdfs_img_run((const char *const[]){
		"vhdfs-img", "snapshot", "--store", p->fleet->store,
		arena_printf(arena, "--note=%s",
			     p->options->note ? p->options->note : ""),
		image, p->name, NULL });
}

/* Is nothing but P4 left?  Sets path and number then.  An image without data is
 * no new version: -EINVAL with a message. */
static int find_done(struct publishing *p, bool *ret)
{
	struct version_mark mark;
	const struct version *version;
	const char *parent;
	struct stat st;
	int r;

	*ret = false;
	if (!image_holds_nothing(p->fleet, p->disk->image))
		return 0;
	r = image_parent_of(p->fleet, p->arena, p->disk->image, &parent);
	if (r < 0 || !parent || fleet_is_client_path(parent))
		return r;
	version = fleet_stat(p->fleet, parent, &st) == 0
			  ? versions_find_file(&p->versions, &st)
			  : NULL;
	if (version && version->number == versions_last(&p->versions) &&
	    version_mark_read(p->arena, &p->fleet->rootdir, version->path,
			      &mark) &&
	    !strcmp(mark.client, p->disk->client->name) &&
	    !strcmp(mark.disk, p->disk->name ? p->disk->name : "")) {
		p->path = version->path;
		p->number = version->number;
		*ret = true;
		return 0;
	}
	return fail(
		-EINVAL,
		"%s: expected a disk with changes, found that it equals %s; change it on the client, then type `tgt-glue publish' again",
		p->disk->image, parent);
}

/* Both directories have to be on one file system. */
static int check_directories(const struct publishing *p)
{
	struct stat image, masters;
	const char *family = p->versions.family;
	const char *dir = arena_printf(
		p->arena, "%.*s.", (int)(name_last(family) - family), family);

	if (fleet_stat(p->fleet, p->disk->image, &image) == 0 &&
	    fleet_stat(p->fleet, dir, &masters) == 0 &&
	    image.st_dev == masters.st_dev)
		return 0;
	return fail(
		-EXDEV,
		"%s: expected a directory on the file system of %s, found none",
		dir, p->disk->image);
}

/* The file has what the last session wrote; tgtd keeps it open. */
static int flush(const struct disk *disk)
{
	_cleanup_close_ int fd = open(disk->view, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0
				       : fail_errno(-errno, "%s", disk->view);
	return fsync(fd) < 0 ? fail_errno(-errno, "%s", disk->view) : 0;
}

/* "the disk of CLIENT", or "disk NAME of CLIENT" */
static const char *the_disk(const struct publishing *p)
{
	const char *words = disk_owner_words(p->arena, p->disk);

	return p->disk->name ? words
			     : arena_printf(p->arena, "the disk of %s", words);
}

/* Refuses file systems that were not unmounted, and tells what the disk has of
 * its machine. */
static int check_contents(const struct publishing *p)
{
	const char *name = disk_owner_words(p->arena, p->disk);
	const char *title = the_disk(p);
	struct look look;

	if (look_into(p->arena, p->disk->view, &look) < 0) {
		print_line(
			stderr,
			"tgt-glue: warning: the file systems of %s were not checked: %s",
			name, error_text());
		return 0;
	}
	if (look.unchecked.n)
		print_line(stderr,
			   "tgt-glue: warning: %s: not checked: partition %s",
			   title, look_text(p->arena, &look.unchecked));
	if (look.unclean.n && !p->options->unclean)
		return fail(
			-EBUSY,
			"%s: expected file systems that were unmounted, found: partition %s; start the machine and shut it down, or add --unclean",
			title, look_text(p->arena, &look.unclean));
	if (look.identity.n)
		print_line(
			stderr,
			"tgt-glue: warning: all clients of this version will have what identifies %s: %s",
			p->disk->client->name,
			look_text(p->arena, &look.identity));
	return 0;
}

/* The names of snapshots that freeze the state. */
static const char *snapshot_name(struct arena *arena, const char *family,
				 unsigned n)
{
	const char *base = name_last(family);
	const char *name = arena_printf(arena, PUBLISH_SNAPSHOT "%.*s",
					(int)(strrchr(base, '.') - base), base);

	return n == 1 ? name : arena_printf(arena, "%s-%u", name, n);
}

/* Does the disk show what the file has? */
static bool is_present_state(const struct publishing *p,
			     const struct stat *file)
{
	const char *image = p->disk->image, *parent;
	struct stat st;

	return image_holds_nothing(p->fleet, image) &&
	       image_parent_of(p->fleet, p->arena, image, &parent) == 0 &&
	       parent && fleet_stat(p->fleet, parent, &st) == 0 &&
	       file_id_equal(file_id_of(&st), file_id_of(file));
}

/* Of a frozen image that is no version yet. */
static void warn_stale(const struct publishing *p)
{
	print_line(
		stderr,
		"tgt-glue: warning: %s: a publish that did not end froze this state, and %s has changed since; it stays as a snapshot, which `vhdfs-img delete-snapshot %s %s' removes",
		p->frozen, the_disk(p),
		shell_path(p->fleet->store, p->disk->image),
		shell_word(p->name));
}

/* Sets name, frozen and resumes.  *ret_old: a version that an earlier publish
 * left with the name frozen, which has to lose it first; or null. */
static void choose_frozen(struct publishing *p, bool warns,
			  const struct version **ret_old)
{
	struct stat st;

	p->resumes = false;
	*ret_old = NULL;
	for (unsigned n = 1;; n++) {
		const struct version *has;

		p->name = snapshot_name(p->arena, p->versions.family, n);
		p->frozen =
			family_path(p->arena, p->disk->image, p->name, false);
		if (fleet_stat(p->fleet, p->frozen, &st) < 0)
			return;
		has = versions_find_file(&p->versions, &st);
		/* A second name: it is a version of another family. */
		p->resumes =
			(has || st.st_nlink == 1) && is_present_state(p, &st);
		if (!p->resumes)
			*ret_old = has;
		if (p->resumes || has)
			return;
		if (warns)
			warn_stale(p);
	}
}

/* P3b to P3d.  note null: the snapshot's. */
static int make_complete(const struct publishing *p, const struct stat *st,
			 const char *path, const char *note)
{
	int r = version_mark_set(p->arena, &p->fleet->rootdir, p->frozen,
				 p->disk->client->name, p->disk->name, note);

	if (r == 0)
		r = reparent(p->fleet, st, path);
	return r < 0 ? r : link_remove(p->fleet, p->frozen);
}

/* Nothing is changed. */
static int check_before(const struct publishing *p)
{
	struct stat st;
	int r = check_idle(p->fleet, p->disk);

	if (r == 0)
		r = check_directories(p);
	if (r == 0)
		r = check_names(p->fleet, p->arena, &p->versions);
	if (r == 0 &&
	    !(p->resumes && fleet_stat(p->fleet, p->frozen, &st) == 0 &&
	      versions_find_file(&p->versions, &st)))
		r = check_next_name(p->fleet, p->arena, &p->versions);
	return r == 0 ? flush(p->disk) : r;
}

/* Up to P2. */
static int make_frozen(struct publishing *p, bool *ret_done)
{
	const struct version *old;
	int r;

	*ret_done = false;
	choose_frozen(p, true, &old);
	r = check_before(p);
	if (r == 0 && old)
		r = make_complete(p, &old->st, old->path, NULL);
	if (r == 0 && !p->resumes)
		r = find_done(p, ret_done);
	if (r < 0 || *ret_done)
		return r;
	r = check_contents(p);
	if (r < 0 || p->resumes)
		return r;
	r = adopt(p->fleet, p->arena, &p->versions); /* P0 */
	if (r == 0)
		r = merge(p->fleet, p->disk);
	/* The merge may have taken long. */
	if (r == 0)
		r = check_idle(p->fleet, p->disk);
	return r < 0 ? r : freeze(p);
}

/* P3 */
static int make_version(struct publishing *p)
{
	const struct version *has;
	struct stat st;
	int r = fleet_stat(p->fleet, p->frozen, &st);

	if (r < 0)
		return fail_errno(r, "%s/%s", p->fleet->store, p->frozen);
	has = versions_find_file(&p->versions, &st);
	p->number = has ? has->number : versions_last(&p->versions) + 1;
	p->path = family_path(p->arena, p->versions.family,
			      arena_printf(p->arena, "%u", p->number), false);
	r = has ? 0 : link_file(p->fleet, p->frozen, p->path);
	return r < 0 ? r : make_complete(p, &st, p->path, p->options->note);
}

static int begin(struct publishing *p, const char *family)
{
	return versions_read(p->arena, &p->fleet->rootdir, family,
			     &p->versions);
}

int publish_prepare(const struct fleet *fleet, const struct disk *disk,
		    const char *family)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct publishing p = { .fleet = fleet, .disk = disk, .arena = &arena };
	const struct version *old;
	int r = begin(&p, family);

	if (r < 0)
		return r;
	choose_frozen(&p, false, &old);
	r = check_before(&p);
	/* Else the state is frozen already, or nearly. */
	return r < 0 || p.resumes || old ? r : merge(fleet, disk);
}

int publish_run(const struct fleet *fleet, const struct disk *disk,
		const char *family, const struct publish_options *options,
		unsigned *ret_number)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct publishing p = { .fleet = fleet,
				.disk = disk,
				.options = options,
				.arena = &arena };
	bool done = false;
	int r = begin(&p, family);

	if (r == 0)
		r = make_frozen(&p, &done);
	if (r == 0 && !done)
		r = make_version(&p);
	if (r == 0)
		r = link_set(fleet, channel_path(&arena, family, CHANNEL_TEST),
			     p.path); /* P4 */
	*ret_number = p.number;
	return r;
}
