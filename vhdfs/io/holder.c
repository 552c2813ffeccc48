/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Holders: looked for in /proc. */
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

/*
 * Is there, in an fdinfo file, an OFD lock on this inode that covers a byte
 * from 100 to 299?  Its lines look like
 * "lock:\t1: OFDLCK ADVISORY  WRITE -1 fd:01:1234 100 299".
 */
static bool fdinfo_has_lock(const char *path, const struct stat *st)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
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

/* Does process pid hold a lock on this inode through a descriptor not ours? */
static bool process_holds(const char *pid, const struct stat *st, int but_fd)
{
	char path[600];
	_cleanup_closedir_ DIR *dir = NULL;
	bool self = strtol(pid, NULL, 10) == (long)getpid();

	snprintf(path, sizeof path, "/proc/%s/fdinfo", pid);
	dir = opendir(path);
	for (struct dirent *de; dir && (de = readdir(dir));) {
		if (!isdigit((unsigned char)de->d_name[0]) ||
		    (self && atoi(de->d_name) == but_fd))
			continue;
		snprintf(path, sizeof path, "/proc/%s/fdinfo/%s", pid,
			 de->d_name);
		if (fdinfo_has_lock(path, st))
			return true;
	}
	return false;
}

/* Does process pid have the file open for writing? */
static bool process_writes(const char *pid, const struct stat *st, int but_fd)
{
	char path[600], line[64];
	_cleanup_closedir_ DIR *dir = NULL;
	struct stat other;

	(void)but_fd;
	snprintf(path, sizeof path, "/proc/%s/fd", pid);
	dir = opendir(path);
	for (struct dirent *de; dir && (de = readdir(dir));) {
		_cleanup_fclose_ FILE *f = NULL;
		unsigned flags;

		if (!isdigit((unsigned char)de->d_name[0]) ||
		    fstatat(dirfd(dir), de->d_name, &other, 0) < 0 ||
		    other.st_dev != st->st_dev || other.st_ino != st->st_ino)
			continue;
		snprintf(path, sizeof path, "/proc/%s/fdinfo/%s", pid,
			 de->d_name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof line, f))
			if (sscanf(line, "flags: %o", &flags) == 1 &&
			    (flags & O_ACCMODE) != O_RDONLY)
				return true;
	}
	return false;
}

/* A service manager has copies of its services' descriptors (FDSTORE). */
static bool may_be_manager(const char *pid)
{
	return !strcmp(pid, "1");
}

/* The first process of /proc to which that applies; the manager is named only
 * where it is the only one. */
static void find_process(int fd,
			 bool (*is)(const char *pid, const struct stat *st,
				    int but_fd),
			 char *who, size_t who_size)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc");
	struct stat st;

	*who = '\0';

	if (!dir || fstat(fd, &st) < 0)
		return;
	for (struct dirent *de; (de = readdir(dir));) {
		char path[600], comm[64] = "?";
		_cleanup_fclose_ FILE *f = NULL;

		if (!isdigit((unsigned char)de->d_name[0]) ||
		    !is(de->d_name, &st, fd))
			continue;
		snprintf(path, sizeof path, "/proc/%s/comm", de->d_name);
		f = fopen(path, "re");
		if (f && fgets(comm, sizeof comm, f))
			comm[strcspn(comm, "\n")] = '\0';
		snprintf(who, who_size, "%s (process %s)", comm, de->d_name);
		if (!may_be_manager(de->d_name))
			return;
	}
}

/* F_OFD_GETLK names no process; /proc does, for those on this host. */
void holder_of_locks(int fd, char *who, size_t who_size)
{
	find_process(fd, process_holds, who, who_size);
}

/* The first line of a file in /sys, "" where there is none. */
static void read_line(const char *path, char *line, int size)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	if (!f || !fgets(line, size, f))
		*line = '\0';
	line[strcspn(line, "\n")] = '\0';
}

/* The kernel itself has files open: those of loop devices. */
static void find_loop(int fd, char *who, size_t who_size)
{
	_cleanup_closedir_ DIR *dir = opendir("/sys/block");
	struct stat st, backing;

	if (!dir || fstat(fd, &st) < 0)
		return;
	for (struct dirent *de; (de = readdir(dir));) {
		char path[300], file[4096], read_only[4];

		snprintf(path, sizeof path, "/sys/block/%s/loop/backing_file",
			 de->d_name);
		read_line(path, file, sizeof file);
		snprintf(path, sizeof path, "/sys/block/%s/ro", de->d_name);
		read_line(path, read_only, sizeof read_only);
		if (!*file || !strcmp(read_only, "1") ||
		    stat(file, &backing) < 0 || backing.st_dev != st.st_dev ||
		    backing.st_ino != st.st_ino)
			continue;
		snprintf(who, who_size, "loop device /dev/%s", de->d_name);
		return;
	}
}

void holder_of_writes(int fd, char *who, size_t who_size)
{
	find_process(fd, process_writes, who, who_size);
	if (!*who)
		find_loop(fd, who, who_size);
}
