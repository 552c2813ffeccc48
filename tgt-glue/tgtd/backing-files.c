/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A descriptor of a mount that was taken away lazily has a path that begins at
 * that mount's root, "/clients/pc1.vhdx.raw"; of one that is still there, or
 * is there again, the whole path.  Either is the end of the view's path.
 *
 * Which image a dead descriptor was of is told by the inode number, which is
 * the image's in every mount of the store, and which fdinfo knows without
 * asking the file.
 *
 * Each question to a mount costs two switches of processes, so what is open is
 * asked only where it differs from what is at the path: two of one device are
 * of one mount, and that answered.
 */
#include "config.h"

#include "tgt-glue/tgtd/backing-files.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/guid.h"

/* A descriptor of tgtd's. */
struct fdstore_state {
	const char *path;
	uint64_t dev, ino; /* 0 where the kernel does not know them */
	bool writable;
	char link[300]; /* the descriptor in /proc */
};

struct holding {
	struct arena arena;
	struct fdstore_state *files;
	size_t n;
	const char *dir; /* where the last path was, or null */
	int dir_fd;
	/* The fleet's mount: its device, and its state, or "-". */
	uint64_t mount_dev;
	const char *mount_state;
};

struct identity {
	uint64_t dev;
	uint64_t ino;
};

/* sync: AT_STATX_FORCE_SYNC asks the file system itself, AT_STATX_DONT_SYNC the
 * kernel's memory of what it said. */
static int identify(int dir, const char *path, int sync, struct identity *ret)
{
	struct statx st;

	if (statx(dir, path, sync, STATX_INO, &st) < 0)
		return -errno;
	ret->dev = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor;
	ret->ino = st.stx_ino;
	return 0;
}

/* The path of a descriptor, without what the kernel adds to it where the name
 * is gone; false for what is no file. */
static bool read_link(int dir, const char *name, char *path, size_t size)
{
	static const char gone[] = " (deleted)";
	ssize_t n = readlinkat(dir, name, path, size - 1);
	const size_t m = sizeof gone - 1;

	if (n <= 0 || *path != '/')
		return false;
	path[n] = '\0';
	if ((size_t)n > m && !strcmp(path + n - m, gone))
		path[(size_t)n - m] = '\0';
	return true;
}

/* "flags: 0100002" and "ino: 4711" in fdinfo; 0 where the kernel does not say.
 */
static void read_fdinfo(pid_t pid, const char *fd, struct fdstore_state *held)
{
	_cleanup_fclose_ FILE *f = NULL;
	char name[300], line[256];
	unsigned flags = 0;

	snprintf(name, sizeof name, "/proc/%ld/fdinfo/%s", (long)pid, fd);
	f = fopen(name, "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "flags: %o", &flags) != 1 &&
		    sscanf(line, "ino: %" SCNu64, &held->ino) == 1)
			break;
	held->writable = (flags & O_ACCMODE) != O_RDONLY;
}

/* Is end the end of path? */
static bool ends_with(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return m <= n && !strcmp(path + n - m, end);
}

static DIR *open_fds(pid_t pid)
{
	char name[64];

	snprintf(name, sizeof name, "/proc/%ld/fd", (long)pid);
	return opendir(name);
}

/* The files that the process has open. */
static int read_holding(pid_t pid, struct holding *holding)
{
	_cleanup_closedir_ DIR *dir = open_fds(pid);
	char path[4096];

	if (!dir)
		return fail_errno(-errno, "tgtd: its open files (process %ld)",
				  (long)pid);
	for (struct dirent *e; (e = readdir(dir));) {
		struct identity id = { 0 };
		struct fdstore_state *held;

		if (!read_link(dirfd(dir), e->d_name, path, sizeof path))
			continue;
		holding->files = arena_grow(&holding->arena, holding->files,
					    holding->n, sizeof *holding->files);
		held = &holding->files[holding->n++];
		held->path = arena_strdup(&holding->arena, path);
		read_fdinfo(pid, e->d_name, held);
		if (identify(dirfd(dir), e->d_name, AT_STATX_DONT_SYNC, &id) ==
		    0) {
			held->dev = id.dev;
			held->ino = id.ino;
		}
		snprintf(held->link, sizeof held->link, "/proc/%ld/fd/%s",
			 (long)pid, e->d_name);
	}
	return 0;
}

/*
 * What is at the path now.  It is looked up through the directory that it is
 * in, which is opened once: one question instead of one for each part of the
 * path.
 */
static int look_at_path(struct holding *holding, const char *path,
			struct identity *ret)
{
	const char *base = strrchr(path, '/') + 1;
	size_t n = (size_t)(base - path);

	if (!holding->dir || strlen(holding->dir) != n ||
	    strncmp(holding->dir, path, n) != 0) {
		if (holding->dir)
			close(holding->dir_fd);
		holding->dir =
			arena_printf(&holding->arena, "%.*s", (int)n, path);
		holding->dir_fd = open(holding->dir, O_PATH | O_CLOEXEC);
	}
	if (holding->dir_fd < 0)
		return -ENOENT;
	return identify(holding->dir_fd, base, AT_STATX_FORCE_SYNC, ret);
}

/* What tgtd has open for the disk whose file is, or was, at path.  *now is what
 * is there now, r why nothing is. */
static enum tgtd_file judge(const struct holding *holding, const char *path,
			    int r, const struct identity *now)
{
	enum tgtd_file found = FILE_LOST;
	struct identity id;

	for (size_t i = 0; i < holding->n; i++) {
		const struct fdstore_state *held = &holding->files[i];

		if (r == 0 && held->dev == now->dev && held->ino == now->ino)
			return FILE_RIGHT;
		if (!ends_with(path, held->path))
			continue;
		/* With nothing at the path one that answers is all there is. */
		if (identify(AT_FDCWD, held->link, AT_STATX_FORCE_SYNC, &id) ==
		    0)
			found = r < 0 ? FILE_RIGHT : FILE_OTHER;
		else if (r == 0 && held->ino && held->ino != now->ino)
			found = FILE_OTHER;
	}
	return found;
}

const char *backing_files_path(const struct fleet *fleet,
			       const struct tgtd_target *target)
{
	const struct client *client;

	if (target->lun.path)
		return target->lun.path;
	client = fleet_client_by_iqn(fleet, target->name);
	return client ? client->view : NULL;
}

/* One descriptor for both, so that they are of one mount. */
static void read_mount(struct holding *holding, struct arena *arena,
		       const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct identity id = { 0 };
	char text[64] = "";
	struct guid state;
	ssize_t n;

	holding->mount_state = "-";
	if (fd < 0 || identify(fd, ".", AT_STATX_DONT_SYNC, &id) < 0)
		return;
	holding->mount_dev = id.dev;
	n = fgetxattr(fd, "user.vhdfs.state", text, sizeof text);
	if (n > 0 && guid_parse(text, (size_t)n, &state) == 0)
		holding->mount_state =
			guid_format(&state, arena_alloc(arena, GUID_TEXT_SIZE));
}

static void look_at_lun(struct holding *holding, struct tgtd_lun *lun,
			const char *path, bool held_known)
{
	struct identity now = { 0 };
	int r = look_at_path(holding, path, &now);

	if (held_known)
		lun->file = judge(holding, path, r, &now);
	if (r == 0)
		lun->mount_state = now.dev == holding->mount_dev
					   ? holding->mount_state
					   : "-";
}

/* The file behind a store: the one that tgtd has open, else the one at its path
 * now. */
static void identify_store(const struct holding *holding,
			   struct tgtd_backing *store)
{
	struct identity id = { 0 };

	for (size_t i = 0; i < holding->n; i++)
		if (!strcmp(holding->files[i].path, store->path)) {
			store->dev = holding->files[i].dev;
			store->ino = holding->files[i].ino;
			return;
		}
	if (identify(AT_FDCWD, store->path, AT_STATX_DONT_SYNC, &id) == 0) {
		store->dev = id.dev;
		store->ino = id.ino;
	}
}

int backing_files_inspect(const struct fleet *fleet, struct tgtd_state *live)
{
	struct holding holding = { 0 };
	pid_t pid;
	int r = tgtd_state_pid(live, &pid);

	if (r == 0)
		r = read_holding(pid, &holding);
	read_mount(&holding, &live->arena, fleet->mount);
	for (size_t i = 0; i < live->n; i++)
		for (size_t k = 0; k < live->targets[i].n_stores; k++)
			if (live->targets[i].stores[k].path)
				identify_store(&holding,
					       &live->targets[i].stores[k]);
	for (size_t i = 0; i < live->n; i++) {
		struct tgtd_target *t = &live->targets[i];
		const char *path = backing_files_path(fleet, t);

		if (t->lun.exists && path && *path == '/' && t->ours)
			look_at_lun(&holding, &t->lun, path, r == 0);
	}
	if (holding.dir && holding.dir_fd >= 0)
		close(holding.dir_fd);
	arena_fini(&holding.arena);
	return r;
}

/* Does the process have that file open? */
static bool has_open(pid_t pid, const char *path, const struct identity *file)
{
	_cleanup_closedir_ DIR *dir = open_fds(pid);
	struct identity id = { 0 };
	char link[4096];

	if (!dir)
		return false;
	for (struct dirent *e; (e = readdir(dir));)
		if (read_link(dirfd(dir), e->d_name, link, sizeof link) &&
		    ends_with(path, link) &&
		    identify(dirfd(dir), e->d_name, AT_STATX_DONT_SYNC, &id) ==
			    0 &&
		    id.dev == file->dev && id.ino == file->ino)
			return true;
	return false;
}

static const char *name_process(struct arena *arena, pid_t pid)
{
	_cleanup_fclose_ FILE *f = NULL;
	char file[64], name[64] = "";

	snprintf(file, sizeof file, "/proc/%ld/comm", (long)pid);
	f = fopen(file, "re");
	if (f && fgets(name, sizeof name, f))
		name[strcspn(name, "\n")] = '\0';
	return arena_printf(arena, "%s (process %ld)", name, (long)pid);
}

static bool is_among(pid_t pid, const pid_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == pid)
			return true;
	return false;
}

const char *backing_files_user(struct arena *arena, const char *path,
			       const pid_t *but, size_t n)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	struct identity file;

	if (!proc || identify(AT_FDCWD, path, AT_STATX_FORCE_SYNC, &file) < 0)
		return NULL;
	for (struct dirent *e; (e = readdir(proc));) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (isdigit((unsigned char)*e->d_name) &&
		    !is_among(pid, but, n) && has_open(pid, path, &file))
			return name_process(arena, pid);
	}
	return NULL;
}

static bool is_tgtd(pid_t pid)
{
	_cleanup_fclose_ FILE *f = NULL;
	char file[64], name[64] = "";

	snprintf(file, sizeof file, "/proc/%ld/comm", (long)pid);
	f = fopen(file, "re");
	return f && fgets(name, sizeof name, f) && !strcmp(name, "tgtd\n");
}

static size_t add_open(struct arena *arena, pid_t pid, size_t n,
		       struct backing_files_open **ret)
{
	struct holding holding = { 0 };

	/* Where it cannot be read the process has ended. */
	(void)read_holding(pid, &holding);
	for (size_t i = 0; i < holding.n; i++) {
		const struct fdstore_state *held = &holding.files[i];

		if (!held->writable)
			continue;
		*ret = arena_grow(arena, *ret, n, sizeof **ret);
		(*ret)[n++] = (struct backing_files_open){
			pid, arena_strdup(arena, held->path), held->dev,
			held->ino
		};
	}
	arena_fini(&holding.arena);
	return n;
}

size_t backing_files_of_other_tgtds(struct arena *arena, const pid_t *but,
				    size_t n, struct backing_files_open **ret)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	size_t found = 0;

	*ret = NULL;
	for (struct dirent *e; proc && (e = readdir(proc));) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (isdigit((unsigned char)*e->d_name) &&
		    !is_among(pid, but, n) && is_tgtd(pid))
			found = add_open(arena, pid, found, ret);
	}
	return found;
}
