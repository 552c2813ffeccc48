/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that processes have open.
 *
 * A descriptor of a mount that was detached has a path that begins at that
 * mount's root, "/clients/pc1.vhdx.raw"; a descriptor of a mount that is still
 * attached, or is attached again, has the whole path.  Either is the end of
 * the view's path.
 *
 * The image of a descriptor whose mount is gone is known by its inode number,
 * which is the image's in every mount of the store; fdinfo has it without a
 * request to the filesystem.
 *
 * Each request to the mount costs two context switches.  So an open file is
 * asked for its identity only if its device and inode differ from those of the
 * file at its path: two files of one device are of one mount, which has
 * answered.
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

/* A descriptor of a process. */
struct open_file {
	const char *path;
	uint64_t dev, ino; /* 0: unknown */
	bool writable;
	char link[300]; /* the descriptor in /proc */
};

struct process_files {
	struct arena arena;
	struct open_file *files;
	size_t n;
	const char *dir; /* of the last path, or null */
	int dir_fd;
	/* The fleet's mount: its device; its state identifier, or "-". */
	uint64_t mount_dev;
	const char *mount_state;
};

struct identity {
	uint64_t dev;
	uint64_t ino;
};

/* sync: AT_STATX_FORCE_SYNC sends a request to the filesystem,
 * AT_STATX_DONT_SYNC uses the kernel's cache. */
static int identify(int dir, const char *path, int sync, struct identity *ret)
{
	struct statx st;

	if (statx(dir, path, sync, STATX_INO, &st) < 0)
		return -errno;
	ret->dev = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor;
	ret->ino = st.stx_ino;
	return 0;
}

/* The path of a descriptor, without the kernel's " (deleted)"; false if it is
 * no file. */
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

/* Reads "flags: 0100002" and "ino: 4711" in fdinfo; 0 if a line is missing. */
static void read_fdinfo(pid_t pid, const char *fd, struct open_file *file)
{
	_cleanup_fclose_ FILE *f = NULL;
	char name[300], line[256];
	unsigned flags = 0;

	snprintf(name, sizeof name, "/proc/%ld/fdinfo/%s", (long)pid, fd);
	f = fopen(name, "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "flags: %o", &flags) != 1 &&
		    sscanf(line, "ino: %" SCNu64, &file->ino) == 1)
			break;
	file->writable = (flags & O_ACCMODE) != O_RDONLY;
}

/* True if path ends with end. */
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

/* Reads the files that the process has open. */
static int read_open_files(pid_t pid, struct process_files *process_files)
{
	_cleanup_closedir_ DIR *dir = open_fds(pid);
	char path[4096];

	if (!dir)
		return fail_errno(-errno, "tgtd: its open files (process %ld)",
				  (long)pid);
	for (struct dirent *e; (e = readdir(dir));) {
		struct identity id = { 0 };
		struct open_file *file;

		if (!read_link(dirfd(dir), e->d_name, path, sizeof path))
			continue;
		process_files->files = arena_grow(
			&process_files->arena, process_files->files,
			process_files->n, sizeof *process_files->files);
		file = &process_files->files[process_files->n++];
		file->path = arena_strdup(&process_files->arena, path);
		read_fdinfo(pid, e->d_name, file);
		if (identify(dirfd(dir), e->d_name, AT_STATX_DONT_SYNC, &id) ==
		    0) {
			file->dev = id.dev;
			file->ino = id.ino;
		}
		snprintf(file->link, sizeof file->link, "/proc/%ld/fd/%s",
			 (long)pid, e->d_name);
	}
	return 0;
}

/*
 * The identity of the file at the path.  Its directory is opened once for all
 * paths in it, so that each path costs one request, not one for each of its
 * parts.
 */
static int identify_path(struct process_files *process_files, const char *path,
			 struct identity *ret)
{
	const char *base = strrchr(path, '/') + 1;
	size_t n = (size_t)(base - path);

	if (!process_files->dir || strlen(process_files->dir) != n ||
	    strncmp(process_files->dir, path, n) != 0) {
		if (process_files->dir)
			close(process_files->dir_fd);
		process_files->dir = arena_printf(&process_files->arena, "%.*s",
						  (int)n, path);
		process_files->dir_fd =
			open(process_files->dir, O_PATH | O_CLOEXEC);
	}
	if (process_files->dir_fd < 0)
		return -ENOENT;
	return identify(process_files->dir_fd, base, AT_STATX_FORCE_SYNC, ret);
}

/* Which file tgtd has open for the disk at path.  *now is the identity of the
 * file at path now; r < 0: there is none. */
static enum tgtd_file compare(const struct process_files *process_files,
			      const char *path, int r,
			      const struct identity *now)
{
	enum tgtd_file found = FILE_LOST;
	struct identity id;

	for (size_t i = 0; i < process_files->n; i++) {
		const struct open_file *file = &process_files->files[i];

		if (r == 0 && file->dev == now->dev && file->ino == now->ino)
			return FILE_RIGHT;
		if (!ends_with(path, file->path))
			continue;
		/* If the path names no file, an open file that answers is the
		 * right one. */
		if (identify(AT_FDCWD, file->link, AT_STATX_FORCE_SYNC, &id) ==
		    0)
			found = r < 0 ? FILE_RIGHT : FILE_OTHER;
		else if (r == 0 && file->ino && file->ino != now->ino)
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

/* Device and state identifier are read through one descriptor, so that both
 * are of one mount. */
static void read_mount(struct process_files *process_files, struct arena *arena,
		       const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct identity id = { 0 };
	char text[64] = "";
	struct guid state;
	ssize_t n;

	process_files->mount_state = "-";
	if (fd < 0 || identify(fd, ".", AT_STATX_DONT_SYNC, &id) < 0)
		return;
	process_files->mount_dev = id.dev;
	n = fgetxattr(fd, "user.vhdfs.state", text, sizeof text);
	if (n > 0 && guid_parse(text, (size_t)n, &state) == 0)
		process_files->mount_state =
			guid_format(&state, arena_alloc(arena, GUID_TEXT_SIZE));
}

static void inspect_lun(struct process_files *process_files,
			struct tgtd_lun *lun, const char *path,
			bool files_known)
{
	struct identity now = { 0 };
	int r = identify_path(process_files, path, &now);

	if (files_known)
		lun->file = compare(process_files, path, r, &now);
	if (r == 0)
		lun->mount_state = now.dev == process_files->mount_dev
					   ? process_files->mount_state
					   : "-";
}

/* The identity of a store's file: the one that tgtd has open, else the one at
 * its path. */
static void identify_store(const struct process_files *process_files,
			   struct tgtd_backing *store)
{
	struct identity id = { 0 };

	for (size_t i = 0; i < process_files->n; i++)
		if (!strcmp(process_files->files[i].path, store->path)) {
			store->dev = process_files->files[i].dev;
			store->ino = process_files->files[i].ino;
			return;
		}
	if (identify(AT_FDCWD, store->path, AT_STATX_DONT_SYNC, &id) == 0) {
		store->dev = id.dev;
		store->ino = id.ino;
	}
}

int backing_files_inspect(const struct fleet *fleet, struct tgtd_state *live)
{
	struct process_files process_files = { 0 };
	pid_t pid;
	int r = tgtd_state_pid(live, &pid);

	if (r == 0)
		r = read_open_files(pid, &process_files);
	read_mount(&process_files, &live->arena, fleet->mount);
	for (size_t i = 0; i < live->n; i++)
		for (size_t k = 0; k < live->targets[i].n_stores; k++)
			if (live->targets[i].stores[k].path)
				identify_store(&process_files,
					       &live->targets[i].stores[k]);
	for (size_t i = 0; i < live->n; i++) {
		struct tgtd_target *t = &live->targets[i];
		const char *path = backing_files_path(fleet, t);

		if (t->lun.exists && path && *path == '/' && t->ours)
			inspect_lun(&process_files, &t->lun, path, r == 0);
	}
	if (process_files.dir && process_files.dir_fd >= 0)
		close(process_files.dir_fd);
	arena_fini(&process_files.arena);
	return r;
}

/* True if the process has that file open. */
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
			       const pid_t *except, size_t n)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	struct identity file;

	if (!proc || identify(AT_FDCWD, path, AT_STATX_FORCE_SYNC, &file) < 0)
		return NULL;
	for (struct dirent *e; (e = readdir(proc));) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (isdigit((unsigned char)*e->d_name) &&
		    !is_among(pid, except, n) && has_open(pid, path, &file))
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
	struct process_files process_files = { 0 };

	/* If it cannot be read, the process has ended. */
	(void)read_open_files(pid, &process_files);
	for (size_t i = 0; i < process_files.n; i++) {
		const struct open_file *file = &process_files.files[i];

		if (!file->writable)
			continue;
		*ret = arena_grow(arena, *ret, n, sizeof **ret);
		(*ret)[n++] = (struct backing_files_open){
			pid, arena_strdup(arena, file->path), file->dev,
			file->ino
		};
	}
	arena_fini(&process_files.arena);
	return n;
}

size_t backing_files_of_other_tgtds(struct arena *arena, const pid_t *except,
				    size_t n, struct backing_files_open **ret)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	size_t found = 0;

	*ret = NULL;
	for (struct dirent *e; proc && (e = readdir(proc));) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (isdigit((unsigned char)*e->d_name) &&
		    !is_among(pid, except, n) && is_tgtd(pid))
			found = add_open(arena, pid, found, ret);
	}
	return found;
}
