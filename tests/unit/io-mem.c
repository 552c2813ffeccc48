/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In-memory file: an array of pages of 4 KiB; a missing page is a hole. */
#include "config.h"

#include "unit/io-mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

struct io_mem {
	struct io io;
	struct mem_file *file;
};

void mem_file_init(struct mem_file *file)
{
	memset(file, 0, sizeof *file);
	pthread_mutex_init(&file->lock, NULL);
	file->fail_after = -1;
}

static void drop_page(struct mem_file *file, size_t i)
{
	free(file->pages[i]);
	file->pages[i] = NULL;
}

void mem_file_fini(struct mem_file *file)
{
	for (size_t i = 0; i < file->n_pages; i++)
		drop_page(file, i);
	free(file->pages);
	pthread_mutex_destroy(&file->lock);
}

void mem_file_reset_counters(struct mem_file *file)
{
	file->n_pread = file->n_pwrite = file->n_sync = 0;
	file->n_resize = file->n_punch = file->n_reserve = 0;
}

size_t mem_file_used(const struct mem_file *file)
{
	size_t n = 0;

	for (size_t i = 0; i < file->n_pages; i++)
		n += file->pages[i] != NULL;
	return n;
}

void mem_file_peek(const struct mem_file *file, void *buf, size_t len,
		   uint64_t off)
{
	for (size_t n; len; buf = (char *)buf + n, off += n, len -= n) {
		const uint8_t *page = off / MEM_PAGE < file->n_pages
					      ? file->pages[off / MEM_PAGE]
					      : NULL;

		n = min_u64(len, MEM_PAGE - off % MEM_PAGE);
		if (page)
			memcpy(buf, page + off % MEM_PAGE, n);
		else
			memset(buf, 0, n);
	}
}

static int need_page(struct mem_file *file, size_t i)
{
	if (i >= file->n_pages) {
		size_t n = i + i / 2 + 16;
		uint8_t **pages = realloc(file->pages, n * sizeof *pages);

		if (!pages)
			return -ENOMEM;
		memset(pages + file->n_pages, 0,
		       (n - file->n_pages) * sizeof *pages);
		file->pages = pages;
		file->n_pages = n;
	}
	if (file->pages[i])
		return 0;
	if (file->room && mem_file_used(file) >= file->room)
		return -ENOSPC;
	file->pages[i] = calloc(1, MEM_PAGE);
	return file->pages[i] ? 0 : -ENOMEM;
}

/* Writes len bytes of buf; zeros if buf is null. */
static int put(struct mem_file *file, const void *buf, size_t len, uint64_t off)
{
	for (size_t n; len; off += n, len -= n) {
		int r = need_page(file, off / MEM_PAGE);
		uint8_t *at;

		if (r < 0)
			return r;
		n = min_u64(len, MEM_PAGE - off % MEM_PAGE);
		at = file->pages[off / MEM_PAGE] + off % MEM_PAGE;
		if (buf)
			memcpy(at, buf, n);
		else
			memset(at, 0, n);
		if (buf)
			buf = (const char *)buf + n;
		file->size = max_u64(file->size, off + n);
	}
	return 0;
}

void mem_file_poke(struct mem_file *file, const void *buf, size_t len,
		   uint64_t off)
{
	size_t room = file->room;

	file->room = 0;
	if (put(file, buf, len, off) < 0)
		abort();
	file->room = room;
}

/* Zeroes a range: whole pages become holes. */
static int clear(struct mem_file *file, uint64_t off, uint64_t len)
{
	uint64_t end = off + len;

	while (off < end) {
		uint64_t n = min_u64(end - off, MEM_PAGE - off % MEM_PAGE);
		size_t i = off / MEM_PAGE;
		bool there = i < file->n_pages && file->pages[i];

		if (i >= file->n_pages)
			break;
		if (there && n == MEM_PAGE)
			drop_page(file, i);
		else if (there)
			memset(file->pages[i] + off % MEM_PAGE, 0, n);
		off += n;
	}
	return 0;
}

void mem_file_resize(struct mem_file *file, uint64_t size)
{
	if (size < file->size)
		clear(file, size, round_up(file->size, MEM_PAGE) - size);
	file->size = size;
}

void mem_file_copy(struct mem_file *to, const struct mem_file *from)
{
	mem_file_resize(to, 0);
	for (size_t i = 0; i < from->n_pages; i++)
		if (from->pages[i])
			mem_file_poke(to, from->pages[i], MEM_PAGE,
				      (uint64_t)i * MEM_PAGE);
	mem_file_resize(to, from->size);
}

static struct mem_file *lock_file(struct io *io)
{
	struct mem_file *file = ((struct io_mem *)io)->file;

	pthread_mutex_lock(&file->lock);
	return file;
}

static int unlock_file(struct mem_file *file, int r)
{
	pthread_mutex_unlock(&file->lock);
	return r;
}

/* Returns the simulated failure of this call, or 0. */
static int next_failure(struct mem_file *file)
{
	if (file->fail_after < 0)
		return 0;
	if (file->fail_after > 0) {
		file->fail_after--;
		return 0;
	}
	if (file->fail_once)
		file->fail_after = -1;
	return file->fail_code;
}

static ssize_t mem_pread(struct io *io, void *buf, size_t len, uint64_t off)
{
	struct mem_file *file = lock_file(io);

	file->n_pread++;
	len = off < file->size ? min_u64(len, file->size - off) : 0;
	mem_file_peek(file, buf, len, off);
	unlock_file(file, 0);
	return (ssize_t)len;
}

static int mem_pwrite(struct io *io, const void *buf, size_t len, uint64_t off)
{
	struct mem_file *file = lock_file(io);
	int r = next_failure(file);

	file->n_pwrite++;
	return unlock_file(file, r < 0 ? r : put(file, buf, len, off));
}

static int mem_sync(struct io *io)
{
	struct mem_file *file = lock_file(io);

	file->n_sync++;
	return unlock_file(file, next_failure(file));
}

static int mem_size(struct io *io, uint64_t *ret_size)
{
	struct mem_file *file = lock_file(io);

	*ret_size = file->size;
	return unlock_file(file, 0);
}

static int mem_resize(struct io *io, uint64_t size)
{
	struct mem_file *file = lock_file(io);
	int r = next_failure(file);

	file->n_resize++;
	if (r == 0)
		mem_file_resize(file, size);
	return unlock_file(file, r);
}

static int mem_punch(struct io *io, uint64_t off, uint64_t len, bool keep)
{
	struct mem_file *file = lock_file(io);
	int r = next_failure(file);

	file->n_punch++;
	len = off < file->size ? min_u64(len, file->size - off) : 0;
	if (r == 0)
		r = keep ? put(file, NULL, len, off) : clear(file, off, len);
	return unlock_file(file, r);
}

static int mem_reserve(struct io *io, uint64_t off, uint64_t len)
{
	struct mem_file *file = lock_file(io);
	int r = next_failure(file);

	file->n_reserve++;
	for (size_t i = off / MEM_PAGE; r == 0 && i * MEM_PAGE < off + len; i++)
		r = need_page(file, i);
	return unlock_file(file, r);
}

static bool page_there(const struct mem_file *file, uint64_t off)
{
	return off / MEM_PAGE < file->n_pages && file->pages[off / MEM_PAGE];
}

static int mem_extent(struct io *io, uint64_t off, bool *ret_data,
		      uint64_t *ret_len)
{
	struct mem_file *file = lock_file(io);
	uint64_t end = off;

	*ret_data = page_there(file, off);
	while (end < file->size && page_there(file, end) == *ret_data)
		end = round_down(end, MEM_PAGE) + MEM_PAGE;
	*ret_len = min_u64(end, file->size) - off;
	return unlock_file(file, 0);
}

static void mem_close(struct io *io)
{
	io_fini(io);
	free(io);
}

static const struct io_ops mem_ops = {
	.pread = mem_pread,
	.pwrite = mem_pwrite,
	.sync = mem_sync,
	.size = mem_size,
	.resize = mem_resize,
	.punch = mem_punch,
	.reserve = mem_reserve,
	.extent = mem_extent,
	.close = mem_close,
};

int io_mem_open(struct mem_file *file, const char *name, bool writable,
		struct io **ret)
{
	struct io_mem *mem = calloc(1, sizeof *mem);
	int r;

	if (!mem)
		return fail(-ENOMEM, "%s: out of memory", name);
	r = io_init(&mem->io, &mem_ops, name, writable);
	if (r < 0) {
		free(mem);
		return r;
	}
	mem->file = file;
	*ret = &mem->io;
	return 0;
}
