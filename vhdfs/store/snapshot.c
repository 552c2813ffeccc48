/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots of an image: names, marks, and their list. */
#include "config.h"

#include "store/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/printable.h"
#include "format/registry.h"
#include "io/io-file.h"
#include "store/image-names.h"
#include "store/mark.h"

/* The text of a guid. */
#define ORIGIN "user.vhdfs.origin"
#define MARK_HEAD SNAPSHOT_MARK_HEAD
enum {
	MARK_NAME_MAX = 4 * NAME_MAX + 1,
	RETRIES = 200,
	RETRIES_UNUSED = 3,
	RETRY_DELAY_MS = 5,
};

/* Of text that is shorter than the buffer. */
static bool is_printable(const char *text)
{
	char escaped[2 * SNAPSHOT_NOTE_MAX];

	return !strcmp(printable(text, escaped, sizeof escaped), text);
}

int snapshot_check_name(const char *name)
{
	const char *wrong = NULL;

	if (strlen(name) > NAME_MAX / 2)
		wrong = "a shorter name";
	else if (!*name || *name == '.')
		wrong = "a name that does not begin with a dot";
	else if (strpbrk(name, "/@") || !is_printable(name))
		wrong = "printable characters without / and @";
	else if (!name[strspn(name, "0123456789")] || !strcmp(name, "test"))
		wrong = "a name that is no number and not \"test\", which are "
			"versions and channels of masters";
	return wrong ? fail(-EINVAL, "snapshot name: expected %s, found '%s'",
			    wrong, name)
		     : 0;
}

int snapshot_check_note(const char *note)
{
	if (strlen(note) <= SNAPSHOT_NOTE_MAX && is_printable(note))
		return 0;
	return fail(-EINVAL,
		    "note: expected one line of at most %d bytes of printable "
		    "text, found '%s'",
		    SNAPSHOT_NOTE_MAX, note);
}

/* The length of the file name without its ending. */
static size_t stem_length(const char *file)
{
	const char *dot = strrchr(file, '.');

	return dot ? (size_t)(dot - file) : strlen(file);
}

char *snapshot_file_name(const char *image, const char *name)
{
	const char *file = name_last(image);
	size_t stem = stem_length(file);
	char *made;

	if (asprintf(&made, "%.*s@%s%s", (int)stem, file, name, file + stem) <
	    0)
		return NULL;
	return made;
}

/* The image's file name as a mark has it: a line, with escapes for what cannot
 * be in one. */
static const char *marked_name(const char *image, char buf[MARK_NAME_MAX])
{
	return printable(name_last(image), buf, MARK_NAME_MAX);
}

char *snapshot_mark(const char *image, const char *note, const char *token)
{
	char date[MARK_DATE_SIZE];
	char *mark, image_name[MARK_NAME_MAX];

	mark_date(date);
	if (asprintf(&mark, MARK_HEAD "image %s\ndate %s\nnote %s\n%s%s%s",
		     marked_name(image, image_name), date, note ? note : "",
		     token ? "token " : "", token ? token : "",
		     token ? "\n" : "") < 0)
		return NULL;
	return mark;
}

static bool get_mark(int fd, char ret[MARK_MAX + 1])
{
	return mark_read(fd, SNAPSHOT_MARK, MARK_HEAD, ret);
}

bool snapshot_is_marked(int fd, const char *image)
{
	_cleanup_free_ char *found = NULL;
	char mark[MARK_MAX + 1], name[MARK_NAME_MAX];

	if (get_mark(fd, mark))
		found = mark_value(mark, "image");
	return found && !strcmp(found, marked_name(image, name));
}

bool snapshot_has_token(int dir, const char *file, const char *token)
{
	int fd = openat(dir, file,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *found = NULL;
	char mark[MARK_MAX + 1];

	if (fd < 0)
		return false;
	if (get_mark(fd, mark))
		found = mark_value(mark, "token");
	close(fd);
	return found && !strcmp(found, token);
}

/* What a scan of the directory collects. */
struct scan {
	const struct root_dir *rootdir;
	char *dir;        /* path in the root, with '/' at the end, or "" */
	const char *file; /* of the image */
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

/* Opens the image without its parents and without a lock; the caller closes it.
 * 1; 0: the file is no image; or -errno with a message: it may be one. */
static int open_file(const struct scan *scan, const char *file,
		     struct image **ret)
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
	r = image_format_probe(io, &ops);
	if (r == 0 && image_format_is_raw(ops)) {
		io_close(io);
		return 0;
	}
	if (r == 0)
		r = open_image(io, ops, ret);
	if (r < 0)
		io_close(io);
	return r < 0 ? r : 1;
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

static struct snapshot_file describe(struct image *img)
{
	struct snapshot_file file = { .id = img->id };
	struct parent_ref ref = { 0 };

	file.origin = read_origin(img->io);
	if (img->type == IMAGE_DIFFERENCING && image_parent(img, &ref) == 0) {
		file.parents[0] = ref.id;
		file.parents[1] = ref.id2;
	}
	parent_ref_fini(&ref);
	return file;
}

/* The name in the middle of STEM@NAME.ENDING; null: the file has another form.
 * The caller frees it. */
static char *name_within(const char *image, const char *file)
{
	size_t stem = stem_length(image), ending = strlen(image + stem);
	size_t len = strlen(file);

	if (len <= stem + 1 + ending || strncmp(file, image, stem) != 0 ||
	    file[stem] != '@' || strcmp(file + len - ending, image + stem) != 0)
		return NULL;
	return strndup(file + stem + 1, len - stem - 1 - ending);
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
	char mark[MARK_MAX + 1], name[MARK_NAME_MAX];
	_cleanup_free_ char *image = NULL;
	struct stat st;

	if (!get_mark(io->fd, mark))
		return false;
	image = mark_value(mark, "image");
	if (!image || strcmp(image, marked_name(scan->file, name)) != 0)
		return false;
	snapshot->date = mark_value(mark, "date");
	snapshot->note = mark_value(mark, "note");
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
		free(member->file);
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
	struct snapshot_file member;
	struct image *img;
	char *name;
	int r = open_file(scan, file, &img);

	if (r < 0)
		return note_unreadable(scan, file);
	if (r == 0)
		return 0;
	member = describe(img);
	r = add_file(scan, file, &member);
	name = r == 0 ? name_within(scan->file, file) : NULL;
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
	while (r == 0 && (entry = readdir(dir)))
		if (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN)
			r = scan_file(scan, entry->d_name);
	closedir(dir);
	return r;
}

static bool names(const struct guid parents[2], const struct guid *id)
{
	return !guid_is_null(id) &&
	       (guid_equal(&parents[0], id) || guid_equal(&parents[1], id));
}

static struct snapshot *find_parent(const struct snapshots *all,
				    const struct guid parents[2])
{
	for (size_t i = 0; i < all->n; i++)
		if (names(parents, &all->at[i].id))
			return &all->at[i];
	return NULL;
}

/* The snapshot that is the parent, or the origin if that was not removed. */
static struct snapshot *find_below(const struct snapshots *all,
				   const struct guid parents[2],
				   const struct guid *origin)
{
	struct guid both[2] = { *origin, *origin };
	struct snapshot *parent = find_parent(all, parents);

	return parent ? parent : find_parent(all, both);
}

/* Marks the ancestors of the image.  A cycle of forged identities ends. */
static void mark_current(const struct scan *scan)
{
	const struct snapshot_file *image = &scan->image;
	struct snapshot *at =
		find_below(scan->snapshots, image->parents, &image->origin);

	while (at && !at->current) {
		at->current = true;
		at = find_below(scan->snapshots, at->parents, &at->origin);
	}
}

/* Is the parent or the origin of a snapshot that of another image? */
static bool share_below(const struct snapshot *low, const struct guid *parent,
			const struct guid *origin)
{
	return names(low->parents, parent) ||
	       (!guid_is_null(origin) && guid_equal(&low->origin, origin));
}

/* Is there a common ancestor of the image and the snapshot: a snapshot, or what
 * is below the lowest ones? */
static bool is_related(const struct scan *scan, const struct snapshot *snapshot)
{
	const struct snapshots *all = scan->snapshots;
	const struct snapshot *low = NULL;
	size_t steps = 0;

	for (const struct snapshot *at = snapshot; at && steps <= all->n;
	     at = find_below(all, at->parents, &at->origin), steps++) {
		if (at->current)
			return true;
		low = at;
	}
	if (share_below(low, &scan->image.parents[0], &scan->image.origin))
		return true;
	for (size_t i = 0; i < all->n; i++)
		if (all->at[i].current &&
		    share_below(low, &all->at[i].parents[0],
				&all->at[i].origin))
			return true;
	return false;
}

static void remove_unrelated(struct scan *scan)
{
	struct snapshots *all = scan->snapshots;
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		if (!is_related(scan, &all->at[i])) {
			snapshot_fini(&all->at[i]);
			all->at[i] = (struct snapshot){ 0 };
		}
	for (size_t i = 0; i < all->n; i++)
		if (all->at[i].name)
			all->at[n++] = all->at[i];
	all->n = n;
}

static int by_date(const void *pa, const void *pb)
{
	const struct snapshot *a = pa, *b = pb;
	int order = strcmp(a->date, b->date);

	return order ? order : strcmp(a->name, b->name);
}

static void derive(struct scan *scan)
{
	struct snapshots *all = scan->snapshots;

	if (!all->n)
		return;
	mark_current(scan);
	remove_unrelated(scan);
	qsort(all->at, all->n, sizeof *all->at, by_date);
	for (size_t i = 0; i < all->n; i++) {
		all->at[i].parent = find_parent(all, all->at[i].parents);
		for (size_t k = 0; k < all->n_files; k++)
			all->at[i].children +=
				names(all->files[k].parents, &all->at[i].id);
	}
}

int snapshots_list(const struct root_dir *rootdir, const char *image,
		   struct snapshots *ret)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	_cleanup_free_ char *real = NULL;
	struct scan scan = { .rootdir = rootdir, .snapshots = ret };
	struct image *img;
	int r = root_dir_open(rootdir, image, false, &io, &real);

	*ret = (struct snapshots){ 0 };
	if (r < 0)
		return r;
	scan.file = name_last(real);
	scan.dir = strndup(real, (size_t)(scan.file - real));
	if (!scan.dir)
		return fail(-ENOMEM, "%s: out of memory", image);
	r = open_file(&scan, scan.file, &img);
	if (r == 0)
		r = fail(-EBADMSG, "%s: expected an image, found none", image);
	if (r > 0) {
		scan.image = describe(img);
		image_close(img);
		r = scan_dir(&scan);
	}
	if (r == 0)
		derive(&scan);
	free(scan.dir);
	return r;
}

const struct snapshot *snapshots_find(const struct snapshots *snapshots,
				      const char *name)
{
	for (size_t i = 0; i < snapshots->n; i++)
		if (!strcmp(snapshots->at[i].name, name))
			return &snapshots->at[i];
	return NULL;
}

bool snapshot_is_parent(const struct snapshot *snapshot,
			const struct snapshot_file *file)
{
	return names(file->parents, &snapshot->id);
}

int snapshot_set_origin(const struct io *io, const struct snapshot *parent)
{
	const struct guid *origin =
		guid_is_null(&parent->origin) ? &parent->id : &parent->origin;
	char text[GUID_TEXT_SIZE];

	guid_format(origin, text);
	return fsetxattr(io->fd, ORIGIN, text, strlen(text), 0) < 0
		       ? fail_errno(-errno, "%s: attribute " ORIGIN, io->name)
		       : 0;
}

void snapshots_fini(struct snapshots *snapshots)
{
	for (size_t i = 0; i < snapshots->n_files; i++)
		free(snapshots->files[i].file);
	free(snapshots->files);
	free(snapshots->unreadable);
	for (size_t i = 0; i < snapshots->n; i++)
		snapshot_fini(&snapshots->at[i]);
	free(snapshots->at);
}
