/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lock holders: searches /proc and /sys. */
#include "config.h"

#include "io/holder.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

/*
 * True if descriptor fd of process pid has an OFD lock on this inode that
 * covers one of the lock bytes.  The format of a line of fdinfo is
 * "lock:\t1: OFDLCK ADVISORY  WRITE -1 fd:01:1234 100 299".
 */
static bool has_lock(const char *pid, const char *fd, const struct stat *st)
{
	_cleanup_fclose_ FILE *f =
		fopen(format_arg("/proc/%s/fdinfo/%s", pid, fd), "re");
	char line[256];

	while (f && fgets(line, sizeof line, f)) {
		unsigned long long ino, first, last;
		unsigned major, minor;
		char type[16], end[24];

		if (sscanf(line,
			   "lock: %*d: OFDLCK ADVISORY %15s %*d %x:%x:%llu %llu %23s",
			   type, &major, &minor, &ino, &first, end) != 6)
			continue;
		last = strcmp(end, "EOF") ? strtoull(end, NULL, 10)
					  : UINT64_MAX;
		if (ino == st->st_ino && makedev(major, minor) == st->st_dev &&
		    first < LOCK_FIRST + LOCK_COUNT && last >= LOCK_FIRST)
			return true;
	}
	return false;
}

static bool is_file(const char *path, const struct stat *st)
{
	struct stat other;

	return stat(path, &other) == 0 && other.st_dev == st->st_dev &&
	       other.st_ino == st->st_ino;
}

/* True if descriptor fd of process pid is the file, open for writing. */
static bool is_writer(const char *pid, const char *fd, const struct stat *st)
{
	_cleanup_fclose_ FILE *f = NULL;
	char line[64];
	unsigned flags;

	if (!is_file(format_arg("/proc/%s/fd/%s", pid, fd), st))
		return false;
	f = fopen(format_arg("/proc/%s/fdinfo/%s", pid, fd), "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "flags: %o", &flags) == 1)
			return (flags & O_ACCMODE) != O_RDONLY;
	return false;
}

typedef bool matches_function(const char *pid, const char *fd,
			      const struct stat *st);

/* True if a descriptor of process pid matches, other than own_fd of this
 * process. */
static bool process_matches(const char *pid, int own_fd, const struct stat *st,
			    matches_function *matches)
{
	_cleanup_closedir_ DIR *dir = opendir(format_arg("/proc/%s/fd", pid));
	bool self = strtol(pid, NULL, 10) == (long)getpid();

	for (struct dirent *de; dir && (de = readdir(dir));)
		if (isdigit((unsigned char)de->d_name[0]) &&
		    !(self && atoi(de->d_name) == own_fd) &&
		    matches(pid, de->d_name, st))
			return true;
	return false;
}

/* Reads the first line of a file, "" if it does not exist. */
static void read_line(const char *path, char *line, int size)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	if (!f || !fgets(line, size, f))
		*line = '\0';
	line[strcspn(line, "\n")] = '\0';
}

/* A service manager has copies of its services' descriptors (FDSTORE). */
static bool is_service_manager(const char *pid)
{
	return !strcmp(pid, "1");
}

/* Names the first process that matches.  The service manager is named only if
 * no other process matches. */
static void find_process(int fd, matches_function *matches, char *name,
			 size_t size)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc");
	struct stat st;

	*name = '\0';
	if (!dir || fstat(fd, &st) < 0)
		return;
	for (struct dirent *de; (de = readdir(dir));) {
		char comm[64];

		if (!isdigit((unsigned char)de->d_name[0]) ||
		    !process_matches(de->d_name, fd, &st, matches))
			continue;
		read_line(format_arg("/proc/%s/comm", de->d_name), comm,
			  sizeof comm);
		snprintf(name, size, " by %s (process %s)", *comm ? comm : "?",
			 de->d_name);
		if (!is_service_manager(de->d_name))
			return;
	}
}

void holder_of_locks(int fd, char *name, size_t size)
{
	find_process(fd, has_lock, name, size);
}

/* Names a writable loop device whose backing file this is: the kernel has that
 * open, without a process. */
static void find_loop_device(int fd, char *name, size_t size)
{
	_cleanup_closedir_ DIR *dir = opendir("/sys/block");
	struct stat st;

	if (!dir || fstat(fd, &st) < 0)
		return;
	for (struct dirent *de; (de = readdir(dir));) {
		char file[4096], read_only[4];

		read_line(format_arg("/sys/block/%s/loop/backing_file",
				     de->d_name),
			  file, sizeof file);
		read_line(format_arg("/sys/block/%s/ro", de->d_name), read_only,
			  sizeof read_only);
		if (!*file || !strcmp(read_only, "1") || !is_file(file, &st))
			continue;
		snprintf(name, size, " by loop device /dev/%s", de->d_name);
		return;
	}
}

void holder_of_writes(int fd, char *name, size_t size)
{
	find_process(fd, is_writer, name, size);
	if (!*name)
		find_loop_device(fd, name, size);
}
