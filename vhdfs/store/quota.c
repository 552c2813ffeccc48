/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quota: how much space of the file system the file of one image may take. */
#include "config.h"

#include "store/quota.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "base/size.h"

/* Special values of quota.limit. */
#define UNREAD UINT64_MAX
#define READING (UINT64_MAX - 1)
#define LIMIT_MAX ((uint64_t)INT64_MAX)

/* What a write may take besides its own bytes: the copy-up of the surrounding
 * 64 KiB, and tables. */
#define WRITE_EXTRA KIB(64)
/* Bytes granted at a time, at most. */
#define GRANT_MAX MIB(64)
/* Of an attribute's value. */
enum { VALUE_MAX = 32, LINK_SIZE = 32 };

void quota_init(struct quota *quota)
{
	atomic_init(&quota->limit, UNREAD);
	atomic_init(&quota->budget, 0);
	pthread_mutex_init(&quota->lock, NULL);
}

void quota_fini(struct quota *quota)
{
	pthread_mutex_destroy(&quota->lock);
}

void quota_forget(struct quota *quota)
{
	atomic_store(&quota->limit, UNREAD);
}

int quota_parse(const char *value, size_t len, uint64_t *ret)
{
	char text[VALUE_MAX + 1] = "";

	if (len > VALUE_MAX || memchr(value, '\0', len))
		return -EINVAL;
	memcpy(text, value, len);
	return size_parse(text, ret) < 0 || *ret > LIMIT_MAX ? -EINVAL : 0;
}

/* The file of fd, which may be O_PATH. */
static const char *link_of(int fd, char buf[LINK_SIZE])
{
	snprintf(buf, LINK_SIZE, "/proc/self/fd/%d", fd);
	return buf;
}

int quota_read(int fd, const char *name, uint64_t *ret)
{
	char value[VALUE_MAX + 1], link[LINK_SIZE];
	ssize_t n = getxattr(link_of(fd, link), QUOTA_ATTRIBUTE, value,
			     sizeof value);

	if (n < 0 && errno == ERANGE)
		n = sizeof value;
	if (n < 0)
		return errno == ENODATA || errno == EOPNOTSUPP
			       ? -ENODATA
			       : fail_errno(-errno,
					    "%s: attribute " QUOTA_ATTRIBUTE,
					    name);
	if (quota_parse(value, (size_t)n, ret) == 0)
		return 0;
	return fail(
		-EINVAL,
		"%s: attribute " QUOTA_ATTRIBUTE
		": expected a size in bytes or with K, M, G or T, found other text; no quota applies; set it with setfattr",
		name);
}

int quota_write(int fd, uint64_t limit, int flags)
{
	char text[VALUE_MAX], link[LINK_SIZE];
	int n = snprintf(text, sizeof text, "%" PRIu64, limit), r;

	link_of(fd, link);
	r = limit ? setxattr(link, QUOTA_ATTRIBUTE, text, (size_t)n, flags)
		  : removexattr(link, QUOTA_ATTRIBUTE);
	return r < 0 ? -errno : 0;
}

/* Reads the attribute if it is unread.  With quota.lock held. */
static uint64_t current_limit(struct quota *quota, int fd, const char *name)
{
	uint64_t limit = atomic_load(&quota->limit), reading;

	while (limit == UNREAD) {
		int r;

		reading = READING;
		atomic_store(&quota->limit, reading);
		r = quota_read(fd, name, &limit);
		if (r < 0)
			limit = 0;
		/* Forgotten again meanwhile: it may have changed. */
		if (!atomic_compare_exchange_strong(&quota->limit, &reading,
						    limit))
			limit = UNREAD;
		else if (r < 0 && r != -ENODATA)
			log_warn("%s", error_text());
		atomic_store(&quota->budget, 0);
	}
	return limit;
}

/* Sets a new budget from what is left.  With quota.lock held. */
static int grant(struct quota *quota, uint64_t limit, int fd, const char *name,
		 uint64_t cost)
{
	uint64_t used, room;
	char text[64];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_errno(-errno, "%s", name);
	used = (uint64_t)st.st_blocks * 512;
	room = used < limit ? limit - used : 0;
	if (room < cost) {
		atomic_store(&quota->budget, 0);
		return fail(
			-ENOSPC,
			"%s: expected at most %s on the disk (" QUOTA_ATTRIBUTE
			"), found %llu; raise the quota with setfattr, or let the client trim its disk",
			name, size_format(limit, text, sizeof text),
			(unsigned long long)used);
	}
	room = max_u64(min_u64(room / 2, GRANT_MAX), cost);
	atomic_store(&quota->budget, (int64_t)(room - cost));
	return 0;
}

int quota_take_slow(struct quota *quota, int fd, const char *name, uint64_t len)
{
	uint64_t cost = len + WRITE_EXTRA, limit;
	int r = 0;

	if (atomic_load(&quota->limit) < READING &&
	    atomic_fetch_sub(&quota->budget, (int64_t)cost) >= (int64_t)cost)
		return 0;
	pthread_mutex_lock(&quota->lock);
	limit = current_limit(quota, fd, name);
	/* Another thread may have set a new budget. */
	if (limit &&
	    atomic_fetch_sub(&quota->budget, (int64_t)cost) < (int64_t)cost)
		r = grant(quota, limit, fd, name, cost);
	pthread_mutex_unlock(&quota->lock);
	return r;
}
