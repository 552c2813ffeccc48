/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recovery memory: registered files and granted opens. */
#include "config.h"

#include "io/recovery-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "io/io-file.h"

/* Called with recovery.lock held, or before other threads start; so are
 * find_for_reader, claim, copy_parent, register_new, find_open, free_open. */
static struct recovery_file *find(uint64_t dev, uint64_t ino, bool unclaimed,
				  bool writable)
{
	for (size_t i = 0; i < recovery.files_end; i++) {
		struct recovery_file *file = &recovery.files[i];

		if (recovery.unclaimed[i] == unclaimed &&
		    atomic_load(&file->used) && file->dev == dev &&
		    file->ino == ino &&
		    atomic_load(&file->writable) == writable)
			return file;
	}
	return NULL;
}

/* True if only a writer may claim the file: it must write the dirty pages, or
 * resolve the doubt. */
static bool needs_writer(const struct recovery_file *file)
{
	return recovery_has_pages(file) || atomic_load(&file->doubt);
}

/*
 * A reader may claim the file of a writer, whose exclusive lock would otherwise
 * refuse the reader's own descriptor.
 */
static struct recovery_file *find_for_reader(uint64_t dev, uint64_t ino)
{
	struct recovery_file *file = find(dev, ino, true, true);

	if (!file || needs_writer(file))
		return find(dev, ino, true, false);
	atomic_store(&file->writable, false);
	atomic_store(&file->failed, 0);
	return file;
}

static struct recovery_file *claim(uint64_t dev, uint64_t ino, bool writable)
{
	struct recovery_file *file = writable ? find(dev, ino, true, true)
					      : find_for_reader(dev, ino);

	if (file) {
		recovery.unclaimed[recovery_file_index(file)] = false;
		recovery.claimed[recovery_file_index(file)] = true;
	}
	return file;
}

/* Copies the parent from another record of the same file. */
static void copy_parent(struct recovery_file *file)
{
	for (size_t i = 0; i < recovery.files_end; i++) {
		const struct recovery_file *other = &recovery.files[i];
		uint64_t ino = atomic_load(&other->parent_ino);

		if (!ino || !atomic_load(&other->used) ||
		    other->dev != file->dev || other->ino != file->ino)
			continue;
		file->parent_dev = other->parent_dev;
		atomic_store(&file->parent_ino, ino);
		return;
	}
}

static struct recovery_file *register_new(uint64_t dev, uint64_t ino,
					  bool writable, int fd)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct recovery_file *file = &recovery.files[i];

		if (atomic_load(&file->used) || recovery_fdstore_has(file))
			continue;
		*file = (struct recovery_file){ .writable = writable,
						.fd = fd,
						.witness = -1,
						.dev = dev,
						.ino = ino };
		copy_parent(file);
		recovery.claimed[i] = false;
		recovery.files_end = max_u64(recovery.files_end, i + 1);
		atomic_store(&file->used, true);
		return file;
	}
	return NULL;
}

struct recovery_file *recovery_register(dev_t dev, ino_t ino, bool writable,
					int fd, int *ret_fd)
{
	struct recovery_file *file;

	*ret_fd = fd;
	if (!recovery.base)
		return NULL;
	pthread_mutex_lock(&recovery.lock);
	file = claim(dev, ino, writable);
	if (file)
		*ret_fd = file->fd;
	else if (fd >= 0)
		file = register_new(dev, ino, writable, fd);
	pthread_mutex_unlock(&recovery.lock);
	return file;
}

int recovery_file_fd(dev_t dev, ino_t ino)
{
	struct recovery_file *file = NULL;
	int fd;

	if (!recovery.base)
		return -ENOENT;
	pthread_mutex_lock(&recovery.lock);
	/* Claimed or not, writable or not. */
	for (int i = 0; i < 4 && !file; i++)
		file = find(dev, ino, i & 1, i & 2);
	fd = file ? file->fd : -ENOENT;
	pthread_mutex_unlock(&recovery.lock);
	return fd;
}

int recovery_add_file(const struct recovery_file_info *info)
{
	struct recovery_file *file =
		register_new(info->dev, info->ino, info->writable, info->fd);

	if (!file)
		return fail(-ENFILE,
			    "recovery memory: no free record: %d files are "
			    "open",
			    FILES_MAX);
	if (info->failed)
		recovery_file_set_failed(file, info->failed);
	file->parent_dev = info->parent_dev;
	atomic_store(&file->parent_ino, info->parent_ino);
	return 0;
}

static int failure_of(const struct recovery_file *file)
{
	int r = atomic_load(&file->failed);

	return r == 0 && atomic_load(&file->doubt) ? -EIO : r;
}

void recovery_each_file(void (*each)(void *ctx,
				     const struct recovery_file_info *file),
			void *ctx)
{
	for (size_t i = 0; i < recovery.files_end; i++) {
		struct recovery_file *file = &recovery.files[i];
		struct recovery_file_info info = {
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

void recovery_unregister(struct recovery_file *file)
{
	int witness = file->witness;
	bool stored = recovery_fdstore_has(file);

	/* Of a predecessor's file whose image was not opened, or failed to: a
	 * page that stays is one of the file that gets the record next. */
	if (recovery.claimed[recovery_file_index(file)])
		recovery_free_pages(file);
	atomic_store(&file->used, false);
	/* The record is not reused before that is done. */
	if (stored)
		recovery_fdstore_remove_file(file);
	if (witness >= 0)
		close(witness);
}

void recovery_file_set_parent(struct recovery_file *file, dev_t dev, ino_t ino)
{
	if (atomic_load(&file->parent_ino) == ino && file->parent_dev == dev)
		return;
	atomic_store(&file->parent_ino, 0);
	file->parent_dev = dev;
	atomic_store(&file->parent_ino, ino);
}

bool recovery_file_parent(const struct recovery_file *file, dev_t *ret_dev,
			  ino_t *ret_ino)
{
	*ret_ino = atomic_load(&file->parent_ino);
	*ret_dev = file->parent_dev;
	return recovery.claimed[recovery_file_index(file)] && *ret_ino;
}

void recovery_file_set_failed(struct recovery_file *file, int r)
{
	recovery_set_lost();
	atomic_store(&file->failed, r);
}

int recovery_file_failed(const struct recovery_file *file)
{
	return atomic_load(&file->failed);
}

/* The file is in doubt: the predecessor died in a sync, whose result is
 * unknown.  The witness has its own report of a failure. */
static int resolve_doubt(struct recovery_file *file)
{
	if (file->witness < 0)
		return -EIO;
	if (fdatasync(file->witness) < 0)
		return -errno;
	atomic_store(&file->doubt, false);
	return 0;
}

/*
 * ORDER, because the process may die between any two steps: count the sync as
 * running, sync, record a failure, count the sync as finished.
 */
int recovery_sync(struct recovery_file *file, int fd)
{
	int r;

	atomic_fetch_add(&file->syncs, 1);
	r = fdatasync(fd) < 0 ? -errno : 0;
	if (r == 0 && atomic_load(&file->doubt))
		r = resolve_doubt(file);
	if (r < 0)
		recovery_file_set_failed(file, r);
	atomic_fetch_sub(&file->syncs, 1);
	return r;
}

/* Without a witness a doubt is treated as a failure. */
void recovery_open_witness(struct recovery_file *file, int fd)
{
	/* In doubt: a new descriptor would not get the report of an earlier
	 * failure. */
	if (file->witness < 0 && !atomic_load(&file->doubt))
		file->witness = fd_reopen(fd, O_RDONLY);
}

bool recovery_file_in_doubt(const struct recovery_file *file)
{
	return atomic_load(&file->doubt);
}

void recovery_each_orphan(void (*each)(void *ctx, dev_t dev, ino_t ino),
			  void *ctx)
{
	for (size_t i = 0; i < recovery.files_end; i++) {
		struct recovery_file *file = &recovery.files[i];

		if (recovery.unclaimed[i] && atomic_load(&file->writable) &&
		    needs_writer(file))
			each(ctx, file->dev, file->ino);
	}
}

static struct recovery_open *find_open(uint64_t number)
{
	for (size_t i = 0; i < recovery.opens_end; i++)
		if (atomic_load(&recovery.opens[i].number) == number)
			return &recovery.opens[i];
	return NULL;
}

static struct recovery_open *free_open(void)
{
	struct recovery_open *open = find_open(0);

	if (!open && recovery.opens_end < OPENS_MAX)
		open = &recovery.opens[recovery.opens_end++];
	return open;
}

int recovery_open_add(uint64_t number, dev_t dev, ino_t ino, bool writable)
{
	struct recovery_open *open;
	int r = 0;

	if (!recovery.base)
		return 0;
	pthread_mutex_lock(&recovery.lock);
	if (find_open(number)) {
		r = 1;
	} else if ((open = free_open())) {
		open->dev = dev;
		open->ino = ino;
		open->writable = writable;
		atomic_store(&open->lost, false);
		atomic_store(&open->number, number);
	} else {
		r = fail(-ENFILE,
			 "recovery memory: no free record: %d files are open",
			 OPENS_MAX);
	}
	pthread_mutex_unlock(&recovery.lock);
	return r;
}

int recovery_open_remove(uint64_t number)
{
	struct recovery_open *open;

	if (!recovery.base)
		return 0;
	pthread_mutex_lock(&recovery.lock);
	open = find_open(number);
	if (open)
		atomic_store(&open->number, 0);
	pthread_mutex_unlock(&recovery.lock);
	return !open;
}

enum recovery_open_state recovery_open_state(uint64_t number)
{
	const struct recovery_open *open;
	enum recovery_open_state state = RECOVERY_OPEN_NONE;

	if (!recovery.base)
		return RECOVERY_OPEN_NONE;
	pthread_mutex_lock(&recovery.lock);
	open = find_open(number);
	if (open)
		state = atomic_load(&open->lost) ? RECOVERY_OPEN_LOST
						 : RECOVERY_OPEN_GRANTED;
	pthread_mutex_unlock(&recovery.lock);
	return state;
}

bool recovery_open_is_writable(uint64_t number)
{
	const struct recovery_open *open;
	bool writable;

	pthread_mutex_lock(&recovery.lock);
	open = find_open(number);
	writable = open && open->writable;
	pthread_mutex_unlock(&recovery.lock);
	return writable;
}

void recovery_open_set_lost(uint64_t number)
{
	struct recovery_open *open;

	pthread_mutex_lock(&recovery.lock);
	open = find_open(number);
	if (open)
		atomic_store(&open->lost, true);
	pthread_mutex_unlock(&recovery.lock);
}

void recovery_each_open(void (*each)(void *ctx,
				     const struct recovery_open *open),
			void *ctx)
{
	for (size_t i = 0; i < recovery.opens_end; i++)
		if (atomic_load(&recovery.opens[i].number))
			each(ctx, &recovery.opens[i]);
}

void recovery_opens_clear(void)
{
	for (size_t i = 0; i < recovery.opens_end; i++)
		atomic_store(&recovery.opens[i].number, 0);
	recovery.opens_end = 0;
}
