/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Client of tgtd's management socket.
 *
 * A request has a header of 120 bytes and parameters, an answer a header of 8
 * bytes and text.  Integers are in the machine's byte order.
 */
#include "config.h"

#include "tgt-glue/tgtd/client.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/notify.h"

enum {
	PARAMS_MAX = 3900, /* tgtd's buffer holds 4096 */
	ANSWER_MAX = 64 << 20,
};

struct request {
	uint32_t mode;
	uint32_t op;
	char driver[64]; /* padded with NULs */
	uint32_t length; /* of all */
	int32_t tid;
	uint64_t sid;
	uint64_t lun; /* UINT64_MAX for none */
	uint32_t cid;
	uint32_t host;
	uint32_t device_type;
	uint32_t outgoing; /* an account's direction */
	uint32_t pack;
	uint32_t force;
	char params[PARAMS_MAX]; /* "key=value,..." with its NUL, or nothing */
};

_Static_assert(offsetof(struct request, params) == 120, "tgtd's layout");

struct answer {
	uint32_t code;
	uint32_t length; /* of all */
};

/* tgtd opens backing files in the one thread that answers. */
static int patience_seconds = 60;

void tgtd_set_patience(int seconds)
{
	patience_seconds = seconds;
}

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

static int fail_denied(const struct tgtd *tgtd)
{
	return fail(-EACCES, "tgtd: no permission for its management socket %s",
		    tgtd->address.sun_path);
}

/* *ret_pid is the process that listens, 0 if it is in another pid namespace. */
static int connect_to(const struct tgtd *tgtd, int *ret_fd, pid_t *ret_pid)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof peer;
	const struct timeval patience = { .tv_sec = patience_seconds };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail_errno(-errno, "tgtd: socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(fd, (const struct sockaddr *)&tgtd->address,
		    sizeof tgtd->address) < 0)
		return errno == EACCES
			       ? fail_denied(tgtd)
			       : fail_errno(
					 -errno,
					 "tgtd: no tgtd answers at its management socket %s",
					 tgtd->address.sun_path);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return fail_errno(-errno, "tgtd: %s", tgtd->address.sun_path);
	*ret_pid = peer.pid;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* Sends all of buf, or fills it. */
static int transfer(int fd, bool out, void *buf, size_t len)
{
	for (char *p = buf; len;) {
		ssize_t n = out ? send(fd, p, len, MSG_NOSIGNAL)
				: recv(fd, p, len, 0);

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
	return fail(
		-EIO,
		"tgtd: answer: expected an error code from 1 to %zu, found %" PRIu32
		"; tgt-glue knows the errors of tgt 1.0.85",
		sizeof errors / sizeof *errors - 1, code);
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
	struct answer answer;
	_cleanup_free_ char *text = NULL;
	int r = transfer(fd, false, &answer, sizeof answer);

	if (r < 0)
		return fail_connection(r, "its answer");
	if (answer.code)
		return fail_refused(answer.code);
	if (answer.length < sizeof answer || answer.length > ANSWER_MAX)
		return fail_found(-EPROTO, "tgtd", "answer", 4,
				  "a length of 8 bytes to 64 MiB", "%" PRIu32,
				  answer.length);
	answer.length -= (uint32_t)sizeof answer;
	text = calloc(1, (size_t)answer.length + 1);
	if (!text)
		return fail(-ENOMEM, "out of memory");
	r = transfer(fd, false, text, answer.length);
	if (r < 0)
		return fail_connection(r, "its answer");
	*ret_text = steal(text);
	return 0;
}

/* As tgtd_ask; *ret_pid is the process that listens, 0 if it is in another pid
 * namespace. */
static int ask(const struct tgtd *tgtd, struct request *request,
	       char **ret_text, pid_t *ret_pid)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	int r = connect_to(tgtd, &fd, ret_pid);

	if (r < 0)
		return r;
	r = transfer(fd, true, request, request->length);
	if (r < 0)
		fail_connection(r, "sending a request");
	else
		r = receive(fd, &text);
	/* tgtd closes the connection of a user other than root. */
	if ((r == -EPIPE || r == -ECONNRESET) && geteuid() != 0)
		return fail_denied(tgtd);
	/* A pass takes as long as all of its answers: feed the watchdog. */
	if (r == 0)
		notify_alive();
	if (r == 0 && ret_text)
		*ret_text = steal(text);
	return r;
}

/* A request without parameters. */
static struct request request_of(enum tgtd_mode mode, enum tgtd_op op,
				 int32_t tid)
{
	const bool outgoing = mode == TGTD_OUTGOING_ACCOUNT;

	return (struct request){
		.mode = outgoing ? TGTD_ACCOUNT : mode,
		.op = op,
		.driver = "iscsi",
		.length = offsetof(struct request, params),
		.tid = tid,
		.lun = UINT64_MAX,
		.outgoing = outgoing,
	};
}

int tgtd_ask(const struct tgtd *tgtd, enum tgtd_mode mode, enum tgtd_op op,
	     int32_t tid, char **ret_text)
{
	struct request request = request_of(mode, op, tid);
	pid_t pid;

	return ask(tgtd, &request, ret_text, &pid);
}

static int send_params(const struct tgtd *tgtd, struct request *request,
		       const char *fmt, va_list ap)
{
	int n = vsnprintf(request->params, sizeof request->params, fmt, ap);
	pid_t pid;
	int r;

	request->length += (uint32_t)n + 1;
	r = n < PARAMS_MAX
		    ? ask(tgtd, request, NULL, &pid)
		    : fail(-E2BIG,
			   "tgtd: request: expected parameters of less than %d bytes, found %d; shorten names or lists in fleet.conf",
			   PARAMS_MAX, n);
	explicit_bzero(request->params, sizeof request->params);
	return r;
}

int tgtd_send(const struct tgtd *tgtd, enum tgtd_mode mode, enum tgtd_op op,
	      int32_t tid, const char *fmt, ...)
{
	struct request request = request_of(mode, op, tid);
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = send_params(tgtd, &request, fmt, ap);
	va_end(ap);
	return r;
}

int tgtd_send_lun(const struct tgtd *tgtd, enum tgtd_op op,
		  const struct tgtd_unit *unit, const char *fmt, ...)
{
	struct request request = request_of(TGTD_LUN, op, unit->tid);
	va_list ap;
	int r;

	request.lun = unit->lun;
	request.device_type = unit->device;
	va_start(ap, fmt);
	r = send_params(tgtd, &request, fmt, ap);
	va_end(ap);
	return r;
}

int tgtd_delete_lun(const struct tgtd *tgtd, const struct tgtd_unit *unit)
{
	struct request request = request_of(TGTD_LUN, TGTD_DELETE, unit->tid);
	pid_t pid;

	request.lun = unit->lun;
	return ask(tgtd, &request, NULL, &pid);
}

int tgtd_end_connection(const struct tgtd *tgtd, int32_t tid, uint64_t sid,
			uint32_t cid)
{
	struct request request = request_of(TGTD_CONNECTION, TGTD_DELETE, tid);
	pid_t pid;

	request.sid = sid;
	request.cid = cid;
	return ask(tgtd, &request, NULL, &pid);
}

static bool says_ready(const char *text)
{
	return strstr(text, "State: ready") != NULL;
}

int tgtd_ready(const struct tgtd *tgtd)
{
	_cleanup_free_ char *text = NULL;
	int r = tgtd_ask(tgtd, TGTD_SYSTEM, TGTD_SHOW, TGTD_NO_TID, &text);

	return r < 0 ? r : says_ready(text);
}

int tgtd_open(int control_port, struct tgtd *ret)
{
	struct request request =
		request_of(TGTD_SYSTEM, TGTD_SHOW, TGTD_NO_TID);
	const char *base = getenv("TGT_IPC_SOCKET");
	_cleanup_free_ char *text = NULL;
	struct stat st;
	int n, r;

	memset(ret, 0, sizeof *ret);
	ret->address.sun_family = AF_UNIX;
	n = snprintf(ret->address.sun_path, sizeof ret->address.sun_path,
		     "%s.%d", base ? base : "/var/run/tgtd/socket",
		     control_port);
	if (n >= (int)sizeof ret->address.sun_path)
		return fail(-ENAMETOOLONG, "TGT_IPC_SOCKET: too long");
	r = ask(ret, &request, &text, &ret->pid);
	if (r < 0)
		return r;
	ret->ready = says_ready(text);
	if (!strstr(text, "System:") || !strstr(text, "rdwr"))
		return fail(
			-EPROTO,
			"tgtd: %s answers, but not as the tgt that tgt-glue knows (1.0.85); is it another version?",
			ret->address.sun_path);
	/* tgtd binds its socket once, when it is started. */
	if (stat(ret->address.sun_path, &st) < 0)
		return fail_errno(-errno, "tgtd: %s", ret->address.sun_path);
	ret->started = st.st_mtim;
	snprintf(ret->instance, sizeof ret->instance, "%ld.%09ld.%ld.%ju",
		 (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long)ret->pid,
		 (uintmax_t)st.st_ino);
	return 0;
}
