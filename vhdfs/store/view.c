/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening and closing images.
 *
 * All opens of an image share its chain.  It is open for writing while one of
 * them is for writing, else for reading.  A read during that change waits at
 * io_lock; when the change fails reads continue on the chain as it was.
 */
#include "config.h"

#include "store/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "chain/chain.h"
#include "io/blocking.h"
#include "io/recovery.h"
#include "store/ancestry.h"
#include "store/catalog.h"
#include "store/examiners.h"
#include "store/image-stat.h"
#include "store/leaf-replace.h"
#include "store/leaf-steps.h"
#include "store/refresh.h"
#include "store/view-internal.h"
#include "store/watch-events.h"
#include "store/watch.h"

void view_begin_open_locked(struct store_image *image, bool writable)
{
	image->opens++;
	image->write_opens += writable;
	/* Its parent is known while it is open for writing (ancestry.c). */
	if (writable && image->write_opens == 1)
		image->store->derive_due = true;
}

/* Undoes announce_open. */
static void end_open(struct store_image *image, bool writable)
{
	struct store *store = image->store;

	pthread_mutex_lock(&store->lock);
	image->opens--;
	image->write_opens -= writable;
	if (writable && !image->write_opens) {
		quota_forget(&image->quota);
		/* The first write has changed its identifier. */
		catalog_mark_stale_locked(image);
		store->derive_due = true;
	}
	pthread_mutex_unlock(&store->lock);
}

/* Brings the store up to date; *ret_st: stat of the image's view. */
static int stat_image_locked(struct store_image *image, struct stat *ret_st)
{
	int r;

	store_refresh_locked(image->store);
	r = image_stat_locked(image, ret_st);
	if (error_is_passing(r))
		return fail_errno(r, "%s", catalog_path_locked(image));
	return r < 0 ? fail(-ESTALE, "the image was removed from the store")
		     : 0;
}

/* Fails if the image must not be opened for writing.  st: of its view. */
static int check_writable_locked(const struct store_image *image,
				 const struct stat *st)
{
	const char *name = catalog_path_locked(image);
	const char *child = ancestry_child_path_locked(image);

	if (child && image->children)
		return fail(-EACCES, "%s: is the parent of %s", name, child);
	if (child)
		return fail(-EACCES, "%s: " ANCESTRY_UNKNOWN_CHILD, name,
			    child);
	if (image->info.readonly)
		return fail(-EACCES, "%s", image->info.readonly);
	if (image->info.lost_write_bits)
		return fail(-EBUSY,
			    "%s: a snapshot or revert of it is under way, or "
			    "was interrupted",
			    name);
	if (!image_stat_fs_writable_locked(image))
		return fail(-EACCES,
			    "%s: is on a read-only file system or immutable",
			    name);
	if (!image_stat_writable_locked(image, st))
		return fail(-EACCES, "%s: has no write permission", name);
	return 0;
}

/* 0 if the image may be opened now. */
static int check_open_locked(struct store_image *image, bool writable)
{
	struct stat st;
	int r = stat_image_locked(image, &st);

	if (r == 0 && image->error)
		r = fail(image->busy ? -EBUSY : -EIO, "%s", image->error);
	return r == 0 && writable ? check_writable_locked(image, &st) : r;
}

/* Counts an open, so that no examiner reads the file meanwhile, unless it must
 * not be opened.  *ret_path: the image's path in the store. */
static int announce_open(struct store_image *image, bool writable,
			 char **ret_path)
{
	int r;

	pthread_mutex_lock(&image->store->lock);
	r = check_open_locked(image, writable);
	/* What prevents it may be gone since the last look. */
	if (r < 0 && watch_poll_locked(image->store))
		r = check_open_locked(image, writable);
	if (r == 0 && !(*ret_path = strdup(image->names->real)))
		r = fail(-ENOMEM, "out of memory");
	if (r == 0)
		view_begin_open_locked(image, writable);
	pthread_mutex_unlock(&image->store->lock);
	return r;
}

/* Fails if the image became a parent or lost its write bits before its file was
 * locked.  From the lock on no child can be made. */
static int recheck_writable(struct store_image *image)
{
	struct stat st;
	int r;

	pthread_mutex_lock(&image->store->lock);
	r = stat_image_locked(image, &st);
	if (r == 0)
		r = check_writable_locked(image, &st);
	pthread_mutex_unlock(&image->store->lock);
	return r;
}

/* Closes the chain.  Records a lost write in the store, too: the client that
 * wrote may not wait for the result.  With io_lock held exclusively. */
static int close_recording_loss(struct store_image *image)
{
	struct chain *chain = steal(image->chain);
	bool failed = image->chain_writable &&
		      atomic_load(&chain_leaf(chain)->failed) < 0;
	int r;

	if (!image->chain_writable && !chain_is_current(chain)) {
		chain_abandon(chain);
		return 0;
	}
	r = chain_close(chain);
	if (failed || r < 0) {
		atomic_store(&image->store->data_lost, true);
		recovery_set_lost();
	}
	return r;
}

/* With io_lock held exclusively, as the next two. */
static void set_chain(struct store_image *image, struct chain *chain,
		      bool writable)
{
	image->chain = chain;
	image->chain_writable = writable;
	atomic_store(&image->size, chain_size(chain));
}

/* A child stores the path of its parent from one of its directories: where it
 * has names in several, the parent may be found from another one than path. The
 * error is that of path. */
static int open_by_names(struct store_image *image, const char *path,
			 bool writable, struct chain **ret)
{
	struct parent_cache *cache = image->store->cache;
	const int flags = writable ? CHAIN_WRITABLE : 0;
	int r = chain_open(cache, path, flags, ret), rc = r;
	struct error why;
	char *other;

	if (r == 0 || r == -EBUSY || error_is_passing(r))
		return r;
	why = *error_last();
	for (size_t n = 0; rc < 0 && (other = view_copy_name(image, n)); n++) {
		if (strcmp(other, path) != 0)
			rc = chain_open(cache, other, flags, ret);
		free(other);
	}
	if (rc < 0)
		error_set(&why);
	return rc < 0 ? r : 0;
}

/* path: of the image's file; null: it was removed.  -EAGAIN: another file is
 * at path. */
static int open_chain(struct store_image *image, const char *path,
		      bool writable)
{
	struct chain *chain;
	int r = path ? open_by_names(image, path, writable, &chain)
		     : fail(-ESTALE, "the image was removed from the store");

	if (r < 0)
		return r;
	if (chain_leaf(chain)->io->dev != image->id.dev ||
	    chain_leaf(chain)->io->ino != image->id.ino) {
		chain_close(chain);
		return fail(-EAGAIN, "%s: replaced by another file", path);
	}
	set_chain(image, chain, writable);
	return 0;
}

/* Writing ended with a failure: opens for reading what the file holds. */
static int reopen_after_loss(struct store_image *image, const char *path)
{
	int r = close_recording_loss(image), rc;

	if (r < 0)
		log_error("%s", error_text());
	rc = path ? open_chain(image, path, false) : 0;
	return rc < 0 ? rc : r;
}

/* With open_lock held, so that the chain does not change. */
static bool is_current(struct store_image *image)
{
	return !image->chain || image->chain_writable ||
	       chain_is_current(image->chain);
}

/* Another program changed a file that is open for reading only: drops what is
 * in memory, and opens what the file holds now.  With open_lock held. */
static int reopen_changed(struct store_image *image, const char *path)
{
	struct file_stamp old = *chain_stamp(image->chain);
	uint64_t size = atomic_load(&image->size);
	int r;

	pthread_rwlock_wrlock(&image->io_lock);
	chain_abandon(steal(image->chain));
	r = open_chain(image, path, false);
	if (r == 0 && size == atomic_load(&image->size) &&
	    file_stamp_same_data(&old, chain_stamp(image->chain)))
		atomic_fetch_add(&image->silent_changes, 1);
	pthread_rwlock_unlock(&image->io_lock);
	return r;
}

/*
 * Checks whether another program has put another image into the file that is
 * open for writing.  With open_lock held.  Until maybe_replaced is cleared all
 * writes and flushes wait for open_lock (view_check_replaced), then for
 * io_lock.
 */
static void check_replaced(struct store_image *image)
{
	if (!atomic_load(&image->maybe_replaced))
		return;
	pthread_rwlock_wrlock(&image->io_lock);
	if (atomic_exchange(&image->maybe_replaced, false) && image->chain &&
	    image->chain_writable && chain_check_leaf(image->chain) < 0)
		log_error("%s", error_text());
	pthread_rwlock_unlock(&image->io_lock);
}

/* Opens the chain for reading or for writing, or changes it to that. */
static int change_chain(struct store_image *image, const char *path,
			bool writable)
{
	int r;

	pthread_rwlock_wrlock(&image->io_lock);
	if (!image->chain)
		r = open_chain(image, path, writable);
	else if (writable)
		r = chain_upgrade_lock(image->chain, path);
	else
		r = chain_downgrade_lock(image->chain);
	if (r == 0)
		image->chain_writable = writable;
	else if (image->chain && !writable)
		r = reopen_after_loss(image, path);
	pthread_rwlock_unlock(&image->io_lock);
	return r;
}

int view_close_chain(struct store_image *image)
{
	int r = 0;

	pthread_rwlock_wrlock(&image->io_lock);
	if (image->chain)
		r = close_recording_loss(image);
	atomic_store(&image->size, 0);
	pthread_rwlock_unlock(&image->io_lock);
	return r;
}

/* The errno of view_open for an errno of the chain. */
static int open_error(int r)
{
	switch (r) {
	/* The file was replaced: to be looked up again. */
	case -EAGAIN:
		return -ESTALE;
	/* EROFS would mean that the mount is read-only. */
	case -EROFS:
		return -EACCES;
	case -EBUSY:
	case -EACCES:
	case -EPERM:
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
	case -ENOSPC:
	case -EDQUOT:
		return r;
	default:
		return -EIO;
	}
}

/* Opens or changes the chain if needed.  With open_lock held. */
static int ensure_chain(struct store_image *image, const char *path,
			bool writable)
{
	bool have = image->chain && (!writable || image->chain_writable);
	int r = 0;

	if (!is_current(image))
		r = reopen_changed(image, path);
	if (r < 0)
		return open_error(r);
	if (have)
		return 0;
	r = change_chain(image, path, writable);
	if (r < 0)
		return open_error(r);
	if (!writable)
		return 0;
	r = recheck_writable(image);
	if (r < 0 && image->opens > 1)
		change_chain(image, path, false);
	return r;
}

/* Of an image that is open here: its lock excludes the program that replaces
 * the leaf. */
static int recover_open_leaf(struct store_image *image, const char *name,
			     bool *ret_done)
{
	struct leaf_place place;
	int r = leaf_place_init(&place, &image->store->roots[0], name);

	place.io = chain_leaf(image->chain)->io;
	if (r == 0)
		r = leaf_place_check(&place);
	if (r == 0)
		r = leaf_recover(&place, ret_done);
	leaf_place_fini(&place);
	return r;
}

static int recover_name(struct store_image *image, const char *name,
			bool *ret_done)
{
	return image->chain ? recover_open_leaf(image, name, ret_done)
			    : leaf_replace_recover(&image->store->roots[0],
						   name, ret_done);
}

/* Finishes or undoes the replacement of a leaf that this process or vhdfs-img
 * began, and did not end.  If vhdfs-img still is at it, the image is in use.
 * With open_lock held. */
static void recover_leaf(struct store_image *image)
{
	struct store *store = image->store;
	const struct root_dir *root = &store->roots[0];
	char *path;

	for (size_t n = 0;
	     !store->read_only && (path = view_copy_name(image, n)); n++) {
		_cleanup_free_ char *name = path;
		bool done = false;

		if (!leaf_replace_is_pending(root, name))
			continue;
		if (recover_name(image, name, &done) < 0)
			log_warn("%s", error_text());
		else if (done)
			log_info("%s: an interrupted snapshot or revert was "
				 "finished or undone",
				 name);
	}
}

int view_open(struct store_image *image, bool writable)
{
	_cleanup_free_ char *path = NULL;
	int r;

	pthread_mutex_lock(&image->open_lock);
	if (writable)
		recover_leaf(image);
	r = announce_open(image, writable, &path);
	if (r < 0) {
		pthread_mutex_unlock(&image->open_lock);
		return r;
	}
	check_replaced(image);
	r = ensure_chain(image, path, writable);
	if (r < 0) {
		_cleanup_(error_set) struct error why = *error_last();

		if (image->opens == 1)
			view_close_chain(image);
		end_open(image, writable);
	}
	pthread_mutex_unlock(&image->open_lock);
	return r;
}

/*
 * Opens the image through the descriptors that the worker before left; by its
 * name where it left none.  After a failure for one handle it fails for all
 * others: the descriptors are closed then, and the record of a failed sync with
 * them, so that an open by name would hide the loss.
 */
static int reopen_chain(struct store_image *image, bool writable)
{
	struct chain *chain;
	int r;

	if (image->reopen_failed)
		return fail(
			-EIO,
			"the image is closed: an earlier handle could not be opened again");
	pthread_rwlock_wrlock(&image->io_lock);
	r = chain_reopen(image->store->cache, image->id.dev, image->id.ino,
			 writable ? CHAIN_WRITABLE : 0, &chain);
	if (r == 0)
		set_chain(image, chain, writable);
	pthread_rwlock_unlock(&image->io_lock);
	if (r == -ENOENT) {
		_cleanup_free_ char *path = view_copy_name(image, 0);

		r = change_chain(image, path, writable);
	}
	image->reopen_failed = r < 0;
	return r;
}

int view_reopen(struct store_image *image, bool writable)
{
	int r = 0;

	pthread_mutex_lock(&image->open_lock);
	pthread_mutex_lock(&image->store->lock);
	view_begin_open_locked(image, writable);
	pthread_mutex_unlock(&image->store->lock);
	if (!image->chain || (writable && !image->chain_writable))
		r = reopen_chain(image, writable);
	if (r == 0) {
		/* The worker before may have had unflushed changes. */
		if (writable && !atomic_load(&image->begun)) {
			atomic_store(&image->begun, 1);
			atomic_store(&image->ended, 1);
		}
		examiners_read_open_chain(image);
		if (writable)
			recover_leaf(image);
	} else {
		end_open(image, writable);
	}
	pthread_mutex_unlock(&image->open_lock);
	return r;
}

/* Opens the chain for reading, or changes it to that.  With open_lock held. */
static int reopen_readonly(struct store_image *image)
{
	_cleanup_free_ char *path = view_copy_name(image, 0);

	return change_chain(image, path, false);
}

void view_reopen_if_changed(struct store_image *image)
{
	_cleanup_free_ char *path = NULL;

	/* An open or a close under way checks this itself. */
	if (pthread_mutex_trylock(&image->open_lock) != 0)
		return;
	check_replaced(image);
	if (!is_current(image)) {
		path = view_copy_name(image, 0);
		if (path && reopen_changed(image, path) < 0)
			log_error("%s", error_text());
	}
	pthread_mutex_unlock(&image->open_lock);
}

void view_check_replaced(struct store_image *image)
{
	struct store *store = image->store;

	if (watch_bytes_waiting(store)) {
		pthread_mutex_lock(&store->lock);
		watch_apply_events_locked(store);
		pthread_mutex_unlock(&store->lock);
	}
	if (!atomic_load(&image->maybe_replaced))
		return;
	pthread_mutex_lock(&image->open_lock);
	check_replaced(image);
	pthread_mutex_unlock(&image->open_lock);
}

void view_check_before_close(struct store_image *image)
{
	struct store *store = image->store;

	pthread_mutex_lock(&store->lock);
	watch_apply_events_locked(store);
	pthread_mutex_unlock(&store->lock);
	check_replaced(image);
}

int view_close(struct store_image *image, bool writable)
{
	int r = 0;

	pthread_mutex_lock(&image->open_lock);
	if (writable)
		view_check_before_close(image);
	if (image->opens == 1)
		r = view_close_chain(image);
	else if (writable && image->write_opens == 1)
		/* It may become a parent again. */
		r = reopen_readonly(image);
	end_open(image, writable);
	pthread_mutex_unlock(&image->open_lock);
	return r;
}

int view_fstat(struct store_image *image, struct stat *ret_st)
{
	int r = -ESTALE;

	io_rdlock(&image->io_lock);
	if (image->chain)
		r = fstat(chain_leaf(image->chain)->io->fd, ret_st) < 0 ? -errno
									: 0;
	pthread_rwlock_unlock(&image->io_lock);
	return r;
}

bool view_id(struct store_image *image, struct guid *ret)
{
	bool open;

	io_rdlock(&image->io_lock);
	open = image->chain != NULL;
	if (open) {
		struct image *leaf = chain_leaf(image->chain);

		image_lock_map(leaf);
		*ret = leaf->id;
		image_unlock_map(leaf);
	}
	pthread_rwlock_unlock(&image->io_lock);
	return open;
}

uint64_t view_size(const struct store_image *image)
{
	return atomic_load(&image->size);
}

unsigned view_silent_changes(const struct store_image *image)
{
	return atomic_load(&image->silent_changes);
}

void view_reopen_lost(struct store_image *image)
{
	pthread_mutex_lock(&image->open_lock);
	if (!image->chain && image->opens && !image->write_opens)
		reopen_readonly(image);
	pthread_mutex_unlock(&image->open_lock);
}
