/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all formats share: checks of ranges and states, locks, splitting of
 * writes at block boundaries, joined flushes.
 *
 * WRITES.  Sectors of an allocated block are written under the shared lock, and
 * marked as stored there if only bits of dirty pages change (bitmap.h), so that
 * reads and writes of one image run in parallel.  Writes that allocate, or
 * change a clean page, take the exclusive lock; the driver looks the block up
 * again there, as another thread may have allocated it meanwhile.
 */
#include "config.h"

#include "format/image.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/bitmap.h"
#include "format/table-cache.h"
#include "io/recovery.h"
#include "io/blocking.h"

const char *image_type_name(enum image_type type)
{
	static const char *const names[] = { "fixed", "dynamic",
					     "differencing" };

	return names[type];
}

void parent_ref_fini(struct parent_ref *ref)
{
	free(ref->relative);
	free(ref->basename);
	memset(ref, 0, sizeof *ref);
}

/* Takes over the dirty pages of a crashed process. */
static int recover_tables(struct image *img)
{
	bool any = false;
	int r = 0;

	for (unsigned i = 0; i < RECOVERY_TABLES && r == 0; i++) {
		if (!img->tables[i])
			continue;
		r = table_cache_recover(img->tables[i], i);
		any |= img->tables[i]->n_dirty > 0;
	}
	atomic_store(&img->recovered_dirty, any);
	if (!img->io->recovery)
		return r;
	atomic_store(&img->failed, recovery_file_failed(img->io->recovery));
	/* The crash was in a flush: its result is unknown until the next. */
	if (recovery_file_in_doubt(img->io->recovery))
		atomic_store(&img->written, true);
	return r;
}

int image_init(struct image *img, const struct image_ops *ops, struct io *io)
{
	pthread_rwlockattr_t attr;
	int r;

	img->ops = ops;
	img->io = io;
	img->writable = io->writable;
	r = recover_tables(img);
	if (r < 0)
		return r;
	atomic_init(&img->unsynced_pages, true);
	pthread_rwlockattr_init(&attr);
	/* Read locks never nest; without this, readers could starve a writer.
	 */
	pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&img->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&img->flush_lock, NULL);
	return 0;
}

void image_fini(struct image *img)
{
	pthread_rwlock_destroy(&img->lock);
	pthread_mutex_destroy(&img->flush_lock);
	io_close(img->io);
}

int image_fail(struct image *img, int r)
{
	/* Recorded before another thread can report the failure. */
	if (img->io->recovery)
		recovery_file_set_failed(img->io->recovery, r);
	atomic_store(&img->failed, r);
	return r;
}

/* Flushes writes since the open only, not unsynced pages of before. */
static int flush_written(struct image *img)
{
	bool unsynced_pages = atomic_exchange(&img->unsynced_pages, false);
	int r = image_flush(img);

	atomic_store(&img->unsynced_pages, unsynced_pages);
	return r;
}

int image_close(struct image *img)
{
	int r = flush_written(img);
	struct error why = *error_last();
	int rc = img->ops->close(img);

	if (r < 0)
		error_set(&why);
	return r < 0 ? r : rc;
}

int image_parent(struct image *img, struct parent_ref *ret)
{
	memset(ret, 0, sizeof *ret);
	if (img->type != IMAGE_DIFFERENCING)
		return fail(-EBADMSG,
			    "%s: expected a differencing image, found one "
			    "without a parent",
			    img->io->name);
	return img->ops->parent(img, ret);
}

bool image_is_same(const struct image *a, const struct image *b)
{
	return a->ops == b->ops && a->type == b->type && a->size == b->size &&
	       a->sector_size == b->sector_size &&
	       a->block_size == b->block_size && guid_equal(&a->id, &b->id);
}

int image_map(struct image *img, uint64_t off, uint64_t len, struct extent *ret)
{
	int r;

	assert(len && range_within(off, len, img->size));
	r = img->ops->map(img, off, len, ret);
	/* The driver's result depends on tables of the file. */
	if (r >= 0 && (!ret->len || ret->len > len))
		return fail_found(
			-EBADMSG, img->io->name, "block map", ERROR_NO_OFFSET,
			format_arg("1 to %" PRIu64 " bytes", len),
			"%" PRIu64 " for offset %" PRIu64 " of the disk",
			ret->len, off);
	return r;
}

static bool is_over_limit(const struct image *img)
{
	bool over_limit = false;

	for (unsigned i = 0; i < RECOVERY_TABLES; i++)
		over_limit |= img->tables[i] &&
			      table_cache_over_limit(img->tables[i]);
	return over_limit;
}

/* Releases the lock, and evicts pages if too many were read under it. */
static void unlock(struct image *img)
{
	pthread_rwlock_unlock(&img->lock);
	if (!is_over_limit(img))
		return;
	io_wrlock(&img->lock);
	for (unsigned i = 0; i < RECOVERY_TABLES && is_over_limit(img); i++)
		if (img->tables[i])
			table_cache_evict(img->tables[i]);
	pthread_rwlock_unlock(&img->lock);
}

void image_lock_map(struct image *img)
{
	io_rdlock(&img->lock);
}

void image_unlock_map(struct image *img)
{
	unlock(img);
}

int image_map_locked(struct image *img, uint64_t off, uint64_t len,
		     struct extent *ret)
{
	int r;

	image_lock_map(img);
	r = image_map(img, off, len, ret);
	image_unlock_map(img);
	return r;
}

/* A format without a write operation is read-only. */
static int check_format_writes(const struct image *img)
{
	return img->ops->write
		       ? 0
		       : fail(-EOPNOTSUPP, "%s: a %s image is read only",
			      img->io->name, img->ops->title);
}

int image_may_write(struct image *img)
{
	int r = check_format_writes(img);

	if (r < 0 || !img->ops->may_write)
		return r;
	io_wrlock(&img->lock);
	/* begin_writes has made the same checks. */
	if (!atomic_load(&img->started))
		r = img->ops->may_write(img);
	unlock(img);
	return r;
}

/* Checks that the image can be changed, and calls begin_writes if needed. */
static int prepare_change(struct image *img)
{
	int r = check_format_writes(img);

	if (r < 0)
		return r;
	r = atomic_load(&img->failed);
	if (!img->writable)
		return fail(-EROFS, "%s: is open for reading only",
			    img->io->name);
	if (r < 0)
		return fail(
			-EIO,
			"%s: an earlier write of its tables failed; it refuses writes until it is opened again",
			img->io->name);
	if (atomic_load(&img->started))
		return 0;
	io_wrlock(&img->lock);
	if (!atomic_load(&img->started)) {
		r = img->ops->begin_writes ? img->ops->begin_writes(img) : 0;
		if (r == 0) {
			atomic_store(&img->started, true);
			atomic_store(&img->recovered_dirty, false);
		} else if (atomic_load(&img->io->sync_failed)) {
			image_fail(img, r);
		}
	}
	unlock(img);
	return r;
}

/* len, cut at the end of the block that contains off. */
static uint64_t len_in_block(const struct image *img, uint64_t off,
			     uint64_t len)
{
	if (!img->block_size)
		return len;
	return min_u64(len, img->block_size - off % img->block_size);
}

/* The number in its block of the sector at off. */
static uint64_t sector_in_block(const struct image *img, uint64_t off)
{
	return off % img->block_size / img->sector_size;
}

/* Can the extent at off, cut at the end of its block, be written in place and
 * marked as stored under the shared lock? */
static bool can_set_bits(struct image *img, uint64_t off, struct extent *e,
			 struct bitmap *ret)
{
	if (!e->file_off || !img->ops->bitmap)
		return false;
	e->len = len_in_block(img, off, e->len);
	return img->ops->bitmap(img, off, e->len, ret) > 0 &&
	       bitmap_is_dirty(ret, sector_in_block(img, off),
			       e->len / img->sector_size);
}

/* Writes the extent, and then marks it as stored. */
static int write_and_set_bits(struct image *img, const void *buf, uint64_t off,
			      const struct extent *e,
			      const struct bitmap *bitmap)
{
	int r = io_write_chunked(img->io, buf, e->len, e->file_off);

	return r < 0 ? r
		     : bitmap_fill(bitmap, sector_in_block(img, off),
				   e->len / img->sector_size, true);
}

/* Writes the first extent under the shared lock: returns its length, or 0 if it
 * needs the exclusive lock. */
static ssize_t write_in_place(struct image *img, const void *buf, uint64_t off,
			      size_t len)
{
	struct bitmap bitmap;
	struct extent e;
	int r;

	io_rdlock(&img->lock);
	r = image_map(img, off, len, &e);
	if (r == 0 && e.kind == EXTENT_STORED)
		r = io_write(img->io, buf, e.len, e.file_off);
	else if (r == 0 && can_set_bits(img, off, &e, &bitmap))
		r = write_and_set_bits(img, buf, off, &e, &bitmap);
	else
		e.len = 0;
	if (e.len)
		atomic_store(&img->written, true);
	unlock(img);
	return r < 0 ? r : (ssize_t)e.len;
}

static bool has_many_dirty_pages(const struct image *img)
{
	size_t n = 0;

	for (unsigned i = 0; i < RECOVERY_TABLES; i++)
		n += img->tables[i] ? img->tables[i]->n_dirty : 0;
	return n > img->dirty_max;
}

/* After an operation that returned r: releases the exclusive lock, and flushes
 * if many pages are dirty. */
static int end_write(struct image *img, int r)
{
	bool flush = r == 0 && has_many_dirty_pages(img);

	atomic_store(&img->written, true);
	unlock(img);
	return flush ? image_flush(img) : r;
}

int image_write(struct image *img, const void *buf, uint64_t off, size_t len)
{
	int r = prepare_change(img);

	assert(range_within(off, len, img->size));
	assert(is_aligned(off | len, img->sector_size));
	while (r >= 0 && len) {
		ssize_t n = write_in_place(img, buf, off, len);

		if (n == 0) {
			n = (ssize_t)len_in_block(img, off, len);
			io_wrlock(&img->lock);
			r = end_write(img, img->ops->write(img, buf, off, n));
		}
		if (n < 0)
			return (int)n;
		buf = (const char *)buf + n;
		off += n;
		len -= n;
	}
	return r;
}

int image_zero(struct image *img, uint64_t off, uint64_t len, int flags)
{
	int r = prepare_change(img);

	assert(range_within(off, len, img->size));
	assert(is_aligned(off | len, img->sector_size));
	while (r >= 0 && len) {
		uint64_t n = len_in_block(img, off, len);

		io_wrlock(&img->lock);
		r = end_write(img, img->ops->zero(img, off, n, flags));
		off += n;
		len -= n;
	}
	return r;
}

/* The second step of a flush that flush_begin has begun. */
static int finish_flush(struct image *img)
{
	int r = img->ops->flush_finish(img);

	return r < 0 ? image_fail(img, r) : 0;
}

int image_flush_tables(struct image *img)
{
	int r = img->ops->flush_begin(img);

	return r > 0 ? finish_flush(img) : r;
}

/* One flush; flush_lock is held. */
static int flush_once(struct image *img)
{
	bool unsynced_pages = atomic_exchange(&img->unsynced_pages, false);
	int r = 0;

	if (atomic_load(&img->failed))
		return fail(
			-EIO,
			"%s: an earlier write of its tables failed; later writes are not durable",
			img->io->name);
	if (!atomic_exchange(&img->written, false) && !unsynced_pages)
		return 0;
	if (img->ops->flush_begin) {
		io_wrlock(&img->lock);
		r = img->ops->flush_begin(img);
		unlock(img);
	}
	if (r < 0) {
		/* Nothing was changed: the next flush tries again. */
		atomic_store(&img->written, true);
		return r;
	}
	if (r > 0)
		return finish_flush(img);
	r = io_sync(img->io);
	return r < 0 ? image_fail(img, r) : 0;
}

int image_flush(struct image *img)
{
	uint_fast64_t mine;
	int r = 0;

	if (!img->writable)
		return 0;
	if (atomic_load(&img->recovered_dirty)) {
		r = prepare_change(img);
		if (r < 0)
			return r;
	}
	/* A flush that begins after this line covers this thread's writes. */
	mine = atomic_load(&img->flush_begun);
	pthread_mutex_lock(&img->flush_lock);
	if (img->flush_ended <= mine || atomic_load(&img->failed)) {
		uint_fast64_t number = atomic_fetch_add(&img->flush_begun, 1);

		img->flush_result = flush_once(img);
		if (img->flush_result < 0)
			img->flush_error = *error_last();
		img->flush_ended = number + 1;
	} else if (img->flush_result < 0) {
		error_set(&img->flush_error);
	}
	r = img->flush_result;
	pthread_mutex_unlock(&img->flush_lock);
	return r;
}

int image_end_writes(struct image *img)
{
	int r = flush_written(img);

	if (r < 0 || !atomic_load(&img->started))
		return r;
	r = img->ops->end_writes ? img->ops->end_writes(img) : 0;
	if (r < 0)
		return image_fail(img, r);
	atomic_store(&img->started, false);
	return 0;
}

int image_settle(struct image *img)
{
	int r = image_end_writes(img);

	return r < 0 || !img->ops->settle ? r : img->ops->settle(img);
}

/* Ends writes for a change of the parent, which the format supports or not. */
static int begin_parent_change(struct image *img, bool supported)
{
	if (!supported)
		return fail(-EOPNOTSUPP,
			    "%s: the parent of a %s image cannot be changed",
			    img->io->name, img->ops->title);
	if (!img->writable || img->type != IMAGE_DIFFERENCING)
		return fail(-EINVAL,
			    "%s: expected a differencing image that is open "
			    "for writing",
			    img->io->name);
	return image_end_writes(img);
}

int image_set_parent(struct image *img, const struct image_params *params)
{
	int r = begin_parent_change(img, img->ops->set_parent);

	return r < 0 ? r : img->ops->set_parent(img, params);
}

/* -EINVAL for an allocated block that does not store all of its sectors. */
static int check_whole_blocks(struct image *img)
{
	struct extent e;
	int r = 0;

	for (uint64_t off = 0; r == 0 && off < img->size; off += e.len) {
		r = image_map_locked(img, off, img->size - off, &e);
		if (r == 0 && e.kind == EXTENT_PARENT && e.file_off)
			r = fail_found(-EINVAL, img->io->name, "block",
				       e.file_off,
				       "one that stores all of its sectors",
				       "one that has sectors of the parent");
	}
	return r;
}

int image_remove_parent(struct image *img)
{
	int r = begin_parent_change(img, img->ops->remove_parent);

	if (r == 0)
		r = check_whole_blocks(img);
	return r < 0 ? r : img->ops->remove_parent(img);
}

int image_params_complete(const struct image_ops *ops,
			  struct image_params *params)
{
	if (!ops->create)
		return fail(-EOPNOTSUPP, "a %s image cannot be created",
			    ops->title);
	if (params->type == IMAGE_DIFFERENCING) {
		if (params->parent->ops != ops)
			return fail(-EOPNOTSUPP,
				    "%s: a %s image cannot have a %s parent",
				    params->parent->io->name, ops->name,
				    params->parent->ops->name);
		if (!params->size)
			params->size = params->parent->size;
		params->sector_size = params->parent->sector_size;
	}
	return ops->params_complete ? ops->params_complete(params) : 0;
}

int image_create(struct io *io, const struct image_ops *ops,
		 const struct image_params *params)
{
	struct image_params complete = *params;
	int r = image_params_complete(ops, &complete);

	/* Messages about parameters do not name the file. */
	if (r < 0)
		return fail(r, "%s: %s", io->name, error_text());
	return ops->create(io, &complete);
}

void check_report(struct check *check, const char *structure, uint64_t offset,
		  const char *expected, const char *found, bool repaired)
{
	const struct finding finding = { structure, offset, expected,
					 found,     false,  repaired };

	check->report(check, &finding);
}

void check_report_last(struct check *check, bool repaired)
{
	const struct error e = *error_last();

	check_report(check, e.structure, e.offset, e.expected, e.found,
		     repaired);
}

void check_report_leak(struct check *check, const char *structure,
		       uint64_t offset, uint64_t bytes, const char *expected,
		       const char *found, bool repaired)
{
	const struct finding finding = { structure, offset, expected,
					 found,     true,   repaired };

	check->leaked += bytes;
	check->report(check, &finding);
}
