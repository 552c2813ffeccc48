/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sparse file in memory: an io with few pages and no heap. */
#include "config.h"

#include "unit/sparse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

struct sparse_io {
	struct io io;
	struct sparse *file;
};

void sparse_reset(struct sparse *file)
{
	memset(file->slots, 0, sizeof file->slots);
	file->size = 0;
	file->table = NULL;
	file->n_pages = 0;
	file->n_writes = 0;
}

void sparse_copy(struct sparse *to, const struct sparse *from)
{
	memcpy(to->slots, from->slots, sizeof to->slots);
	memcpy(to->pages, from->pages, from->n_pages * sizeof *to->pages);
	to->size = from->size;
	to->table = from->table;
	to->n_pages = from->n_pages;
	to->n_writes = 0;
}

/* Whether the page lies in the table's range. */
static bool in_table(const struct sparse *file, uint64_t number)
{
	const struct sparse_table *table = file->table;
	uint64_t off = number * SPARSE_PAGE;

	return table && off >= table->off && off < table->end;
}

/* The hash slot of that page, used or free. */
static unsigned slot_of(const struct sparse *file, uint64_t number)
{
	unsigned i = (number * 0x9e3779b97f4a7c15 >> 40) % SPARSE_SLOTS;

	while (file->slots[i] &&
	       file->pages[file->slots[i] - 1].number != number)
		i = (i + 1) % SPARSE_SLOTS;
	return i;
}

/* A page that was written or is generated; null for a hole. */
static const uint8_t *find(const struct sparse *file, uint64_t number)
{
	static uint8_t made[SPARSE_PAGE];
	unsigned i = file->slots[slot_of(file, number)];

	if (i)
		return file->pages[i - 1].stored ? file->pages[i - 1].data
						 : NULL;
	if (!in_table(file, number))
		return NULL;
	file->table->page(made, number * SPARSE_PAGE);
	return made;
}

/* The page, for writing; null: no free page. */
static uint8_t *need(struct sparse *file, uint64_t number)
{
	unsigned slot = slot_of(file, number), i = file->slots[slot];

	if (!i) {
		if (file->n_pages == SPARSE_ROOM)
			return NULL;
		i = ++file->n_pages;
		file->slots[slot] = i;
		file->pages[i - 1].number = number;
		if (in_table(file, number))
			file->table->page(file->pages[i - 1].data,
					  number * SPARSE_PAGE);
		else
			memset(file->pages[i - 1].data, 0, SPARSE_PAGE);
	} else if (!file->pages[i - 1].stored) {
		memset(file->pages[i - 1].data, 0, SPARSE_PAGE);
	}
	file->pages[i - 1].stored = true;
	return file->pages[i - 1].data;
}

void sparse_peek(const struct sparse *file, void *buf, size_t len, uint64_t off)
{
	for (size_t n; len; buf = (char *)buf + n, off += n, len -= n) {
		const uint8_t *page = find(file, off / SPARSE_PAGE);

		n = min_u64(len, SPARSE_PAGE - off % SPARSE_PAGE);
		if (page)
			memcpy(buf, page + off % SPARSE_PAGE, n);
		else
			memset(buf, 0, n);
	}
}

static int put(struct sparse *file, const void *buf, size_t len, uint64_t off)
{
	for (size_t n; len; buf = (const char *)buf + n, off += n, len -= n) {
		uint8_t *page = need(file, off / SPARSE_PAGE);

		if (!page)
			return -ENOSPC;
		n = min_u64(len, SPARSE_PAGE - off % SPARSE_PAGE);
		memcpy(page + off % SPARSE_PAGE, buf, n);
		file->size = max_u64(file->size, off + n);
	}
	return 0;
}

void sparse_poke(struct sparse *file, const void *buf, size_t len, uint64_t off)
{
	(void)put(file, buf, len, off);
}

/* Clears the part of [off, end) that lies in the i-th page in memory. */
static void clear_page(struct sparse *file, unsigned i, uint64_t off,
		       uint64_t end)
{
	uint64_t at = file->pages[i].number * SPARSE_PAGE;
	uint64_t from = max_u64(at, off);
	uint64_t to = min_u64(at + SPARSE_PAGE, end);

	if (from >= to)
		return;
	if (to - from == SPARSE_PAGE)
		file->pages[i].stored = false;
	else
		memset(file->pages[i].data + (from - at), 0, to - from);
}

/* Makes [off, end) read as zeros, whole pages as holes; unwritten pages that
 * the table generates stay. */
static void clear(struct sparse *file, uint64_t off, uint64_t end)
{
	uint64_t first = off / SPARSE_PAGE, last = div_up(end, SPARSE_PAGE);

	if (last - first > file->n_pages) {
		for (unsigned i = 0; i < file->n_pages; i++)
			clear_page(file, i, off, end);
		return;
	}
	for (; first < last; first++) {
		unsigned i = file->slots[slot_of(file, first)];

		if (i)
			clear_page(file, i - 1, off, end);
	}
}

void sparse_resize(struct sparse *file, uint64_t size)
{
	if (size < file->size)
		clear(file, size, UINT64_MAX);
	file->size = size;
}

static struct sparse *file_of(struct io *io)
{
	return ((struct sparse_io *)io)->file;
}

/* Counts a change.  -EINVAL for an offset that no file has. */
static int change(struct io *io, uint64_t off, uint64_t len)
{
	if (!io->writable)
		abort();
	file_of(io)->n_writes++;
	return range_within(off, len, INT64_MAX) ? 0 : -EINVAL;
}

static ssize_t sparse_pread(struct io *io, void *buf, size_t len, uint64_t off)
{
	struct sparse *file = file_of(io);

	if (off > INT64_MAX)
		return -EINVAL;
	len = off < file->size ? min_u64(len, file->size - off) : 0;
	sparse_peek(file, buf, len, off);
	return (ssize_t)len;
}

static int sparse_pwrite(struct io *io, const void *buf, size_t len,
			 uint64_t off)
{
	int r = change(io, off, len);

	return r < 0 ? r : put(file_of(io), buf, len, off);
}

static int sparse_sync(struct io *io)
{
	return change(io, 0, 0);
}

static int sparse_size(struct io *io, uint64_t *ret_size)
{
	*ret_size = file_of(io)->size;
	return 0;
}

static int sparse_ftruncate(struct io *io, uint64_t size)
{
	int r = change(io, 0, size);

	if (r == 0)
		sparse_resize(file_of(io), size);
	return r;
}

static int sparse_punch(struct io *io, uint64_t off, uint64_t len, bool keep)
{
	int r = len ? change(io, off, len) : -EINVAL;

	(void)keep;
	if (r == 0)
		clear(file_of(io), off, off + len);
	return r;
}

static int sparse_extent(struct io *io, uint64_t off, bool *ret_data,
			 uint64_t *ret_len)
{
	const struct sparse *file = file_of(io);
	uint64_t end = file->size;

	if (off >= file->size)
		return -ENXIO;
	*ret_data = find(file, off / SPARSE_PAGE) ||
		    in_table(file, off / SPARSE_PAGE);
	if (*ret_data)
		end = min_u64(end, round_down(off, SPARSE_PAGE) + SPARSE_PAGE);
	for (unsigned i = 0; !*ret_data && i < file->n_pages; i++) {
		uint64_t at = file->pages[i].number * SPARSE_PAGE;

		if (file->pages[i].stored && at > off)
			end = min_u64(end, at);
	}
	*ret_len = end - off;
	return 0;
}

static void sparse_close(struct io *io)
{
	io_fini(io);
	free(io);
}

static const struct io_ops sparse_ops = {
	.pread = sparse_pread,
	.pwrite = sparse_pwrite,
	.sync = sparse_sync,
	.size = sparse_size,
	.resize = sparse_ftruncate,
	.punch = sparse_punch,
	.extent = sparse_extent,
	.close = sparse_close,
};

int sparse_open(void *file, const char *name, bool writable, struct io **ret)
{
	struct sparse_io *sparse = calloc(1, sizeof *sparse);
	int r;

	if (!sparse)
		return fail(-ENOMEM, "%s: out of memory", name);
	r = io_init(&sparse->io, &sparse_ops, name, writable);
	if (r < 0) {
		free(sparse);
		return r;
	}
	sparse->file = file;
	*ret = &sparse->io;
	return 0;
}
