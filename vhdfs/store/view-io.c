/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads, writes, zeroing, flushes and extents of an open image. */
#include "config.h"

#include "store/view.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "chain/chain.h"
#include "chain/space-need.h"
#include "store/store.h"
#include "store/view-internal.h"

#define START_COST KIB(256)

/* The chain, with io_lock held shared until view_put; null with a message. */
static struct chain *view_get(struct store_image *image)
{
	for (int tries = 0; tries < 2; tries++) {
		pthread_rwlock_rdlock(&image->io_lock);
		if (image->chain)
			return image->chain;
		pthread_rwlock_unlock(&image->io_lock);
		if (!tries)
			view_reopen_lost(image);
	}
	fail(-EIO, "the image is closed: it could not be opened again");
	view_name_error(image);
	return NULL;
}

static void view_put(struct store_image *image)
{
	pthread_rwlock_unlock(&image->io_lock);
}

/* How much of [off, off + len) is before the end of the disk. */
static uint64_t on_disk(const struct chain *chain, uint64_t off, uint64_t len)
{
	uint64_t size = chain_size(chain);

	return off < size ? min_u64(len, size - off) : 0;
}

ssize_t view_read(struct store_image *image, void *buf, uint64_t off,
		  size_t len)
{
	struct chain *chain = view_get(image);
	int r = 0;

	if (!chain)
		return -EIO;
	len = on_disk(chain, off, len);
	if (len)
		r = chain_read(chain, buf, off, len);
	view_put(image);
	return r < 0 ? r : (ssize_t)len;
}

/* Flushes, and sets image.flushed to the changes that had ended before. */
static int flush_counted(struct store_image *image, struct chain *chain)
{
	unsigned long long ended = atomic_load(&image->ended);
	unsigned long long before = atomic_load(&image->flushed);
	int r = chain_flush(chain);

	while (r == 0 && before < ended &&
	       !atomic_compare_exchange_weak(&image->flushed, &before, ended))
		;
	return r;
}

/* The chain for a change, which end_change ends; null with a message. */
static struct chain *begin_change(struct store_image *image)
{
	struct chain *chain;

	view_check_replaced(image);
	chain = view_get(image);
	if (chain)
		atomic_fetch_add(&image->begun, 1);
	return chain;
}

static void end_change(struct store_image *image)
{
	atomic_fetch_add(&image->ended, 1);
	view_put(image);
}

/* After -ENOSPC for a write: 0 if it needs no space, of the file system or of
 * the file alone; else -ENOSPC with its message. */
static int examine_write(struct chain *chain, uint64_t off, size_t len,
			 bool of_file)
{
	struct error why = *error_last();
	struct space_need need;
	int r = chain_space_need(chain, off, len, SPACE_WRITE, &need);

	if (r < 0 || !(of_file ? need.file : need.fs))
		return r;
	error_set(&why);
	return why.code;
}

/* What the change takes besides: the first one since the open may allocate the
 * space of a log (vhdx-log-write.c). */
static uint64_t start_cost(const struct chain *chain)
{
	return atomic_load(&chain_leaf(chain)->started) ? 0 : START_COST;
}

static int take_quota(struct store_image *image, struct chain *chain,
		      uint64_t len)
{
	const struct io *io = chain_leaf(chain)->io;

	return quota_take(&image->quota, io->fd, io->name, len);
}

/* Takes space for a write.  Whether it needs any is found out only when it is
 * refused: that takes system calls. */
static int take_for_write(struct store_image *image, struct chain *chain,
			  uint64_t off, size_t len)
{
	struct reserve *reserve = &image->store->reserve;
	uint64_t cost = len + start_cost(chain);
	int r = reserve_take(reserve, cost);

	if (r == -ENOSPC && !reserve->copies_on_write)
		r = examine_write(chain, off, len, false);
	if (r < 0)
		return r;
	r = take_quota(image, chain, cost);
	return r == -ENOSPC ? examine_write(chain, off, len, true) : r;
}

/* The same for zeros, most of which take no space. */
static int take_for_zeros(struct store_image *image, struct chain *chain,
			  uint64_t off, uint64_t len)
{
	struct reserve *reserve = &image->store->reserve;
	struct space_need need;
	int r;

	if (!reserve->size && !quota_applies(&image->quota))
		return 0;
	r = chain_space_need(chain, off, len, SPACE_ZERO, &need);
	if (r == 0 && (need.fs || reserve->copies_on_write))
		r = reserve_take(reserve, need.fs);
	return r == 0 && need.file ? take_quota(image, chain, need.file) : r;
}

ssize_t view_write(struct store_image *image, const void *buf, uint64_t off,
		   size_t len)
{
	struct chain *chain;
	int r;

	if (!len)
		return 0;
	chain = begin_change(image);
	if (!chain)
		return -EIO;
	len = on_disk(chain, off, len);
	r = len ? take_for_write(image, chain, off, len)
		: fail(-EFBIG, "%s: a write past the end of the disk",
		       chain_path(chain, 0));
	if (r == 0)
		r = chain_write(chain, buf, off, len);
	end_change(image);
	return r < 0 ? r : (ssize_t)len;
}

int view_zero(struct store_image *image, uint64_t off, uint64_t len, bool punch)
{
	struct chain *chain = begin_change(image);
	int r = 0;

	if (!chain)
		return -EIO;
	len = on_disk(chain, off, len);
	/* Punching a hole gives space back. */
	if (len && !punch)
		r = take_for_zeros(image, chain, off, len);
	if (r == 0 && len)
		r = chain_zero(chain, off, len, punch);
	end_change(image);
	return r;
}

int view_flush(struct store_image *image)
{
	struct chain *chain;
	int r;

	view_check_replaced(image);
	chain = view_get(image);
	if (!chain)
		return -EIO;
	r = flush_counted(image, chain);
	view_put(image);
	return r;
}

int view_flush_open(struct store_image *image)
{
	int r = 0;

	pthread_rwlock_rdlock(&image->io_lock);
	if (image->chain)
		r = flush_counted(image, image->chain);
	pthread_rwlock_unlock(&image->io_lock);
	return r;
}

int view_flush_on_close(struct store_image *image)
{
	int r;

	pthread_mutex_lock(&image->open_lock);
	view_check_before_close(image);
	/* Reads run during this flush, which takes long.  The lock is exclusive
	 * only for the little that is left then. */
	r = view_flush_open(image);
	if (r == 0 && image->write_opens <= 1) {
		pthread_rwlock_wrlock(&image->io_lock);
		if (image->chain)
			r = chain_end_writes(image->chain);
		pthread_rwlock_unlock(&image->io_lock);
	}
	pthread_mutex_unlock(&image->open_lock);
	return r;
}

int view_map(struct store_image *image, uint64_t off, uint64_t len,
	     bool *ret_zero, uint64_t *ret_len)
{
	struct chain_extent e;
	struct chain *chain = view_get(image);
	int r;

	if (!chain)
		return -EIO;
	len = on_disk(chain, off, len);
	r = len ? chain_map(chain, off, len, &e)
		: fail(-EINVAL, "%s: an extent past the end of the disk",
		       chain_path(chain, 0));
	view_put(image);
	if (r < 0)
		return r;
	*ret_zero = e.zero;
	*ret_len = e.len;
	return 0;
}

int view_seek(struct store_image *image, uint64_t off, int whence,
	      uint64_t *ret)
{
	struct chain_extent e;
	struct chain *chain = view_get(image);
	bool hole = whence == SEEK_HOLE;
	uint64_t size;
	int r = 0;

	if (!chain)
		return -EIO;
	size = chain_size(chain);
	if (off >= size)
		r = -ENXIO;
	while (r == 0 && off < size) {
		r = chain_map(chain, off, size - off, &e);
		if (r < 0 || e.zero == hole)
			break;
		off += e.len;
	}
	view_put(image);
	if (r < 0)
		return r;
	/* lseek: there is a hole at the end of every file. */
	if (off >= size && !hole)
		return -ENXIO;
	*ret = off;
	return 0;
}

int view_client_error(int r)
{
	switch (r) {
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
	case -EROFS:
	case -ENOMEM:
		return r;
	default:
		return -EIO;
	}
}

void view_name_error(struct store_image *image)
{
	_cleanup_free_ char *name = store_image_name(image);
	struct error why = *error_last();

	/* Most errors begin with the file's name. */
	if (name && strncmp(why.text, name, strlen(name)) != 0)
		fail(why.code, "%s: %s", name, why.text);
}
