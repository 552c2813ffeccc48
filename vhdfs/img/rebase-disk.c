/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rebase of an image, in the way that the programs that have it open permit. */
#include "config.h"

#include "img/rebase-disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "format/registry.h"
#include "img/online.h"
#include "base/progress.h"
#include "base/rate.h"
#include "img/rebase-image.h"
#include "img/replace-image.h"
#include "io/io-file.h"
#include "store/image-names.h"

/* The steps from the start of the disk to its end; the mount decides where each
 * begins. */
static int copy_online(struct online *online, struct view_request *request,
		       uint64_t rate, uint64_t *copied)
{
	const int64_t began = clock_us();
	struct progress progress = { 0 };
	int r;

	request->verb = VIEW_REBASE_STEP;
	do {
		r = online_ask(online, request);
		if (r < 0)
			break;
		*copied += request->copied;
		if (!progress.total)
			progress_init(&progress, request->size);
		progress_at(&progress, request->off);
		rate_keep(rate, *copied, began);
	} while (request->off < request->size);
	progress_end(&progress);
	return r;
}

/* Again where a worker's death, or a snapshot, made the mount forget how far
 * the steps had come. */
static int rebase_online(struct online *online, const char *parent,
			 const struct rebase_options *options, uint64_t *copied)
{
	struct view_request *request = calloc(1, sizeof *request);
	int r;

	if (!request)
		return fail(-ENOMEM, "out of memory");
	r = parent ? online_path(online, parent, request->parent) : 0;
	request->unsafe = options->unsafe;
	request->frees_space = options->frees_space;
	while (r == 0) {
		if (!options->unsafe)
			r = copy_online(online, request, options->rate, copied);
		if (r < 0)
			break;
		request->verb = VIEW_SET_PARENT;
		request->off = 0;
		r = online_ask(online, request);
		if (r != -EAGAIN)
			break;
		r = 0;
	}
	free(request);
	return r;
}

static int rebase_offline(const struct image_roots *roots, const char *image,
			  const char *parent,
			  const struct rebase_options *options,
			  uint64_t *copied)
{
	int r = rebase_image(roots, image, parent, options->unsafe, copied);

	if (r == 0)
		replace_image_remove_rest(roots, image);
	if (r != -EBUSY)
		return r;
	return replace_image(roots, image, parent, options, copied);
}

/* The new parent is not in the store of the mount, which cannot do it then; but
 * perhaps no client has the image open.  The last error says the former. */
static int rebase_outside(struct online *online,
			  const struct image_roots *roots, const char *image,
			  const char *parent,
			  const struct rebase_options *options,
			  uint64_t *copied)
{
	struct error why = *error_last();
	int r;

	close(online->fd);
	online->fd = -1;
	r = rebase_offline(roots, image, parent, options, copied);
	if (r == -EBUSY)
		error_set(&why);
	return r;
}

/* Does the reference of the child at path image lead to the parent, with its
 * identity and its time? */
static bool refers_to(struct image *child, const char *image,
		      const struct image *parent, const char *real_parent)
{
	_cleanup_free_ char *path = NULL, *real = NULL;
	struct parent_ref ref;
	struct stat st;
	bool same;

	if (child->type != IMAGE_DIFFERENCING || image_parent(child, &ref) < 0)
		return false;
	if (ref.relative &&
	    asprintf(&path, "%.*s%s", (int)(name_last(image) - image), image,
		     ref.relative) >= 0)
		real = realpath(path, NULL);
	same = real && !strcmp(real, real_parent) &&
	       guid_equal(&ref.id, &parent->id) &&
	       (!ref.mtime ||
		(fstat(parent->io->fd, &st) == 0 && st.st_mtime == ref.mtime));
	parent_ref_fini(&ref);
	return same;
}

static struct image *open_alone(const char *path)
{
	struct image *img;
	struct io *io;

	if (io_file_open(path, false, &io) < 0)
		return NULL;
	if (image_open(io, NULL, &img) == 0)
		return img;
	io_close(io);
	return NULL;
}

/* With --unsafe nothing is left to do where the child names this parent
 * already: so all images of a directory can be given the parents that they
 * name. */
static bool is_child(const char *image, const char *parent)
{
	struct image *child = open_alone(image), *other = open_alone(parent);
	bool same = child && other && refers_to(child, image, other, parent);

	if (child)
		image_close(child);
	if (other)
		image_close(other);
	return same;
}

static int check_room(const struct image_roots *roots, const char *image,
		      const char *parent, const struct rebase_options *options)
{
	struct rebase_room room = { 0 };
	int r = options->unsafe
			? 0
			: rebase_room_check(roots, image, parent, &room);

	/* The rest of a killed replacement may have taken the room. */
	if (r == -ENOSPC) {
		replace_image_remove_rest(roots, image);
		room = (struct rebase_room){ 0 };
		r = rebase_room_check(roots, image, parent, &room);
	}

	if (options->room)
		*options->room = room;
	return r;
}

int rebase_disk(const struct image_roots *roots, const char *image,
		const char *parent, const struct rebase_options *options,
		uint64_t *ret_copied)
{
	_cleanup_free_ char *real = NULL, *real_parent = NULL;
	struct online online = { .fd = -1 };
	int r = image_roots_real_operand(roots, image, &real);

	*ret_copied = 0;
	if (r == 0 && parent)
		r = image_roots_real_operand(roots, parent, &real_parent);
	if (r == 0 && parent && options->unsafe && is_child(real, real_parent))
		return 0;
	if (r == 0)
		r = check_room(roots, image, parent, options);
	if (r == 0)
		r = online_find(real, &online);
	if (r > 0) {
		r = rebase_online(&online, real_parent, options, ret_copied);
		if (r == -EXDEV)
			r = rebase_outside(&online, roots, image, parent,
					   options, ret_copied);
	} else if (r == 0) {
		r = online_advise(rebase_offline(roots, image, parent, options,
						 ret_copied));
	}
	online_fini(&online);
	return r;
}
