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
 * request to the file system.
 *
 * Each request to the mount costs two context switches.  So the numbers of the
 * files at the paths are read from the lists of their directories, many in one
 * request.  A list may be older than a file that was replaced a moment ago, so
 * a path is asked for its file if that is not the open one.  And an open file
 * is asked for its identity only if its device and inode differ from those of
 * the file at its path: two files of one device are of one mount, which has
 * answered.
 */
#include "config.h"

#include "tgt-glue/tgtd/backing-files.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/guid.h"
#include "store/image-names.h"

/* A directory of the fleet's paths, and of its list the files. */
struct directory {
	const char *path; /* with its last slash */
	int fd;           /* or -1 */
	dev_t dev;
	struct index names; /* of inodes */
	ino_t *inodes;
	size_t n;
};

/* The files of tgtd, and what the fleet's paths name. */
struct inspection {
	const struct fleet *fleet;
	struct open_files files;
	struct index paths; /* of files */
	struct directory *dirs;
	size_t n_dirs;
	/* The fleet's mount: its device; its state identifier, or "-". */
	dev_t mount_dev;
	const char *mount_state;
};

/* AT_STATX_FORCE_SYNC sends a request to the file system, AT_STATX_DONT_SYNC
 * uses the kernel's cache. */
int file_identify(int dir, const char *path, int flags, struct file_id *ret)
{
	struct statx st;

	if (statx(dir, path, flags, STATX_INO, &st) < 0)
		return -errno;
	ret->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
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
static void read_fdinfo(const char *fd, struct open_file *file)
{
	_cleanup_fclose_ FILE *f = NULL;
	char name[300], line[256];
	unsigned flags = 0;

	snprintf(name, sizeof name, "/proc/%ld/fdinfo/%s", (long)file->pid, fd);
	f = fopen(name, "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "flags: %o", &flags) != 1 &&
		    sscanf(line, "ino: %" SCNu64, &file->id.ino) == 1)
			break;
	file->writable = (flags & O_ACCMODE) != O_RDONLY;
}

/* True if path ends with end. */
static bool ends_with(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return m <= n && !strcmp(path + n - m, end);
}

/* Adds the files that the process has open: all, or only those with a path that
 * is the end of path.  modes: sets writable. */
static int read_open_files(pid_t pid, const char *path, bool modes,
			   struct open_files *files)
{
	const char *name =
		arena_printf(&files->arena, "/proc/%ld/fd", (long)pid);
	_cleanup_closedir_ DIR *dir = opendir(name);
	char found[4096];

	if (!dir)
		return fail_errno(-errno, "tgtd: its open files (process %ld)",
				  (long)pid);
	for (struct dirent *e; (e = readdir(dir));) {
		struct open_file *file;
		struct file_id id;
		int r;

		if (!read_link(dirfd(dir), e->d_name, found, sizeof found) ||
		    (path && !ends_with(path, found)))
			continue;
		files->v = arena_grow(&files->arena, files->v, files->n,
				      sizeof *files->v);
		file = &files->v[files->n++];
		file->pid = pid;
		file->path = arena_strdup(&files->arena, found);
		file->link =
			arena_printf(&files->arena, "%s/%s", name, e->d_name);
		r = file_identify(AT_FDCWD, file->link, AT_STATX_DONT_SYNC,
				  &id);
		if (r < 0 || modes)
			read_fdinfo(e->d_name, file);
		if (r == 0)
			file->id = id;
	}
	return 0;
}

static void read_list(struct inspection *in, struct directory *dir)
{
	struct arena *arena = &in->files.arena;
	_cleanup_closedir_ DIR *entries = opendir(dir->path);
	struct file_id id;

	if (!entries || file_identify(dirfd(entries), ".", 0, &id) < 0)
		return;
	dir->dev = id.dev;
	for (struct dirent *e; (e = readdir(entries));) {
		if (e->d_type != DT_REG)
			continue;
		dir->inodes = arena_grow(arena, dir->inodes, dir->n,
					 sizeof *dir->inodes);
		dir->inodes[dir->n] = e->d_ino;
		index_add(arena, &dir->names, arena_strdup(arena, e->d_name),
			  dir->n++);
	}
}

/* The directory of the path.  It is opened once for all paths in it, so that
 * each path costs one request, not one for each of its parts. */
static struct directory *directory_of(struct inspection *in, const char *path)
{
	const size_t n = (size_t)(strrchr(path, '/') + 1 - path);
	struct directory *dir;

	for (size_t i = 0; i < in->n_dirs; i++)
		if (!strncmp(in->dirs[i].path, path, n) && !in->dirs[i].path[n])
			return &in->dirs[i];
	in->dirs = arena_grow(&in->files.arena, in->dirs, in->n_dirs,
			      sizeof *in->dirs);
	dir = &in->dirs[in->n_dirs++];
	dir->path = arena_printf(&in->files.arena, "%.*s", (int)n, path);
	dir->fd = open(dir->path, O_PATH | O_CLOEXEC);
	/* Another directory may have many other files. */
	if (fleet_mount_has(in->fleet, path))
		read_list(in, dir);
	return dir;
}

/* Has the list of its directory this file at the path? */
static bool is_listed(const struct directory *dir, const char *path,
		      const struct file_id *id)
{
	const size_t at = index_find(&dir->names, strrchr(path, '/') + 1);

	return at != NOT_FOUND && dir->dev == id->dev &&
	       dir->inodes[at] == id->ino;
}

/* Identifies the file at the path. */
static int identify_path(const struct directory *dir, const char *path,
			 struct file_id *ret)
{
	return dir->fd < 0 ? -ENOENT
			   : file_identify(dir->fd, strrchr(path, '/') + 1,
					   AT_STATX_FORCE_SYNC, ret);
}

/* Which file tgtd has open for the disk at path.  *now is the file at path now;
 * r < 0: there is none. */
static enum tgtd_file compare(const struct open_files *files, const char *path,
			      int r, const struct file_id *now)
{
	enum tgtd_file found = FILE_LOST;
	struct file_id id;

	for (size_t i = 0; i < files->n; i++) {
		const struct open_file *file = &files->v[i];

		if (r == 0 && file_id_equal(file->id, *now))
			return FILE_RIGHT;
		if (!ends_with(path, file->path))
			continue;
		/* If the path names no file, an open file that answers is the
		 * right one. */
		if (file_identify(AT_FDCWD, file->link, AT_STATX_FORCE_SYNC,
				  &id) == 0)
			found = r < 0 ? FILE_RIGHT : FILE_OTHER;
		else if (r == 0 && file->id.ino && file->id.ino != now->ino)
			found = FILE_OTHER;
	}
	return found;
}

const char *backing_files_path(const struct fleet *fleet,
			       const struct tgtd_target *target,
			       const struct tgtd_lun *lun)
{
	const struct client *client;
	const struct disk *disk;

	if (lun->path)
		return lun->path;
	client = fleet_client_by_iqn(fleet, target->name);
	disk = client ? client_lun(client, lun->number) : NULL;
	return disk ? disk->view : NULL;
}

/* Device and state identifier are read through one descriptor, so that both
 * are of one mount. */
static void read_mount(struct inspection *in, struct arena *arena,
		       const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct file_id id = { 0 };
	char text[64] = "";
	struct guid state;
	ssize_t n;

	in->mount_state = "-";
	if (fd < 0 || file_identify(fd, ".", AT_STATX_DONT_SYNC, &id) < 0)
		return;
	in->mount_dev = id.dev;
	n = fgetxattr(fd, "user.vhdfs.state", text, sizeof text);
	if (n > 0 && guid_parse(text, (size_t)n, &state) == 0)
		in->mount_state =
			guid_format(&state, arena_alloc(arena, GUID_TEXT_SIZE));
}

/* The first of tgtd's open files that has the path, or null. */
static const struct open_file *find_open(const struct inspection *in,
					 const char *path)
{
	const size_t at = path ? index_find(&in->paths, path) : NOT_FOUND;

	return at == NOT_FOUND ? NULL : &in->files.v[at];
}

/* May other LUNs have the file of this one? */
static bool is_shared(const struct inspection *in,
		      const struct tgtd_target *target,
		      const struct tgtd_lun *lun)
{
	const struct client *client =
		fleet_client_by_iqn(in->fleet, target->name);
	const struct disk *disk =
		client ? client_lun(client, lun->number) : NULL;

	return disk && !disk->child;
}

static void inspect_lun(struct inspection *in, const struct tgtd_target *target,
			struct tgtd_lun *lun, const char *path,
			bool files_known)
{
	const struct directory *dir = directory_of(in, path);
	const struct open_file *file = find_open(in, path);
	struct file_id now = { 0 };
	int r = 0;

	if (file && is_listed(dir, path, &file->id)) {
		now = file->id;
		lun->file = FILE_RIGHT;
	} else {
		r = identify_path(dir, path, &now);
		if (files_known)
			lun->file = compare(&in->files, path, r, &now);
	}
	if (r < 0)
		return;
	lun->mount_state = now.dev == in->mount_dev ? in->mount_state : "-";
	if (is_shared(in, target, lun))
		lun->shared = now.ino;
}

/* The LUN's file: the one that tgtd has open, else the one at its path. */
static void identify_file(const struct inspection *in, struct tgtd_lun *lun)
{
	const struct open_file *file = find_open(in, lun->path);

	if (file)
		lun->id = file->id;
	else if (lun->path)
		(void)file_identify(AT_FDCWD, lun->path, AT_STATX_DONT_SYNC,
				    &lun->id);
}

int backing_files_inspect(const struct fleet *fleet, struct tgtd_state *live)
{
	struct inspection in = { .fleet = fleet };
	pid_t pid;
	int r = tgtd_state_pid(live, &pid);

	if (r == 0)
		r = read_open_files(pid, NULL, false, &in.files);
	for (size_t i = 0; i < in.files.n; i++)
		index_add(&in.files.arena, &in.paths, in.files.v[i].path, i);
	read_mount(&in, &live->arena, fleet->mount);
	for (size_t i = 0; i < live->n; i++) {
		const struct tgtd_target *t = &live->targets[i];

		for (size_t k = 0; k < t->n_luns; k++) {
			struct tgtd_lun *lun = &t->luns[k];
			const char *path = backing_files_path(fleet, t, lun);

			identify_file(&in, lun);
			if (path && *path == '/' && t->ours)
				inspect_lun(&in, t, lun, path, r == 0);
		}
	}
	for (size_t i = 0; i < in.n_dirs; i++)
		if (in.dirs[i].fd >= 0)
			close(in.dirs[i].fd);
	arena_fini(&in.files.arena);
	return r;
}

/* True if the process has that file open. */
static bool has_open(pid_t pid, const char *path, const struct file_id *id)
{
	struct open_files files = { 0 };
	bool found = false;

	/* If they cannot be read, the process has ended. */
	(void)read_open_files(pid, path, false, &files);
	for (size_t i = 0; i < files.n; i++)
		found = found || file_id_equal(files.v[i].id, *id);
	arena_fini(&files.arena);
	return found;
}

/* The name of the process's program; "" if it has ended. */
static void read_name(pid_t pid, char name[64])
{
	_cleanup_fclose_ FILE *f = NULL;
	char file[64];

	snprintf(file, sizeof file, "/proc/%ld/comm", (long)pid);
	f = fopen(file, "re");
	if (!f || !fgets(name, 64, f))
		*name = '\0';
	name[strcspn(name, "\n")] = '\0';
}

/* The next process that is none of the n given ones; 0: there is none. */
static pid_t next_process(DIR *proc, const pid_t *except, size_t n)
{
	for (struct dirent *e; proc && (e = readdir(proc));) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		size_t i = 0;

		while (i < n && except[i] != pid)
			i++;
		if (pid > 0 && i == n)
			return pid;
	}
	return 0;
}

const char *backing_files_user(struct arena *arena, const char *path,
			       const pid_t *except, size_t n)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	struct file_id id = { 0 };
	char name[64];

	if (file_identify(AT_FDCWD, path, AT_STATX_FORCE_SYNC, &id) < 0)
		return NULL;
	for (pid_t pid; (pid = next_process(proc, except, n));)
		if (has_open(pid, path, &id)) {
			read_name(pid, name);
			return arena_printf(arena, "%s (process %ld)", name,
					    (long)pid);
		}
	return NULL;
}

static void add_names(pid_t pid, struct arena *arena, struct index *names)
{
	char name[64], path[4096];
	_cleanup_closedir_ DIR *dir = NULL;

	snprintf(name, sizeof name, "/proc/%ld/fd", (long)pid);
	dir = opendir(name);
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (read_link(dirfd(dir), e->d_name, path, sizeof path) &&
		    ends_with(path, NAME_VIEW_SUFFIX))
			index_add(arena, names,
				  arena_strdup(arena, name_last(path)), 0);
}

void backing_files_names(const pid_t *except, size_t n, struct arena *arena,
			 struct index *ret)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");

	*ret = (struct index){ 0 };
	for (pid_t pid; (pid = next_process(proc, except, n));)
		add_names(pid, arena, ret);
}

void backing_files_of_other_tgtds(const pid_t *except, size_t n,
				  struct open_files *ret)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	char name[64];

	for (pid_t pid; (pid = next_process(proc, except, n));) {
		read_name(pid, name);
		/* If they cannot be read, the process has ended. */
		if (!strcmp(name, "tgtd"))
			(void)read_open_files(pid, NULL, true, ret);
	}
}
