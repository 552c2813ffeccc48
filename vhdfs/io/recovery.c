/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recovery memory: creation, mapping, and takeover by a successor. */
#include "config.h"

#include "io/recovery-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"

const size_t recovery_pool_page_size[POOLS] = { 512, 4096 };

struct recovery recovery = { .fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

/* Sets the address of each part; returns the size of the memory. */
static size_t set_layout(uint8_t *base)
{
	size_t at = 4096;

	recovery.head = (struct recovery_head *)base;
	recovery.extra = base + at;
	at += EXTRA_SIZE;
	recovery.files = (struct recovery_file *)(base + at);
	at = round_up(at + FILES_MAX * sizeof *recovery.files, 4096);
	recovery.opens = (struct recovery_open *)(base + at);
	at = round_up(at + OPENS_MAX * sizeof *recovery.opens, 4096);
	for (int i = 0; i < MOVE_BANKS; i++) {
		recovery.moves[i] = (struct recovery_move *)(base + at);
		at = round_up(at + MOVES_MAX * sizeof **recovery.moves, 4096);
	}
	for (int i = 0; i < POOLS; i++) {
		struct page_pool *pool = &recovery.pools[i];

		pool->pages = (struct recovery_page *)(base + at);
		at = round_up(at + POOL_PAGES_MAX * sizeof *pool->pages, 4096);
		pool->data = base + at;
		at += POOL_PAGES_MAX * recovery_pool_page_size[i];
	}
	return at;
}

/* Allocates all parts before the pages. */
static int reserve_fixed(void)
{
	size_t len =
		(size_t)((uint8_t *)recovery.pools[0].pages - recovery.base);

	return fallocate(recovery.fd, 0, 0, (off_t)len) < 0 ? -errno : 0;
}

static void write_head(void)
{
	*recovery.head = (struct recovery_head){
		.magic = RECOVERY_MAGIC,
		.version = RECOVERY_VERSION,
		.file_size = sizeof(struct recovery_file),
		.open_size = sizeof(struct recovery_open),
		.page_size = sizeof(struct recovery_page),
		.size = recovery.size,
	};
}

/*
 * Locks the memory while this process or one of its workers runs: they share
 * the descriptor table, and so the lock.  A new supervisor waits for it.
 */
static void lock_memory(void)
{
	struct flock lock = { .l_type = F_WRLCK };

	fcntl(recovery.fd, F_SETLK, &lock);
}

/* A call for the recovery memory of size bytes has failed with r. */
static int fail_memory(int r, const char *call, size_t size)
{
	fail_errno(r, "recovery memory of %zu bytes: %s", size, call);
	error_advise(
		"check memory and its limits (MemoryMax, ulimit -v, ulimit -n)");
	return r;
}

int recovery_map(int fd)
{
	size_t size = set_layout(NULL);
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (base == MAP_FAILED)
		return fail_memory(-errno, "mmap", size);
	madvise(base, size, MADV_DONTDUMP);
	set_layout(base);
	recovery.base = base;
	recovery.size = size;
	recovery.fd = fd;
	for (int i = 0; i < POOLS; i++)
		pthread_mutex_init(&recovery.pools[i].lock, NULL);
	lock_memory();
	return 0;
}

int recovery_create(void)
{
	const size_t size = set_layout(NULL);
	_cleanup_close_ int fd = memfd_create("vhdfs", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return fail_memory(-errno, "memfd_create", size);
	if (ftruncate(fd, (off_t)size) < 0)
		return fail_memory(-errno, "ftruncate", size);
	r = recovery_map(fd);
	if (r < 0)
		return r;
	steal_fd(&fd);
	r = reserve_fixed();
	if (r == 0) {
		write_head();
		return 0;
	}
	recovery_destroy();
	return fail_memory(r, "fallocate", size);
}

void *recovery_extra(size_t size)
{
	if (!recovery.head->extra_size && size <= EXTRA_SIZE)
		recovery.head->extra_size = (uint32_t)size;
	return recovery.head->extra_size == size ? recovery.extra : NULL;
}

void recovery_detach(void)
{
	recovery_free_disks();
	for (int i = 0; i < POOLS; i++) {
		free(recovery.pools[i].free);
		recovery.pools[i].free = NULL;
		recovery.pools[i].n_free = recovery.pools[i].free_size = 0;
	}
}

void recovery_destroy(void)
{
	if (!recovery.base)
		return;
	recovery_detach();
	munmap(recovery.base, recovery.size);
	close(recovery.fd);
	recovery.base = NULL;
	recovery.fd = -1;
}

static bool is_registered_fd(int fd)
{
	if (fd == recovery.fd)
		return true;
	for (size_t i = 0; i < recovery.files_end; i++)
		if (atomic_load(&recovery.files[i].used) &&
		    (recovery.files[i].fd == fd ||
		     recovery.files[i].witness == fd))
			return true;
	return false;
}

/* Closes all descriptors but the standard ones, those of the memory, and fds.
 */
static int close_other_fds(const int *fds, size_t n)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");

	if (!dir)
		return fail_errno(-errno, "/proc/self/fd");
	for (struct dirent *de; (de = readdir(dir));) {
		int fd = atoi(de->d_name);
		bool needed = fd <= STDERR_FILENO || fd == dirfd(dir) ||
			      is_registered_fd(fd);

		for (size_t i = 0; i < n; i++)
			needed |= fds[i] == fd;
		if (!needed)
			close(fd);
	}
	return 0;
}

bool recovery_fd_matches(const struct recovery_file *file, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == file->dev &&
	       st.st_ino == file->ino;
}

/*
 * Prepares a file of the predecessor for claiming; false if it has none.  A
 * running sync puts it in doubt, which is recorded before the count is reset.
 */
static bool inherit_file(struct recovery_file *file)
{
	if (!atomic_load(&file->used) || !recovery_fd_matches(file, file->fd))
		return false;
	if (!recovery_fd_matches(file, file->witness))
		file->witness = -1;
	if (atomic_load(&file->syncs))
		atomic_store(&file->doubt, true);
	atomic_store(&file->syncs, 0);
	return true;
}

/* Removes the files from the descriptor store that the predecessor was
 * unregistering when it died.  Their descriptors are still open. */
static void finish_unregistering(void)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		if (!atomic_load(&recovery.files[i].used) &&
		    recovery_fdstore_has(&recovery.files[i]))
			recovery_fdstore_remove_file(&recovery.files[i]);
}

int recovery_begin_takeover(const int *fds, size_t n)
{
	int r;

	recovery.files_end = FILES_MAX;
	recovery_fdstore_count();
	finish_unregistering();
	r = recovery_load_disks();
	if (r == 0)
		r = close_other_fds(fds, n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct recovery_file *file = &recovery.files[i];

		recovery.unclaimed[i] = inherit_file(file);
		recovery.claimed[i] = false;
		if (recovery.unclaimed[i] ||
		    !atomic_exchange(&file->used, false))
			continue;
		recovery_fdstore_remove_file(file);
	}
	for (int i = 0; i < POOLS; i++)
		recovery_pool_find_free(
			&recovery.pools[i],
			atomic_load(&recovery.head->pool_used[i]));
	for (size_t i = 0; i < OPENS_MAX; i++)
		if (atomic_load(&recovery.opens[i].number))
			recovery.opens_end = i + 1;
	return 0;
}

static void drop_file(struct recovery_file *file)
{
	int fd = file->fd;

	recovery.unclaimed[recovery_file_index(file)] = false;
	recovery_free_pages(file);
	recovery_unregister(file);
	close(fd);
}

void recovery_end_takeover(void)
{
	for (size_t i = 0; i < recovery.files_end; i++)
		if (recovery.unclaimed[i])
			drop_file(&recovery.files[i]);
}

static bool has_writer(const struct recovery_file *file)
{
	for (size_t i = 0; i < recovery.files_end; i++) {
		const struct recovery_file *other = &recovery.files[i];

		if (recovery.unclaimed[i] && atomic_load(&other->writable) &&
		    other->dev == file->dev && other->ino == file->ino)
			return true;
	}
	return false;
}

void recovery_discard_readers(void)
{
	for (size_t i = 0; i < recovery.files_end; i++)
		if (recovery.unclaimed[i] &&
		    !atomic_load(&recovery.files[i].writable) &&
		    has_writer(&recovery.files[i]))
			drop_file(&recovery.files[i]);
}

void recovery_set_lost(void)
{
	if (recovery.base)
		atomic_store(&recovery.head->lost, true);
}

void recovery_set_ending(void)
{
	if (recovery.base)
		atomic_store(&recovery.head->ending, true);
}

bool recovery_is_lost(void)
{
	return recovery.base && atomic_load(&recovery.head->lost);
}
