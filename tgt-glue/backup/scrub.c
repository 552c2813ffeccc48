/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scrub: the list of all images, parents first; read; check. */
#include "config.h"

#include "tgt-glue/backup/scrub.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "base/rate.h"
#include "chain/chain.h"
#include "store/put-aside.h"
#include "tgt-glue/backup/stop.h"
#include "tgt-glue/base/vhdfs-img.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/reconcile/space.h"

#define PIECE MIB(1)

enum { NICE = 19, ALIGNMENT = 4096, STATUS_UNSOUND = 3 };
/* linux/ioprio.h, which Debian 12 does not have in full. */
enum { IOPRIO_PROCESS = 1, IOPRIO_IDLE = 3 << 13 };

struct scrub_image {
	const char *path; /* in the store */
	unsigned depth;
};

struct list {
	struct arena arena;
	struct scrub_image *v;
	size_t n;
	const char *root;
};

/* A failure does not matter. */
static void lower_priority(void)
{
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	(void)syscall(SYS_ioprio_set, IOPRIO_PROCESS, 0, IOPRIO_IDLE);
}

/* An image's name, or that of one that was put aside. */
static bool is_image(struct arena *arena, const char *name)
{
	const size_t n = strlen(name), stamp = STAMP_SIZE - 1;
	int64_t ignored;

	if (*name != '.')
		return value_image_format(name) != NULL;
	return n > stamp + 2 && name[n - stamp - 1] == '.' &&
	       stamp_read(name + n - stamp, &ignored) &&
	       value_image_format(arena_printf(arena, "%.*s",
					       (int)(n - stamp - 2), name + 1));
}

/* nftw has no argument for its function. */
static struct list *listing;

static int add_file(const char *absolute, const struct stat *st, int type,
		    struct FTW *at)
{
	struct list *list = listing;
	const char *path = root_dir_below(list->root, absolute);

	/* FTW_F is also a FIFO, whose open would wait for a writer. */
	if (type != FTW_F || !S_ISREG(st->st_mode) || !path ||
	    !is_image(&list->arena, absolute + at->base))
		return 0;
	list->v = arena_grow(&list->arena, list->v, list->n, sizeof *list->v);
	list->v[list->n++].path = arena_strdup(&list->arena, path);
	return 0;
}

static int parents_first(const void *a, const void *b)
{
	const struct scrub_image *x = a, *y = b;

	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return strcmp(x->path, y->path);
}

static int read_depths(const struct fleet *fleet, struct list *list)
{
	_cleanup_(parent_cache_free_p) struct parent_cache *cache = NULL;
	int r = parent_cache_new(&fleet->rootdir, 1, &cache);

	for (size_t i = 0; r == 0 && i < list->n; i++) {
		struct chain *chain;

		/* Where it fails, the check says why. */
		if (chain_open(cache, list->v[i].path, CHAIN_NO_LOCK, &chain) <
		    0)
			continue;
		list->v[i].depth = chain_depth(chain);
		chain_abandon(chain);
	}
	return r;
}

static int list_images(const struct fleet *fleet, struct list *list)
{
	int r;

	list->root = fleet->rootdir.path;
	listing = list;
	r = nftw(list->root, add_file, 16, FTW_PHYS | FTW_MOUNT);
	listing = NULL;
	if (r != 0)
		return fail_errno(-errno, "%s", list->root);
	r = read_depths(fleet, list);
	if (list->n)
		qsort(list->v, list->n, sizeof *list->v, parents_first);
	return r;
}

struct reading {
	const struct event_log *log;
	struct scrub *scrub;
	uint64_t rate;
	int64_t began;
	uint8_t *buf;
};

/* Up to a last part of less than ALIGNMENT, which is not read from the disk
 * alone; the check reads it. */
static int read_range(const struct reading *reading, struct io *io,
		      uint64_t off, uint64_t end)
{
	int r = 0;

	off -= off % ALIGNMENT;
	end -= end % ALIGNMENT;
	for (size_t n; r == 0 && off < end; off += n) {
		n = min_u64(PIECE, end - off);
		r = stop_check();
		if (r == 0)
			r = io_read(io, reading->buf, n, off);
		if (r < 0)
			break;
		reading->scrub->read += n;
		rate_keep(reading->rate, reading->scrub->read, reading->began);
	}
	return r;
}

static int open_direct(const struct fleet *fleet, const char *path,
		       struct io **ret)
{
	int fd = root_dir_openat(&fleet->rootdir, path, O_RDONLY | O_DIRECT);

	if (fd == -EINVAL)
		fd = root_dir_openat(&fleet->rootdir, path, O_RDONLY);
	if (fd < 0)
		return fail_errno(fd, "%s", path);
	return io_file_from_fd(fd, path, false, ret);
}

static int read_data(const struct reading *reading, const struct fleet *fleet,
		     const char *path)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	uint64_t size, len;
	bool data;
	int r = open_direct(fleet, path, &io);

	if (r == 0)
		r = io_size(io, &size);
	for (uint64_t off = 0; r == 0 && off < size; off += len) {
		r = io_extent(io, off, &data, &len);
		if (r == 0 && data)
			r = read_range(reading, io, off,
				       min_u64(size, off + len));
	}
	return r;
}

static void report(unsigned *count, const char *path, const char *what,
		   const char *why)
{
	(*count)++;
	print_line(stdout, "%s: %s: %s", path, what, why);
	(void)fflush(stdout);
}

/* The client that has the image as a disk, or null. */
static const char *client_of(const struct fleet *fleet, const char *path)
{
	for (size_t i = 0; i < fleet->n_disks; i++)
		if (text_equal(fleet->disks[i].child, path))
			return fleet->disks[i].client->name;
	return NULL;
}

static void report_unsound(const struct reading *reading,
			   const struct fleet *fleet, const char *path,
			   const char *why)
{
	const struct event event = { "unsound", client_of(fleet, path), LOG_ERR,
				     json_pack("{s:o, s:o}", "image",
					       json_text(path), "why",
					       json_text(why)) };

	report(&reading->scrub->unsound, path, "unsound", why);
	event_write(reading->log, &event, "%s is unsound: %s", path, why);
}

static void log_summary(const struct fleet *fleet, const struct event_log *log,
			const struct scrub *scrub)
{
	const struct event event = {
		"scrub", NULL, scrub->unsound ? LOG_ERR : LOG_INFO,
		json_pack("{s:i, s:i, s:i, s:I}", "images", (int)scrub->images,
			  "unsound", (int)scrub->unsound, "not-checked",
			  (int)scrub->unchecked, "read-bytes",
			  (json_int_t)scrub->read)
	};

	event_write(log, &event,
		    "%s: %u images were checked: %u unsound, %u not checked",
		    fleet->store, scrub->images, scrub->unsound,
		    scrub->unchecked);
}

/* -EINTR, or 0. */
static int scrub_image(const struct reading *reading, const struct fleet *fleet,
		       const char *path)
{
	struct scrub *scrub = reading->scrub;
	_cleanup_free_ char *absolute = NULL;
	const char *argv[] = { "vhdfs-img", "check", "--store", fleet->store,
			       "--",        NULL,    NULL };
	char line[700];
	int r = read_data(reading, fleet, path);

	if (r == -EINTR || r == -ENOMEM)
		return r;
	/* Removed meanwhile. */
	if (r == -ENOENT)
		return 0;
	scrub->images++;
	if (r < 0) {
		report_unsound(reading, fleet, path, error_text());
		return 0;
	}
	if (asprintf(&absolute, "%s/%s", fleet->rootdir.path, path) < 0)
		return fail(-ENOMEM, "out of memory");
	argv[5] = absolute;
	r = vhdfs_img_status(argv, line, sizeof line);
	if (r < 0)
		return r;
	if (r == STATUS_UNSOUND)
		report_unsound(reading, fleet, path, line);
	else if (r != 0)
		report(&scrub->unchecked, path, "not checked", line);
	return 0;
}

static int scrub_list(const struct fleet *fleet, const struct event_log *log,
		      const struct list *list, uint64_t rate,
		      struct scrub *scrub)
{
	struct reading reading = {
		.log = log, .scrub = scrub, .rate = rate, .began = clock_us()
	};
	int r = 0;

	reading.buf = aligned_alloc(ALIGNMENT, PIECE);
	if (!reading.buf)
		return fail(-ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < list->n; i++) {
		r = stop_check();
		if (r == 0)
			r = scrub_image(&reading, fleet, list->v[i].path);
	}
	free(reading.buf);
	return r;
}

int scrub_run(const struct fleet *fleet, const struct event_log *log,
	      uint64_t rate, struct scrub *ret)
{
	struct list list = { .n = 0 };
	int r;

	*ret = (struct scrub){ 0 };
	lower_priority();
	r = list_images(fleet, &list);
	if (r == 0)
		r = scrub_list(fleet, log, &list, rate, ret);
	arena_fini(&list.arena);
	if (r < 0)
		return r;
	print_line(
		stdout,
		"%s: %u images: %u sound, %u unsound, %u not checked; %s read",
		fleet->store, ret->images,
		ret->images - ret->unsound - ret->unchecked, ret->unsound,
		ret->unchecked, size_text(ret->read));
	log_summary(fleet, log, ret);
	return 0;
}
