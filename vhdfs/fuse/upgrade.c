/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Upgrade: hands over a mount to another version of the program.
 *
 * ORDER of upgrade_exec:
 *
 *   1. run the installed program with --version: does it start, can its
 *      libfuse serve a mount, and does it know what is handed over?
 *   2. let the descriptors stay open across exec, and write the text
 *   3. exec; if that fails, undo 2
 */
#include "config.h"

#include "fuse/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "io/recovery.h"

#define UPGRADE_VARIABLE "VHDFS_UPGRADE"

/* The first hand-over that has "disk". */
enum { HANDOVER_OF_DISKS = 2 };

extern char **environ;

/* The path where this program was installed.  A newer one may be there now. */
static int own_path(char path[PATH_MAX])
{
	static const char gone[] = " (deleted)";
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (n < 0)
		return fail_errno(-errno, "/proc/self/exe");
	path[n] = '\0';
	if ((size_t)n > sizeof gone - 1 &&
	    !strcmp(path + n - (sizeof gone - 1), gone))
		path[n - (ssize_t)(sizeof gone - 1)] = '\0';
	return 0;
}

/* Adds the first line of a file to the last error. */
static void add_first_line(int fd)
{
	char text[256];
	ssize_t n;

	/* The program has moved the shared offset. */
	if (lseek(fd, 0, SEEK_SET) < 0)
		return;
	n = read(fd, text, sizeof text - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	error_advise("its error: %s", text);
}

/* memfd_create, or opening its descriptor, has failed with errno. */
static int fail_memfd(const char *purpose)
{
	const int r =
		fail_errno(-errno, "memfd of the %s: memfd_create", purpose);

	error_advise(
		"the mount continues with the running program; check memory and open files (ulimit -n), then reload again");
	return r;
}

/* Runs the program with --version, which also tests its libfuse; its output and
 * its errors go to these files.  *ret_status is as of waitpid.  -errno if it
 * cannot be started. */
static int run_version(char *path, int output, int errors, int *ret_status)
{
	char *argv[] = { path, "--version", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
	r = posix_spawn(&pid, path, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	while (r == 0 && waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	return -r;
}

static void note_disk(void *ctx, struct file_id file, struct file_id disk)
{
	(void)file, (void)disk;
	*(bool *)ctx = true;
}

/* Does the output of --version have the line, or is it not needed? */
static int check_handover(const char *path, int output)
{
	bool moved = false;
	char text[256];
	const char *line;
	ssize_t n = lseek(output, 0, SEEK_SET) < 0
			    ? -1
			    : read(output, text, sizeof text - 1);
	int r = recovery_each_disk(note_disk, &moved);

	if (r < 0 || !moved)
		return r;
	text[n > 0 ? n : 0] = '\0';
	line = strstr(text, "\n" UPGRADE_WORD);
	if (line && atoi(line + strlen("\n" UPGRADE_WORD)) >= HANDOVER_OF_DISKS)
		return 0;
	return fail(-EOPNOTSUPP,
		    "%s: expected a version that can take over disks of which "
		    "a snapshot was taken, found an older one; unmount, and "
		    "mount again with it",
		    path);
}

static int check_run(char *path, int output, int errors)
{
	int status = -1, r = run_version(path, output, errors, &status);

	if (r < 0)
		return fail_errno(r, "%s", path);
	if (status == 0)
		return check_handover(path, output);
	fail(-ENOEXEC, "%s: does not run", path);
	add_first_line(errors);
	return -ENOEXEC;
}

static int check_program(char *path)
{
	_cleanup_close_ int errors = memfd_create("vhdfs-version", MFD_CLOEXEC);
	_cleanup_close_ int output = memfd_create("vhdfs-version", MFD_CLOEXEC);

	if (errors < 0 || output < 0)
		return fail_memfd("output of --version");
	return check_run(path, output, errors);
}

/* Descriptors stay open across exec while a hand-over is written to f; null:
 * undo that. */
static void set_inherit(FILE *f, int fd)
{
	fcntl(fd, F_SETFD, f ? 0 : FD_CLOEXEC);
}

static void write_file(void *ctx, const struct recovery_file_info *file)
{
	FILE *f = ctx;

	set_inherit(f, file->fd);
	if (f)
		fprintf(f,
			"file %d %" PRIu64 " %" PRIu64 " %d %d %" PRIu64
			" %" PRIu64 "\n",
			file->fd, file->dev, file->ino, file->writable,
			file->failed, file->parent_dev, file->parent_ino);
}

static void write_open(void *ctx, const struct recovery_open *open)
{
	fprintf(ctx, "open %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %d\n",
		atomic_load(&open->number), open->dev, open->ino,
		open->writable, atomic_load(&open->lost));
}

static void write_disk(void *ctx, struct file_id file, struct file_id disk)
{
	fprintf(ctx, "disk %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		(uint64_t)file.dev, (uint64_t)file.ino, (uint64_t)disk.dev,
		(uint64_t)disk.ino);
}

static int write_all(FILE *f, const struct mount *mount)
{
	char deaths[WORKER_DEATHS_SIZE];
	int r;

	set_inherit(f, mount->link->fd);
	fprintf(f, "mount %d\ninit ", mount->link->fd);
	for (size_t i = 0; i < mount->link->init_len; i++)
		fprintf(f, "%02x", (unsigned char)mount->link->init[i]);
	worker_deaths_format(&mount->link->deaths, deaths);
	fprintf(f, "\nstate %s\ndeaths %s\n", mount->link->state, deaths);
	recovery_each_file(write_file, f);
	r = recovery_each_disk(write_disk, f);
	recovery_each_open(write_open, f);
	if (recovery_is_lost())
		fputs("lost\n", f);
	fputs("end\n", f);
	return r;
}

static int write_handover(const struct mount *mount, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create("vhdfs-upgrade", 0);
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	FILE *f = copy < 0 ? NULL : fdopen(copy, "w");
	char number[16];
	bool bad;

	if (!f)
		return fail_memfd("hand-over");
	bad = write_all(f, mount) < 0;
	bad |= ferror(f);
	bad |= fclose(f) != 0;
	snprintf(number, sizeof number, "%d", fd);
	if (bad || setenv(UPGRADE_VARIABLE, number, 1) < 0)
		return fail(
			-ENOMEM,
			"hand-over: writing the memfd failed; the mount continues with the running program; check memory, then reload again");
	*ret_fd = steal_fd(&fd);
	return 0;
}

static void undo_handover(const struct mount *mount)
{
	unsetenv(UPGRADE_VARIABLE);
	set_inherit(NULL, mount->link->fd);
	recovery_each_file(write_file, NULL);
}

int upgrade_exec(const struct mount *mount)
{
	const struct options *options = mount->options;
	char path[PATH_MAX];
	char *line[7] = { path, options->store, options->mountpoint }, **end;
	_cleanup_free_ char *list = NULL;
	_cleanup_close_ int fd = -1;
	struct error saved;
	int r = own_path(path);

	if (r == 0)
		r = check_program(path); /* 1 */
	if (r == 0)
		r = options_list(options, &list);
	if (r == 0)
		r = write_handover(mount, &fd); /* 2 */
	if (r == 0) {
		end = &line[3];
		if (options->foreground)
			*end++ = "-f";
		if (list)
			*end++ = "-o";
		*end = list;
		execv(path, line); /* 3 */
		r = fail_errno(-errno, "%s", path);
	}
	saved = *error_last();
	undo_handover(mount);
	error_set(&saved);
	return r;
}

bool upgrade_is_under_way(void)
{
	return getenv(UPGRADE_VARIABLE);
}

static int read_init(const char *hex, struct mount *mount)
{
	size_t n = strcspn(hex, "\n") / 2;

	if (n > sizeof mount->link->init)
		return -EPROTO;
	for (size_t i = 0; i < n; i++) {
		unsigned byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return -EPROTO;
		mount->link->init[i] = (char)byte;
	}
	mount->link->init_len = n;
	return 0;
}

/* 1 for the last line, 0 for another, -errno. */
static int read_line(const char *line, struct mount *mount)
{
	struct recovery_file_info file = { 0 };
	uint64_t number, dev, ino;
	struct guid id;
	int writable, lost = 0, r;

	if (!strcmp(line, "end\n"))
		return 1;
	if (sscanf(line, "mount %d", &mount->link->fd) == 1)
		return fcntl(mount->link->fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno
								       : 0;
	if (!strncmp(line, "init ", 5))
		return read_init(line + 5, mount);
	if (!strncmp(line, "state ", 6) &&
	    guid_parse(line + 6, strcspn(line + 6, "\n"), &id) == 0)
		guid_format(&id, mount->link->state);
	if (!strncmp(line, "deaths ", 7))
		worker_deaths_parse(line + 7, &mount->link->deaths);
	if (!strcmp(line, "lost\n"))
		recovery_set_lost();
	if (sscanf(line,
		   "file %d %" SCNu64 " %" SCNu64 " %d %d %" SCNu64 " %" SCNu64,
		   &file.fd, &file.dev, &file.ino, &writable, &file.failed,
		   &file.parent_dev, &file.parent_ino) >= 5) {
		file.writable = writable;
		fcntl(file.fd, F_SETFD, FD_CLOEXEC);
		return recovery_add_file(&file);
	}
	if (sscanf(line, "disk %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
		   &file.dev, &file.ino, &dev, &ino) == 4)
		return recovery_add_disk((struct file_id){ file.dev, file.ino },
					 (struct file_id){ dev, ino });
	if (sscanf(line, "open %" SCNu64 " %" SCNu64 " %" SCNu64 " %d %d",
		   &number, &dev, &ino, &writable, &lost) < 4)
		return 0;
	r = recovery_open_add(number, dev, ino, writable);
	if (lost)
		recovery_open_set_lost(number);
	return r < 0 ? r : 0;
}

int upgrade_resume(struct mount *mount)
{
	int fd = atoi(getenv(UPGRADE_VARIABLE)), r = 0;
	_cleanup_fclose_ FILE *f = NULL;
	char line[2 * INIT_MAX + 16];

	unsetenv(UPGRADE_VARIABLE);
	if (fd > STDERR_FILENO && lseek(fd, 0, SEEK_SET) == 0)
		f = fdopen(fd, "r");
	while (f && r == 0 && fgets(line, sizeof line, f))
		r = read_line(line, mount);
	if (r == 1 && mount->link->fd >= 0 && mount->link->init_len)
		return 0;
	return fail(r < 0 ? r : -EPROTO,
		    "%s: incomplete state from the previous version",
		    mount->options->mountpoint);
}
