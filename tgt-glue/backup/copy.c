/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copy of a file: FICLONE, else range after range of its data. */
#include "config.h"

#include "tgt-glue/backup/copy.h"

#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/progress.h"
#include "store/copy-attributes.h"
#include "tgt-glue/backup/stop.h"

#define PIECE MIB(1)

struct copy {
	struct io *from, *to;
	uint8_t *buf;
	struct progress progress;
	uint64_t copied;
};

static int copy_range(struct copy *c, uint64_t off, uint64_t end)
{
	int r = 0;

	for (size_t n; r == 0 && off < end; off += n) {
		n = min_u64(PIECE, end - off);
		r = stop_check();
		if (r == 0)
			r = io_read(c->from, c->buf, n, off);
		if (r == 0)
			r = io_write(c->to, c->buf, n, off);
		if (r == 0)
			c->copied += n;
		progress_at(&c->progress, off + n);
	}
	return r;
}

/* The holes of the file are holes of the copy. */
static int copy_data(struct copy *c, uint64_t size)
{
	uint64_t len;
	bool data;
	int r = io_resize(c->to, size);

	for (uint64_t off = 0; r == 0 && off < size; off += len) {
		r = io_extent(c->from, off, &data, &len);
		if (r == 0 && data)
			r = copy_range(c, off, min_u64(size, off + len));
	}
	return r;
}

static int copy_contents(struct copy *c)
{
	uint64_t size;
	int r;

	if (ioctl(c->to->fd, FICLONE, c->from->fd) == 0)
		return 0;
	r = io_size(c->from, &size);
	if (r < 0)
		return r;
	c->buf = malloc(PIECE);
	if (!c->buf)
		return fail(-ENOMEM, "out of memory");
	progress_init(&c->progress, size);
	r = copy_data(c, size);
	progress_end(&c->progress);
	free(c->buf);
	return r;
}

static int copy_metadata(const struct io *from, const struct io *to,
			 const char *except)
{
	struct stat st;
	int r = copy_attributes(from->fd, to->fd, except, to->name);

	if (r < 0)
		return r;
	if (fstat(from->fd, &st) < 0)
		return fail_errno(-errno, "%s", from->name);
	/* A child VHD records the time of its parent's file. */
	if (futimens(to->fd, (struct timespec[2]){ st.st_atim, st.st_mtim }) <
	    0)
		return fail_errno(-errno, "%s: time", to->name);
	return 0;
}

int copy_file(struct io *from, struct io *to, const char *except,
	      uint64_t *ret_copied)
{
	struct copy c = { .from = from, .to = to };
	int r = copy_contents(&c);

	*ret_copied = c.copied;
	return r < 0 ? r : copy_metadata(from, to, except);
}
