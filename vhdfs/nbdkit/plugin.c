/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbdkit-vhdfs-plugin: serves images, merged with their parents, over NBD.
 *
 * It shows what the mount shows and holds images as the mount does: they are
 * the images of a store, so an image with children takes no write, an image is
 * locked while a client has it open, and all clients of an image share its
 * chain.  That is why a flush of one client covers the writes of all, and
 * several connections may serve one client (can_multi_conn).
 *
 * WHEN.  nbdkit forks after get_ready, and changes its user and its directory.
 * The store has threads and watches of its own, so the one that serves is
 * opened after that, where failures no longer reach the terminal.  Therefore
 * get_ready opens a store too, looks at the image, and closes it again.  An
 * image is opened for each connection: only then it is known whether nbdkit
 * serves it for reading only, and after the last one it is closed and clean.
 *
 * READ-ONLY.  An image that takes no write is refused when image= names it, for
 * the administrator means it to be written; `nbdkit -r' serves it.  Among the
 * images of a store there are parents, and each is a read-only export.
 *
 * DEATH.  Nothing here holds data that the library does not: when nbdkit is
 * killed, each image is what a power cut would leave, which the next open
 * finishes.
 */
#include "config.h"

#include "nbdkit/plugin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "store/view.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

enum {
	/* One answer has at most so many extents, so that it takes no long
	 * time; the client asks for the rest. */
	EXTENTS_MAX = 16384,
	PREFERRED_SIZE = 4096,
};

/* A connection. */
struct handle {
	struct store_image *image;
	bool writable;
	char *readonly; /* why it takes no write though others may; or null */
	uint64_t size;  /* of the disk when it was opened, bytes */
};

struct store *store;

/* What the library has to say beside failures goes where nbdkit's own messages
 * go: to the terminal, or to syslog when it serves in the background. */
static void take_line(enum log_level level, const char *line)
{
	if (level == LOG_LEVEL_ERROR)
		nbdkit_error("%s", line);
	else if (level == LOG_LEVEL_WARN)
		nbdkit_error("warning: %s", line);
	else
		nbdkit_debug("%s", line);
}

static void drop_line(enum log_level level, const char *line)
{
	nbdkit_debug("%s", line);
	(void)level;
}

int refuse(void)
{
	nbdkit_error("%s", error_text());
	return -1;
}

/* What a client is told: of what NBD has no number for, an I/O error. */
static int client_errno(int r)
{
	switch (r) {
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
	case -EROFS:
	case -ENOMEM:
		return -r;
	default:
		return EIO;
	}
}

/* A request failed: says so, with the image's name; returns -1. */
static int request_failed(const struct handle *h, int r)
{
	_cleanup_free_ char *name = store_image_name(store, h->image);

	/* Most words begin with the file's name themselves. */
	if (name && strncmp(error_text(), name, strlen(name)) != 0)
		nbdkit_error("%s: %s", name, error_text());
	else
		refuse();
	nbdkit_set_error(client_errno(r));
	return -1;
}

static int request_ended(const struct handle *h, int r)
{
	return r < 0 ? request_failed(h, r) : 0;
}

/* Of a read or a write, which end early at the end of the disk only. */
static int transfer_ended(const struct handle *h, ssize_t n, uint32_t count)
{
	if (n >= 0 && n < (ssize_t)count)
		n = fail(
			-EIO,
			"the disk has become smaller: another program changed the image");
	return request_ended(h, n < 0 ? (int)n : 0);
}

static int open_store(struct store **ret)
{
	const struct store_options options = {
		.path = settings.store,
		.parents = settings.parents,
		.n_parents = settings.n_parents,
		.reserve = settings.reserve,
	};

	return store_open(&options, ret);
}

static int open_image(struct store *in, const char *name, bool writable,
		      struct store_image **ret)
{
	struct store_image *image;
	struct error why;
	int r = export_find(in, name, &image);

	if (r < 0)
		return r;
	r = view_open(in, image, writable);
	if (r < 0) {
		why = *error_last();
		store_image_put(in, image);
		error_set(&why);
		return r;
	}
	*ret = image;
	return 0;
}

/* Its parent is not in the directory that it is in: what can be done. */
static void advise_on_parent(struct store *in)
{
	struct error why = *error_last();
	_cleanup_free_ char *type = NULL, *parent = NULL;
	struct store_image *image;

	if (settings.beside && export_find(in, "", &image) == 0) {
		store_attribute(in, image, "type", &type);
		store_attribute(in, image, "parent", &parent);
		store_image_put(in, image);
	}
	error_set(&why);
	if (type && !strcmp(type, "differencing") && !parent)
		error_advise(
			"store=DIR names a directory that holds its parents, too");
}

/* Can the image of image= be opened for reading? */
static int try_image(struct store *in)
{
	struct store_image *image;
	int r = open_image(in, "", false, &image);

	if (r < 0) {
		advise_on_parent(in);
		return r;
	}
	r = view_close(in, image, false);
	store_image_put(in, image);
	return r;
}

static int plugin_get_ready(void)
{
	struct store *in;
	struct error why;
	int r;

	/* The store that serves says all of it again. */
	log_to(drop_line);
	r = open_store(&in);
	if (r < 0)
		return refuse();
	if (settings.image)
		r = try_image(in);
	why = *error_last();
	store_close(in);
	error_set(&why);
	return r < 0 ? refuse() : 0;
}

static int plugin_after_fork(void)
{
	log_to(take_line);
	return open_store(&store) < 0 ? refuse() : 0;
}

/* No request is under way.  Of connections that a signal to nbdkit ended it has
 * not called close: their images are closed here. */
static void plugin_unload(void)
{
	/* What goes wrong is logged there. */
	if (store)
		store_close(steal(store));
	settings_free();
}

static void plugin_load(void)
{
	log_init("vhdfs", LOG_LEVEL_DEBUG, false);
	log_to(take_line);
}

static void plugin_dump(void)
{
	puts("vhdfs_formats=vhd,vhdx");
}

static int plugin_list_exports(int readonly, int is_tls,
			       struct nbdkit_exports *exports)
{
	(void)readonly;
	(void)is_tls;
	return export_list(exports);
}

static int open_for_reading(struct handle *h, const char *name)
{
	h->writable = false;
	return open_image(store, name, false, &h->image);
}

static int open_for_writing(struct handle *h, const char *name)
{
	int r = open_image(store, name, true, &h->image);

	h->writable = true;
	if (r != -EACCES)
		return r;
	if (settings.image) {
		error_advise("`nbdkit -r' serves it for reading");
		return r;
	}
	h->readonly = strdup(error_text());
	return open_for_reading(h, name);
}

static void *plugin_open(int readonly)
{
	const char *name = nbdkit_export_name();
	struct handle *h = calloc(1, sizeof *h);
	int r;

	if (!h) {
		nbdkit_error("out of memory");
		return NULL;
	}
	r = readonly ? open_for_reading(h, name) : open_for_writing(h, name);
	if (r < 0) {
		refuse();
		nbdkit_set_error(-r);
		free(h->readonly);
		free(h);
		return NULL;
	}
	h->size = view_size(h->image);
	return h;
}

static void plugin_close(void *handle)
{
	struct handle *h = handle;

	if (view_close(store, h->image, h->writable) < 0)
		refuse();
	store_image_put(store, h->image);
	free(h->readonly);
	free(h);
}

static const char *plugin_export_description(void *handle)
{
	struct handle *h = handle;
	_cleanup_free_ char *text = export_describe(h->image);

	if (!text)
		return NULL;
	return h->readonly ? nbdkit_printf_intern("%s; read-only: %s", text,
						  h->readonly)
			   : nbdkit_strdup_intern(text);
}

static int64_t plugin_get_size(void *handle)
{
	struct handle *h = handle;

	return (int64_t)h->size;
}

static int plugin_block_size(void *handle, uint32_t *minimum,
			     uint32_t *preferred, uint32_t *maximum)
{
	(void)handle;
	*minimum = 1;
	*preferred = PREFERRED_SIZE;
	*maximum = UINT32_MAX;
	return 0;
}

static int plugin_can_write(void *handle)
{
	struct handle *h = handle;

	return h->writable;
}

static int plugin_can_multi_conn(void *handle)
{
	(void)handle;
	return 1;
}

/* nbdkit reads, which puts the files' bytes into the page cache. */
static int plugin_can_cache(void *handle)
{
	(void)handle;
	return NBDKIT_CACHE_EMULATE;
}

static int plugin_read(void *handle, void *buf, uint32_t count, uint64_t offset,
		       uint32_t flags)
{
	struct handle *h = handle;

	(void)flags;
	return transfer_ended(h, view_read(h->image, buf, offset, count),
			      count);
}

static int plugin_write(void *handle, const void *buf, uint32_t count,
			uint64_t offset, uint32_t flags)
{
	struct handle *h = handle;

	(void)flags;
	return transfer_ended(h, view_write(h->image, buf, offset, count),
			      count);
}

static int plugin_flush(void *handle, uint32_t flags)
{
	struct handle *h = handle;

	(void)flags;
	return request_ended(h, view_flush(h->image));
}

static int plugin_trim(void *handle, uint32_t count, uint64_t offset,
		       uint32_t flags)
{
	struct handle *h = handle;

	(void)flags;
	return request_ended(h, view_zero(h->image, offset, count, true));
}

/* nbdkit aborts where a client asks for a fast zero that was not offered. */
static int plugin_can_fast_zero(void *handle)
{
	(void)handle;
	return 1;
}

static int plugin_zero(void *handle, uint32_t count, uint64_t offset,
		       uint32_t flags)
{
	struct handle *h = handle;

	/* Whether it is faster than a write depends on the file system. */
	if (flags & NBDKIT_FLAG_FAST_ZERO) {
		nbdkit_set_error(ENOTSUP);
		return -1;
	}
	return request_ended(h, view_zero(h->image, offset, count,
					  flags & NBDKIT_FLAG_MAY_TRIM));
}

static int plugin_extents(void *handle, uint32_t count, uint64_t offset,
			  uint32_t flags, struct nbdkit_extents *extents)
{
	struct handle *h = handle;
	uint64_t end = offset + count, len;
	bool zero;

	for (int n = 0; offset < end && n < EXTENTS_MAX; n++, offset += len) {
		int r = view_map(h->image, offset, end - offset, &zero, &len);

		if (r < 0)
			return request_failed(h, r);
		r = nbdkit_add_extent(
			extents, offset, len,
			zero ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0);
		if (r < 0 || flags & NBDKIT_FLAG_REQ_ONE)
			return r;
	}
	return 0;
}

static struct nbdkit_plugin plugin = {
	.name = "vhdfs",
	.longname = "vhdfs: VHD and VHDX images, merged with their parents",
	.version = PACKAGE_VERSION,
	.load = plugin_load,
	.unload = plugin_unload,
	.dump_plugin = plugin_dump,
	.config = settings_take,
	.config_complete = settings_complete,
	.config_help = settings_help,
	.magic_config_key = "image",
	.get_ready = plugin_get_ready,
	.after_fork = plugin_after_fork,
	.list_exports = plugin_list_exports,
	.open = plugin_open,
	.close = plugin_close,
	.export_description = plugin_export_description,
	.get_size = plugin_get_size,
	.block_size = plugin_block_size,
	.can_write = plugin_can_write,
	.can_multi_conn = plugin_can_multi_conn,
	.can_cache = plugin_can_cache,
	.can_fast_zero = plugin_can_fast_zero,
	.pread = plugin_read,
	.pwrite = plugin_write,
	.flush = plugin_flush,
	.trim = plugin_trim,
	.zero = plugin_zero,
	.extents = plugin_extents,
};

NBDKIT_REGISTER_PLUGIN(plugin)
