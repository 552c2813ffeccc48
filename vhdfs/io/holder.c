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

/*
 * True if an fdinfo file lists an OFD lock on this inode that covers one of the
 * lock bytes.  The format of a line is
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

/* True if process pid has this inode locked through another descriptor than
 * own_fd of this process. */
static bool process_locks(const char *pid, const struct stat *st, int own_fd)
{
	char path[600];
	_cleanup_closedir_ DIR *dir = NULL;
	bool self = strtol(pid, NULL, 10) == (long)getpid();

	snprintf(path, sizeof path, "/proc/%s/fdinfo", pid);
	dir = opendir(path);
	for (struct dirent *de; dir && (de = readdir(dir));) {
		if (!isdigit((unsigned char)de->d_name[0]) ||
		    (self && atoi(de->d_name) == own_fd))
			continue;
		snprintf(path, sizeof path, "/proc/%s/fdinfo/%s", pid,
			 de->d_name);
		if (fdinfo_has_lock(path, st))
			return true;
	}
	return false;
}

/* True if process pid has the file open for writing. */
static bool process_writes(const char *pid, const struct stat *st, int own_fd)
{
	char path[600], line[64];
	_cleanup_closedir_ DIR *dir = NULL;
	struct stat other;

	(void)own_fd;
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
static bool is_service_manager(const char *pid)
{
	return !strcmp(pid, "1");
}

/* Names the first process that matches.  The service manager is named only if
 * no other process matches. */
static void find_process(int fd,
			 bool (*matches)(const char *pid, const struct stat *st,
					 int own_fd),
			 char *name, size_t size)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc");
	struct stat st;

	*name = '\0';
	if (!dir || fstat(fd, &st) < 0)
		return;
	for (struct dirent *de; (de = readdir(dir));) {
		char path[600], comm[64] = "?";
		_cleanup_fclose_ FILE *f = NULL;

		if (!isdigit((unsigned char)de->d_name[0]) ||
		    !matches(de->d_name, &st, fd))
			continue;
		snprintf(path, sizeof path, "/proc/%s/comm", de->d_name);
		f = fopen(path, "re");
		if (f && fgets(comm, sizeof comm, f))
			comm[strcspn(comm, "\n")] = '\0';
		snprintf(name, size, "%s (process %s)", comm, de->d_name);
		if (!is_service_manager(de->d_name))
			return;
	}
}

void holder_of_locks(int fd, char *name, size_t size)
{
	find_process(fd, process_locks, name, size);
}

/* Reads the first line of a file, "" if it does not exist. */
static void read_line(const char *path, char *line, int size)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	if (!f || !fgets(line, size, f))
		*line = '\0';
	line[strcspn(line, "\n")] = '\0';
}

/* Names a writable loop device whose backing file this is: the kernel has that
 * open, without a process. */
static void find_loop_device(int fd, char *name, size_t size)
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
		snprintf(name, size, "loop device /dev/%s", de->d_name);
		return;
	}
}

void holder_of_writes(int fd, char *name, size_t size)
{
	find_process(fd, process_writes, name, size);
	if (!*name)
		find_loop_device(fd, name, size);
}
