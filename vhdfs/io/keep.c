/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory is sparse: a head, then files, openings, and for each size of page
 * descriptions and data.  It is as large as there can ever be need, and takes
 * what is used.  Memory is reserved before it is touched (fallocate), so that
 * where there is none a call fails and no signal comes.
 */
#include "config.h"

#include "io/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"

enum {
	FILES_MAX = 16384,
	OPENS_MAX = 65536,
	POOLS = 2,
	/* So many pages get their memory at once. */
	POOL_STEP = 64,
};

#define POOL_PAGES_MAX ((size_t)1 << (sizeof(size_t) > 4 ? 22 : 12))

struct keep_file {
	atomic_bool used;
	bool writable;
	int fd;
	uint64_t dev, ino;
	atomic_int failed;
	_Atomic uint64_t durable[KEEP_TABLES];
};

struct head {
	atomic_size_t pool_used[POOLS]; /* how many places were ever used */
};

static const size_t pool_page_size[POOLS] = { 512, 4096 };

/* A process's own view of the pages of one size. */
struct pool {
	struct keep_page *pages; /* POOL_PAGES_MAX of them, kept */
	uint8_t *data;           /* kept */
	pthread_mutex_t lock;
	size_t reserved; /* so many have memory */
	uint32_t *free;  /* places that were used and are free again */
	size_t n_free, free_room;
};

static struct {
	int fd;
	uint8_t *base; /* null: nothing is kept */
	size_t size;
	struct head *head;
	struct keep_file *files;
	struct keep_open *opens;
	struct pool pools[POOLS];
	pthread_mutex_t lock;          /* files and openings */
	bool inherited[FILES_MAX];     /* not asked for again yet */
	bool found[FILES_MAX];         /* asked for again */
	size_t files_used, opens_used; /* none is behind */
} keep = { .fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

/* Where each part is; the size of all. */
static size_t lay_out(uint8_t *base)
{
	size_t at = 4096;

	keep.head = (struct head *)base;
	keep.files = (struct keep_file *)(base + at);
	at = round_up(at + FILES_MAX * sizeof *keep.files, 4096);
	keep.opens = (struct keep_open *)(base + at);
	at = round_up(at + OPENS_MAX * sizeof *keep.opens, 4096);
	for (int i = 0; i < POOLS; i++) {
		struct pool *pool = &keep.pools[i];

		pool->pages = (struct keep_page *)(base + at);
		at = round_up(at + POOL_PAGES_MAX * sizeof *pool->pages, 4096);
		pool->data = base + at;
		at += POOL_PAGES_MAX * pool_page_size[i];
	}
	return at;
}

/* What is used from the start has its memory at once. */
static int reserve_fixed(void)
{
	size_t len = (size_t)((uint8_t *)keep.pools[0].pages - keep.base);

	return fallocate(keep.fd, 0, 0, (off_t)len) < 0 ? -errno : 0;
}

int keep_begin(void)
{
	_cleanup_close_ int fd = memfd_create("vhdfs", MFD_CLOEXEC);
	size_t size = lay_out(NULL);
	void *base;
	int r;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return fail_errno(-errno, "memory that outlives a process");
	base = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (base == MAP_FAILED)
		return fail_errno(-errno, "memory that outlives a process");
	madvise(base, size, MADV_DONTDUMP);
	lay_out(base);
	keep.base = base;
	keep.size = size;
	keep.fd = steal_fd(&fd);
	for (int i = 0; i < POOLS; i++)
		pthread_mutex_init(&keep.pools[i].lock, NULL);
	r = reserve_fixed();
	if (r == 0)
		return 0;
	keep_end();
	return fail_errno(r, "memory that outlives a process");
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
		if (atomic_load(&keep.files[i].used) && keep.files[i].fd == fd)
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

/* Is the descriptor still that of the file? */
static bool is_sound(const struct keep_file *file)
{
	struct stat st;

	return fstat(file->fd, &st) == 0 && st.st_dev == file->dev &&
	       st.st_ino == file->ino;
}

static size_t number_of(const struct keep_file *file)
{
	return (size_t)(file - keep.files);
}

/* With the pool's lock, or before there are others. */
static void put_free(struct pool *pool, size_t index)
{
	if (pool->n_free == pool->free_room) {
		size_t room = pool->free_room ? 2 * pool->free_room : 256;
		uint32_t *more = reallocarray(pool->free, room, sizeof *more);

		/* Then the place is lost to this process. */
		if (!more)
			return;
		pool->free = more;
		pool->free_room = room;
	}
	pool->free[pool->n_free++] = (uint32_t)index;
}

/* Which places are free; a page of a file that is not there is nobody's. */
static void find_free(struct pool *pool, size_t used)
{
	pool->reserved = round_up(used, POOL_STEP);
	pool->n_free = 0;
	for (size_t i = 0; i < used; i++) {
		unsigned file = atomic_load(&pool->pages[i].file);

		if (file && keep.inherited[file - 1])
			continue;
		atomic_store(&pool->pages[i].file, 0);
		put_free(pool, i);
	}
}

int keep_take_over(const int *fds, size_t n)
{
	int r;

	keep.files_used = FILES_MAX;
	r = close_others(fds, n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct keep_file *file = &keep.files[i];

		keep.inherited[i] = atomic_load(&file->used) && is_sound(file);
		keep.found[i] = false;
		if (!keep.inherited[i])
			atomic_store(&file->used, false);
	}
	for (int i = 0; i < POOLS; i++)
		find_free(&keep.pools[i],
			  atomic_load(&keep.head->pool_used[i]));
	for (size_t i = 0; i < OPENS_MAX; i++)
		if (atomic_load(&keep.opens[i].number))
			keep.opens_used = i + 1;
	return 0;
}

static void forget_pages(const struct keep_file *file)
{
	for (int i = 0; i < POOLS; i++) {
		struct pool *pool = &keep.pools[i];
		size_t used = atomic_load(&keep.head->pool_used[i]);

		for (size_t k = 0; k < used; k++)
			if (atomic_load(&pool->pages[k].file) ==
			    number_of(file) + 1)
				keep_page_give(&pool->pages[k],
					       pool_page_size[i]);
	}
}

void keep_taken_over(void)
{
	for (size_t i = 0; i < keep.files_used; i++) {
		if (!keep.inherited[i])
			continue;
		keep.inherited[i] = false;
		forget_pages(&keep.files[i]);
		atomic_store(&keep.files[i].used, false);
		close(keep.files[i].fd);
	}
}

static struct keep_file *find_inherited(uint64_t dev, uint64_t ino,
					bool writable)
{
	for (size_t i = 0; i < keep.files_used; i++) {
		struct keep_file *file = &keep.files[i];

		if (keep.inherited[i] && file->dev == dev && file->ino == ino &&
		    file->writable == writable)
			return file;
	}
	return NULL;
}

static struct keep_file *note_new(uint64_t dev, uint64_t ino, bool writable,
				  int fd)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct keep_file *file = &keep.files[i];

		if (atomic_load(&file->used))
			continue;
		file->fd = fd;
		file->dev = dev;
		file->ino = ino;
		file->writable = writable;
		atomic_store(&file->failed, 0);
		for (int t = 0; t < KEEP_TABLES; t++)
			atomic_store(&file->durable[t], 0);
		keep.found[i] = false;
		keep.files_used = max_u64(keep.files_used, i + 1);
		atomic_store(&file->used, true);
		return file;
	}
	return NULL;
}

struct keep_file *keep_file_note(dev_t dev, ino_t ino, bool writable, int fd,
				 int *ret_fd)
{
	struct keep_file *file;

	*ret_fd = fd;
	if (!keep.base)
		return NULL;
	pthread_mutex_lock(&keep.lock);
	file = find_inherited(dev, ino, writable);
	if (file) {
		keep.inherited[number_of(file)] = false;
		keep.found[number_of(file)] = true;
		*ret_fd = file->fd;
	} else {
		file = note_new(dev, ino, writable, fd);
	}
	pthread_mutex_unlock(&keep.lock);
	return file;
}

int keep_add_file(const struct keep_file_info *info)
{
	struct keep_file *file =
		note_new(info->dev, info->ino, info->writable, info->fd);

	if (!file)
		return fail(-ENFILE, "too many files are open");
	keep_file_fail(file, info->failed);
	return 0;
}

void keep_each_file(void (*each)(void *ctx, const struct keep_file_info *file),
		    void *ctx)
{
	for (size_t i = 0; i < keep.files_used; i++) {
		struct keep_file *file = &keep.files[i];
		struct keep_file_info info = { .fd = file->fd,
					       .dev = file->dev,
					       .ino = file->ino,
					       .writable = file->writable };

		info.failed = atomic_load(&file->failed);
		if (atomic_load(&file->used))
			each(ctx, &info);
	}
}

void keep_file_forget(struct keep_file *file)
{
	atomic_store(&file->used, false);
}

void keep_file_fail(struct keep_file *file, int r)
{
	atomic_store(&file->failed, r);
}

int keep_file_failed(const struct keep_file *file)
{
	return atomic_load(&file->failed);
}

static struct pool *pool_of(size_t size)
{
	for (int i = 0; i < POOLS; i++)
		if (pool_page_size[i] == size)
			return &keep.pools[i];
	return NULL;
}

static int reserve(const void *at, size_t len)
{
	off_t off = (const uint8_t *)at - keep.base;

	return fallocate(keep.fd, 0, off, (off_t)len) < 0 ? -ENOMEM : 0;
}

/* A place that was never used; with the pool's lock. */
static int take_new(struct pool *pool, size_t size, size_t *ret)
{
	atomic_size_t *used = &keep.head->pool_used[pool - keep.pools];
	size_t index = atomic_load(used);
	int r = 0;

	if (index == POOL_PAGES_MAX)
		return -ENOMEM;
	if (index >= pool->reserved) {
		r = reserve(&pool->pages[index],
			    POOL_STEP * sizeof *pool->pages);
		if (r == 0)
			r = reserve(pool->data + index * size,
				    POOL_STEP * size);
		if (r < 0)
			return r;
		pool->reserved = index + POOL_STEP;
	}
	atomic_store(used, index + 1);
	*ret = index;
	return 0;
}

int keep_page_take(size_t size, struct keep_page **ret, uint8_t **ret_data)
{
	struct pool *pool = pool_of(size);
	size_t index = 0;
	int r = 0;

	if (!pool)
		return -ENOMEM;
	pthread_mutex_lock(&pool->lock);
	if (pool->n_free)
		index = pool->free[--pool->n_free];
	else
		r = take_new(pool, size, &index);
	pthread_mutex_unlock(&pool->lock);
	if (r < 0)
		return r;
	*ret = &pool->pages[index];
	*ret_data = pool->data + index * size;
	return 0;
}

void keep_page_publish(struct keep_page *page, const struct keep_file *file,
		       unsigned table, uint64_t file_off, uint64_t gen)
{
	page->table = table;
	page->file_off = file_off;
	atomic_store(&page->gen, gen);
	atomic_store(&page->file, number_of(file) + 1);
}

void keep_page_give(struct keep_page *page, size_t size)
{
	struct pool *pool = pool_of(size);

	atomic_store(&page->file, 0);
	pthread_mutex_lock(&pool->lock);
	put_free(pool, (size_t)(page - pool->pages));
	pthread_mutex_unlock(&pool->lock);
}

void keep_durable(struct keep_file *file, unsigned table, uint64_t gen)
{
	atomic_store(&file->durable[table], gen);
}

uint64_t keep_file_durable(const struct keep_file *file, unsigned table)
{
	return atomic_load(&file->durable[table]);
}

static bool counts(const struct keep_page *page, const struct keep_file *file)
{
	return atomic_load(&page->gen) >
	       atomic_load(&file->durable[page->table]);
}

int keep_each_page(struct keep_file *file, unsigned table, size_t size,
		   int (*each)(void *ctx, struct keep_page *page,
			       uint8_t *data),
		   void *ctx)
{
	struct pool *pool = pool_of(size);
	size_t used;
	int r = 0;

	if (!pool || !keep.found[number_of(file)])
		return 0;
	used = atomic_load(&keep.head->pool_used[pool - keep.pools]);
	for (size_t i = 0; i < used && r == 0; i++) {
		struct keep_page *page = &pool->pages[i];

		if (atomic_load(&page->file) != number_of(file) + 1 ||
		    page->table != table)
			continue;
		if (counts(page, file))
			r = each(ctx, page, pool->data + i * size);
		else
			keep_page_give(page, size);
	}
	return r;
}

static bool has_pages(const struct keep_file *file)
{
	for (int i = 0; i < POOLS; i++) {
		struct pool *pool = &keep.pools[i];
		size_t used = atomic_load(&keep.head->pool_used[i]);

		for (size_t k = 0; k < used; k++)
			if (atomic_load(&pool->pages[k].file) ==
				    number_of(file) + 1 &&
			    counts(&pool->pages[k], file))
				return true;
	}
	return false;
}

void keep_each_orphan(void (*each)(void *ctx, dev_t dev, ino_t ino), void *ctx)
{
	for (size_t i = 0; i < keep.files_used; i++)
		if (keep.inherited[i] && has_pages(&keep.files[i]))
			each(ctx, keep.files[i].dev, keep.files[i].ino);
}

/* With the lock. */
static struct keep_open *find_open(uint64_t number)
{
	for (size_t i = 0; i < keep.opens_used; i++)
		if (atomic_load(&keep.opens[i].number) == number)
			return &keep.opens[i];
	return NULL;
}

static struct keep_open *free_open(void)
{
	struct keep_open *open = find_open(0);

	if (!open && keep.opens_used < OPENS_MAX)
		open = &keep.opens[keep.opens_used++];
	return open;
}

int keep_open_add(uint64_t number, dev_t dev, ino_t ino, bool writable)
{
	struct keep_open *open;
	int r = 0;

	if (!keep.base)
		return 0;
	pthread_mutex_lock(&keep.lock);
	if (find_open(number)) {
		r = 1;
	} else if ((open = free_open())) {
		open->dev = dev;
		open->ino = ino;
		open->writable = writable;
		atomic_store(&open->number, number);
	} else {
		r = -ENFILE;
	}
	pthread_mutex_unlock(&keep.lock);
	return r;
}

int keep_open_remove(uint64_t number)
{
	struct keep_open *open;

	if (!keep.base)
		return 0;
	pthread_mutex_lock(&keep.lock);
	open = find_open(number);
	if (open)
		atomic_store(&open->number, 0);
	pthread_mutex_unlock(&keep.lock);
	return !open;
}

void keep_each_open(void (*each)(void *ctx, const struct keep_open *open),
		    void *ctx)
{
	for (size_t i = 0; i < keep.opens_used; i++)
		if (atomic_load(&keep.opens[i].number))
			each(ctx, &keep.opens[i]);
}

void keep_opens_clear(void)
{
	for (size_t i = 0; i < keep.opens_used; i++)
		atomic_store(&keep.opens[i].number, 0);
	keep.opens_used = 0;
}
