/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mount point: checks what is mounted there, and locks it while mounting.
 *
 * statx tells the ID of the topmost mount on a directory.  /proc/self/mountinfo
 * (proc(5)) has a line for each mount:
 *
 *     ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS
 *
 * A space, tab, newline, backslash or # in a path is written as a backslash and
 * three octal digits.
 */
#define _GNU_SOURCE
#include "config.h"

#include "fuse/mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "fuse/end-signal.h"

enum {
	LOCK_TRY_MS = 20,
	/* A mount takes a moment; another kind of program holds a lock for so
	 * long. */
	LOCK_WAIT_MS = 60000,
};

struct mounted {
	char *type;   /* owned */
	char *source; /* owned */
	bool read_only;
};

static void mounted_fini(struct mounted *mounted)
{
	free(mounted->type);
	free(mounted->source);
}

/* Three octal digits after a backslash become the byte. */
static void decode(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		unsigned byte;
		int n = 0;

		if (*p == '\\' && sscanf(p + 1, "%3o%n", &byte, &n) == 1 &&
		    n == 3) {
			*to++ = (char)byte;
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

/* 1 if this is the line of mount id, and *ret is set; else 0. */
static int parse_line(const char *line, uint64_t id, struct mounted *ret)
{
	const char *rest = strstr(line, " - ");
	char options[4];
	uint64_t found;

	if (!rest ||
	    sscanf(line, "%" SCNu64 " %*s %*s %*s %*s %3s", &found, options) !=
		    2 ||
	    found != id ||
	    sscanf(rest, " - %ms %ms", &ret->type, &ret->source) != 2)
		return 0;
	decode(ret->source);
	ret->read_only = !strncmp(options, "ro", 2);
	return 1;
}

/* As parse_line, for all lines; -errno. */
static int find_mount(uint64_t id, struct mounted *ret)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int r = 0;

	if (!f)
		return fail_errno(-errno, "/proc/self/mountinfo");
	while (r == 0 && getline(&line, &size, f) > 0)
		r = parse_line(line, id, ret);
	return r;
}

/* 1 if something is mounted on the directory, and *ret is set; 0; -errno. */
static int find_topmost(const char *point, struct mounted *ret)
{
	struct statx stx = { 0 };

	/* DONT_SYNC: the kernel does not send a request to the worker. */
	if (statx(AT_FDCWD, point, AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0)
		return fail_errno(-errno, "%s", point);
	if (!(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) ||
	    !(stx.stx_mask & STATX_MNT_ID))
		return 0;
	return find_mount(stx.stx_mnt_id, ret);
}

static bool is_same_directory(const char *a, const char *b)
{
	struct stat st_a, st_b;

	return !strcmp(a, b) ||
	       (stat(a, &st_a) == 0 && stat(b, &st_b) == 0 &&
		st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino);
}

/* A vhdfs is mounted there: returns which error that is. */
static int mounted_error(const struct options *o, const struct mounted *mounted)
{
	const char *root = o->store, *point = o->mountpoint;
	struct stat st;

	if (stat(point, &st) < 0 && errno == ENOTCONN)
		return fail(
			-ENOTCONN,
			"%s: the vhdfs process of %s, which is mounted there, has died; type `umount -l %s' first",
			point, mounted->source, shell_word(point));
	if (!is_same_directory(mounted->source, root))
		return fail(
			-EBUSY,
			"%s: another store is mounted there: expected %s, found %s; use another directory, or type `umount %s' first",
			point, root, mounted->source, shell_word(point));
	if (mounted->read_only != o->read_only)
		return fail(
			-EBUSY,
			"%s: the store is mounted there already: expected %s, found %s; type `umount %s' first",
			point, o->read_only ? "ro" : "rw",
			mounted->read_only ? "ro" : "rw", shell_word(point));
	return fail(-EALREADY, "%s: %s is mounted there already; nothing to do",
		    point, mounted->source);
}

int mountpoint_check(const struct options *options)
{
	struct mounted mounted = { 0 };
	int r = find_topmost(options->mountpoint, &mounted);

	if (r > 0)
		r = strcmp(mounted.type, "fuse.vhdfs") != 0
			    ? 0
			    : mounted_error(options, &mounted);
	mounted_fini(&mounted);
	return r;
}

bool mountpoint_is_mounted(const struct options *options)
{
	struct mounted mounted = { 0 };
	bool is = find_topmost(options->mountpoint, &mounted) > 0 &&
		  !strcmp(mounted.type, "fuse.vhdfs") &&
		  !strcmp(mounted.source, options->store);

	mounted_fini(&mounted);
	return is;
}

void mountpoint_clear_dead(const struct options *options)
{
	struct stat st;

	if (mountpoint_is_mounted(options) &&
	    stat(options->mountpoint, &st) < 0 &&
	    (errno == ENOTCONN || errno == ECONNABORTED))
		umount2(options->mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW);
}

int mountpoint_lock(const char *point, int *ret_fd)
{
	static const struct timespec pause = { .tv_nsec =
						       LOCK_TRY_MS * 1000000L };
	_cleanup_close_ int fd =
		open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int waited = 0;

	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			/* This file system does not lock directories. */
			close(steal_fd(&fd));
			break;
		}
		if (pending_end_signal())
			return fail(-ECANCELED, "%s: interrupted by a signal",
				    point);
		if (waited >= LOCK_WAIT_MS)
			return fail(
				-EBUSY,
				"%s: another program has held a lock on the directory for %d s; end that program",
				point, LOCK_WAIT_MS / 1000);
		nanosleep(&pause, NULL);
		waited += LOCK_TRY_MS;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}
