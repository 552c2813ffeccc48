/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of old images: parse, format, order. */
#include "config.h"

#include "tgt-glue/reconcile/old-images.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/registry.h"

int64_t old_images_next_stamp(const struct old_images *images, int64_t now)
{
	return stamp_next(images->n ? images->v[0].stamp : INT64_MIN, now);
}

/* The text after a leading dot, the name of an image format and a dot, or null.
 */
static const char *after_ending(const char *text)
{
	for (int i = 0; *text == '.' && image_formats[i]; i++) {
		const char *name = image_formats[i]->name;
		const size_t n = strlen(name);

		if (!image_format_is_raw(image_formats[i]) &&
		    !strncmp(text + 1, name, n) && text[n + 1] == '.')
			return text + n + 2;
	}
	return NULL;
}

/* True if the name is another client's, whose name begins with this one's and
 * an ending; or that of a file of an unfinished operation (atomic-file.h,
 * leaf-replace.c). */
static bool is_others(const char *rest)
{
	static const char file[] = ".new";
	const size_t n = strlen(rest), m = sizeof file - 1;

	if ((n > m && !strcmp(rest + n - m, file)) || !strcmp(rest, "leaf") ||
	    !strcmp(rest, "intent"))
		return true;
	for (const char *dot = rest; (dot = strchr(dot, '.')); dot++)
		if (after_ending(dot))
			return true;
	return false;
}

static void add_name(struct arena *arena, const char *client, const char *name,
		     struct old_images *images)
{
	const size_t n = strlen(client);
	struct old_image image;
	const char *rest;

	if (*name != '.' || strncmp(name + 1, client, n) != 0)
		return;
	rest = after_ending(name + 1 + n);
	if (!rest)
		return;
	image.name = arena_strdup(arena, name);
	if (stamp_read(rest, &image.stamp)) {
		images->v = arena_grow(arena, images->v, images->n,
				       sizeof *images->v);
		images->v[images->n++] = image;
	} else if (!is_others(rest)) {
		strings_add(arena, &images->odd, image.name);
	}
}

static int newest_first(const void *a, const void *b)
{
	const struct old_image *x = a, *y = b;

	if (x->stamp != y->stamp)
		return x->stamp < y->stamp ? 1 : -1;
	return strcmp(y->name, x->name);
}

int old_images_newest(int dir_fd, int64_t *ret)
{
	_cleanup_closedir_ DIR *dir =
		fdopendir(openat(dir_fd, ".", O_RDONLY | O_CLOEXEC));
	struct dirent *e;

	*ret = INT64_MIN;
	if (!dir)
		return -errno;
	for (errno = 0; (e = readdir(dir)); errno = 0) {
		const size_t n = strlen(e->d_name);
		int64_t stamp;

		if (*e->d_name == '.' && n > STAMP_SIZE &&
		    stamp_read(e->d_name + n + 1 - STAMP_SIZE, &stamp) &&
		    stamp > *ret)
			*ret = stamp;
	}
	return -errno;
}

int old_images_read(struct arena *arena, int dir_fd, const char *client,
		    struct old_images *ret)
{
	_cleanup_closedir_ DIR *dir =
		fdopendir(openat(dir_fd, ".", O_RDONLY | O_CLOEXEC));

	struct dirent *e;
	int r;

	*ret = (struct old_images){ 0 };
	if (!dir)
		return -errno;
	for (errno = 0; (e = readdir(dir)); errno = 0)
		add_name(arena, client, e->d_name, ret);
	r = -errno;
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, newest_first);
	return r;
}
