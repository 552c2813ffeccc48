/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Remote disk: an export of an NBD server, read with libnbd.
 *
 * EXTENTS.  The server's answer to a block status query (metadata context
 * base:allocation: data or zeros) is cached until a range outside of it is
 * needed.  Zeros are not read.  Without that context the whole disk is data.
 *
 * READS.  A read is split into requests.  All are sent before the first answer
 * is awaited, so that the server works on several at once.  A request begins
 * and ends at multiples of the server's minimum block size, or at the end of
 * the disk, and is not longer than its maximum.  The bytes of all answers are
 * counted, because libnbd accepts an answer that is too short.
 *
 * A signal ends the program while it waits (interrupt.h).
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
	REQUEST_SIZE = 256 << 10, /* bytes, if the server allows it */
	EXTENTS_MAX = 64 << 10,   /* that are cached of one answer */
	/* TCP keepalive, seconds: the first probe after KEEPALIVE_IDLE of
	 * silence, then one each KEEPALIVE_INTERVAL.  A host that did not
	 * answer for KEEPALIVE_TIMEOUT is dead. */
	KEEPALIVE_TIMEOUT = 60,
	KEEPALIVE_IDLE = 30,
	KEEPALIVE_INTERVAL = 10,
};
/* Length of one block status query: the protocol has 32 bits. */
#define QUERY_SIZE GIB(2)

/* Begins at the end of the extent before it; end is an offset on the disk. */
struct remote_extent {
	uint64_t end;
	bool zero;
};

struct remote {
	struct io io; /* first */
	struct nbd_handle *nbd;
	bool has_password; /* of the URI: libnbd's messages may show it */
	bool read_failed, broke_protocol;
	bool has_block_status; /* the server has base:allocation */
	uint64_t size;
	uint64_t block;   /* minimum block size, at least SECTOR */
	uint64_t request; /* maximum length of a read; a multiple of block */
	/* Cached extents, from the offset extents_start on. */
	uint64_t extents_start;
	size_t n_extents;
	size_t last_extent; /* result of the last search */
	struct remote_extent extents[EXTENTS_MAX];
};

static struct remote *remote_of(struct io *io)
{
	return (struct remote *)io;
}

static bool is_dead(const struct remote *r)
{
	return nbd_aio_is_dead(r->nbd) != 0 || nbd_aio_is_closed(r->nbd) != 0;
}

/* Zeros are rounded inward to whole blocks, data outward. */
static void add_extent(struct remote *r, uint64_t end, bool zero)
{
	uint64_t last = r->n_extents ? r->extents[r->n_extents - 1].end
				     : r->extents_start;

	if (end < r->size)
		end = zero ? round_down(end, r->block)
			   : round_up(end, r->block);
	end = min_u64(end, r->size);
	if (end <= last)
		return;
	if (r->n_extents && r->extents[r->n_extents - 1].zero == zero)
		r->extents[r->n_extents - 1].end = end;
	else if (r->n_extents < EXTENTS_MAX)
		r->extents[r->n_extents++] =
			(struct remote_extent){ end, zero };
}

/* entries has pairs: a length, and flags of that range. */
static int take_extents(void *data, const char *context, uint64_t off,
			uint32_t *entries, size_t n, int *error)
{
	struct remote *r = data;

	(void)error;
	if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0)
		return 0;
	for (size_t i = 0; i + 1 < n && r->n_extents < EXTENTS_MAX; i += 2) {
		off += entries[i];
		add_extent(r, off, entries[i + 1] & LIBNBD_STATE_ZERO);
	}
	return 0;
}

/* If the query fails, the range is data: the read then reports the error. */
static void query_extents(struct remote *r, uint64_t off)
{
	nbd_extent_callback take = { .callback = take_extents, .user_data = r };
	uint64_t len;

	r->extents_start = round_down(off, r->block);
	r->n_extents = 0;
	r->last_extent = 0;
	len = min_u64(r->size - r->extents_start, QUERY_SIZE);
	if (r->has_block_status)
		nbd_block_status(r->nbd, len, r->extents_start, take, 0);
	if (!r->n_extents)
		add_extent(r, r->extents_start + len, false);
}

/* The extent that contains off. */
static struct remote_extent extent_at(struct remote *r, uint64_t off)
{
	assert(off < r->size);
	if (off < r->extents_start || !r->n_extents ||
	    off >= r->extents[r->n_extents - 1].end)
		query_extents(r, off);
	if (r->last_extent && off < r->extents[r->last_extent - 1].end)
		r->last_extent = 0;
	while (off >= r->extents[r->last_extent].end)
		r->last_extent++;
	return r->extents[r->last_extent];
}

/* The requests of one read. */
struct reads {
	unsigned pending; /* requests without an answer */
	uint64_t missing; /* bytes that answers did not contain */
	int error;        /* of the first that failed, positive errno */
};

/* A chunk of an answer: data, or a hole. */
static int read_chunk(void *data, const void *buf, size_t len, uint64_t off,
		      unsigned status, int *error)
{
	struct reads *reads = data;

	(void)buf;
	(void)off;
	(void)error;
	if (status != LIBNBD_READ_ERROR)
		reads->missing -= min_u64(len, reads->missing);
	return 0;
}

static int read_done(void *data, int *error)
{
	struct reads *reads = data;

	reads->pending--;
	if (*error && !reads->error)
		reads->error = *error;
	return 1;
}

static void send_read(struct remote *r, struct reads *reads, uint8_t *buf,
		      size_t len, uint64_t off)
{
	nbd_chunk_callback chunk = { .callback = read_chunk,
				     .user_data = reads };
	nbd_completion_callback done = { .callback = read_done,
					 .user_data = reads };

	reads->pending++;
	reads->missing += len;
	if (nbd_aio_pread_structured(r->nbd, buf, len, off, chunk, done, 0) >=
	    0)
		return;
	reads->pending--;
	if (!reads->error)
		reads->error = nbd_get_errno() ? nbd_get_errno() : EIO;
}

/* After that libnbd does not write to the buffer. */
static int wait_for_reads(struct remote *r, struct reads *reads)
{
	while (reads->pending && !is_dead(r))
		nbd_poll(r->nbd, -1);
	if (!reads->error && !reads->pending)
		return reads->missing ? -EPROTO : 0;
	return is_dead(r) ? -ECONNRESET : -reads->error;
}

/* [off, off + len) has whole blocks, except at the end of the disk. */
static int read_blocks(struct remote *r, uint8_t *buf, size_t len, uint64_t off)
{
	struct reads reads = { 0 };

	while (len && !reads.error) {
		struct remote_extent extent = extent_at(r, off);
		size_t n = min_u64(len, extent.end - off);

		if (extent.zero) {
			memset(buf, 0, n);
		} else {
			n = min_u64(n, r->request - off % r->request);
			send_read(r, &reads, buf, n, off);
		}
		buf += n;
		off += n;
		len -= n;
	}
	return wait_for_reads(r, &reads);
}

/* An unaligned read: reads whole blocks into a buffer. */
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

static int remote_io_extent(struct io *io, uint64_t off, bool *ret_data,
			    uint64_t *ret_len)
{
	struct remote_extent extent = extent_at(remote_of(io), off);

	*ret_data = !extent.zero;
	*ret_len = extent.end - off;
	return 0;
}

/* Sends a disconnect request, and does not wait: the server may hang. */
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
	.extent = remote_io_extent,
	.close = remote_close,
};

static bool wants_tls(const struct remote *r)
{
	return !strncmp(r->io.name, "nbds", 4);
}

/* What to do if the connection failed with this errno. */
static const char *connect_advice(const struct remote *r, int error,
				  const char *text)
{
	/* Wrong keys and user names are EINVAL, too. */
	if (error == EINVAL && (!wants_tls(r) || strstr(text, "URI")))
		return "an NBD URI is nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH, with nbds for TLS, and %20 for a space";
	if (error == ENOENT && strstr(text, "export"))
		return "nbdinfo --list shows the names of its exports";
	if (error == ENOTSUP && !wants_tls(r))
		return "begin the URI with nbds, and name the keys in it with tls-psk-file=FILE or tls-certificates=DIR";
	if (wants_tls(r) && error != ECONNREFUSED && error != ENOENT)
		return "check that the server takes TLS, and the user name and keys in the URI";
	return "start the server, and check in the URI where it listens";
}

/* A libnbd call failed: sets the message. */
static int fail_connect(const struct remote *r)
{
	int error = nbd_get_errno() ? nbd_get_errno() : EIO;
	const char *text = nbd_get_error(), *colon;

	/* Its messages begin with the name of the function. */
	colon = text ? strstr(text, ": ") : NULL;
	text = colon && !r->has_password ? colon + 2 : strerror(error);
	fail(-error, "%s: NBD server: %s", r->io.name, text);
	error_advise("%s", connect_advice(r, error, text));
	return -error;
}

/* Has no effect on a socket that is not TCP. */
static void set_keepalive(int fd)
{
	const int on = 1, idle = KEEPALIVE_IDLE, every = KEEPALIVE_INTERVAL;
	const int limit = KEEPALIVE_TIMEOUT * 1000;

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
	/* A disk may end inside a block: the server decides whether that can
	 * be read, not libnbd. */
	strict = (int)nbd_get_strict_mode(r->nbd) & ~LIBNBD_STRICT_ALIGN;
	if (nbd_set_strict_mode(r->nbd, strict) < 0 ||
	    nbd_set_uri_allow_local_file(r->nbd, true) < 0 ||
	    nbd_add_meta_context(r->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0 ||
	    nbd_connect_uri(r->nbd, uri) < 0)
		return fail_connect(r);
	set_keepalive(nbd_aio_get_fd(r->nbd));
	return 0;
}

/* The properties that the server sent when the export was opened. */
static int read_properties(struct remote *r)
{
	int64_t size = nbd_get_size(r->nbd);
	int64_t least = nbd_get_block_size(r->nbd, LIBNBD_SIZE_MINIMUM);
	int64_t most = nbd_get_block_size(r->nbd, LIBNBD_SIZE_MAXIMUM);

	if (size < 0)
		return fail(-EINVAL,
			    "%s: export size: expected less than 2^63 bytes, "
			    "found more; name the export of the disk",
			    r->io.name);
	if (size == 0)
		return fail(-EINVAL,
			    "%s: export size: expected at least one sector, "
			    "found 0 bytes; name the export of the disk",
			    r->io.name);
	r->size = size;
	r->block = least > SECTOR ? least : SECTOR;
	r->request = REQUEST_SIZE;
	if (most > 0)
		r->request = min_u64(r->request, most);
	r->request = max_u64(round_down(r->request, r->block), r->block);
	r->has_block_status =
		nbd_can_meta_context(r->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) ==
		1;
	return 0;
}

static int remote_open(const char *uri, struct remote **ret)
{
	_cleanup_free_ char *name = remote_name(uri);
	struct remote *r = calloc(1, sizeof *r);
	int code;

	if (!name || !r || io_init(&r->io, &remote_ops, name, false) < 0) {
		free(r);
		return fail(-ENOMEM, "out of memory");
	}
	*ret = r;
	r->has_password = strcmp(name, uri) != 0;
	code = connect_to(r, uri);
	return code < 0 ? code : read_properties(r);
}

static int open_at(const struct root_dir *rootdir, const char *path,
		   bool writable, struct io **ret, char **ret_real)
{
	struct remote *r = NULL;
	int code;

	(void)rootdir;
	if (writable)
		return fail_errno(-EROFS, "NBD disk");
	code = remote_open(path, &r);
	if (code == 0 && ret_real) {
		*ret_real = strdup(r->io.name);
		if (!*ret_real)
			code = fail(-ENOMEM, "out of memory");
	}
	if (code == 0)
		*ret = &r->io;
	else if (r)
		remote_close(&r->io);
	return code;
}

static const struct root_dir_ops open_ops = { .open = open_at };

const struct root_dir remote_root_dir = { .ops = &open_ops, .fd = -1 };

int remote_refuse_container(struct io *io)
{
	const struct image_ops *ops;
	const char *kind = NULL;
	int r = foreign_find(io, &kind);

	if (r == 0 && !kind) {
		r = image_format_probe(io, &ops);
		if (r == 0 && !image_format_is_raw(ops))
			kind = format_arg("a %s image", ops->title);
	}
	if (r < 0 || !kind)
		return r;
	return fail(-EMEDIUMTYPE,
		    "%s: expected a disk, found %s; the server exports the "
		    "file itself: start it so that it exports the disk in that "
		    "file (qemu-nbd without -f raw)",
		    io->name, kind);
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
