/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots of an image: their list. */
#include "config.h"

#include "store/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/io-file.h"
#include "io/lent-bit.h"
#include "store/image-names.h"

/* The text of a guid. */
#define ORIGIN "user.vhdfs.origin"
enum {
	RETRIES = 200,
	RETRIES_UNUSED = 3,
	RETRY_DELAY_MS = 5,
};

/* What a scan of the directory collects. */
struct scan {
	const struct root_dir *rootdir;
	char *dir;        /* path in the root, with '/' at the end, or "" */
	const char *name; /* the image's, as its snapshots' names and marks say;
			   * null: no snapshots are wanted */
	struct snapshots *snapshots;
	struct snapshot_file image; /* without file */
};

/* Opens a file that is an image.  A mount may be writing it: then its tables
 * may be in a state that no open of a closed image finds. */
static int open_image(struct io *io, const struct image_ops *ops,
		      struct image **ret)
{
	const struct timespec delay = { .tv_nsec = RETRY_DELAY_MS * 1000000L };
	int r = image_open(io, ops, ret);

	for (int i = 0; i < RETRIES && r < 0 && !error_is_passing(r); i++) {
		struct error why = *error_last();
		bool in_use = io_file_in_use(io, NULL, 0) > 0;

		error_set(&why);
		/* It may have been closed just now. */
		if (!in_use && i >= RETRIES_UNUSED)
			break;
		nanosleep(&delay, NULL);
		r = image_open(io, ops, ret);
	}
	return r;
}

/* The origin that the file has, or null. */
static struct guid read_origin(const struct io *io)
{
	char text[GUID_TEXT_SIZE];
	struct guid origin = { 0 };
	ssize_t n = fgetxattr(io->fd, ORIGIN, text, sizeof text);

	if (n > 0)
		(void)guid_parse(text, (size_t)n, &origin);
	return origin;
}

/* The file name of the image of which name and mark of the file make it a
 * snapshot; the caller frees it.  Null: none. */
static char *describe_image(const struct io *io, const char *file)
{
	_cleanup_free_ char *image = snapshot_image_name(file);

	return image && snapshot_is_marked(io->fd, image) ? steal(image) : NULL;
}

/* 0, or -errno with a message: its parent is unknown, and *ret is not set. */
static int describe(struct image *img, const char *file,
		    struct snapshot_file *ret)
{
	struct parent_ref ref = { 0 };
	int r = img->type == IMAGE_DIFFERENCING ? image_parent(img, &ref) : 0;

	if (r < 0)
		return r;
	*ret = (struct snapshot_file){
		.id = img->id,
		.inode = { img->io->dev, img->io->ino },
		.origin = read_origin(img->io),
		.snapshot_of = describe_image(img->io, file),
		.parents = { ref.id, ref.id2 },
		.parent_mtime = ref.mtime,
		.parent = ref.relative ? steal(ref.relative)
				       : steal(ref.basename),
	};
	parent_ref_fini(&ref);
	return 0;
}

/* Of an image that cannot be opened: from its headers.  False, and the last
 * error stays: they cannot be read, or a log may have others. */
static bool describe_broken(struct io *io, const struct image_ops *ops,
			    struct snapshot_file *ret)
{
	_cleanup_(error_set) struct error why = *error_last();
	struct image self = { .ops = ops, .io = io };
	struct parent_ref ref = { 0 };

	ret->broken = ops->peek && ops->peek(&self, &ref) == 0 && !ref.outdated;
	if (ret->broken) {
		ret->id = self.id;
		ret->inode = (struct file_id){ io->dev, io->ino };
		ret->origin = read_origin(io);
		ret->parents[0] = ref.id;
		ret->parents[1] = ref.id2;
	}
	parent_ref_fini(&ref);
	return ret->broken;
}

/* Opens the image without its parents and without a lock; the caller closes it.
 * 1; 0: the file is no image, or is broken; or -errno with a message: it may be
 * one.  broken may be null. */
static int open_file(const struct scan *scan, const char *file,
		     struct image **ret, struct snapshot_file *broken)
{
	_cleanup_free_ char *path = NULL;
	const struct image_ops *ops;
	struct io *io;
	int r;

	if (asprintf(&path, "%s%s", scan->dir, file) < 0) {
		path = NULL;
		return fail(-ENOMEM, "%s: out of memory", file);
	}
	r = root_dir_open(scan->rootdir, path, false, &io, NULL);
	if (r < 0)
		return r == -ENOENT || r == -EOPNOTSUPP ? 0 : r;
	lent_bit_clear(io->fd, path);
	r = image_format_probe(io, &ops);
	if (r < 0 || image_format_is_raw(ops)) {
		io_close(io);
		return r;
	}
	r = open_image(io, ops, ret);
	if (r == 0)
		return 1;
	if (broken && !error_is_passing(r) && describe_broken(io, ops, broken))
		r = 0;
	io_close(io);
	return r;
}

static void file_fini(struct snapshot_file *file)
{
	free(file->file);
	free(file->parent);
	free(file->snapshot_of);
}

static void snapshot_fini(struct snapshot *snapshot)
{
	free(snapshot->name);
	free(snapshot->file);
	free(snapshot->date);
	free(snapshot->note);
}

/* Reads the mark of the snapshot's file; false: it is no snapshot of the
 * image. */
static bool read_mark(const struct scan *scan, struct io *io,
		      struct snapshot *snapshot)
{
	struct stat st;

	if (!snapshot_is_marked(io->fd, scan->name))
		return false;
	snapshot->date = snapshot_mark_value(io->fd, "date");
	snapshot->note = snapshot_mark_value(io->fd, "note");
	if (snapshot->note && !*snapshot->note)
		free(steal(snapshot->note));
	if (fstat(io->fd, &st) == 0)
		snapshot->allocated = (uint64_t)st.st_blocks * 512;
	return true;
}

/* 0, or -ENOMEM. */
static int add_snapshot(struct scan *scan, const char *file, char *name,
			const struct snapshot_file *member, struct io *io)
{
	struct snapshots *all = scan->snapshots;
	struct snapshot snapshot = { .name = name,
				     .id = member->id,
				     .parents = { member->parents[0],
						  member->parents[1] },
				     .origin = member->origin };
	struct snapshot *grown;

	if (!read_mark(scan, io, &snapshot)) {
		snapshot_fini(&snapshot);
		return 0;
	}
	snapshot.file = strdup(file);
	grown = realloc(all->at, (all->n + 1) * sizeof *grown);
	if (grown)
		all->at = grown;
	if (!grown || !snapshot.file || !snapshot.date) {
		snapshot_fini(&snapshot);
		return fail(-ENOMEM, "%s: out of memory", file);
	}
	all->at[all->n++] = snapshot;
	return 0;
}

static int add_file(struct scan *scan, const char *file,
		    struct snapshot_file *member)
{
	struct snapshots *all = scan->snapshots;
	struct snapshot_file *grown =
		realloc(all->files, (all->n_files + 1) * sizeof *grown);

	if (grown)
		all->files = grown;
	member->file = strdup(file);
	if (!grown || !member->file) {
		file_fini(member);
		return fail(-ENOMEM, "%s: out of memory", file);
	}
	all->files[all->n_files++] = *member;
	return 0;
}

/* The last error says why. */
static int note_unreadable(struct scan *scan, const char *file)
{
	char **unreadable = &scan->snapshots->unreadable;

	if (!*unreadable)
		*unreadable = strdup(error_text());
	return *unreadable ? 0 : fail(-ENOMEM, "%s: out of memory", file);
}

static int scan_file(struct scan *scan, const char *file)
{
	struct snapshot_file member = { 0 };
	struct image *img;
	char *name;
	int r = open_file(scan, file, &img, &member);

	if (r < 0)
		return note_unreadable(scan, file);
	if (r == 0)
		return member.broken ? add_file(scan, file, &member) : 0;
	r = describe(img, file, &member);
	if (r < 0) {
		image_close(img);
		return note_unreadable(scan, file);
	}
	r = add_file(scan, file, &member);
	name = r == 0 && scan->name ? snapshot_name_within(scan->name, file)
				    : NULL;
	if (name)
		r = add_snapshot(scan, file, name, &member, img->io);
	image_close(img);
	return r;
}

static int scan_dir(struct scan *scan)
{
	int fd = root_dir_openat(scan->rootdir, *scan->dir ? scan->dir : ".",
				 O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = fail_errno(fd < 0 ? fd : -errno, "%s", scan->dir);
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0 && (errno = 0, (entry = readdir(dir))))
		if (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN)
			r = scan_file(scan, entry->d_name);
	/* Files that were not read are not files that do not exist. */
	if (r == 0 && errno)
		r = fail_errno(-errno, "%s", *scan->dir ? scan->dir : ".");
	closedir(dir);
	return r;
}

static bool names(const struct guid parents[2], const struct guid *id)
{
	return !guid_is_null(id) &&
	       (guid_equal(&parents[0], id) || guid_equal(&parents[1], id));
}

static const struct snapshot *find_parent(const struct snapshot *v, size_t n,
					  const struct guid parents[2])
{
	for (size_t i = 0; i < n; i++)
		if (names(parents, &v[i].id))
			return &v[i];
	return NULL;
}

/* A file that has no name yet may have the identity of the one it replaces. */
static struct snapshot_file *find_file(const struct snapshots *all,
				       const struct guid parents[2])
{
	for (size_t i = 0; i < all->n_files; i++)
		if (!name_is_new_leaf(all->files[i].file) &&
		    names(parents, &all->files[i].id))
			return &all->files[i];
	return NULL;
}

/* The snapshot that is the parent; or the origin, if that was not removed: a
 * rebase may have given the file a parent of another kind.  Else its parent. */
static struct snapshot_file *find_below(const struct snapshots *all,
					const struct snapshot_file *file)
{
	struct guid both[2] = { file->origin, file->origin };
	struct snapshot_file *parent = find_file(all, file->parents);
	struct snapshot_file *origin;

	if (parent && parent->snapshot_of)
		return parent;
	origin = find_file(all, both);
	return origin ? origin : parent;
}

/* Marks the ancestors of the image.  A cycle of forged identities ends. */
static void mark_current(const struct scan *scan)
{
	struct snapshots *all = scan->snapshots;
	struct snapshot_file *at = find_below(all, &scan->image);

	for (; at && !at->current; at = find_below(all, at)) {
		at->current = true;
		for (size_t i = 0; i < all->n; i++)
			if (guid_equal(&all->at[i].id, &at->id))
				all->at[i].current = true;
	}
}

/* Have both files the same parent or origin, which is not in the directory? */
static bool share_below(const struct snapshot_file *low,
			const struct snapshot_file *file)
{
	return names(low->parents, &file->parents[0]) ||
	       (!guid_is_null(&file->origin) &&
		guid_equal(&low->origin, &file->origin));
}

/* Is there a common ancestor of the image and the snapshot: an image in the
 * directory, or what is below the lowest ones? */
static bool is_related(const struct scan *scan, const struct snapshot *snapshot)
{
	const struct snapshots *all = scan->snapshots;
	const struct guid self[2] = { snapshot->id, snapshot->id };
	const struct snapshot_file *low = NULL;
	size_t steps = 0;

	for (const struct snapshot_file *at = find_file(all, self);
	     at && steps <= all->n_files; at = find_below(all, at), steps++) {
		if (at->current)
			return true;
		low = at;
	}
	if (!low || share_below(low, &scan->image))
		return low;
	for (size_t i = 0; i < all->n_files; i++)
		if (all->files[i].current && share_below(low, &all->files[i]))
			return true;
	return false;
}

static int split_unrelated(struct scan *scan)
{
	struct snapshots *all = scan->snapshots;
	size_t n = 0;

	all->unrelated = calloc(all->n, sizeof *all->unrelated);
	if (!all->unrelated)
		return fail(-ENOMEM, "%s: out of memory", scan->name);
	for (size_t i = 0; i < all->n; i++)
		if (is_related(scan, &all->at[i]))
			all->at[n++] = all->at[i];
		else
			all->unrelated[all->n_unrelated++] = all->at[i];
	all->n = n;
	return 0;
}

static int by_date(const void *pa, const void *pb)
{
	const struct snapshot *a = pa, *b = pb;
	int order = strcmp(a->date, b->date);

	return order ? order : strcmp(a->name, b->name);
}

static bool has_file(const struct snapshots *all, const char *name)
{
	for (size_t i = 0; i < all->n_files; i++)
		if (!strcmp(all->files[i].file, name))
			return true;
	return false;
}

/* A snapshot of an image that exists is that one's; this image is a clone. */
static void find_misnamed(const struct scan *scan)
{
	struct snapshots *all = scan->snapshots;

	for (size_t i = 0; i < all->n_files; i++) {
		const struct snapshot_file *file = &all->files[i];

		if (file->current && file->snapshot_of &&
		    strcmp(file->snapshot_of, scan->name) != 0 &&
		    !has_file(all, file->snapshot_of))
			all->misnamed = file;
	}
}

static void derive_each(const struct snapshots *all, struct snapshot *v,
			size_t n)
{
	qsort(v, n, sizeof *v, by_date);
	for (size_t i = 0; i < n; i++) {
		v[i].parent = find_parent(v, n, v[i].parents);
		for (size_t k = 0; k < all->n_files; k++)
			v[i].children += names(all->files[k].parents, &v[i].id);
	}
}

static int derive(struct scan *scan)
{
	struct snapshots *all = scan->snapshots;
	int r;

	mark_current(scan);
	find_misnamed(scan);
	if (!all->n)
		return 0;
	r = split_unrelated(scan);
	if (r == 0) {
		derive_each(all, all->at, all->n);
		derive_each(all, all->unrelated, all->n_unrelated);
	}
	return r;
}

int snapshots_list_as(const struct root_dir *rootdir, const char *image,
		      const char *name, struct snapshots *ret)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	_cleanup_free_ char *real = NULL, *dir = NULL;
	struct scan scan = { .rootdir = rootdir, .snapshots = ret };
	const char *file;
	struct image *img;
	int r = root_dir_open(rootdir, image, false, &io, &real);

	*ret = (struct snapshots){ 0 };
	if (r < 0)
		return r;
	file = name_last(real);
	scan.name = name ? name : file;
	scan.dir = dir = strndup(real, (size_t)(file - real));
	if (!dir)
		return fail(-ENOMEM, "%s: out of memory", image);
	r = open_file(&scan, file, &img, NULL);
	if (r == 0)
		r = fail(-EBADMSG, "%s: expected an image, found none", image);
	if (r > 0) {
		r = describe(img, file, &scan.image);
		image_close(img);
		if (r == 0)
			r = scan_dir(&scan);
	}
	if (r == 0)
		r = derive(&scan);
	file_fini(&scan.image);
	return r;
}

int snapshots_list_missing(const struct root_dir *rootdir, const char *image,
			   struct snapshots *ret)
{
	const char *file = name_last(image);
	_cleanup_free_ char *dir = strndup(image, (size_t)(file - image));
	struct scan scan = {
		.rootdir = rootdir, .dir = dir, .name = file, .snapshots = ret
	};
	int r;

	*ret = (struct snapshots){ 0 };
	if (!dir)
		return fail(-ENOMEM, "%s: out of memory", image);
	r = scan_dir(&scan);
	return r < 0 ? r : derive(&scan);
}

int snapshots_list(const struct root_dir *rootdir, const char *image,
		   struct snapshots *ret)
{
	return snapshots_list_as(rootdir, image, NULL, ret);
}

int snapshots_scan(const struct root_dir *rootdir, const char *dir,
		   struct snapshots *ret)
{
	_cleanup_free_ char *copy = strdup(dir);
	struct scan scan = { .rootdir = rootdir,
			     .dir = copy,
			     .snapshots = ret };

	*ret = (struct snapshots){ 0 };
	return copy ? scan_dir(&scan) : fail(-ENOMEM, "out of memory");
}

static const struct snapshot *find_name(const struct snapshot *v, size_t n,
					const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(v[i].name, name))
			return &v[i];
	return NULL;
}

const struct snapshot *snapshots_find(const struct snapshots *snapshots,
				      const char *name)
{
	return find_name(snapshots->at, snapshots->n, name);
}

const struct snapshot *snapshots_find_any(const struct snapshots *snapshots,
					  const char *name)
{
	const struct snapshot *found = snapshots_find(snapshots, name);

	return found ? found
		     : find_name(snapshots->unrelated, snapshots->n_unrelated,
				 name);
}

bool snapshot_is_parent(const struct snapshot *snapshot,
			const struct snapshot_file *file)
{
	return names(file->parents, &snapshot->id);
}

int snapshot_set_origin(struct io *io, const struct snapshot *parent)
{
	const struct guid *origin =
		guid_is_null(&parent->origin) ? &parent->id : &parent->origin;
	char text[GUID_TEXT_SIZE];
	int r;

	guid_format(origin, text);
	r = fsetxattr(io->fd, ORIGIN, text, strlen(text), 0) < 0 ? -errno : 0;
	if (r == -EACCES) {
		r = io_lock(io, IO_LOCK_SHARED);
		if (r < 0)
			return r;
		r = lent_bit_set_attribute(io->fd, ORIGIN, text, strlen(text));
	}
	return r < 0 ? fail_errno(r, "%s: attribute " ORIGIN, io->name) : 0;
}

void snapshots_fini(struct snapshots *snapshots)
{
	for (size_t i = 0; i < snapshots->n_files; i++)
		file_fini(&snapshots->files[i]);
	free(snapshots->files);
	free(snapshots->unreadable);
	for (size_t i = 0; i < snapshots->n; i++)
		snapshot_fini(&snapshots->at[i]);
	for (size_t i = 0; i < snapshots->n_unrelated; i++)
		snapshot_fini(&snapshots->unrelated[i]);
	free(snapshots->at);
	free(snapshots->unrelated);
}
