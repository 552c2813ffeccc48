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

#define DEFAULT_MAX GIB(4)
#define DEFAULT_PART 100
/* What a write may take besides its own bytes: the copy-up of the surrounding
 * 64 KiB, and tables. */
#define WRITE_EXTRA KIB(64)
/* Bytes granted at a time, at most: a part of the reserve, so that writes of
 * other programs are noticed in time; of a small one more, for speed. */
#define GRANT_PART 16
#define GRANT_MAX_LEAST MIB(1)
/* Above the reserve, at least so much must be free for a grant: smaller ones
 * could cost a syncfs each, and leave writes that run at the same time no room.
 * A part of a small reserve. */
#define MARGIN_MAX MIB(4)
#define MARGIN_PART 16

static const struct file_system {
	uint32_t magic;
	const char *name;
	bool copies_on_write;
	bool counts_cached;
} file_systems[] = {
	{ BTRFS_SUPER_MAGIC, "btrfs", true, false },
	{ 0xca451a4e, "bcachefs", true, false },
	{ 0x2fc12fc1, "ZFS", true, false },
	{ NILFS_SUPER_MAGIC, "NILFS", true, false },
	{ EXT4_SUPER_MAGIC, "ext4", false, true }, /* ext2 and ext3, too */
	{ XFS_SUPER_MAGIC, "XFS", false, true },
	{ F2FS_SUPER_MAGIC, "F2FS", false, true },
	{ TMPFS_MAGIC, "tmpfs", false, true },
};

static struct file_system file_system_of(int fd)
{
	static const struct file_system other = { 0 };
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return other;
	for (size_t i = 0; i < sizeof file_systems / sizeof *file_systems; i++)
		if ((uint32_t)st.f_type == file_systems[i].magic)
			return file_systems[i];
	return other;
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

	if (fstatvfs(reserve->fd, &st) < 0)
		return 0;
	return min_u64((uint64_t)st.f_blocks * st.f_frsize / DEFAULT_PART,
		       DEFAULT_MAX);
}

/* fs: the name of a file system that copies on write. */
static void log_reserve(const struct reserve *reserve, const char *fs)
{
	char text[64];

	size_format(reserve->size, text, sizeof text);
	if (!reserve->copies_on_write && reserve->size)
		log_info(
			"%s: while less than %s is free, guests' writes that need space fail with ENOSPC (option reserve=SIZE)",
			reserve->name, text);
	else if (reserve->size)
		log_info(
			"%s: %s copies on write, so a flush needs room: guests' writes fail with ENOSPC while less than %s is free (option reserve=SIZE); other programs must leave it free, too",
			reserve->name, fs, text);
	else if (reserve->copies_on_write)
		log_warn(
			"%s: %s copies on write, so a flush needs room, and reserve=0 keeps none: an image whose flush fails takes no more writes",
			reserve->name, fs);
}

int reserve_init(struct reserve *reserve, int dir, const char *name,
		 uint64_t size)
{
	struct file_system fs;

	/* syncfs refuses O_PATH descriptors. */
	reserve->fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (reserve->fd < 0)
		return fail_errno(-errno, "%s", name);
	reserve->name = name;
	pthread_mutex_init(&reserve->lock, NULL);
	fs = file_system_of(reserve->fd);
	reserve->copies_on_write = fs.copies_on_write;
	reserve->counts_cached = fs.counts_cached;
	reserve->size = size == RESERVE_DEFAULT ? default_size(reserve) : size;
	log_reserve(reserve, fs.name);
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

static uint64_t margin(const struct reserve *reserve)
{
	return reserve->counts_cached
		       ? min_u64(reserve->size / MARGIN_PART, MARGIN_MAX)
		       : MARGIN_MAX;
}

static uint64_t grant_max(const struct reserve *reserve)
{
	return max_u64(reserve->size / GRANT_PART, GRANT_MAX_LEAST);
}

/* Writes the page cache, and frees the space of removed files. */
static void sync_cached(struct reserve *reserve)
{
	io_will_block();
	if (syncfs(reserve->fd) == 0)
		reserve->unsynced = 0;
}

/* Sets a new budget from the free space.  With reserve.lock held. */
static int grant(struct reserve *reserve, uint64_t cost)
{
	uint64_t is_free = free_space(reserve);
	uint64_t wanted = cost + margin(reserve);
	uint64_t room = above_reserve(reserve, is_free);

	if (room < wanted && (reserve->copies_on_write || reserve->unsynced)) {
		sync_cached(reserve);
		is_free = free_space(reserve);
		room = above_reserve(reserve, is_free);
	}
	if (room < wanted) {
		atomic_store(&reserve->budget, 0);
		return fail(
			-ENOSPC,
			"%s: expected %llu bytes free (%llu of them by option reserve=SIZE), found %llu; remove files, or mount with a smaller reserve=SIZE",
			reserve->name,
			(unsigned long long)(reserve->size + reserve->unsynced +
					     wanted),
			(unsigned long long)reserve->size,
			(unsigned long long)is_free);
	}
	room = max_u64(min_u64(room / 2, grant_max(reserve)), cost);
	if (!reserve->counts_cached)
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
