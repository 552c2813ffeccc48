/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reserve: free space that guests' writes must leave free. */
#include "config.h"

#include "store/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "base/size.h"
#include "io/blocking.h"

#define DEFAULT_MAX GIB(1)
/* What a write may take besides its own bytes: the copy-up of the surrounding
 * 64 KiB, and tables. */
#define WRITE_EXTRA KIB(64)
/* Bytes granted at a time, at most and at least: smaller grants would cost a
 * syncfs each. */
#define GRANT_MAX MIB(256)
#define GRANT_MIN MIB(4)

static const struct {
	uint32_t magic;
	const char *name;
} copies_on_write[] = {
	{ BTRFS_SUPER_MAGIC, "btrfs" },
	{ 0xca451a4e, "bcachefs" },
	{ 0x2fc12fc1, "ZFS" },
	{ NILFS_SUPER_MAGIC, "NILFS" },
};

/* The file system's name if it copies on write, else null. */
static const char *copying_fs(int fd)
{
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof copies_on_write / sizeof *copies_on_write;
	     i++)
		if ((uint32_t)st.f_type == copies_on_write[i].magic)
			return copies_on_write[i].name;
	return NULL;
}

static uint64_t free_space(const struct reserve *reserve)
{
	struct statvfs st;

	/* Unknown: no reserve can be kept. */
	if (fstatvfs(reserve->fd, &st) < 0)
		return UINT64_MAX;
	return (uint64_t)st.f_bavail * st.f_frsize;
}

static uint64_t default_size(const struct reserve *reserve)
{
	struct statvfs st;

	if (!copying_fs(reserve->fd) || fstatvfs(reserve->fd, &st) < 0)
		return 0;
	return min_u64((uint64_t)st.f_blocks * st.f_frsize / 20, DEFAULT_MAX);
}

static void log_reserve(const struct reserve *reserve)
{
	const char *fs = copying_fs(reserve->fd), *name = reserve->name;
	char text[64];

	size_format(reserve->size, text, sizeof text);
	if (fs && reserve->size)
		log_info(
			"%s: %s copies on write, so a flush needs room: guests' writes fail with ENOSPC while less than %s is free (option reserve=SIZE); other programs must leave it free, too",
			name, fs, text);
	else if (fs)
		log_warn(
			"%s: %s copies on write, so a flush needs room, and reserve=0 keeps none: an image whose flush fails takes no more writes",
			name, fs);
	else if (reserve->size)
		log_info(
			"%s: guests' writes fail with ENOSPC while less than %s is free (option reserve=SIZE)",
			name, text);
}

int reserve_init(struct reserve *reserve, int dir, const char *name,
		 uint64_t size)
{
	/* syncfs refuses O_PATH descriptors. */
	reserve->fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (reserve->fd < 0)
		return fail_errno(-errno, "%s", name);
	reserve->name = name;
	pthread_mutex_init(&reserve->lock, NULL);
	reserve->size = size == RESERVE_DEFAULT ? default_size(reserve) : size;
	log_reserve(reserve);
	return 0;
}

void reserve_fini(struct reserve *reserve)
{
	if (!reserve->name)
		return;
	pthread_mutex_destroy(&reserve->lock);
	close(reserve->fd);
}

/* Bytes that may be granted when is_free bytes are free. */
static uint64_t above_reserve(const struct reserve *reserve, uint64_t is_free)
{
	uint64_t taken = reserve->size + reserve->unsynced;

	return is_free > taken ? is_free - taken : 0;
}

/* Sets a new budget from the free space.  With reserve.lock held. */
static int grant(struct reserve *reserve, uint64_t cost)
{
	uint64_t is_free = free_space(reserve), wanted = cost + GRANT_MIN;
	uint64_t room = above_reserve(reserve, is_free);

	if (room < wanted) {
		io_will_block();
		/* Writes the page cache, and frees the space of removed
		 * files. */
		if (syncfs(reserve->fd) == 0)
			reserve->unsynced = 0;
		is_free = free_space(reserve);
		room = above_reserve(reserve, is_free);
	}
	if (room < wanted)
		return fail(
			-ENOSPC,
			"%s: expected %llu bytes free (option reserve=SIZE), found %llu; remove files, or mount with a smaller reserve=SIZE",
			reserve->name, (unsigned long long)reserve->size,
			(unsigned long long)is_free);
	/* Half: other programs write to the file system, too. */
	room = min_u64(max_u64(room / 2, wanted), GRANT_MAX);
	reserve->unsynced += room;
	atomic_store(&reserve->budget, (int64_t)(room - cost));
	return 0;
}

int reserve_take(struct reserve *reserve, uint64_t len)
{
	uint64_t cost = len + WRITE_EXTRA;
	int r = 0;

	if (!reserve->size ||
	    atomic_fetch_sub(&reserve->budget, (int64_t)cost) >= (int64_t)cost)
		return 0;
	pthread_mutex_lock(&reserve->lock);
	/* Another thread may have set a new budget. */
	if (atomic_fetch_sub(&reserve->budget, (int64_t)cost) < (int64_t)cost)
		r = grant(reserve, cost);
	pthread_mutex_unlock(&reserve->lock);
	return r;
}
