/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transfer of images: which are there, copy, check, put aside, publish. */
#include "config.h"

#include "tgt-glue/backup/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "format/registry.h"
#include "io/atomic-file.h"
#include "io/file-id.h"
#include "store/image-names.h"
#include "store/put-aside.h"
#include "store/snapshot.h"
#include "tgt-glue/backup/copy.h"
#include "tgt-glue/base/vhdfs-img.h"
#include "tgt-glue/reconcile/old-images.h"

int transfer_init(struct transfer *t, const struct root_dir *from,
		  const struct root_dir *to, struct arena *arena)
{
	*t = (struct transfer){ .from = from, .to = to, .arena = arena };
	return parent_cache_new(from, 1, &t->cache);
}

void transfer_fini(struct transfer *t)
{
	if (t->cache)
		parent_cache_free(steal(t->cache));
}

static int sync_directory(const struct root_dir *root, const char *path)
{
	_cleanup_close_ int fd =
		root_dir_openat(root, path, O_RDONLY | O_DIRECTORY);

	if (fd < 0 || fsync(fd) < 0)
		return fail_errno(fd < 0 ? fd : -errno, "%s/%s: sync",
				  root->path, path);
	return 0;
}

int transfer_make_directories(const struct root_dir *to, const char *path)
{
	char dir[PATH_MAX];
	int r = 0;

	for (const char *slash = strchr(path, '/'); r == 0 && slash;
	     slash = strchr(slash + 1, '/')) {
		char *up;

		snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
		if (mkdirat(to->fd, dir, 0755) < 0) {
			if (errno != EEXIST)
				r = fail_errno(-errno, "%s/%s", to->path, dir);
			continue;
		}
		up = strrchr(dir, '/');
		if (up)
			*up = '\0';
		r = sync_directory(to, up ? dir : ".");
	}
	return r;
}

int transfer_find(const struct root_dir *to, const char *path,
		  const struct image *image)
{
	struct image *there;
	struct io *io;
	int r = root_dir_open(to, path, false, &io, NULL);
	bool same;

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return r;
	r = image_open(io, NULL, &there);
	if (r < 0) {
		io_close(io);
		return error_is_passing(r) ? r : -EEXIST;
	}
	same = !guid_is_null(&image->id) && image_is_same(there, image);
	image_close(there);
	if (same)
		return 1;
	return fail(
		-EEXIST,
		"%s/%s: expected the same image as %s, found another one; rename it if no image needs it",
		to->path, path, image->io->name);
}

/* The files NAME.ENDING.STAMP of path that were put aside. */
static int read_aside(const struct transfer *t, int dir, const char *path,
		      struct old_images *ret)
{
	const char *name = name_last(path), *dot = strrchr(name, '.');
	const char *stem = arena_printf(
		t->arena, "%.*s",
		(int)(dot ? dot - name : (ptrdiff_t)strlen(name)), name);
	int r = old_images_read(t->arena, dir, stem, ret);

	return r < 0 ? fail_errno(r, "%s/%s", t->to->path, path) : 0;
}

static bool is_file(int dir, const char *name, const struct stat *st)
{
	struct stat other;

	return fstatat(dir, name, &other, AT_SYMLINK_NOFOLLOW) == 0 &&
	       file_id_equal(file_id_of(&other), file_id_of(st));
}

/* T3 */
static int put_aside(struct transfer *t, int dir, const char *path)
{
	const char *name = name_last(path);
	_cleanup_free_ char *aside = NULL;
	struct old_images old = { 0 };
	struct stat st;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			       ? 0
			       : fail_errno(-errno, "%s/%s", t->to->path, path);
	r = read_aside(t, dir, path, &old);
	/* An interrupted transfer gave it the name. */
	if (r < 0 || (old.n && is_file(dir, old.v[0].name, &st)))
		return r;
	r = put_aside_name(t->to, path, &aside);
	if (r < 0)
		return r;
	/* Without hard links there is no file NAME until T4. */
	if (linkat(dir, name, dir, aside, 0) < 0 &&
	    (errno == EEXIST ||
	     renameat2(dir, name, dir, aside, RENAME_NOREPLACE) < 0))
		return fail_errno(-errno, "%s/%s: putting it aside",
				  t->to->path, path);
	return fsync(dir) < 0
		       ? fail_errno(-errno, "%s/%s: sync", t->to->path, path)
		       : 0;
}

/* T5.  A file that stays does no harm. */
static void remove_oldest(struct transfer *t, int dir, const char *path,
			  unsigned keep)
{
	struct old_images old = { 0 };

	if (read_aside(t, dir, path, &old) < 0)
		return;
	for (size_t i = keep; i < old.n; i++)
		if (unlinkat(dir, old.v[i].name, 0) < 0)
			print_line(stderr,
				   "tgt-glue: warning: %s/%s: not removed: %s",
				   t->to->path, old.v[i].name, strerror(errno));
}

/* T3 to T5 */
static int publish(struct transfer *t, struct atomic_file *file,
		   const char *path, unsigned keep)
{
	int r = put_aside(t, file->dir_fd, path);

	if (r == 0)
		r = atomic_file_publish(file);
	if (r == 0)
		remove_oldest(t, file->dir_fd, path, keep);
	return r;
}

/* T1 */
static int copy_to(struct transfer *t, struct io *io, const char *path,
		   const char *except, struct atomic_file *ret)
{
	const char *absolute =
		arena_printf(t->arena, "%s/%s", t->to->path, path);
	uint64_t copied;
	int r = transfer_make_directories(t->to, path);

	if (r == 0)
		r = atomic_file_replace(absolute, t->to->path, ret);
	if (r < 0)
		return r;
	/* Tells it from one that an interrupted transfer left. */
	(void)flock(ret->io->fd, LOCK_SH | LOCK_NB);
	r = copy_file(io, ret->io, except, &copied);
	t->copied += copied;
	return r;
}

static int transfer_parent(struct transfer *t, const struct image *image,
			   const char *path)
{
	_cleanup_(atomic_file_fini) struct atomic_file file = { 0 };
	int r = transfer_find(t->to, path, image);

	if (r == 1)
		return 0;
	if (r < 0 && (r != -EEXIST || !t->replaces))
		return r;
	print_line(stdout, "%s: copying it to %s", path, t->to->path);
	(void)fflush(stdout);
	r = copy_to(t, image->io, path, "", &file);
	if (r == 0)
		r = publish(t, &file, path, t->keep ? t->keep : 1);
	return r;
}

int transfer_parents(struct transfer *t, struct chain *chain, unsigned first)
{
	int r = 0;

	for (unsigned i = chain_depth(chain) + 1; r == 0 && i-- > first;)
		r = transfer_parent(t, chain_image(chain, i),
				    chain_path(chain, i));
	return r;
}

/* T2 */
static int check_copy(const struct transfer *t, const struct atomic_file *file,
		      const char *from)
{
	const char *copy =
		arena_printf(t->arena, "%s/%s", file->dir, file->temp);
	const char *argv[] = { "vhdfs-img", "check", "--store", t->to->path,
			       "--",        copy,    NULL };

	if (vhdfs_img_run(argv) == 0)
		return 0;
	if (error_last()->code == -EINTR)
		return -EINTR;
	return fail(
		-EBADMSG,
		"%s: expected that its copy is sound, found that `vhdfs-img check' refuses it (%s); type `vhdfs-img check %s'",
		from, error_text(), shell_word(from));
}

int transfer_image(struct transfer *t, struct io *io, const char *path,
		   mode_t mode)
{
	_cleanup_(atomic_file_fini) struct atomic_file file = { 0 };
	int r = copy_to(t, io, path, SNAPSHOT_MARK, &file);

	if (r == 0 && fchmod(file.io->fd, mode & 07777) < 0)
		r = fail_errno(-errno, "%s/%s: mode", t->to->path, path);
	if (r == 0)
		r = check_copy(t, &file, io->name);
	return r < 0 ? r : publish(t, &file, path, t->keep);
}

int transfer_link(struct transfer *t, const char *path)
{
	const char *temp = arena_printf(t->arena, "%s.new", path);
	char target[PATH_MAX], there[PATH_MAX];
	ssize_t n = readlinkat(t->from->fd, path, target, sizeof target - 1);
	ssize_t m = readlinkat(t->to->fd, path, there, sizeof there - 1);
	const char *slash = strrchr(path, '/');
	int r;

	if (n < 0)
		return 0;
	target[n] = '\0';
	if (n == m && !memcmp(target, there, (size_t)n))
		return 0;
	r = transfer_make_directories(t->to, path);
	if (r < 0)
		return r;
	unlinkat(t->to->fd, temp, 0);
	if (symlinkat(target, t->to->fd, temp) < 0 ||
	    renameat(t->to->fd, temp, t->to->fd, path) < 0)
		return fail_errno(-errno, "%s/%s", t->to->path, path);
	return sync_directory(t->to,
			      slash ? arena_printf(t->arena, "%.*s",
						   (int)(slash - path), path)
				    : ".");
}
