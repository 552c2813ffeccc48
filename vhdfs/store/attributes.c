/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes: the texts that the mount shows as extended attributes of an image
 * (user.vhdfs.*). */
#include "config.h"

#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/guid.h"
#include "base/printable.h"
#include "store/ancestry.h"
#include "store/store-internal.h"
#include "store/view-internal.h"

/* Counters are shown modulo this, so that they fit into the text. */
#define WRITES_SHOWN 1000000000000ULL

const char *const store_attributes[] = { "format",          "type",    "id",
					 "parent",          "depth",   "error",
					 "readonly-reason", "warning", "writes",
					 "inode",           NULL };

enum { ATTRIBUTE_SIZE = 4096 + 128 };

/* Why the image cannot be opened for writing; null: it has children, or no
 * reason beyond its permissions. */
static const char *readonly_reason(const struct store_image *image,
				   char buf[ATTRIBUTE_SIZE])
{
	const struct store_image *child = ancestry_unknown_child_locked(image);

	if (image->info.readonly || !child)
		return image->info.readonly;
	snprintf(buf, ATTRIBUTE_SIZE, ANCESTRY_UNKNOWN_CHILD,
		 child->names->real);
	return buf;
}

/* The attribute's text, in buf or in the image; null: none. */
static const char *attribute_text(const struct store_image *image,
				  const char *name, const struct guid *id,
				  char buf[ATTRIBUTE_SIZE])
{
	const struct image_info *info = &image->info;

	if (!strcmp(name, "format"))
		return info->format;
	if (!strcmp(name, "type"))
		return info->type;
	if (!strcmp(name, "parent"))
		return info->parent_path;
	if (!strcmp(name, "warning"))
		return ancestry_warning_locked(image);
	if (!strcmp(name, "error"))
		return image->error;
	if (!strcmp(name, "readonly-reason"))
		return readonly_reason(image, buf);
	if (!strcmp(name, "writes") && image->opens) {
		snprintf(buf, GUID_TEXT_SIZE, "%d %llu %llu", (int)getpid(),
			 atomic_load(&image->begun) % WRITES_SHOWN,
			 atomic_load(&image->flushed) % WRITES_SHOWN);
		return buf;
	}
	if (!strcmp(name, "inode")) {
		snprintf(buf, GUID_TEXT_SIZE, "%llu",
			 (unsigned long long)image->id.ino);
		return buf;
	}
	if (!strcmp(name, "depth") && !image->error) {
		snprintf(buf, GUID_TEXT_SIZE, "%u", image->depth);
		return buf;
	}
	if (!strcmp(name, "id") && info->type)
		return guid_format(id ? id : &info->id, buf);
	return NULL;
}

int store_attribute(struct store_image *image, const char *name, char **ret)
{
	struct store *store = image->store;
	char buf[ATTRIBUTE_SIZE];
	struct guid id;
	bool open;
	struct stat st;
	const char *text;
	int r = store_stat_image(image, &st);

	/* Without store.lock, because it waits for the image. */
	open = !strcmp(name, "id") && view_id(image, &id);
	pthread_mutex_lock(&store->lock);
	/* An image that buf or a text names may have been removed meanwhile. */
	ancestry_derive_locked(store);
	if (r == 0) {
		text = attribute_text(image, name, open ? &id : NULL, buf);
		*ret = text ? printable_copy(text) : NULL;
		r = *ret ? 0 : text ? -ENOMEM : -ENODATA;
	}
	pthread_mutex_unlock(&store->lock);
	return r;
}
