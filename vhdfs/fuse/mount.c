/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mount: see mount.h for the order of steps. */
#include "config.h"

#include "fuse/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "fuse/mountpoint.h"
#include "fuse/options.h"
#include "io/rootdir.h"

/* Linux 6.9; older headers do not define these. */
#ifndef FUSE_HAS_RESEND
#define FUSE_HAS_RESEND (1ULL << 39)
#endif
#ifndef FUSE_INIT_EXT
#define FUSE_INIT_EXT (1 << 30)
#endif

extern char **environ;

/* *ret: the list of options for libfuse. */
static int list_options(const struct options *o, char **ret)
{
	_cleanup_free_ char *list = NULL;
	int r = options_add(&list, "fsname=%s", o->store);

	if (r == 0)
		r = options_add(&list, "subtype=vhdfs");
	if (r == 0)
		r = options_add(&list, "default_permissions");
	if (r == 0 && o->mount && fuse_opt_add_opt(&list, o->mount) < 0)
		r = fail(-ENOMEM, "out of memory");
	if (r == 0)
		*ret = steal(list);
	return r;
}

/* libfuse's messages: errors and warnings become error_text(), others go to the
 * log. */
static void on_libfuse_message(enum fuse_log_level level, const char *fmt,
			       va_list ap)
{
	char line[512];
	int n = vsnprintf(line, sizeof line, fmt, ap);

	while (n > 0 && (size_t)n < sizeof line && line[n - 1] == '\n')
		line[--n] = '\0';
	if (level > FUSE_LOG_WARNING)
		log_debug("%s", line);
	else
		fail(-EIO, "%s", line);
}

/* A session with the mount's options, not mounted; null with error_text(). */
static struct fuse_session *new_session(const struct mount *mount,
					const struct fuse_lowlevel_ops *ops)
{
	_cleanup_free_ char *list = NULL;
	int r = list_options(mount->options, &list);
	char *argv[] = { "vhdfs", "-o", list, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	struct fuse_session *session;

	if (r < 0)
		return NULL;
	/* The default message, if libfuse gives none. */
	fail(-EIO, "%s: libfuse refuses the options %s",
	     mount->options->mountpoint, list);
	fuse_set_log_func(on_libfuse_message);
	session = fuse_session_new(&args, ops, sizeof *ops, NULL);
	fuse_opt_free_args(&args);
	return session;
}

int mount_session_on(const struct mount *mount, int fd,
		     const struct fuse_lowlevel_ops *ops,
		     struct fuse_session **ret)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	struct fuse_session *session;
	char path[32];
	int r;

	if (copy < 0)
		return fail_errno(-errno, "%s: copying descriptor %d",
				  mount->options->mountpoint, fd);
	session = new_session(mount, ops);
	if (!session) {
		close(copy);
		return -EIO;
	}
	/*
	 * With a mount point of the form /dev/fd/N libfuse (since 3.3) does not
	 * mount but uses descriptor N.  fuse_session_custom_io does the same,
	 * but not in libfuse 3.18, where it fails with ENOTSUP.
	 */
	snprintf(path, sizeof path, "/dev/fd/%d", copy);
	errno = 0;
	if (fuse_session_mount(session, path) == 0) {
		*ret = session;
		return 0;
	}
	r = errno ? -errno : -EIO;
	/* Not in use by libfuse, which therefore does not close it. */
	fuse_session_destroy(session);
	close(copy);
	return fail_errno(
		r, "%s: libfuse %s does not take the descriptor of a mount",
		mount->options->mountpoint, fuse_pkgversion());
}

int mount_check_libfuse(void)
{
	static const struct fuse_lowlevel_ops none;
	struct options options = { .store = "vhdfs", .mountpoint = "vhdfs" };
	struct mount mount = { .options = &options };
	_cleanup_close_ int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct fuse_session *session;
	int r;

	if (fd < 0)
		return fail_errno(-errno, "/dev/null");
	r = mount_session_on(&mount, fd, &none, &session);
	if (r == 0)
		fuse_session_destroy(session);
	return r;
}

/* A mount inside the store would show itself. */
static int check_not_inside(const char *root, const char *mountpoint)
{
	size_t n = strlen(root);

	if (strncmp(mountpoint, root, n) != 0 ||
	    (n > 1 && mountpoint[n] && mountpoint[n] != '/'))
		return 0;
	return fail(
		-EINVAL,
		"%s: mount point is inside the store %s; use another directory",
		mountpoint, root);
}

int mount_check_point(const struct options *options)
{
	struct stat st;
	int r = mountpoint_check(options);

	if (r < 0)
		return r;
	if (stat(options->mountpoint, &st) < 0)
		return fail_errno(-errno, "%s", options->mountpoint);
	if (!S_ISDIR(st.st_mode))
		return root_dir_fail(-ENOTDIR, options->mountpoint);
	return check_not_inside(options->store, options->mountpoint);
}

/* Step 3. */
static int read_init(struct mount *mount)
{
	char buf[FUSE_MIN_READ_BUFFER * 2];
	ssize_t n;

	do
		n = read(mount->link->fd, buf, sizeof buf);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail_errno(-errno, "%s: reading the first request",
				  mount->options->mountpoint);
	if ((size_t)n > sizeof mount->link->init ||
	    (size_t)n < sizeof(struct fuse_in_header) ||
	    ((struct fuse_in_header *)buf)->opcode != FUSE_INIT)
		return fail(
			-EPROTO,
			"%s: first request of the kernel: expected INIT, found another",
			mount->options->mountpoint);
	memcpy(mount->link->init, buf, n);
	mount->link->init_len = n;
	return 0;
}

/* For users other than root. */
static void unmount_by_helper(char *point)
{
	char *argv[] = { "fusermount3", "-u", "-z", "-q", "--", point, NULL };
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) == 0)
		waitpid(pid, NULL, 0);
}

/* Unmounts what an earlier version or supervisor mounted, as libfuse would. */
static void unmount_inherited(struct mount *mount)
{
	char *point = mount->options->mountpoint;
	struct pollfd poll_fd = { .fd = mount->link->fd };
	/* POLLERR: it is unmounted already, and a mount that is there now is
	 * not ours. */
	bool gone = poll(&poll_fd, 1, 0) == 1 && poll_fd.revents & POLLERR;

	close(mount->link->fd);
	if (gone)
		return;
	if (umount2(point, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno == EPERM)
		unmount_by_helper(point);
}

void mount_end(struct mount *mount)
{
	if (mount->link->fd < 0)
		return;
	if (mount->session) {
		fuse_session_unmount(mount->session);
		fuse_session_destroy(mount->session);
		mount->session = NULL;
	} else {
		unmount_inherited(mount);
	}
	mount->link->fd = -1;
}

/* Steps 2 and 3. */
static int make(struct mount *mount)
{
	static const struct fuse_lowlevel_ops none;
	struct fuse_session *session = new_session(mount, &none);
	int r;

	if (!session)
		return -EIO;
	/* The default message, if libfuse gives none. */
	fail(-EIO, "%s: mounting failed", mount->options->mountpoint);
	if (fuse_session_mount(session, mount->options->mountpoint) != 0) {
		fuse_session_destroy(session);
		return -EIO;
	}
	mount->session = session;
	mount->link->fd = fuse_session_fd(session);
	r = read_init(mount);
	if (r < 0)
		mount_end(mount);
	return r;
}

int mount_make(struct mount *mount)
{
	_cleanup_close_ int lock = -1;
	int r;

	mount_end(mount);
	r = mountpoint_lock(mount->options->mountpoint, &lock);
	if (r == 0)
		r = mountpoint_check(mount->options);
	return r < 0 ? r : make(mount);
}

bool mount_can_resend(const struct mount *mount)
{
	struct fuse_init_in in = { 0 };
	size_t len = mount->link->init_len - sizeof(struct fuse_in_header);

	memcpy(&in, mount->link->init + sizeof(struct fuse_in_header),
	       len < sizeof in ? len : sizeof in);
	return in.flags & FUSE_INIT_EXT &&
	       ((uint64_t)in.flags2 << 32) & FUSE_HAS_RESEND;
}
