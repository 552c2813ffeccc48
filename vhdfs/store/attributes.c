/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes: the texts that the mount shows as extended attributes of an image
 * (user.vhdfs.*). */
#include "config.h"

#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
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
					 "inode",           "quota",   NULL };

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

/* Opens the image's file by its first name with O_PATH, which other programs do
 * not notice.  A descriptor or -errno, without a message. */
static int open_file(struct store_image *image)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	struct file_id id;
	struct stat st;

	pthread_mutex_lock(&image->store->lock);
	id = image->id;
	if (image->names)
		path = strdup(image->names->real);
	pthread_mutex_unlock(&image->store->lock);
	if (!path)
		return -ESTALE;
	fd = root_dir_openat(&image->store->roots[0], path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return file_id_equal(file_id_of(&st), id) ? steal_fd(&fd) : -ESTALE;
}

static int quota_text(struct store_image *image, char **ret)
{
	_cleanup_close_ int fd = open_file(image);
	uint64_t limit;

	if (fd < 0 || quota_read(fd, "", &limit) < 0 || !limit)
		return -ENODATA;
	if (asprintf(ret, "%" PRIu64, limit) < 0)
		return -ENOMEM;
	return 0;
}

int store_set_attribute(struct store_image *image, const char *name,
			const char *value, size_t size, int flags)
{
	uint64_t limit = 0;
	struct stat st;
	int fd, r;

	if (strcmp(name, "quota") != 0)
		return -EPERM;
	if (value && quota_parse(value, size, &limit) < 0)
		return -EINVAL;
	if (image->store->read_only)
		return -EROFS;
	r = store_stat_image(image, &st);
	if (r < 0)
		return r;
	if (!(st.st_mode & 0222))
		return -EACCES;
	fd = open_file(image);
	if (fd < 0)
		return fd;
	r = quota_write(fd, limit, flags);
	close(fd);
	quota_forget(&image->quota);
	/* A quota of 0 need not be there before. */
	return r == -ENODATA && value && !(flags & XATTR_REPLACE) ? 0 : r;
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

	if (r == 0 && !strcmp(name, "quota"))
		return quota_text(image, ret);
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
