/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restore: a new worker opens again what an earlier worker had open.
 *
 * ORDER.  A writer's descriptor holds the lock that excludes other programs,
 * and its pages in the recovery memory are written through it:
 *
 *   0. decide the moves of disks that were interrupted (restore-moves.h); the
 *      store, which is opened next, reads which disk each file has
 *   1. open the images of writers' handles
 *   2. open, until step 4, the images of orphans: their last writer has closed
 *      them, but some pages are not in the file, or a sync was interrupted
 *   3. open the images of readers' handles: they share what 1 and 2 opened, or
 *      the descriptor of a writer that has closed completely
 *   4. close the orphans, which writes and syncs them
 *   5. close all descriptors that were not claimed
 */
#include "config.h"

#include "fuse/restore.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "fuse/invalidate.h"
#include "fuse/mount-state.h"
#include "fuse/restore-moves.h"
#include "io/recovery.h"
#include "store/view.h"

/* The images of step 2: referenced, and open for writing. */
struct orphans {
	struct store_image **v;
	size_t n;
};

/* Adds the node of a handle's image, and opens the image.  A handle that is
 * lost stays lost: its writes may be lost. */
static int reopen(const struct recovery_open *open, struct node **ret)
{
	const struct file_id file =
		recovery_file_of_disk((struct file_id){ open->dev, open->ino });
	struct store_image *image =
		store_image_of_file(server.store, file.dev, file.ino);
	int r = image ? nodes_add_image(image, true, ret)
		      : fail(-ENOMEM, "out of memory");

	if (r < 0)
		return r;
	if (atomic_load(&open->lost))
		return fail(-EIO, "inode %llu: the handle was lost before",
			    (unsigned long long)open->ino);
	return view_reopen(image, open->writable);
}

/* Opens the image of a handle, if that is for writing as *ctx says; if it
 * cannot be opened, the handle is lost. */
static void restore_handle(void *ctx, const struct recovery_open *open)
{
	const bool *writable = ctx;
	struct node *node = NULL;
	int r;

	if (open->writable != *writable)
		return;
	r = reopen(open, &node);
	if (r < 0) {
		log_error("cannot reopen an open file: %s", error_text());
		recovery_open_set_lost(atomic_load(&open->number));
	}
	if (!node)
		return;
	if (r < 0)
		atomic_fetch_add(&node->lost_opens, 1);
	if (open->writable)
		return;
	atomic_store(&node->silent_changes, view_silent_changes(node->image));
	atomic_fetch_add(&node->cached_opens, 1);
}

static void lose_orphan(void)
{
	log_error("the last writes to a closed file are lost: %s",
		  error_text());
	recovery_set_lost();
	/* Handles of the old mount are dead and cannot report the loss. */
	if (server.mount->link->replaced)
		mount_state_new(server.mount->link->state);
}

static void close_orphan(struct store_image *image)
{
	if (view_close(image, true) < 0)
		lose_orphan();
	store_image_put(image);
}

static void add_orphan(struct orphans *o, struct store_image *image)
{
	struct store_image **v = reallocarray(o->v, o->n + 1, sizeof(*v));

	if (!v) {
		close_orphan(image);
		return;
	}
	o->v = v;
	o->v[o->n++] = image;
}

static void open_orphan(void *ctx, dev_t dev, ino_t ino)
{
	struct orphans *o = ctx;
	struct store_image *image = store_image_of_file(server.store, dev, ino);
	int r = image ? view_reopen(image, true)
		      : fail(-ENOMEM, "out of memory");

	if (r == 0) {
		add_orphan(o, image);
		return;
	}
	lose_orphan();
	if (image)
		store_image_put(image);
}

int restore_state(void)
{
	const struct options *o = server.mount->options;
	const struct store_options store = { .path = o->store,
					     .parents = o->parents,
					     .n_parents = o->n_parents,
					     .reserve = o->reserve,
					     .read_only = o->read_only };
	bool writers = true, readers = false;
	struct orphans orphans = { 0 };
	struct restored_moves moves = { 0 };
	int r;

	restore_moves_begin(&moves); /* 0 */
	r = store_open(&store, &server.store);
	if (r == 0)
		r = nodes_init();
	if (r < 0) {
		restore_moves_end(&moves);
		return r;
	}
	recovery_each_open(restore_handle, &writers); /* 1 */
	recovery_each_orphan(open_orphan, &orphans);  /* 2 */
	recovery_each_open(restore_handle, &readers); /* 3 */
	while (orphans.n)                             /* 4 */
		close_orphan(orphans.v[--orphans.n]);
	free(orphans.v);
	restore_moves_end(&moves);
	recovery_end_takeover(); /* 5 */
	return 0;
}

static void drop_cached(const struct node *node)
{
	if (atomic_load(&node->cached_opens))
		invalidate(node->number);
}

void restore_caches(void)
{
	nodes_each(drop_cached);
}
