/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Remote disks over libnbd.
 *
 * RUNS.  What the server says of a range in the metadata context
 * base:allocation (data or zeros) is kept as runs until another range is asked
 * for.  Zeros are not read.  A server that cannot say is read whole.
 *
 * READS.  A read is split into requests, which are all sent before the first
 * answer is waited for: the server works on several at once.  Requests begin
 * and end at multiples of the server's minimum block size, or at the disk's
 * end, and are no longer than its maximum.  The bytes of all answers are
 * counted: libnbd takes an answer that says that it is complete, whatever it
 * has.
 *
 * A signal ends the program while it waits: see interrupt.h.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <libnbd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/foreign.h"
#include "format/image.h"
#include "format/registry.h"
#include "img/remote.h"
#include "io/rootdir.h"

enum {
	SECTOR = 512,
	/* Of a request, where the server takes as much. */
	REQUEST_SIZE = 256 << 10,
	/* What a server may say of one range; the rest of it is asked again. */
	RUNS_MAX = 64 << 10,
	/* TCP: a host that has not answered for ALIVE_LIMIT seconds is gone; it
	 * is asked after so many seconds of silence, and then every so many. */
	ALIVE_LIMIT = 60,
	ALIVE_IDLE = 30,
	ALIVE_EVERY = 10,
};
/* The server is asked for no more at once: the protocol has 32 bits. */
#define ASK_SIZE GIB(2)

/* Up to end; begins where the run before it ends. */
struct run {
	uint64_t end;
	bool zero;
};

struct remote {
	struct io io; /* first */
	struct nbd_handle *nbd;
	bool masked; /* the URI has a password: libnbd's words may show it */
	bool read_failed, broke_protocol;
	bool says_zeros; /* the server has base:allocation */
	uint64_t size;
	uint64_t block;   /* minimum block size, at least SECTOR */
	uint64_t request; /* of a read; a multiple of block */
	/* What is known: runs from this offset on. */
	uint64_t runs_from;
	size_t n_runs, last_run; /* where the last look-up ended */
	struct run runs[RUNS_MAX];
};

static struct remote *remote_of(struct io *io)
{
	return (struct remote *)io;
}

static bool is_dead(const struct remote *r)
{
	return nbd_aio_is_dead(r->nbd) != 0 || nbd_aio_is_closed(r->nbd) != 0;
}

/* Whole blocks: what a zero has of others is data. */
static void add_run(struct remote *r, uint64_t end, bool zero)
{
	uint64_t last = r->n_runs ? r->runs[r->n_runs - 1].end : r->runs_from;

	if (end < r->size)
		end = zero ? round_down(end, r->block)
			   : round_up(end, r->block);
	end = min_u64(end, r->size);
	if (end <= last)
		return;
	if (r->n_runs && r->runs[r->n_runs - 1].zero == zero)
		r->runs[r->n_runs - 1].end = end;
	else if (r->n_runs < RUNS_MAX)
		r->runs[r->n_runs++] = (struct run){ end, zero };
}

/* The answer is pairs of a length and what is there. */
static int take_runs(void *data, const char *context, uint64_t off,
		     uint32_t *entries, size_t n, int *error)
{
	struct remote *r = data;

	(void)error;
	if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0)
		return 0;
	for (size_t i = 0; i + 1 < n && r->n_runs < RUNS_MAX; i += 2) {
		off += entries[i];
		add_run(r, off, entries[i + 1] & LIBNBD_STATE_ZERO);
	}
	return 0;
}

/* A server that fails to answer is read: that tells what is wrong. */
static void ask_runs(struct remote *r, uint64_t off)
{
	nbd_extent_callback take = { .callback = take_runs, .user_data = r };
	uint64_t len;

	r->runs_from = round_down(off, r->block);
	r->n_runs = 0;
	r->last_run = 0;
	len = min_u64(r->size - r->runs_from, ASK_SIZE);
	if (r->says_zeros)
		nbd_block_status(r->nbd, len, r->runs_from, take, 0);
	if (!r->n_runs)
		add_run(r, r->runs_from + len, false);
}

/* The run that off, on the disk, is in. */
static struct run run_at(struct remote *r, uint64_t off)
{
	assert(off < r->size);
	if (off < r->runs_from || !r->n_runs ||
	    off >= r->runs[r->n_runs - 1].end)
		ask_runs(r, off);
	if (r->last_run && off < r->runs[r->last_run - 1].end)
		r->last_run = 0;
	while (off >= r->runs[r->last_run].end)
		r->last_run++;
	return r->runs[r->last_run];
}

/* Requests that were sent and not answered, the bytes that answers lack, and
 * the first error among them. */
struct flight {
	unsigned pending;
	uint64_t missing;
	int error; /* positive errno */
};

/* A piece of an answer: data, or a hole. */
static int read_chunk(void *data, const void *buf, size_t len, uint64_t off,
		      unsigned status, int *error)
{
	struct flight *flight = data;

	(void)buf;
	(void)off;
	(void)error;
	if (status != LIBNBD_READ_ERROR)
		flight->missing -= min_u64(len, flight->missing);
	return 0;
}

static int read_done(void *data, int *error)
{
	struct flight *flight = data;

	flight->pending--;
	if (*error && !flight->error)
		flight->error = *error;
	return 1;
}

static void send_read(struct remote *r, struct flight *flight, uint8_t *buf,
		      size_t len, uint64_t off)
{
	nbd_chunk_callback chunk = { .callback = read_chunk,
				     .user_data = flight };
	nbd_completion_callback done = { .callback = read_done,
					 .user_data = flight };

	flight->pending++;
	flight->missing += len;
	if (nbd_aio_pread_structured(r->nbd, buf, len, off, chunk, done, 0) >=
	    0)
		return;
	flight->pending--;
	if (!flight->error)
		flight->error = nbd_get_errno() ? nbd_get_errno() : EIO;
}

/* Until nothing writes into the buffer any more. */
static int wait_for_reads(struct remote *r, struct flight *flight)
{
	while (flight->pending && !is_dead(r))
		nbd_poll(r->nbd, -1);
	if (!flight->error && !flight->pending)
		return flight->missing ? -EPROTO : 0;
	return is_dead(r) ? -ECONNRESET : -flight->error;
}

/* [off, off + len) are whole blocks, but for the disk's end. */
static int read_blocks(struct remote *r, uint8_t *buf, size_t len, uint64_t off)
{
	struct flight flight = { 0 };

	while (len && !flight.error) {
		struct run run = run_at(r, off);
		size_t n = min_u64(len, run.end - off);

		if (run.zero) {
			memset(buf, 0, n);
		} else {
			n = min_u64(n, r->request - off % r->request);
			send_read(r, &flight, buf, n, off);
		}
		buf += n;
		off += n;
		len -= n;
	}
	return wait_for_reads(r, &flight);
}

/* Through a buffer of whole blocks. */
static int read_part(struct remote *r, void *buf, size_t len, uint64_t off)
{
	uint64_t from = round_down(off, r->block);
	uint64_t end = min_u64(r->size, round_up(off + len, r->block));
	_cleanup_free_ uint8_t *blocks = malloc(end - from);
	int code = blocks ? read_blocks(r, blocks, end - from, from) : -ENOMEM;

	if (code == 0)
		memcpy(buf, blocks + (off - from), len);
	return code;
}

static ssize_t remote_pread(struct io *io, void *buf, size_t len, uint64_t off)
{
	struct remote *r = remote_of(io);
	int code;

	if (off >= r->size)
		return 0;
	len = min_u64(len, r->size - off);
	if (is_aligned(off, r->block) &&
	    (is_aligned(len, r->block) || off + len == r->size))
		code = read_blocks(r, buf, len, off);
	else
		code = read_part(r, buf, len, off);
	if (code < 0)
		r->read_failed = true;
	if (code == -EPROTO)
		r->broke_protocol = true;
	return code < 0 ? code : (ssize_t)len;
}

static int remote_size(struct io *io, uint64_t *ret_size)
{
	*ret_size = remote_of(io)->size;
	return 0;
}

static int remote_extent(struct io *io, uint64_t off, bool *ret_data,
			 uint64_t *ret_len)
{
	struct run run = run_at(remote_of(io), off);

	*ret_data = !run.zero;
	*ret_len = run.end - off;
	return 0;
}

/* Says goodbye, but does not wait for what a server that hangs says to it. */
static void remote_close(struct io *io)
{
	struct remote *r = remote_of(io);

	if (r->nbd && nbd_aio_is_ready(r->nbd) == 1)
		nbd_aio_disconnect(r->nbd, 0);
	nbd_close(r->nbd);
	io_fini(io);
	free(r);
}

static const struct io_ops remote_ops = {
	.pread = remote_pread,
	.size = remote_size,
	.extent = remote_extent,
	.close = remote_close,
};

static bool wants_tls(const struct remote *r)
{
	return !strncmp(r->io.name, "nbds", 4);
}

/* What helps where the connection failed with that errno. */
static const char *connect_advice(const struct remote *r, int error,
				  const char *said)
{
	/* Of keys and user names it is said, too. */
	if (error == EINVAL && (!wants_tls(r) || strstr(said, "URI")))
		return "an NBD URI is nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH, with nbds for TLS, and %20 for a space";
	if (error == ENOENT && strstr(said, "export"))
		return "nbdinfo --list shows the names of its exports";
	if (error == ENOTSUP && !wants_tls(r))
		return "begin the URI with nbds, and name the keys in it with tls-psk-file=FILE or tls-certificates=DIR";
	if (wants_tls(r) && error != ECONNREFUSED && error != ENOENT)
		return "check that the server takes TLS, and the user name and keys in the URI";
	return "start the server, and check in the URI where it listens";
}

/* Words for a call on the connection that failed. */
static int fail_connect(const struct remote *r)
{
	int error = nbd_get_errno() ? nbd_get_errno() : EIO;
	const char *said = nbd_get_error(), *colon;

	/* They begin with the function's name. */
	colon = said ? strstr(said, ": ") : NULL;
	said = colon && !r->masked ? colon + 2 : strerror(error);
	fail(-error, "%s: NBD server: %s", r->io.name, said);
	error_advise("%s", connect_advice(r, error, said));
	return -error;
}

/* Of TCP: a socket of another kind has no such options. */
static void notice_dead_host(int fd)
{
	const int on = 1, idle = ALIVE_IDLE, every = ALIVE_EVERY;
	const int limit = ALIVE_LIMIT * 1000;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
}

static int connect_to(struct remote *r, const char *uri)
{
	int strict;

	r->nbd = nbd_create();
	if (!r->nbd)
		return fail_connect(r);
	/* A disk may end inside a block: the server says whether that is read.
	 */
	strict = (int)nbd_get_strict_mode(r->nbd) & ~LIBNBD_STRICT_ALIGN;
	if (nbd_set_strict_mode(r->nbd, strict) < 0 ||
	    nbd_set_uri_allow_local_file(r->nbd, true) < 0 ||
	    nbd_add_meta_context(r->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0 ||
	    nbd_connect_uri(r->nbd, uri) < 0)
		return fail_connect(r);
	notice_dead_host(nbd_aio_get_fd(r->nbd));
	return 0;
}

/* What the server said of the export as it was opened. */
static int learn(struct remote *r)
{
	int64_t size = nbd_get_size(r->nbd);
	int64_t least = nbd_get_block_size(r->nbd, LIBNBD_SIZE_MINIMUM);
	int64_t most = nbd_get_block_size(r->nbd, LIBNBD_SIZE_MAXIMUM);

	if (size < 0)
		return fail(-EINVAL,
			    "%s: export: expected a size below 2^63 bytes, "
			    "found more; name the export that has the disk",
			    r->io.name);
	if (size == 0)
		return fail(-EINVAL,
			    "%s: export: expected at least one sector, found 0 "
			    "bytes; name the export that has the disk",
			    r->io.name);
	r->size = size;
	r->block = least > SECTOR ? least : SECTOR;
	r->request = REQUEST_SIZE;
	if (most > 0)
		r->request = min_u64(r->request, most);
	r->request = max_u64(round_down(r->request, r->block), r->block);
	r->says_zeros = nbd_can_meta_context(
				r->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1;
	return 0;
}

static int remote_open(const char *uri, struct io **ret)
{
	_cleanup_free_ char *name = remote_name(uri);
	struct remote *r = calloc(1, sizeof *r);
	int code;

	if (!name || !r || io_init(&r->io, &remote_ops, name, false) < 0) {
		free(r);
		return fail(-ENOMEM, "out of memory");
	}
	r->masked = strcmp(name, uri) != 0;
	code = connect_to(r, uri);
	if (code == 0)
		code = learn(r);
	if (code < 0) {
		remote_close(&r->io);
		return code;
	}
	*ret = &r->io;
	return 0;
}

static int open_at(const struct root_dir *rootdir, const char *path,
		   bool writable, struct io **ret, char **ret_real)
{
	int r;

	(void)rootdir;
	if (writable)
		return fail_errno(-EROFS, "NBD disk");
	r = remote_open(path, ret);
	if (r < 0 || !ret_real)
		return r;
	*ret_real = strdup((*ret)->name);
	if (*ret_real)
		return 0;
	io_close(steal(*ret));
	return fail(-ENOMEM, "out of memory");
}

static const struct root_dir_ops open_ops = { .open = open_at };

const struct root_dir remote_rootdir = { .ops = &open_ops, .fd = -1 };

int remote_refuse_container(struct io *io)
{
	const struct image_ops *ops;
	const char *what = NULL;
	int r = foreign_find(io, &what);

	if (r == 0 && !what) {
		r = image_format_probe(io, &ops);
		if (r == 0 && !image_format_is_raw(ops))
			what = ops->title;
	}
	if (r < 0 || !what)
		return r;
	return fail(-EMEDIUMTYPE,
		    "%s: expected a disk, found %s; the server exports the "
		    "file itself: start it so that it exports the disk in that "
		    "file (qemu-nbd without -f raw)",
		    io->name, what);
}

void remote_advise(const struct io *io)
{
	const struct remote *r = (const struct remote *)io;

	if (!r->read_failed)
		return;
	if (is_dead(r))
		error_advise("the connection to the NBD server was lost: start "
			     "the server again, then repeat this");
	else if (r->broke_protocol)
		error_advise("the NBD server sent less data than it was asked "
			     "for: update it, or use another server");
	else
		error_advise("the NBD server failed to read its disk: look at "
			     "the server's messages, then repeat this");
}
