/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Client of tgtd's management socket.
 *
 * A request is 120 bytes, integers in the machine's byte order, followed by
 * the parameters with a final NUL:
 *
 *     0 mode   4 op   8 driver (64, NUL-padded)   72 length of all   76 tid
 *     80 sid (8)   88 lun (8)   96 cid   100 host   104 device type
 *     108 account's direction   112 pack   116 force
 *
 * The answer: error, length of all, then text.
 */
#include "config.h"

#include "tgt-glue/tgtd/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/notify.h"

enum {
	REQUEST_SIZE = 120,
	REQUEST_LENGTH = 72, /* offset of the length */
	ANSWER_SIZE = 8,
	PARAMS_MAX = 3900, /* tgtd's buffer holds 4096 */
	ANSWER_MAX = 64 << 20,
};

static const struct {
	int code;
	const char *text;
} errors[] = {
	[1] = { -EIO, "unknown error" },
	[2] = { -ENOMEM, "out of memory" },
	[3] = { -EIO, "it has no such driver" },
	[4] = { -ENOENT, "no such target" },
	[5] = { -ENOENT, "no such logical unit" },
	[6] = { -ENOENT, "no such session" },
	[7] = { -ENOENT, "no such connection" },
	[8] = { -EIO, "no binding" },
	[9] = { -EEXIST, "the target exists" },
	[10] = { -EEXIST, "a binding exists" },
	[11] = { -EEXIST, "the logical unit exists" },
	[12] = { -EEXIST, "the access rule exists" },
	[13] = { -ENOENT, "no such access rule" },
	[14] = { -EEXIST, "the account exists" },
	[15] = { -ENOENT, "no such account" },
	[16] = { -EIO, "too many accounts" },
	[17] = { -EIO, "invalid request" },
	[18] = { -EEXIST, "the target has an outgoing account" },
	[19] = { -EBUSY, "the target is in use" },
	[20] = { -EBUSY, "the logical unit is in use" },
	[21] = { -EBUSY, "in use" },
	[22] = { -EIO, "unsupported operation" },
	[23] = { -EIO, "unknown parameter" },
};

static void put_u32(unsigned char *p, uint32_t v)
{
	memcpy(p, &v, sizeof v);
}

static void put_u64(unsigned char *p, uint64_t v)
{
	memcpy(p, &v, sizeof v);
}

static void encode(unsigned char header[REQUEST_SIZE],
		   const struct tgtd_request *request, size_t params)
{
	memset(header, 0, REQUEST_SIZE);
	put_u32(header, request->mode);
	put_u32(header + 4, request->op);
	memcpy(header + 8, "iscsi", 5);
	put_u32(header + REQUEST_LENGTH, (uint32_t)(REQUEST_SIZE + params));
	put_u32(header + 76, (uint32_t)request->tid);
	put_u64(header + 80, request->sid);
	put_u64(header + 88, request->lun);
	put_u32(header + 96, request->cid);
	put_u32(header + 108, request->outgoing);
}

/* *ret_pid is the process that listens, 0 if it is in another pid namespace. */
static int connect_to(const struct tgtd *tgtd, int *ret_fd, pid_t *ret_pid)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof peer;
	const struct timeval patience = { .tv_sec = 60 };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail_errno(-errno, "a socket");
	/* tgtd opens backing files in the one thread that answers. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(fd, (const struct sockaddr *)&tgtd->address,
		    sizeof tgtd->address) < 0)
		return fail_errno(
			-errno,
			"tgtd: no tgtd answers at its management socket %s",
			tgtd->address.sun_path);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return fail_errno(-errno, "tgtd: %s", tgtd->address.sun_path);
	*ret_pid = peer.pid;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int send_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int receive_all(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = recv(fd, p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int fail_refused(uint32_t code)
{
	if (code < sizeof errors / sizeof *errors && errors[code].text)
		return fail(errors[code].code, "tgtd: %s", errors[code].text);
	return fail(-EIO, "tgtd: error %" PRIu32, code);
}

static int fail_connection(int r, const char *what)
{
	fail_errno(r, "tgtd: %s", what);
	if (r == -EPIPE || r == -ECONNRESET)
		error_advise("has tgtd ended?");
	return r;
}

/* Reads the answer. *ret_text may be ""; the caller frees it. */
static int receive(int fd, char **ret_text)
{
	unsigned char header[ANSWER_SIZE];
	_cleanup_free_ char *text = NULL;
	uint32_t code, length;
	int r = receive_all(fd, header, sizeof header);

	if (r < 0)
		return fail_connection(r, "its answer");
	memcpy(&code, header, sizeof code);
	memcpy(&length, header + 4, sizeof length);
	if (code)
		return fail_refused(code);
	if (length < ANSWER_SIZE || length > ANSWER_MAX)
		return fail_found(-EPROTO, "tgtd", "answer", 4,
				  "a length of 8 bytes to 64 MiB", "%" PRIu32,
				  length);
	length -= ANSWER_SIZE;
	text = calloc(1, (size_t)length + 1);
	if (!text)
		return fail(-ENOMEM, "out of memory");
	r = receive_all(fd, text, length);
	if (r < 0)
		return fail_connection(r, "its answer");
	*ret_text = steal(text);
	return 0;
}

int tgtd_ask_process(const struct tgtd *tgtd,
		     const struct tgtd_request *request, char **ret_text,
		     pid_t *ret_pid)
{
	unsigned char header[REQUEST_SIZE];
	size_t params = request->params ? strlen(request->params) + 1 : 0;
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (params > PARAMS_MAX)
		return fail(-E2BIG, "tgtd: parameters of %zu bytes", params);
	r = connect_to(tgtd, &fd, ret_pid);
	if (r < 0)
		return r;
	encode(header, request, params);
	r = send_all(fd, header, sizeof header);
	if (r == 0 && params)
		r = send_all(fd, request->params, params);
	if (r < 0)
		return fail_connection(r, "sending a request");
	r = receive(fd, &text);
	/* A pass takes as long as all of its answers: feed the watchdog. */
	if (r == 0)
		notify_alive();
	if (r == 0 && ret_text)
		*ret_text = steal(text);
	return r;
}

int tgtd_ask(const struct tgtd *tgtd, const struct tgtd_request *request,
	     char **ret_text)
{
	pid_t pid;

	return tgtd_ask_process(tgtd, request, ret_text, &pid);
}

static const struct tgtd_request question = { .mode = TGTD_SYSTEM,
					      .op = TGTD_SHOW,
					      .tid = TGTD_NO_TID,
					      .lun = TGTD_NO_LUN };

static bool says_ready(const char *text)
{
	return strstr(text, "State: ready") != NULL;
}

int tgtd_ready(const struct tgtd *tgtd)
{
	_cleanup_free_ char *text = NULL;
	int r = tgtd_ask(tgtd, &question, &text);

	return r < 0 ? r : says_ready(text);
}

/* tgtd binds its socket once, when it is started. */
static int stat_socket(const struct tgtd *tgtd, struct stat *ret)
{
	return stat(tgtd->address.sun_path, ret) < 0 ? -errno : 0;
}

static int set_instance(struct tgtd *tgtd, pid_t pid)
{
	struct stat st;
	int r = stat_socket(tgtd, &st);

	if (r < 0)
		return fail_errno(r, "tgtd: %s", tgtd->address.sun_path);
	snprintf(tgtd->instance, sizeof tgtd->instance, "%ld.%09ld.%ld.%ju",
		 (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long)pid,
		 (uintmax_t)st.st_ino);
	return 0;
}

int tgtd_open(int control_port, struct tgtd *ret)
{
	const char *base = getenv("TGT_IPC_SOCKET");
	_cleanup_free_ char *text = NULL;
	pid_t pid;
	int n, r;

	memset(ret, 0, sizeof *ret);
	ret->address.sun_family = AF_UNIX;
	n = snprintf(ret->address.sun_path, sizeof ret->address.sun_path,
		     "%s.%d", base ? base : "/var/run/tgtd/socket",
		     control_port);
	if (n >= (int)sizeof ret->address.sun_path)
		return fail(-ENAMETOOLONG, "TGT_IPC_SOCKET: too long");
	r = tgtd_ask_process(ret, &question, &text, &pid);
	if (r < 0)
		return r;
	ret->ready = says_ready(text);
	if (!strstr(text, "System:") || !strstr(text, "rdwr"))
		return fail(
			-EPROTO,
			"tgtd: %s answers, but not as the tgt that tgt-glue knows (1.0.85); is it another version?",
			ret->address.sun_path);
	return set_instance(ret, pid);
}

int tgtd_started(const struct tgtd *tgtd, struct timespec *ret)
{
	struct stat st;
	int r = stat_socket(tgtd, &st);

	if (r == 0)
		*ret = st.st_mtim;
	return r;
}
