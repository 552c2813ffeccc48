/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Renames of images with their snapshots, and recovery from them. */
#include "config.h"

#include "img/rename-recover.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/error.h"
#include "img/image-store.h"
#include "img/interrupt.h"
#include "store/image-names.h"

struct rename_check {
	const struct image_roots *roots;
	const char *real; /* of the image */
};

static int find_directory(const struct rename_check *check, struct file_id *ret)
{
	_cleanup_free_ char *sibling = name_sibling(check->real, ".");
	_cleanup_free_ char *path =
		sibling ? image_roots_absolute(check->roots, sibling) : NULL;
	struct stat st;

	if (!path)
		return fail(-ENOMEM, "out of memory");
	if (stat(path, &st) < 0)
		return fail_errno(-errno, "%s", path);
	*ret = file_id_of(&st);
	return 0;
}

/* *ret: a child of one of the files, not in the directory; null: none. */
static int find_child(struct store *store, const struct file_id *files,
		      size_t n, struct file_id directory,
		      enum store_child_kind kind, char **ret)
{
	int r = 0;

	*ret = NULL;
	for (size_t i = 0; r == 0 && !*ret && i < n; i++)
		r = store_find_child_elsewhere(store, files[i], directory, kind,
					       ret);
	return r;
}

static int check_children(void *ctx, const struct file_id *files, size_t n)
{
	const struct rename_check *check = ctx;
	_cleanup_free_ char *child = NULL, *possible = NULL;
	struct file_id directory;
	struct store *store;
	int r = find_directory(check, &directory);

	if (r == 0)
		r = image_store_open(check->roots, check->real, &store);
	if (r < 0)
		return r;
	r = find_child(store, files, n, directory, STORE_CHILDREN, &child);
	if (r == 0 && !child)
		r = find_child(store, files, n, directory,
			       STORE_POSSIBLE_CHILDREN, &possible);
	store_close(store);
	if (child)
		return fail(-EBUSY,
			    "%s: it or one of its snapshots is the parent of "
			    "%s, which is in another directory; move that "
			    "beside it, or rebase it to another parent",
			    check->real, child);
	if (possible)
		return fail(-EBUSY,
			    "%s: it or one of its snapshots may be the parent "
			    "of %s, whose parent cannot be read; repair that, "
			    "or move it out of the store",
			    check->real, possible);
	return r;
}

/* check outlives the request. */
static struct image_rename request_of(struct rename_check *check,
				      const char *from, const char *to)
{
	return (struct image_rename){
		.rootdir = &check->roots->dirs[0],
		.real = check->real,
		.from = from,
		.to = to,
		.check = check_children,
		.ctx = check,
	};
}

int rename_recover(const struct image_roots *roots, const char *real,
		   const char *from, const char *to, bool *ret_done)
{
	struct rename_check check = { roots, real };
	const struct image_rename request = request_of(&check, from, to);
	int r;

	if (!image_rename_is_pending(request.rootdir, real))
		return 0;
	interrupt_block();
	r = image_rename_recover(&request, ret_done);
	interrupt_unblock();
	if (r < 0)
		error_advise("a rename of %s was interrupted, which must be "
			     "finished or undone first",
			     name_last(real));
	return r;
}

int rename_with_snapshots(const struct image_roots *roots, const char *real,
			  const char *from, const char *to)
{
	struct rename_check check = { roots, real };
	const struct image_rename request = request_of(&check, from, to);
	int r;

	interrupt_block();
	r = image_rename(&request);
	interrupt_unblock();
	return r;
}
