/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Service notifications: the protocol of sd_notify(3), without libsystemd.
 */
#include "config.h"

#include "base/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

enum { WAIT_S = 30 };

/* Sets *ret to the address of NOTIFY_SOCKET; returns its length, 0 if that is
 * unset or too long. */
static socklen_t manager_address(struct sockaddr_un *ret)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!n || n >= sizeof ret->sun_path)
		return 0;
	memcpy(ret->sun_path, path, n);
	/* An abstract socket address is written with a leading @. */
	if (*path == '@')
		ret->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static void attach_fd(struct msghdr *msg, int fd)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
}

/* fd: to attach, or -1. */
static int send_message(int fd, int flags, const char *fmt, va_list ap)
{
	char text[512];
	_cleanup_close_ int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = { 0 } };
	struct timeval wait = { .tv_sec = WAIT_S };
	struct iovec iov = { .iov_base = text };
	struct sockaddr_un address;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_name = &address,
			      .msg_namelen = manager_address(&address) };
	ssize_t n;

	vsnprintf(text, sizeof text, fmt, ap);
	iov.iov_len = strlen(text);
	if (!msg.msg_namelen)
		return -ENOTCONN;
	if (s < 0 ||
	    setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0)
		return -errno;
	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof control.buf;
		attach_fd(&msg, fd);
	}
	do
		n = sendmsg(s, &msg, MSG_NOSIGNAL | flags);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

void notify(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)send_message(-1, MSG_DONTWAIT, fmt, ap);
	va_end(ap);
}

int notify_wait(const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = send_message(-1, 0, fmt, ap);
	va_end(ap);
	return r == -ENOTCONN ? 0 : r;
}

int notify_fd(int fd, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = send_message(fd, 0, fmt, ap);
	va_end(ap);
	return r;
}

void notify_reloading(void)
{
	(void)notify_wait("RELOADING=1\nMONOTONIC_USEC=%llu",
			  (unsigned long long)clock_us());
}

/* An environment variable as a decimal number; 0 if unset or not a number. */
static unsigned long long env_number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	unsigned long long n;

	if (!text || *text < '0' || *text > '9')
		return 0;
	n = strtoull(text, &end, 10);
	return *end ? 0 : n;
}

unsigned notify_watchdog_ms(void)
{
	unsigned long long us = env_number("WATCHDOG_USEC");

	/* WATCHDOG_PID, if set, names the only process that is watched. */
	if (getenv("WATCHDOG_PID") &&
	    env_number("WATCHDOG_PID") != (unsigned long long)getpid())
		return 0;
	return us / 1000 < UINT_MAX ? (unsigned)(us / 1000) : UINT_MAX;
}

void notify_alive(void)
{
	static int64_t last;
	unsigned ms = notify_watchdog_ms();
	int64_t now = clock_us();

	if (!ms || (last && now - last < (int64_t)ms * 250))
		return;
	last = now;
	notify("WATCHDOG=1");
}

int notify_wait_signal(const sigset_t *set)
{
	unsigned ms = notify_watchdog_ms() / 4;
	struct timespec wait = { .tv_sec = ms / 1000,
				 .tv_nsec = ms % 1000 * 1000000L };
	int sig = ms ? sigtimedwait(set, NULL, &wait) : sigwaitinfo(set, NULL);

	return sig < 0 && errno == EAGAIN ? 0 : sig;
}

/* Sends one end of a pipe: the manager closes it when it has processed all
 * messages before, and poll on the other end returns. */
int notify_barrier(void)
{
	int ends[2], r;
	struct pollfd end;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	r = notify_fd(ends[1], "BARRIER=1");
	close(ends[1]);
	end = (struct pollfd){ .fd = ends[0] };
	while (r == 0) {
		int n = poll(&end, 1, WAIT_S * 1000);

		if (n > 0)
			break;
		if (n == 0)
			r = -ETIMEDOUT;
		else if (errno != EINTR)
			r = -errno;
	}
	close(ends[0]);
	return r;
}
