/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names of an image that is opened, or open, for views and requests. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/view-internal.h"

char *view_copy_name(struct store_image *image, size_t n)
{
	const struct dir_entry *entry;
	char *path = NULL;

	pthread_mutex_lock(&image->store->lock);
	entry = image->names;
	while (entry && n--)
		entry = entry->next_name;
	if (entry)
		path = strdup(entry->real);
	pthread_mutex_unlock(&image->store->lock);
	return path;
}

bool view_has_name(struct store_image *image, const char *path)
{
	const struct dir_entry *entry;

	pthread_mutex_lock(&image->store->lock);
	entry = image->names;
	while (entry && strcmp(entry->real, path) != 0)
		entry = entry->next_name;
	pthread_mutex_unlock(&image->store->lock);
	return entry;
}

int view_check_request(struct store_image *image, const char *path)
{
	if (!image->chain || !image->chain_writable)
		return fail(-EBADF,
			    "%s: expected an image that is open for "
			    "writing",
			    path);
	if (!view_has_name(image, path))
		return fail(-ESTALE,
			    "%s: expected a name of the image that is open, "
			    "found another; run the command again",
			    path);
	return 0;
}
