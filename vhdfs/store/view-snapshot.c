/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshot of an image that is open for writing: its disk moves to a fresh leaf
 * while clients write to it.  A revert is the same, but the fresh leaf is a
 * child of an earlier snapshot.
 *
 * ORDER; L2 to L7 are the steps of leaf-steps.c.
 *   W1  Flush, while clients write.  L3, L4.
 *   W2  Hold io_lock exclusively: from here to W6 no request runs.
 *   W3  Flush and close the old leaf's writes; settle it.
 *   W4  L2, L5.  If the old leaf is the parent its lock becomes shared; the new
 *       leaf's chain is opened, with its parents.
 *   W5  Record the move of the disk as begun.  L6.  The move is done: handles
 *       and nodes of the disk mean the new leaf.
 *   W6  Make L6 durable; the image uses the new chain.  Release io_lock.
 *   W7  Close the old leaf's writable descriptor; the move is ended.  L7.
 *
 * A worker that dies before W5 leaves a disk in the old leaf; after W5 it is in
 * the new one.  In W5 the name of the new leaf's file decides (fuse/restore.c).
 * The next open of the image undoes or finishes the names (view.c).
 *
 * A request may be sent again: the mark of the snapshot holds its token.
 */
#include "config.h"

#include "store/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "chain/chain.h"
#include "io/blocking.h"
#include "io/recovery.h"
#include "store/catalog.h"
#include "store/dir.h"
#include "store/examine.h"
#include "store/examiners.h"
#include "store/image-names.h"
#include "store/leaf-keep.h"
#include "store/leaf-intent.h"
#include "store/leaf-steps.h"
#include "store/snapshot.h"
#include "store/store-internal.h"
#include "store/view-internal.h"

/* One replacement of the leaf. */
struct making {
	struct store_image *image; /* with open_lock held */
	const char *path;          /* the name of the image that is replaced */
	struct leaf_place place;   /* of the old leaf, which the chain owns */
	/* Of the new leaf; a snapshot's borrows the old leaf. */
	struct protected_parent parent;
	char *keep, *mark;   /* owned; null: none */
	struct io *leaf;     /* owned; null: the chain has it */
	bool borrows;        /* parent is the old leaf */
	bool shared;         /* the old leaf's lock */
	struct chain *chain; /* owned; null: the image has it */
	/* The image of the new leaf's file, until both exchange their files; a
	 * reference, and counted as open for writing, so that no examiner reads
	 * it. */
	struct store_image *other;
	struct image_info info; /* of the new leaf; owned */
	struct recovery_move *move;
};

static void making_fini(struct making *m)
{
	leaf_place_fini(&m->place);
	if (m->borrows)
		m->parent.img = NULL;
	protected_parent_close(&m->parent);
	free(m->keep);
	free(m->mark);
	image_info_fini(&m->info);
}

static int open_place(struct making *m, const char *path)
{
	struct image *leaf = chain_leaf(m->image->chain);
	int r = leaf_place_init(&m->place, &m->image->store->roots[0], path);

	m->path = path;
	m->place.io = leaf->io;
	m->place.img = leaf;
	/* A failure of the replacement before may have left something. */
	if (r == 0)
		r = leaf_place_check(&m->place);
	return r < 0 ? r : leaf_recover(&m->place, NULL);
}

/* 1: the request was done before. */
static int prepare_snapshot(struct making *m,
			    const struct view_snapshot *request)
{
	int r = open_place(m, request->path);

	if (r < 0)
		return r;
	m->keep = snapshot_file_name(request->path, request->name);
	m->mark = snapshot_mark(request->path, request->note, request->token);
	if (!m->keep || !m->mark ||
	    asprintf(&m->parent.path, "%s/%s", m->place.dir, m->keep) < 0) {
		m->parent.path = NULL;
		return fail(-ENOMEM, "%s: out of memory", request->path);
	}
	m->parent.img = m->place.img;
	m->borrows = true;
	if (snapshot_has_token(m->place.fd, m->keep, request->token))
		return 1;
	return leaf_check_keep(&m->place, m->keep);
}

/* 1: another leaf than the one that is to be reverted is a child of the
 * snapshot: the request was done before.  0: it was not; or -ESTALE. */
static int is_reverted(const struct making *m, ino_t inode)
{
	const struct chain *chain = m->image->chain;

	if (m->image->id.ino == inode)
		return 0;
	if (chain_depth(chain) &&
	    file_id_equal(io_file_id(chain_image(chain, 1)->io),
			  io_file_id(m->parent.img->io)))
		return 1;
	return fail(-ESTALE,
		    "%s: its file was replaced just now; run the command again",
		    m->place.path);
}

/* 1: the request was done before. */
static int prepare_revert(struct making *m, const struct view_revert *request)
{
	_cleanup_free_ char *file =
		snapshot_file_name(request->path, request->name);
	_cleanup_free_ char *path = NULL;
	int r = open_place(m, request->path);

	if (r < 0)
		return r;
	m->keep = request->aside ? strdup(request->aside) : NULL;
	path = file ? name_sibling(request->path, file) : NULL;
	if (!path || (request->aside && !m->keep))
		return fail(-ENOMEM, "%s: out of memory", request->path);
	r = protected_parent_open(&m->image->store->roots[0], path, &m->parent);
	if (r < 0)
		return r;
	if (!snapshot_is_marked(m->parent.img->io->fd, request->path) ||
	    m->parent.img->size != m->place.img->size)
		return fail(-EINVAL,
			    "%s: expected a snapshot of %s of the same size, "
			    "found none",
			    path, request->path);
	r = is_reverted(m, request->inode);
	return r ? r : leaf_check_keep(&m->place, m->keep);
}

/* Keeps the examiners away from the file of the new leaf. */
static int reserve_other(struct making *m)
{
	struct store *store = m->image->store;
	const struct file_id id = io_file_id(m->leaf);

	pthread_mutex_lock(&store->lock);
	m->other = catalog_get_locked(store, &id);
	if (m->other) {
		m->other->refs++;
		view_begin_open_locked(m->other, true);
	}
	while (m->other && (m->other->examining || m->image->examining))
		pthread_cond_wait(&store->examined, &store->lock);
	pthread_mutex_unlock(&store->lock);
	return m->other ? 0 : fail(-ENOMEM, "out of memory");
}

/* Undoes reserve_other: of the file that the other image has now. */
static void release_other(struct making *m)
{
	struct store *store = m->image->store;

	if (!m->other)
		return;
	pthread_mutex_lock(&store->lock);
	m->other->opens--;
	m->other->write_opens--;
	m->other->refs--;
	catalog_mark_stale_locked(m->other);
	store->derive_due = true;
	catalog_release_locked(m->other);
	pthread_mutex_unlock(&store->lock);
}

/* Refreshes the names that have changed, in every directory of the store that
 * has them. */
static void refresh_names_locked(struct making *m)
{
	const char *names[] = { m->place.name, m->keep, m->place.leaf };
	struct store *store = m->image->store;
	struct stat st;

	if (fstat(m->place.fd, &st) < 0)
		return;
	for (struct dir *dir = store->dirs; dir; dir = dir->next)
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			if (names[i] && file_id_equal(dir->id, file_id_of(&st)))
				dir_refresh_name_locked(store, dir, names[i]);
}

/* Gives images that no handle and no node uses other disks. */
static void release_disks(struct store *store)
{
	struct file_id *files = NULL;
	ssize_t all, n = 0;

	pthread_mutex_lock(&store->lock);
	all = recovery_list_disks(&files);
	for (ssize_t i = 0; i < all; i++) {
		const struct store_image *image =
			catalog_find_locked(store, &files[i]);

		if (!image || (!image->refs && !image->opens))
			files[n++] = files[i];
	}
	if (n)
		recovery_release_disks(files, (size_t)n);
	for (ssize_t i = 0; i < n; i++) {
		struct store_image *image =
			catalog_find_locked(store, &files[i]);

		if (image)
			image->disk = recovery_disk_of_file(image->id);
	}
	pthread_mutex_unlock(&store->lock);
	free(files);
}

static int begin_move(struct making *m)
{
	const struct file_id to = io_file_id(chain_leaf(m->chain)->io);
	int r = recovery_move_begin(m->image->id, to, &m->move);

	if (r != -ENFILE)
		return r;
	release_disks(m->image->store);
	return recovery_move_begin(m->image->id, to, &m->move);
}

/* W5 */
static int move_disk(struct making *m)
{
	struct store *store = m->image->store;
	int r = begin_move(m);

	if (r < 0)
		return r;
	pthread_mutex_lock(&store->lock);
	r = leaf_rename(&m->place);
	if (r == 0) {
		recovery_move_finish(m->move);
		catalog_exchange_locked(m->image, m->other);
		image_info_fini(&m->image->info);
		m->image->info = m->info;
		m->info = (struct image_info){ 0 };
		m->image->known = true;
		refresh_names_locked(m);
	}
	pthread_mutex_unlock(&store->lock);
	if (r < 0)
		recovery_move_end(m->move);
	return r;
}

/* W4, the end: with the old leaf's lock shared it is a parent like any other.
 * The image was perhaps opened by another of its names, in another directory.
 */
static int open_new_chain(struct making *m)
{
	int r = m->borrows ? io_lock(m->place.io, IO_LOCK_SHARED) : 0;

	m->shared = m->borrows;
	if (r == 0)
		r = chain_open_file(m->image->store->cache, steal(m->leaf),
				    m->path, CHAIN_WRITABLE, &m->chain);
	if (r == 0)
		r = examine_chain(m->chain, &m->info);
	return r;
}

/* The old leaf is written again: other processes may not even read it. */
static void lock_old_again(struct making *m)
{
	struct error why = *error_last();

	/* A program that began to read it within this moment may see a mixture;
	 * the shared lock excludes writers. */
	if (io_lock(m->place.io, IO_LOCK_EXCLUSIVE) < 0)
		log_warn("%s", error_text());
	error_set(&why);
}

/* W3 to W5.  With io_lock held exclusively. */
static int replace_leaf(struct making *m)
{
	int r = image_settle(m->place.img);

	if (r == 0)
		r = leaf_create(&m->place, &m->leaf);
	if (r == 0)
		r = reserve_other(m);
	if (r == 0)
		r = leaf_write(&m->place, &m->parent, m->leaf);
	if (r == 0)
		r = leaf_mark(&m->place, m->mark, &m->parent);
	if (r == 0)
		r = open_new_chain(m);
	return r < 0 ? r : move_disk(m);
}

/* After a failure: the image goes on with its old leaf. */
static void take_back(struct making *m)
{
	struct error why;

	leaf_undo(&m->place, &m->parent);
	why = *error_last();
	if (m->chain)
		chain_abandon(steal(m->chain));
	if (m->leaf)
		io_close(steal(m->leaf));
	if (m->shared)
		lock_old_again(m);
	error_set(&why);
}

/* W6.  *ret_old: the chain of before. */
static int use_new_chain(struct making *m, struct chain **ret_old)
{
	struct store_image *image = m->image;
	int r = leaf_sync_rename(&m->place);

	*ret_old = image->chain;
	image->chain = steal(m->chain);
	quota_forget(&image->quota);
	atomic_store(&image->flushed, atomic_load(&image->ended));
	if (r == 0)
		return 0;
	/* A power cut may give the image's name to the old leaf again: what is
	 * written now would be lost. */
	error_advise("the change is complete, but a power cut may undo it; "
		     "the image takes no more writes until it is opened again");
	return image_fail(chain_leaf(image->chain), r);
}

/* W2 to W6 */
static int pause_and_replace(struct making *m, struct chain **ret_old)
{
	int r;

	io_wrlock(&m->image->io_lock);
	r = replace_leaf(m);
	if (r == 0)
		r = use_new_chain(m, ret_old);
	else
		take_back(m);
	pthread_rwlock_unlock(&m->image->io_lock);
	return r;
}

/* W7 */
static int close_old(struct making *m, struct chain *old)
{
	int r;

	m->place.io = NULL;
	m->place.img = NULL;
	if (chain_close(old) < 0)
		log_error("%s", error_text());
	recovery_move_end(m->move);
	r = leaf_intent_remove(&m->place);
	if (r < 0)
		error_advise("the change is complete");
	return r;
}

static int make(struct making *m)
{
	struct chain *old = NULL;
	int r = view_flush_open(m->image), rc = 0;

	if (r == 0)
		r = leaf_intent_write(&m->place, m->keep);
	if (r == 0 && m->keep)
		r = leaf_link(&m->place, m->keep);
	if (r == 0)
		r = pause_and_replace(m, &old);
	else
		leaf_undo(&m->place, &m->parent);
	release_other(m);
	if (old)
		rc = close_old(m, old);
	return r < 0 ? r : rc;
}

int view_snapshot(struct store_image *image,
		  const struct view_snapshot *request)
{
	struct making m = { .image = image, .place.fd = -1 };
	int r;

	io_will_block();
	pthread_mutex_lock(&image->open_lock);
	view_check_before_close(image);
	r = view_check_request(image, request->path);
	if (r == 0)
		r = prepare_snapshot(&m, request);
	if (r == 0)
		r = make(&m);
	making_fini(&m);
	pthread_mutex_unlock(&image->open_lock);
	return r < 0 ? r : 0;
}

int view_revert(struct store_image *image, const struct view_revert *request)
{
	struct making m = { .image = image, .place.fd = -1 };
	int r;

	io_will_block();
	pthread_mutex_lock(&image->open_lock);
	view_check_before_close(image);
	r = view_check_request(image, request->path);
	if (r == 0)
		r = prepare_revert(&m, request);
	if (r == 0)
		r = make(&m);
	/* The kernel's pages show the disk of before. */
	atomic_fetch_add(&image->silent_changes, 1);
	making_fini(&m);
	pthread_mutex_unlock(&image->open_lock);
	return r < 0 ? r : 0;
}
