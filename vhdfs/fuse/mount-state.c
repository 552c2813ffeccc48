/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State identifier of a mount, and the file that saves it for the next mount.
 */
#include "config.h"

#include "fuse/mount-state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define DIRECTORY "/run/vhdfs"

void mount_state_new(char ret[STATE_SIZE])
{
	struct guid id = guid_random();

	guid_format(&id, ret);
}

/* The file's name: the mount point with slashes and percent signs escaped.
 * False if it is too long. */
static bool file_name(const char *point, char ret[NAME_MAX + 1])
{
	size_t n = 0;

	for (; *point && n + sizeof "%2F" <= NAME_MAX; point++) {
		if (*point == '/' || *point == '%')
			n += (size_t)sprintf(ret + n, "%%%02X", *point);
		else
			ret[n++] = *point;
	}
	ret[n] = '\0';
	return !*point;
}

/* Opens the directory, and sets name to that of the mount point's file.  -1 if
 * it does not exist, if another user can write to it, or if the name is too
 * long. */
static int open_directory(const char *point, char name[NAME_MAX + 1])
{
	_cleanup_close_ int fd = open(
		DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
	    st.st_mode & 022 || !file_name(point, name))
		return -1;
	return steal_fd(&fd);
}

/* The file has the identifier, a newline, and the store's path, which may
 * contain newlines. */
static bool read_file(int dir, const char *name, const char *store,
		      char ret[STATE_SIZE])
{
	_cleanup_close_ int fd =
		openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[STATE_SIZE + PATH_MAX];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	struct guid id;

	if (n < STATE_SIZE)
		return false;
	text[n] = '\0';
	if (text[STATE_SIZE - 1] != '\n' ||
	    strcmp(text + STATE_SIZE, store) != 0 ||
	    guid_parse(text, STATE_SIZE - 1, &id) < 0)
		return false;
	guid_format(&id, ret);
	return true;
}

void mount_state_take(const char *store, const char *point,
		      char ret[STATE_SIZE])
{
	char name[NAME_MAX + 1];
	_cleanup_close_ int dir = open_directory(point, name);
	bool found;

	mount_state_new(ret);
	if (dir < 0)
		return;
	found = read_file(dir, name, store, ret);
	/* Another mount could take the same file again. */
	if (unlinkat(dir, name, 0) < 0 && found)
		mount_state_new(ret);
	rmdir(DIRECTORY);
}

bool mount_state_forget(const char *point)
{
	char name[NAME_MAX + 1];
	_cleanup_close_ int dir = open_directory(point, name);

	return dir < 0 || unlinkat(dir, name, 0) == 0 || errno == ENOENT;
}

static bool write_file(int dir, const char *name, const char *store,
		       const char *state)
{
	_cleanup_close_ int fd = openat(
		dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd >= 0 && dprintf(fd, "%s\n%s", state, store) > 0;
}

void mount_state_save(const char *store, const char *point, const char *state)
{
	char name[NAME_MAX + 1], file[] = ".draft";
	_cleanup_close_ int dir = -1;

	if (mkdir(DIRECTORY, 0700) == 0 || errno == EEXIST)
		dir = open_directory(point, name);
	if (dir < 0)
		return;
	unlinkat(dir, file, 0);
	if (!write_file(dir, file, store, state) ||
	    renameat(dir, file, dir, name) < 0)
		unlinkat(dir, file, 0);
}
