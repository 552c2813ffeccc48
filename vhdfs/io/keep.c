/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kept memory: made, left, and taken over by the next process. */
#include "config.h"

#include "io/keep-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"

const size_t keep_pool_page_size[POOLS] = { 512, 4096 };

struct keep keep = { .fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

/* Where each part is; the size of all. */
static size_t lay_out(uint8_t *base)
{
	size_t at = 4096;

	keep.head = (struct keep_head *)base;
	keep.extra = base + at;
	at += EXTRA_SIZE;
	keep.files = (struct keep_file *)(base + at);
	at = round_up(at + FILES_MAX * sizeof *keep.files, 4096);
	keep.opens = (struct keep_open *)(base + at);
	at = round_up(at + OPENS_MAX * sizeof *keep.opens, 4096);
	for (int i = 0; i < POOLS; i++) {
		struct pool *pool = &keep.pools[i];

		pool->pages = (struct keep_page *)(base + at);
		at = round_up(at + POOL_PAGES_MAX * sizeof *pool->pages, 4096);
		pool->data = base + at;
		at += POOL_PAGES_MAX * keep_pool_page_size[i];
	}
	return at;
}

/* What is used from the start has its memory at once. */
static int reserve_fixed(void)
{
	size_t len = (size_t)((uint8_t *)keep.pools[0].pages - keep.base);

	return fallocate(keep.fd, 0, 0, (off_t)len) < 0 ? -errno : 0;
}

static void write_head(void)
{
	*keep.head = (struct keep_head){
		.magic = KEEP_MAGIC,
		.version = KEEP_VERSION,
		.file_size = sizeof(struct keep_file),
		.open_size = sizeof(struct keep_open),
		.page_size = sizeof(struct keep_page),
		.size = keep.size,
	};
}

/*
 * Tells a later supervisor that this process or its workers, which share the
 * table of descriptors and so the lock, still run.
 */
static void lock_memory(void)
{
	struct flock lock = { .l_type = F_WRLCK };

	fcntl(keep.fd, F_SETLK, &lock);
}

int keep_map(int fd)
{
	size_t size = lay_out(NULL);
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (base == MAP_FAILED)
		return fail_errno(-errno, "memory that outlives a process");
	madvise(base, size, MADV_DONTDUMP);
	lay_out(base);
	keep.base = base;
	keep.size = size;
	keep.fd = fd;
	for (int i = 0; i < POOLS; i++)
		pthread_mutex_init(&keep.pools[i].lock, NULL);
	lock_memory();
	return 0;
}

int keep_begin(void)
{
	_cleanup_close_ int fd = memfd_create("vhdfs", MFD_CLOEXEC);
	int r;

	if (fd < 0 || ftruncate(fd, (off_t)lay_out(NULL)) < 0)
		return fail_errno(-errno, "memory that outlives a process");
	r = keep_map(fd);
	if (r < 0)
		return r;
	steal_fd(&fd);
	r = reserve_fixed();
	if (r == 0) {
		write_head();
		return 0;
	}
	keep_end();
	return fail_errno(r, "memory that outlives a process");
}

void *keep_extra(size_t size)
{
	if (!keep.head->extra_size && size <= EXTRA_SIZE)
		keep.head->extra_size = (uint32_t)size;
	return keep.head->extra_size == size ? keep.extra : NULL;
}

void keep_leave(void)
{
	for (int i = 0; i < POOLS; i++) {
		free(keep.pools[i].free);
		keep.pools[i].free = NULL;
		keep.pools[i].n_free = keep.pools[i].free_room = 0;
	}
}

void keep_end(void)
{
	if (!keep.base)
		return;
	keep_leave();
	munmap(keep.base, keep.size);
	close(keep.fd);
	keep.base = NULL;
	keep.fd = -1;
}

static bool is_kept_fd(int fd)
{
	if (fd == keep.fd)
		return true;
	for (size_t i = 0; i < keep.files_used; i++)
		if (atomic_load(&keep.files[i].used) &&
		    (keep.files[i].fd == fd || keep.files[i].witness == fd))
			return true;
	return false;
}

static int close_others(const int *fds, size_t n)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");

	if (!dir)
		return fail_errno(-errno, "/proc/self/fd");
	for (struct dirent *de; (de = readdir(dir));) {
		int fd = atoi(de->d_name);
		bool mine = fd <= STDERR_FILENO || fd == dirfd(dir) ||
			    is_kept_fd(fd);

		for (size_t i = 0; i < n; i++)
			mine |= fds[i] == fd;
		if (!mine)
			close(fd);
	}
	return 0;
}

bool keep_is_sound(const struct keep_file *file, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == file->dev &&
	       st.st_ino == file->ino;
}

/* What the dead process was doing with the file is in doubt, before nothing
 * tells any more that it was under way. */
static bool inherit(struct keep_file *file)
{
	if (!atomic_load(&file->used) || !keep_is_sound(file, file->fd))
		return false;
	if (!keep_is_sound(file, file->witness))
		file->witness = -1;
	if (atomic_load(&file->syncs))
		atomic_store(&file->doubt, true);
	atomic_store(&file->syncs, 0);
	return true;
}

/* What the dead process was letting go of, while its descriptor is open. */
static void finish_forgetting(void)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		if (!atomic_load(&keep.files[i].used) &&
		    keep_is_stored(&keep.files[i]))
			keep_unstore_file(&keep.files[i]);
}

int keep_take_over(const int *fds, size_t n)
{
	int r;

	keep.files_used = FILES_MAX;
	keep_count_stored();
	finish_forgetting();
	r = close_others(fds, n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct keep_file *file = &keep.files[i];

		keep.inherited[i] = inherit(file);
		keep.found[i] = false;
		if (keep.inherited[i] || !atomic_exchange(&file->used, false))
			continue;
		keep_unstore_file(file);
	}
	for (int i = 0; i < POOLS; i++)
		keep_find_free(&keep.pools[i],
			       atomic_load(&keep.head->pool_used[i]));
	for (size_t i = 0; i < OPENS_MAX; i++)
		if (atomic_load(&keep.opens[i].number))
			keep.opens_used = i + 1;
	return 0;
}

void keep_taken_over(void)
{
	for (size_t i = 0; i < keep.files_used; i++) {
		struct keep_file *file = &keep.files[i];
		int fd = file->fd;

		if (!keep.inherited[i])
			continue;
		keep.inherited[i] = false;
		keep_forget_pages(file);
		keep_file_forget(file);
		close(fd);
	}
}

void keep_lose(void)
{
	if (keep.base)
		atomic_store(&keep.head->lost, true);
}

void keep_set_ending(void)
{
	if (keep.base)
		atomic_store(&keep.head->ending, true);
}

bool keep_lost(void)
{
	return keep.base && atomic_load(&keep.head->lost);
}
