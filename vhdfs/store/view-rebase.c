/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rebase of an image that is open for writing, and removal of a snapshot.
 *
 * ORDER of a rebase, while clients write:
 *   R1  Copy to the image what it shows and its new parent does not, in steps
 *       (chain/rebase-step.h).  After a crash the steps begin again, and find
 *       that their copies are there.
 *   R2  Flush.  The new parent loses its write bits, and is synced.
 *   R3  Hold io_lock exclusively: the image names the new parent
 *       (image_set_parent, crash-safe), and opens its parents again.
 * Whenever a worker dies, the image shows the same with the parent that it
 * names.
 *
 * ORDER of a removal:
 *   D1  Every open chain that has the snapshot as a parent opens its parents
 *       again: its leaf names others now.
 *   D2  Check that no image of the store names the snapshot.
 *   D3  Remove the name; sync the directory.
 */
#include "config.h"

#include "store/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "chain/chain.h"
#include "chain/rebase-step.h"
#include "io/blocking.h"
#include "store/catalog.h"
#include "store/examine.h"
#include "store/image-names.h"
#include "store/settled-parent.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/store-internal.h"
#include "store/view-internal.h"

/* Of one step, in which no open and close of the image is done. */
enum { STEP_US = 20000, CHILD_TRIES = 250, CHILD_DELAY_MS = 20 };
/* What is compared before the time is looked at. */
#define PIECE MIB(4)

/* The user of a view must not learn the contents of other images by a
 * comparison, or take their write permission. */
static int check_permission(const struct store_image *image,
			    const struct view_rebase *request,
			    const struct chain *parent)
{
	const struct file_id file = io_file_id(chain_leaf(parent)->io);

	if (request->privileged ||
	    (!request->unsafe && chain_has_parent(image->chain, file)))
		return 0;
	return fail(-EPERM,
		    "%s: rebase: expected root, the owner of the mount, or a "
		    "parent of the image as its new parent, found %s",
		    request->path, request->parent);
}

/* *ret: null: the image is to have no parent. */
static int open_parent(struct store_image *image,
		       const struct view_rebase *request, struct chain **ret)
{
	int r;

	if (!*request->parent)
		return 0;
	r = chain_open(image->store->cache, request->parent, 0, ret);
	if (r < 0)
		return r;
	r = check_permission(image, request, *ret);
	if (r == 0)
		r = chain_check_parent(chain_leaf(image->chain), *ret);
	if (r < 0)
		chain_close(steal(*ret));
	return r;
}

/* Space for what was copied. */
static int take_space(struct store_image *image, uint64_t len)
{
	const struct io *io = chain_leaf(image->chain)->io;
	int r = reserve_take(&image->store->reserve, len);

	return r < 0 ? r : quota_take(&image->quota, io->fd, io->name, len);
}

static int run_step(struct store_image *image, struct chain *parent,
		    bool frees_space, uint64_t *off, uint64_t *ret_copied)
{
	const int64_t end = clock_us() + STEP_US;
	uint64_t size = chain_size(image->chain);
	int r = 0;

	chain_rebase_hold(image->chain, parent);
	do {
		uint64_t before = *ret_copied;

		io_rdlock(&image->io_lock);
		r = chain_rebase_step(image->chain, off, PIECE, ret_copied);
		pthread_rwlock_unlock(&image->io_lock);
		if (r == 0 && !frees_space && *ret_copied > before)
			r = take_space(image, *ret_copied - before);
	} while (r == 0 && *off < size && clock_us() < end);
	return r;
}

int view_rebase_step(struct store_image *image,
		     const struct view_rebase *request, uint64_t *off,
		     uint64_t *ret_copied, uint64_t *ret_size)
{
	struct chain *parent = NULL;
	int r;

	*ret_copied = 0;
	io_will_block();
	pthread_mutex_lock(&image->open_lock);
	r = view_check_request(image, request->path);
	if (r == 0)
		r = open_parent(image, request, &parent);
	if (r == 0) {
		*ret_size = chain_size(image->chain);
		atomic_store(&image->rebase_owner, request->owner);
		r = run_step(image, parent, request->frees_space, off,
			     ret_copied);
	}
	pthread_mutex_unlock(&image->open_lock);
	return r;
}

void view_rebase_release(struct store_image *image, uint64_t owner)
{
	uint64_t expected = owner;

	if (!owner ||
	    !atomic_compare_exchange_strong(&image->rebase_owner, &expected, 0))
		return;
	pthread_mutex_lock(&image->open_lock);
	io_wrlock(&image->io_lock);
	if (image->chain)
		chain_rebase_end(image->chain);
	pthread_rwlock_unlock(&image->io_lock);
	pthread_mutex_unlock(&image->open_lock);
}

/* Does the image have this parent already, as after a request that was
 * repeated?
 */
static bool has_parent(const struct store_image *image,
		       const struct chain *parent)
{
	struct image *leaf = chain_leaf(image->chain);
	struct parent_ref ref;
	bool same;

	if (!parent)
		return !chain_depth(image->chain);
	if (!chain_depth(image->chain) ||
	    !file_id_equal(io_file_id(chain_image(image->chain, 1)->io),
			   io_file_id(chain_leaf(parent)->io)) ||
	    image_parent(leaf, &ref) < 0)
		return false;
	same = guid_equal(&ref.id, &chain_leaf(parent)->id) && ref.basename &&
	       !strcmp(ref.basename, name_last(chain_path(parent, 0)));
	parent_ref_fini(&ref);
	return same;
}

/* The info of the image, after its parent was changed to the one at path
 * parent. The chain may know the path that the parent's file had before. */
static void set_info(struct store_image *image, const char *parent)
{
	struct image_info info = { 0 };
	int r = examine_chain(image->chain, &info);

	free(info.parent_path);
	info.parent_path = *parent ? strdup(parent) : NULL;
	if (r < 0) {
		log_error("%s", error_text());
		image_info_fini(&info);
		return;
	}
	pthread_mutex_lock(&image->store->lock);
	image_info_fini(&image->info);
	image->info = info;
	image->known = true;
	image->store->derive_due = true;
	pthread_mutex_unlock(&image->store->lock);
}

/* R3; params null: none. */
static int name_parent(struct store_image *image,
		       const struct view_rebase *request,
		       const struct image_params *params)
{
	int r;

	io_wrlock(&image->io_lock);
	r = params ? chain_set_parent(image->chain, request->path, params)
		   : chain_remove_parent(image->chain);
	pthread_rwlock_unlock(&image->io_lock);
	if (r == 0)
		set_info(image, request->parent);
	return r;
}

/* R2, R3.  The image's directory is absolute. */
static int protect_and_name(struct store_image *image, const char *directory,
			    const struct view_rebase *request,
			    struct protected_parent *parent)
{
	struct image_params params = { .type = IMAGE_DIFFERENCING };
	_cleanup_free_ char *relative = NULL;
	int r = view_flush_open(image);

	if (r == 0)
		r = protected_parent_protect(parent);
	if (r == 0)
		r = protected_parent_describe(parent, directory, &params,
					      &relative);
	if (r == 0)
		r = name_parent(image, request, &params);
	if (r < 0 && !atomic_load(&chain_leaf(image->chain)->failed))
		protected_parent_restore(parent);
	return r;
}

/* The absolute directory of path; the caller frees it; null: out of memory. */
static char *directory_of(const struct store *store, const char *path)
{
	const char *name = name_last(path);
	char *directory;

	if (asprintf(&directory, "%s/%.*s", store->roots[0].path,
		     (int)(name - path), path) < 0)
		return NULL;
	directory[strlen(directory) - 1] = '\0';
	return directory;
}

static int flush_and_remove(struct store_image *image,
			    const struct view_rebase *request)
{
	int r = view_flush_open(image);

	return r < 0 ? r : name_parent(image, request, NULL);
}

static int set_parent(struct store_image *image,
		      const struct view_rebase *request, struct chain *parent)
{
	_cleanup_(protected_parent_close) struct protected_parent protected = {
		0
	};
	_cleanup_free_ char *directory =
		directory_of(image->store, request->path);
	int r;

	if (!directory)
		return fail(-ENOMEM, "out of memory");
	/* A worker that died may have named it in the page cache only: the
	 * restore syncs it only if its sync had begun. */
	if (has_parent(image, parent))
		return view_flush_open(image);
	if (!request->unsafe && !chain_rebase_is_complete(image->chain, parent))
		return fail(-EAGAIN,
			    "%s: the rebase was interrupted; run the "
			    "command again",
			    request->path);
	if (!parent)
		return flush_and_remove(image, request);
	r = settled_parent_open(&image->store->roots[0], request->parent,
				&protected);
	return r < 0 ? r
		     : protect_and_name(image, directory, request, &protected);
}

int view_set_parent(struct store_image *image,
		    const struct view_rebase *request)
{
	struct chain *parent = NULL;
	int r;

	io_will_block();
	pthread_mutex_lock(&image->open_lock);
	view_check_before_close(image);
	r = view_check_request(image, request->path);
	if (r == 0)
		r = open_parent(image, request, &parent);
	if (r == 0)
		r = set_parent(image, request, parent);
	if (parent)
		chain_close(parent);
	pthread_mutex_unlock(&image->open_lock);
	return r;
}

/* A file that is to be removed. */
struct removal {
	struct file_id file;
	bool held; /* an open chain still has it */
	/* The images that are open, with a reference each. */
	struct store_image **open;
	size_t n, size;
};

static void count_if_open(struct store_image *image, void *ctx)
{
	((struct removal *)ctx)->n += image->opens > 0;
}

static void add_if_open(struct store_image *image, void *ctx)
{
	struct removal *removal = ctx;

	if (!image->opens)
		return;
	image->refs++;
	removal->open[removal->n++] = image;
}

/* All images that are open.  -ENOMEM with a message. */
static int list_open(struct store *store, struct removal *removal)
{
	do {
		removal->size += removal->n + 16;
		free(removal->open);
		removal->open = calloc(removal->size, sizeof(*removal->open));
		if (!removal->open)
			return fail(-ENOMEM, "out of memory");
		pthread_mutex_lock(&store->lock);
		removal->n = 0;
		catalog_each_locked(store, count_if_open, removal);
		if (removal->n <= removal->size) {
			removal->n = 0;
			catalog_each_locked(store, add_if_open, removal);
		}
		pthread_mutex_unlock(&store->lock);
	} while (removal->n > removal->size);
	return 0;
}

/* D1, of one image. */
static void reload(struct store_image *image, struct removal *removal)
{
	struct chain *chain;

	pthread_mutex_lock(&image->open_lock);
	io_wrlock(&image->io_lock);
	chain = image->chain;
	if (chain && chain_has_parent(chain, removal->file)) {
		if (chain_reload_parents(chain) < 0)
			log_error("%s", error_text());
		removal->held |= chain_has_parent(chain, removal->file);
	}
	removal->held |= chain && file_id_equal(image->id, removal->file);
	pthread_rwlock_unlock(&image->io_lock);
	pthread_mutex_unlock(&image->open_lock);
}

static int reload_all(struct store *store, struct removal *removal)
{
	int r = list_open(store, removal);

	for (size_t i = 0; r == 0 && i < removal->n; i++) {
		reload(removal->open[i], removal);
		store_image_put(removal->open[i]);
	}
	free(removal->open);
	return r;
}

/* D2.  An image that is just being made or examined may be a child for a
 * moment. */
static int check_childless(struct store *store, const char *path,
			   struct file_id file)
{
	const struct timespec delay = { .tv_nsec = CHILD_DELAY_MS * 1000000L };
	_cleanup_free_ char *child = NULL, *possible = NULL;
	int r = 0;

	for (int i = 0; i < CHILD_TRIES; i++) {
		r = store_find_child(store, file.dev, file.ino, STORE_CHILDREN,
				     &child);
		if (r < 0 || child)
			break;
		free(steal(possible));
		r = store_find_child(store, file.dev, file.ino,
				     STORE_POSSIBLE_CHILDREN, &possible);
		if (r < 0 || !possible)
			break;
		nanosleep(&delay, NULL);
	}
	if (r < 0 || (!child && !possible))
		return r;
	return fail(-EBUSY,
		    child ? "%s: is the parent of %s; rebase that first"
			  : "%s: may be the parent of %s, whose parent cannot "
			    "be read; look at that with `vhdfs-img check'",
		    path, child ? child : possible);
}

/* The directory of path; -errno with a message. */
static int open_directory(const struct store *store, const char *path)
{
	_cleanup_free_ char *directory = strndup(path, name_last(path) - path);
	int fd;

	if (!directory)
		return fail(-ENOMEM, "out of memory");
	fd = root_dir_openat(&store->roots[0], *directory ? directory : ".",
			     O_RDONLY | O_DIRECTORY);
	return fd < 0 ? fail_errno(fd, "%s", path) : fd;
}

static int sync_directory(int fd, const char *path)
{
	return fsync(fd) < 0 && errno != EINVAL ? fail_errno(-errno, "%s", path)
						: 0;
}

/* D3 */
static int remove_name(struct store *store, const char *path,
		       struct file_id file)
{
	_cleanup_close_ int fd = open_directory(store, path);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstatat(fd, name_last(path), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno(-errno, "%s", path);
	if (!file_id_equal(file_id_of(&st), file))
		return fail(-EBUSY, "%s: was replaced by another program",
			    path);
	if (unlinkat(fd, name_last(path), 0) < 0)
		return fail_errno(-errno, "%s", path);
	return sync_directory(fd, path);
}

/* A request that is repeated finds no file; the worker that died may have
 * removed it in the page cache only. */
static int sync_removed(const struct store *store, const char *path)
{
	_cleanup_close_ int fd = open_directory(store, path);

	return fd < 0 ? fd : sync_directory(fd, path);
}

/* Excludes a program that is making a child of the file, where no chain of this
 * process has it locked.  *ret: the lock, to be closed; null: none. */
static int lock_file(struct store *store, const char *path,
		     const struct removal *removal, struct io **ret)
{
	int r;

	if (removal->held)
		return 0;
	r = root_dir_open_as_owner(&store->roots[0], path, ret, NULL);
	return r < 0 ? r : io_lock(*ret, IO_LOCK_EXCLUSIVE);
}

/* D1 to D3 of the file in io. */
static int remove_file(struct store *store, const char *path,
		       const struct io *io)
{
	struct removal removal = { .file = io_file_id(io) };
	_cleanup_(io_close_p) struct io *lock = NULL;
	int r = reload_all(store, &removal);

	if (r == 0)
		r = lock_file(store, path, &removal, &lock);
	if (r == 0)
		r = check_childless(store, path, removal.file);
	return r < 0 ? r : remove_name(store, path, removal.file);
}

int view_remove_snapshot(struct store_image *image, const char *path,
			 const char *name)
{
	_cleanup_free_ char *file = snapshot_file_name(path, name),
			    *snapshot = NULL;
	_cleanup_(io_close_p) struct io *io = NULL;
	struct store *store = image->store;
	int r;

	io_will_block();
	snapshot = file ? name_sibling(path, file) : NULL;
	if (!snapshot)
		return fail(-ENOMEM, "out of memory");
	if (!view_has_name(image, path))
		return fail(-ESTALE, "%s: expected a name of the image", path);
	r = root_dir_open(&store->roots[0], snapshot, false, &io, NULL);
	if (r == -ENOENT)
		return sync_removed(store, snapshot);
	if (r < 0)
		return r;
	if (!snapshot_is_marked(io->fd, path))
		return fail(-EPERM, "%s: expected a snapshot of %s, found none",
			    snapshot, path);
	return remove_file(store, snapshot, io);
}
