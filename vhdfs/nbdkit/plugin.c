/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbdkit-vhdfs-plugin: serves images, merged with their parents, over NBD.
 *
 * It shows the images of a store as the mount does, under the same rules: an
 * image with children is not written, an image is locked while a client has it
 * open, and all clients of an image share its chain.  Because of the shared
 * chain a flush of one client covers the writes of all, and a client may use
 * several connections (can_multi_conn).
 *
 * WHEN.  nbdkit forks after get_ready, then changes its user and directory.
 * The store has threads and inotify watches, which do not survive a fork.  So
 * the store that serves is opened after the fork, when messages no longer reach
 * the terminal; and get_ready opens a store, too, opens the image, and closes
 * both, so that wrong parameters are reported on the terminal.  An image is
 * opened for each connection, because only then nbdkit says whether it is
 * read-only; after the last connection it is closed.
 *
 * READ-ONLY.  An image that cannot be written is refused if image= names it:
 * the administrator wants it writable, else `nbdkit -r'.  Without image= it is
 * a read-only export, as parents are.
 *
 * CRASHES.  The plugin holds no data that the library does not hold.  When
 * nbdkit is killed each image is as after a power cut, and the next open
 * repairs it.
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
#include "format/registry.h"
#include "store/view.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

enum {
	/* Extents in one answer, which bounds its time; the client asks for
	 * the rest. */
	EXTENTS_MAX = 16384,
	PREFERRED_SIZE = 4096,
};

/* One connection of a client. */
struct handle {
	struct store_image *image;
	bool writable;
	char *readonly; /* why it is not writable, or null */
	uint64_t size;  /* of the disk at the open, bytes */
};

struct store *store;

/* The library's log, to nbdkit's: the terminal, or syslog in the background. */
static void log_line(enum log_level level, const char *line)
{
	if (level == LOG_LEVEL_ERROR)
		nbdkit_error("%s", line);
	else if (level == LOG_LEVEL_WARN)
		nbdkit_error("warning: %s", line);
	else
		nbdkit_debug("%s", line);
}

static void log_as_debug(enum log_level level, const char *line)
{
	nbdkit_debug("%s", line);
	(void)level;
}

int report_error(void)
{
	nbdkit_error("%s", error_text());
	return -1;
}

/* After a failed request: logs the error, and sets the client's errno; returns
 * -1. */
static int request_ended(const struct handle *h, int r)
{
	if (r >= 0)
		return 0;
	view_name_error(h->image);
	report_error();
	nbdkit_set_error(-view_client_error(r));
	return -1;
}

/* The end of a read or write: it is short only at the end of the disk. */
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
	int r = export_find(in, name, &image);

	if (r < 0)
		return r;
	r = view_open(image, writable);
	if (r < 0) {
		_cleanup_(error_set) struct error why = *error_last();

		store_image_put(image);
		return r;
	}
	*ret = image;
	return 0;
}

/* Adds advice where the parent may be outside of the image's directory. */
static void advise_on_parent(struct store *in)
{
	struct error why = *error_last();
	_cleanup_free_ char *type = NULL, *parent = NULL;
	struct store_image *image;

	if (settings.no_store && export_find(in, "", &image) == 0) {
		store_attribute(image, "type", &type);
		store_attribute(image, "parent", &parent);
		store_image_put(image);
	}
	error_set(&why);
	if (type && !strcmp(type, "differencing") && !parent)
		error_advise(
			"store=DIR names a directory that contains its parents, too");
}

/* Opens the image of image= for reading and closes it. */
static int try_image(struct store *in)
{
	struct store_image *image;
	int r = open_image(in, "", false, &image);

	if (r < 0) {
		advise_on_parent(in);
		return r;
	}
	r = view_close(image, false);
	store_image_put(image);
	return r;
}

static int plugin_get_ready(void)
{
	struct store *in;
	struct error why;
	int r;

	/* The store that serves logs the same again. */
	log_to(log_as_debug);
	r = open_store(&in);
	if (r < 0)
		return report_error();
	if (settings.image)
		r = try_image(in);
	why = *error_last();
	store_close(in);
	error_set(&why);
	return r < 0 ? report_error() : 0;
}

static int plugin_after_fork(void)
{
	log_to(log_line);
	return open_store(&store) < 0 ? report_error() : 0;
}

/* No request is under way.  nbdkit does not call close for connections that a
 * signal ended: store_close closes their images. */
static void plugin_unload(void)
{
	/* store_close logs its errors. */
	if (store)
		store_close(steal(store));
	settings_free();
}

static void plugin_load(void)
{
	log_init("vhdfs", LOG_LEVEL_DEBUG, false);
	log_to(log_line);
}

static void plugin_dump(void)
{
	printf("vhdfs_formats=");
	for (int i = 0; !image_format_is_raw(image_formats[i]); i++)
		printf("%s%s", i ? "," : "", image_formats[i]->name);
	putchar('\n');
}

static int open_handle(struct handle *h, const char *name, bool writable)
{
	int r = open_image(store, name, writable, &h->image);

	h->writable = writable;
	if (r != -EACCES || !writable)
		return r;
	if (settings.image) {
		error_advise("`nbdkit -r' serves it for reading");
		return r;
	}
	h->readonly = strdup(error_text());
	return open_handle(h, name, false);
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
	r = open_handle(h, name, !readonly);
	if (r < 0) {
		report_error();
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

	if (view_close(h->image, h->writable) < 0)
		report_error();
	store_image_put(h->image);
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

/* Clients may use several connections.  Fast zeros are offered, because nbdkit
 * aborts when a client sends one that was not. */
static int plugin_can(void *handle)
{
	(void)handle;
	return 1;
}

/* nbdkit emulates it by reads, which fill the page cache. */
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

static int plugin_zero(void *handle, uint32_t count, uint64_t offset,
		       uint32_t flags)
{
	struct handle *h = handle;

	/* The file system decides whether it is faster than a write. */
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
			return request_ended(h, r);
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
	.longname = "vhdfs: images of virtual disks, merged with their parents",
	.version = PACKAGE_VERSION,
	.load = plugin_load,
	.unload = plugin_unload,
	.dump_plugin = plugin_dump,
	.config = settings_set,
	.config_complete = settings_complete,
	.config_help = settings_help,
	.magic_config_key = "image",
	.get_ready = plugin_get_ready,
	.after_fork = plugin_after_fork,
	.list_exports = export_list,
	.open = plugin_open,
	.close = plugin_close,
	.export_description = plugin_export_description,
	.get_size = plugin_get_size,
	.block_size = plugin_block_size,
	.can_write = plugin_can_write,
	.can_multi_conn = plugin_can,
	.can_cache = plugin_can_cache,
	.can_fast_zero = plugin_can,
	.pread = plugin_read,
	.pwrite = plugin_write,
	.flush = plugin_flush,
	.trim = plugin_trim,
	.zero = plugin_zero,
	.extents = plugin_extents,
};

NBDKIT_REGISTER_PLUGIN(plugin)
