/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kept memory: files that are open and locked, and opens of images. */
#include "config.h"

#include "io/keep-internal.h"

#include <errno.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"

static struct keep_file *find(uint64_t dev, uint64_t ino, bool inherited,
			      bool writable)
{
	for (size_t i = 0; i < keep.files_used; i++) {
		struct keep_file *file = &keep.files[i];

		if (keep.inherited[i] == inherited &&
		    atomic_load(&file->used) && file->dev == dev &&
		    file->ino == ino &&
		    atomic_load(&file->writable) == writable)
			return file;
	}
	return NULL;
}

/* Is anything left to be written or synced through the descriptor? */
static bool is_unfinished(const struct keep_file *file)
{
	return keep_has_pages(file) || atomic_load(&file->doubt);
}

/*
 * A descriptor of a writer that is gone, and finished, becomes a reader's: it
 * may hold the lock that keeps another reader's descriptor out.
 */
static struct keep_file *find_for_reader(uint64_t dev, uint64_t ino)
{
	struct keep_file *file = find(dev, ino, true, true);

	if (!file || is_unfinished(file))
		return find(dev, ino, true, false);
	atomic_store(&file->writable, false);
	atomic_store(&file->failed, 0);
	return file;
}

/* With the lock. */
static struct keep_file *claim(uint64_t dev, uint64_t ino, bool writable)
{
	struct keep_file *file = writable ? find(dev, ino, true, true)
					  : find_for_reader(dev, ino);

	if (file) {
		keep.inherited[keep_number_of(file)] = false;
		keep.found[keep_number_of(file)] = true;
	}
	return file;
}

/* All that is known of the file already holds for this descriptor, too. */
static void copy_parent(struct keep_file *file)
{
	for (size_t i = 0; i < keep.files_used; i++) {
		const struct keep_file *other = &keep.files[i];
		uint64_t ino = atomic_load(&other->parent_ino);

		if (!ino || !atomic_load(&other->used) ||
		    other->dev != file->dev || other->ino != file->ino)
			continue;
		file->parent_dev = other->parent_dev;
		atomic_store(&file->parent_ino, ino);
		return;
	}
}

static struct keep_file *note_new(uint64_t dev, uint64_t ino, bool writable,
				  int fd)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct keep_file *file = &keep.files[i];

		if (atomic_load(&file->used) || keep_is_stored(file))
			continue;
		file->fd = fd;
		file->witness = -1;
		file->dev = dev;
		file->ino = ino;
		atomic_store(&file->writable, writable);
		atomic_store(&file->failed, 0);
		atomic_store(&file->syncs, 0);
		atomic_store(&file->doubt, false);
		for (int t = 0; t < KEEP_TABLES; t++)
			atomic_store(&file->durable[t], 0);
		atomic_store(&file->parent_ino, 0);
		copy_parent(file);
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
	file = claim(dev, ino, writable);
	if (file)
		*ret_fd = file->fd;
	else
		file = note_new(dev, ino, writable, fd);
	pthread_mutex_unlock(&keep.lock);
	return file;
}

struct keep_file *keep_file_claim(dev_t dev, ino_t ino, bool writable,
				  int *ret_fd)
{
	struct keep_file *file = NULL;

	if (!keep.base)
		return NULL;
	pthread_mutex_lock(&keep.lock);
	file = claim(dev, ino, writable);
	if (file)
		*ret_fd = file->fd;
	pthread_mutex_unlock(&keep.lock);
	return file;
}

int keep_file_fd(dev_t dev, ino_t ino)
{
	struct keep_file *file = NULL;
	int fd;

	if (!keep.base)
		return -ENOENT;
	pthread_mutex_lock(&keep.lock);
	for (int i = 0; i < 4 && !file; i++)
		file = find(dev, ino, i & 1, i & 2);
	fd = file ? file->fd : -ENOENT;
	pthread_mutex_unlock(&keep.lock);
	return fd;
}

int keep_add_file(const struct keep_file_info *info)
{
	struct keep_file *file =
		note_new(info->dev, info->ino, info->writable, info->fd);

	if (!file)
		return fail(-ENFILE, "too many files are open");
	if (info->failed)
		keep_file_fail(file, info->failed);
	file->parent_dev = info->parent_dev;
	atomic_store(&file->parent_ino, info->parent_ino);
	return 0;
}

static int failure_of(const struct keep_file *file)
{
	int r = atomic_load(&file->failed);

	return r == 0 && atomic_load(&file->doubt) ? -EIO : r;
}

void keep_each_file(void (*each)(void *ctx, const struct keep_file_info *file),
		    void *ctx)
{
	for (size_t i = 0; i < keep.files_used; i++) {
		struct keep_file *file = &keep.files[i];
		struct keep_file_info info = {
			.fd = file->fd,
			.dev = file->dev,
			.ino = file->ino,
			.writable = atomic_load(&file->writable),
			.failed = failure_of(file),
			.parent_dev = file->parent_dev,
			.parent_ino = atomic_load(&file->parent_ino),
		};

		if (atomic_load(&file->used))
			each(ctx, &info);
	}
}

void keep_file_forget(struct keep_file *file)
{
	int witness = file->witness;
	bool stored = keep_is_stored(file);

	atomic_store(&file->used, false);
	/* The place stays taken until that is done. */
	if (stored)
		keep_unstore_file(file);
	if (witness >= 0)
		close(witness);
}

void keep_file_set_parent(struct keep_file *file, dev_t dev, ino_t ino)
{
	if (atomic_load(&file->parent_ino) == ino && file->parent_dev == dev)
		return;
	atomic_store(&file->parent_ino, 0);
	file->parent_dev = dev;
	atomic_store(&file->parent_ino, ino);
}

bool keep_file_parent(const struct keep_file *file, dev_t *ret_dev,
		      ino_t *ret_ino)
{
	*ret_ino = atomic_load(&file->parent_ino);
	*ret_dev = file->parent_dev;
	return keep.found[keep_number_of(file)] && *ret_ino;
}

void keep_file_fail(struct keep_file *file, int r)
{
	keep_lose();
	atomic_store(&file->failed, r);
}

int keep_file_failed(const struct keep_file *file)
{
	return atomic_load(&file->failed);
}

void keep_sync_begin(struct keep_file *file)
{
	atomic_fetch_add(&file->syncs, 1);
}

void keep_sync_end(struct keep_file *file)
{
	atomic_fetch_sub(&file->syncs, 1);
}

void keep_file_set_witness(struct keep_file *file, int fd)
{
	file->witness = fd;
}

int keep_file_witness(const struct keep_file *file)
{
	return file->witness;
}

bool keep_file_in_doubt(const struct keep_file *file)
{
	return atomic_load(&file->doubt);
}

void keep_file_trust(struct keep_file *file)
{
	atomic_store(&file->doubt, false);
}

void keep_each_orphan(void (*each)(void *ctx, dev_t dev, ino_t ino), void *ctx)
{
	for (size_t i = 0; i < keep.files_used; i++) {
		struct keep_file *file = &keep.files[i];

		if (keep.inherited[i] && atomic_load(&file->writable) &&
		    is_unfinished(file))
			each(ctx, file->dev, file->ino);
	}
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
		atomic_store(&open->lost, false);
		atomic_store(&open->number, number);
	} else {
		r = fail(-ENFILE, "too many files are open");
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

enum keep_open_state keep_open_state(uint64_t number)
{
	const struct keep_open *open;
	enum keep_open_state state = KEEP_OPEN_NONE;

	if (!keep.base)
		return KEEP_OPEN_NONE;
	pthread_mutex_lock(&keep.lock);
	open = find_open(number);
	if (open)
		state = atomic_load(&open->lost) ? KEEP_OPEN_LOST
						 : KEEP_OPEN_GRANTED;
	pthread_mutex_unlock(&keep.lock);
	return state;
}

void keep_open_lose(uint64_t number)
{
	struct keep_open *open;

	pthread_mutex_lock(&keep.lock);
	open = find_open(number);
	if (open)
		atomic_store(&open->lost, true);
	pthread_mutex_unlock(&keep.lock);
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
