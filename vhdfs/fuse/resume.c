/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "fuse/resume.h"

#include <errno.h>

#include "base/error.h"
#include "base/log.h"
#include "fuse/state.h"
#include "io/keep.h"
#include "store/view.h"

struct file {
	dev_t dev;
	ino_t ino;
};

static bool is_file(const void *what, dev_t dev, ino_t ino)
{
	const struct file *file = what;

	return file->dev == dev && file->ino == ino;
}

/* The image, with a reference; null with words. */
static struct store_image *find(struct server *server, const struct file *file)
{
	struct store_image *image =
		store_find_image(server->store, is_file, file);

	if (!image)
		fail(-ESTALE, "inode %llu is no image of the store any more",
		     (unsigned long long)file->ino);
	return image;
}

/* Opens what somebody has open; what cannot be is forgotten, so that its
 * release is nothing. */
static void open_again(struct server *server, const struct keep_open *open)
{
	uint64_t handle = atomic_load(&open->number);
	struct file file = { open->dev, open->ino };
	struct store_image *image = find(server, &file);
	struct node *node = NULL;
	int r = image ? nodes_revive_image(server->nodes, image, file.dev,
					   file.ino, &node)
		      : -ESTALE;

	if (r == 0)
		r = view_reopen(server->store, node->image, open->writable);
	if (r < 0) {
		log_error("not opened again: %s", error_text());
		keep_open_remove(handle);
	} else if (!open->writable) {
		atomic_fetch_add(&node->cached, 1);
	}
}

static void open_writer(void *ctx, const struct keep_open *open)
{
	if (open->writable)
		open_again(ctx, open);
}

static void open_reader(void *ctx, const struct keep_open *open)
{
	if (!open->writable)
		open_again(ctx, open);
}

/* Who had it open has closed it, but not all was in its place. */
static void finish_orphan(void *ctx, dev_t dev, ino_t ino)
{
	struct server *server = ctx;
	struct file file = { dev, ino };
	struct store_image *image = find(server, &file);
	int r = image ? view_reopen(server->store, image, true) : -ESTALE;

	if (r == 0)
		r = view_close(server->store, image, true);
	if (r < 0) {
		log_error("what was written last is lost: %s", error_text());
		/* A handle of the mount before is dead, and tells nothing. */
		if (server->anew)
			state_new(server->state);
	}
	if (image)
		store_image_put(server->store, image);
}

int resume(struct server *server, const struct store_options *options)
{
	int r = store_open(options, &server->store);

	if (r == 0)
		r = nodes_new(server->store, &server->nodes);
	if (r < 0)
		return r;
	/* Readers share what a writer has open, and locked for itself. */
	keep_each_open(open_writer, server);
	keep_each_open(open_reader, server);
	keep_each_orphan(finish_orphan, server);
	keep_taken_over();
	return 0;
}

static void drop_cached(void *ctx, const struct node *node)
{
	struct server *server = ctx;

	if (atomic_load(&node->cached))
		invalidate(server->invalidator, node->number);
}

void resume_caches(struct server *server)
{
	nodes_each(server->nodes, drop_cached, server);
}
