/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * faults.so: power cuts.  A journal of the changes that no sync has made
 * durable, and the loss of some of them.
 *
 * A change is one call: a write, a change of the size, of the mode, the owner
 * or an extended attribute, or of a name in a directory.  fdatasync makes
 * contents and size of its file durable, fsync also the rest; fsync of a
 * directory its names.  Nothing else does.  A rename is lost as a whole.
 *
 * THE FOLDER of the variable FAULTS_JOURNAL, on the file system of the files:
 *
 *   journal   the changes.  It outlives the process, so that the changes of a
 *             process that was killed can be lost in a later one
 *   0, 1, ... hard links to the files, so that a name can come back
 *   lost      after a cut: a line for each change that was not durable
 *
 * A CUT undoes all changes that are not durable, the last one first, and then
 * repeats those that are not lost.  A rename or an unlink whose file has not
 * got the name any more, as an earlier change was lost, is lost with it.
 *
 * THREADS AND PROCESSES: a lock is held from the begin of a change to its end.
 * The cut keeps it: no process may change anything after it, but ends.
 */
#include "config.h"

#include "tools/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { FILES = 64, JOURNAL = 512 << 20 };
enum what { CONTENT, MODE, OWNER, ATTRIBUTE, NAME };

static const char *const whats[] = { "content", "mode", "owner", "attribute",
				     "name" };

/* A state of what a change changes; its bytes lie behind the change. */
struct state {
	off_t size;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	ssize_t len; /* of the bytes; -1: there is no such attribute */
};

struct power_change {
	size_t total; /* bytes in the journal */
	enum what what;
	bool durable, lost, resizes;
	int file;     /* its link in the folder */
	int replaced; /* NAME: the file that loses the name `to'; -1: none */
	off_t off;    /* CONTENT */
	struct state before, after;
	char dir[PATH_MAX];                        /* NAME: absolute */
	char from[NAME_MAX + 1], to[NAME_MAX + 1]; /* NAME; empty: none */
	char attribute[XATTR_NAME_MAX + 1];
	char bytes[]; /* those before, then those after */
};

static struct journal {
	faults_lock lock;
	bool cut;    /* the power is off */
	size_t used; /* of `space' */
	int n_files;
	struct {
		dev_t dev;
		ino_t ino;
	} files[FILES];
	char space[] __attribute__((aligned(16)));
} * journal; /* null: nothing is recorded */
static const char *folder;

static void die(const char *why)
{
	fprintf(stderr, "faults.so: %s: %s\n", why, strerror(errno));
	abort();
}

void power_begin(void)
{
	char path[PATH_MAX];
	int fd;

	folder = getenv("FAULTS_JOURNAL");
	if (!folder)
		return;
	snprintf(path, sizeof path, "%s/journal", folder);
	fd = NEXT(openat)(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || NEXT(ftruncate)(fd, JOURNAL) < 0)
		die(path);
	journal =
		mmap(NULL, JOURNAL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (journal == MAP_FAILED)
		die(path);
	close(fd);
}

static struct power_change *change_at(size_t at)
{
	return at < journal->used ? (struct power_change *)(journal->space + at)
				  : NULL;
}

static struct power_change *first(void)
{
	return change_at(0);
}

static struct power_change *next(const struct power_change *change)
{
	return change_at((const char *)change - journal->space + change->total);
}

static char *file_path(int file)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%d", folder, file);
	return path;
}

static int find_file(const struct stat *st)
{
	for (int i = 0; i < journal->n_files; i++)
		if (journal->files[i].dev == st->st_dev &&
		    journal->files[i].ino == st->st_ino)
			return i;
	return -1;
}

/* The number of the file, which gets a link in the folder; -1: it is no regular
 * file, or lies on another file system. */
static int file_of(const struct stat *st, int dir, const char *path, int flags)
{
	int file = find_file(st);

	if (file >= 0 || !S_ISREG(st->st_mode))
		return file;
	file = journal->n_files;
	if (file == FILES)
		die("too many files");
	if (NEXT(linkat)(dir, path, AT_FDCWD, file_path(file), flags) < 0)
		return -1;
	journal->files[file].dev = st->st_dev;
	journal->files[file].ino = st->st_ino;
	journal->n_files++;
	return file;
}

static int file_of_fd(int fd)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return fstat(fd, &st) < 0
		       ? -1
		       : file_of(&st, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

static int file_of_name(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0
		       ? -1
		       : file_of(&st, dir, path, 0);
}

static void take_lock(void)
{
	faults_take(&journal->lock);
	if (journal->cut)
		faults_end_program();
	faults_inside = true;
}

static void release_lock(void)
{
	faults_inside = false;
	faults_release(&journal->lock);
}

/* The change that is being made; takes the lock. */
static struct power_change *begin_change(enum what what)
{
	struct power_change *change;

	take_lock();
	change = (struct power_change *)(journal->space + journal->used);
	if (journal->used + 2 * sizeof *change > JOURNAL / 2)
		die("the journal is full");
	memset(change, 0, sizeof *change);
	change->what = what;
	change->replaced = -1;
	return change;
}

static void end_change(struct power_change *change, bool done)
{
	journal->used += done ? change->total : 0;
	release_lock();
}

static struct power_change *begin_on_file(enum what what, int fd)
{
	struct power_change *change;

	if (!journal)
		return NULL;
	change = begin_change(what);
	change->file = file_of_fd(fd);
	if (change->file >= 0)
		return change;
	end_change(change, false);
	return NULL;
}

/* Reads a file that may be open for writing only. */
static ssize_t read_file(const struct power_change *change, char *bytes,
			 size_t len)
{
	int fd = NEXT(openat)(AT_FDCWD, file_path(change->file),
			      O_RDONLY | O_CLOEXEC, 0);
	ssize_t n = fd < 0 ? -1 : NEXT(pread)(fd, bytes, len, change->off);

	if (n < 0)
		die("read");
	close(fd);
	return n;
}

/* Takes down a state; its bytes go to `bytes'. */
static void take_state(const struct power_change *change, int fd, size_t len,
		       struct state *state, char *bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		die("fstat");
	*state = (struct state){ .size = st.st_size,
				 .mode = st.st_mode & 07777,
				 .uid = st.st_uid,
				 .gid = st.st_gid };
	if (change->what == CONTENT && len)
		state->len = read_file(change, bytes, len);
	if (change->what == ATTRIBUTE)
		state->len = fgetxattr(fd, change->attribute, bytes, 65536);
}

static size_t bytes_of(const struct state *state)
{
	return state->len > 0 ? (size_t)state->len : 0;
}

struct power_change *power_content(int fd, off_t off, size_t len, bool resizes)
{
	struct power_change *change = begin_on_file(CONTENT, fd);

	if (!change)
		return NULL;
	if (journal->used + 2 * len > JOURNAL / 2)
		die("the journal is full");
	change->off = off;
	change->resizes = resizes;
	take_state(change, fd, len, &change->before, change->bytes);
	change->total = len;
	return change;
}

struct power_change *power_mode(int fd)
{
	struct power_change *change = begin_on_file(MODE, fd);

	if (change)
		take_state(change, fd, 0, &change->before, NULL);
	return change;
}

struct power_change *power_owner(int fd)
{
	struct power_change *change = begin_on_file(OWNER, fd);

	if (change)
		take_state(change, fd, 0, &change->before, NULL);
	return change;
}

struct power_change *power_attribute(int fd, const char *attribute)
{
	struct power_change *change = begin_on_file(ATTRIBUTE, fd);

	if (!change)
		return NULL;
	strcpy(change->attribute, attribute);
	take_state(change, fd, 0, &change->before, change->bytes);
	return change;
}

void power_end(struct power_change *change, int fd, bool done)
{
	size_t before;

	if (!change)
		return;
	before = bytes_of(&change->before);
	take_state(change, fd, change->total, &change->after,
		   change->bytes + before);
	change->total = sizeof *change + before + bytes_of(&change->after);
	change->total = (change->total + 15) / 16 * 16;
	end_change(change, done);
}

/* Splits a path into its directory, absolute, and its last name. */
static bool split(int dir, const char *path, char ret_dir[PATH_MAX],
		  char ret_name[NAME_MAX + 1])
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX] = ".", link[64];
	ssize_t n;
	int fd;

	if (slash)
		snprintf(parent, sizeof parent, "%.*s", (int)(slash - path) + 1,
			 path);
	fd = NEXT(openat)(dir, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, ret_dir, PATH_MAX - 1);
	close(fd);
	ret_dir[n > 0 ? n : 0] = '\0';
	snprintf(ret_name, NAME_MAX + 1, "%s", slash ? slash + 1 : path);
	return n > 0;
}

struct power_change *power_name(int from_dir, const char *from, int to_dir,
				const char *to)
{
	struct power_change *change;
	bool found = true;

	if (!journal)
		return NULL;
	change = begin_change(NAME);
	change->file = -1;
	if (from) {
		found = split(from_dir, from, change->dir, change->from);
		change->file = file_of_name(from_dir, from);
		found = found && change->file >= 0;
	}
	if (to) {
		found = found && split(to_dir, to, change->dir, change->to);
		change->replaced = file_of_name(to_dir, to);
	}
	if (found)
		return change;
	end_change(change, false);
	return NULL;
}

void power_end_name(struct power_change *change, bool done)
{
	char path[PATH_MAX + NAME_MAX + 2];

	if (!change)
		return;
	if (change->file < 0) {
		snprintf(path, sizeof path, "%s/%s", change->dir, change->to);
		change->file = file_of_name(AT_FDCWD, path);
	}
	change->total = (sizeof *change + 15) / 16 * 16;
	/* An open of an existing file with O_CREAT changes no name. */
	end_change(change,
		   done && change->file >= 0 &&
			   (*change->from || change->replaced != change->file));
}

static void sync_directory(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	for (struct power_change *c = first(); c; c = next(c))
		if (c->what == NAME && !strcmp(c->dir, path))
			c->durable = true;
}

void power_sync(int fd, bool all)
{
	struct stat st;
	int file;

	if (!journal || fstat(fd, &st) < 0)
		return;
	take_lock();
	file = find_file(&st);
	if (S_ISDIR(st.st_mode))
		sync_directory(fd);
	else if (file >= 0)
		for (struct power_change *c = first(); c; c = next(c))
			if (c->file == file &&
			    (c->what == CONTENT || (all && c->what != NAME)))
				c->durable = true;
	release_lock();
}

unsigned power_begin_cut(void)
{
	unsigned n = 0;

	if (!journal)
		return 0;
	take_lock();
	journal->cut = true;
	for (struct power_change *c = first(); c; c = next(c))
		n += !c->durable;
	return n;
}

/* Opens a file that may have no write permission. */
static int open_file(int file)
{
	const char *path = file_path(file);
	int fd = NEXT(openat)(AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	struct stat st;

	if (fd >= 0 || stat(path, &st) < 0 || chmod(path, 0600) < 0)
		return fd;
	fd = NEXT(openat)(AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	(void)!chmod(path, st.st_mode & 07777);
	return fd;
}

/* The owner before the mode, whose set-ID bits chown clears. */
static void set_state(const struct power_change *change,
		      const struct state *state, const char *bytes, bool undo)
{
	int fd = open_file(change->file), r = 0;

	if (fd < 0)
		die("open");
	if (change->what == CONTENT && state->len)
		r = NEXT(pwrite)(fd, bytes, state->len, change->off) < 0;
	if (change->what == CONTENT && (undo || change->resizes))
		r |= NEXT(ftruncate)(fd, state->size);
	if (change->what == MODE)
		r = NEXT(fchmod)(fd, state->mode);
	if (change->what == OWNER)
		r = NEXT(fchown)(fd, state->uid, state->gid);
	if (change->what == ATTRIBUTE && state->len >= 0)
		r = NEXT(fsetxattr)(fd, change->attribute, bytes, state->len,
				    0);
	else if (change->what == ATTRIBUTE)
		(void)NEXT(fremovexattr)(fd, change->attribute);
	if (r)
		die("a change cannot be undone or repeated");
	close(fd);
}

static bool has_name(const struct power_change *change, const char *name,
		     int file)
{
	char path[PATH_MAX + NAME_MAX + 2];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", change->dir, name);
	return lstat(path, &st) == 0 && find_file(&st) == file;
}

/* Makes the name that of the file; -1: of none. */
static void set_name(const struct power_change *change, const char *name,
		     int file)
{
	char path[PATH_MAX + NAME_MAX + 2];

	if (!*name)
		return;
	snprintf(path, sizeof path, "%s/%s", change->dir, name);
	(void)NEXT(unlinkat)(AT_FDCWD, path, 0);
	if (file >= 0 &&
	    NEXT(linkat)(AT_FDCWD, file_path(file), AT_FDCWD, path, 0) < 0)
		die(path);
}

static void undo(const struct power_change *change)
{
	if (change->what == NAME) {
		set_name(change, change->to, change->replaced);
		set_name(change, change->from, change->file);
	} else {
		set_state(change, &change->before, change->bytes, true);
	}
}

static void repeat(struct power_change *change)
{
	const char *after = change->bytes + bytes_of(&change->before);

	if (change->what != NAME) {
		set_state(change, &change->after, after, false);
	} else if (*change->from &&
		   !has_name(change, change->from, change->file)) {
		change->lost = true;
	} else {
		set_name(change, change->from, -1);
		set_name(change, change->to, change->file);
	}
}

/* Undoes the changes from this one on, the last one first. */
static void undo_from(const struct power_change *change)
{
	if (!change)
		return;
	undo_from(next(change));
	if (!change->durable)
		undo(change);
}

/* Is the n-th change lost? */
static bool is_lost(const char *lose, unsigned n)
{
	unsigned number = strtoul(lose + 1, NULL, 10);

	switch (*lose) {
	case 'a': /* all */
		return true;
	case '-': /* this one */
		return n == number;
	case '+': /* all others */
		return n != number;
	case 's': /* some, by the seed */
		n = (n + number * 64 + 1) * 0x9e3779b1u;
		return (n ^ n >> 15) * 0x85ebca6bu >> 31;
	default:
		return false;
	}
}

static void choose_lost(const char *lose)
{
	unsigned n = 0;

	for (struct power_change *c = first(); c; c = next(c))
		c->lost = !c->durable && is_lost(lose, ++n);
}

static void print_lost(void)
{
	char path[PATH_MAX];
	FILE *out;

	snprintf(path, sizeof path, "%s/lost", folder);
	out = fopen(path, "w");
	if (!out)
		die(path);
	for (struct power_change *c = first(); c; c = next(c))
		if (!c->durable)
			fprintf(out, "%s %s of file %d %s%s%s offset %jd\n",
				c->lost ? "lost" : "kept", whats[c->what],
				c->file, c->from, *c->from ? " -> " : "", c->to,
				(intmax_t)c->off);
	fclose(out);
}

void power_cut(const char *lose)
{
	struct timespec times[FILES][2];
	struct stat st;

	if (!journal)
		return;
	choose_lost(lose);
	for (int i = 0; i < journal->n_files; i++)
		if (stat(file_path(i), &st) == 0) {
			times[i][0] = st.st_atim;
			times[i][1] = st.st_mtim;
		}
	undo_from(first());
	for (struct power_change *c = first(); c; c = next(c))
		if (!c->durable && !c->lost)
			repeat(c);
	for (int i = 0; i < journal->n_files; i++)
		(void)utimensat(AT_FDCWD, file_path(i), times[i], 0);
	print_lost();
	journal->used = 0;
}
