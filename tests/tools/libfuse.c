/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libfuse.so: a libfuse that refuses to serve on a descriptor.  For tests:
 *
 *     REFUSE=custom_io LD_PRELOAD=.../libfuse.so PROGRAM...
 *
 * REFUSE=custom_io: fuse_session_custom_io answers ENOTSUP, as libfuse 3.18
 * does.  REFUSE=mount: fuse_session_mount refuses /dev/fd/N in that way, too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* As in fuse_lowlevel.h, whose types differ between the versions. */
int fuse_session_custom_io(void *session, const void *io, int fd);
int fuse_session_mount(void *session, const char *mountpoint);

int fuse_session_custom_io(void *session, const void *io, int fd)
{
	(void)session;
	(void)io;
	(void)fd;
	return -ENOTSUP;
}

int fuse_session_mount(void *session, const char *mountpoint)
{
	int (*next)(void *, const char *) =
		(int (*)(void *, const char *))dlsym(RTLD_NEXT,
						     "fuse_session_mount");
	const char *refuse = getenv("REFUSE");

	if (refuse && !strcmp(refuse, "mount") &&
	    !strncmp(mountpoint, "/dev/fd/", 8)) {
		errno = ENOTSUP;
		return -1;
	}
	return next(session, mountpoint);
}
