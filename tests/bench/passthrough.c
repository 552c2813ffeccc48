/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plain copying passthrough: the cost of a FUSE file system that does only
 * pread and pwrite.  The benchmark's limit, together with libfuse's own
 * example.
 *
 *     passthrough -o source=DIR [-o OPTION,...] [-f] MOUNTPOINT
 *
 * Shows the files of one directory under their own names, for direct I/O, with
 * parallel writes.  Not for use: inodes are never freed, and there is no
 * listing.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>

enum {
	NAMES_MAX = 4096,
	BUFFER_SIZE = 1 << 20, /* the kernel asks for no more at once */
};

static const double ATTRIBUTES_HOLD = 3600; /* seconds: the only writer */

/* A node is an index into names, the first is FUSE_ROOT_ID + 1. */
static struct {
	pthread_mutex_t lock; /* names, n_names */
	char *names[NAMES_MAX];
	size_t n_names;
	int dir;
} files = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const char *name_of(fuse_ino_t ino)
{
	const char *name;

	if (ino == FUSE_ROOT_ID)
		return ".";
	pthread_mutex_lock(&files.lock);
	name = files.names[ino - FUSE_ROOT_ID - 1];
	pthread_mutex_unlock(&files.lock);
	return name;
}

/* 0: the table of names is full. */
static fuse_ino_t node_of(const char *name)
{
	size_t i = 0;

	pthread_mutex_lock(&files.lock);
	while (i < files.n_names && strcmp(files.names[i], name) != 0)
		i++;
	if (i == files.n_names) {
		if (i < NAMES_MAX && (files.names[i] = strdup(name)))
			files.n_names++;
		else
			i = NAMES_MAX;
	}
	pthread_mutex_unlock(&files.lock);
	return i == NAMES_MAX ? 0 : FUSE_ROOT_ID + 1 + i;
}

static int attributes(fuse_ino_t ino, struct stat *ret_st)
{
	if (fstatat(files.dir, name_of(ino), ret_st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno;
	ret_st->st_ino = ino;
	ret_st->st_blksize = 4096;
	return 0;
}

static void pass_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = {
		.attr_timeout = ATTRIBUTES_HOLD,
		.entry_timeout = ATTRIBUTES_HOLD,
	};
	struct stat st;
	int r;

	(void)parent;
	if (fstatat(files.dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	entry.ino = node_of(name);
	r = entry.ino ? attributes(entry.ino, &entry.attr) : ENFILE;
	if (r)
		fuse_reply_err(req, r);
	else
		fuse_reply_entry(req, &entry);
}

static void pass_getattr(fuse_req_t req, fuse_ino_t ino,
			 struct fuse_file_info *fi)
{
	struct stat st;
	int r = attributes(ino, &st);

	(void)fi;
	if (r)
		fuse_reply_err(req, r);
	else
		fuse_reply_attr(req, &st, ATTRIBUTES_HOLD);
}

/* libfuse 3.14 has no name for parallel direct writes. */
static void pass_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuse_open_out out = {
		.open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES,
	};
	int fd = openat(files.dir, name_of(ino), fi->flags & O_ACCMODE);

	if (fd < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	out.fh = (uint64_t)fd;
	fuse_reply_buf(req, (const char *)&out, sizeof out);
}

static void pass_release(fuse_req_t req, fuse_ino_t ino,
			 struct fuse_file_info *fi)
{
	(void)ino;
	close((int)fi->fh);
	fuse_reply_err(req, 0);
}

static void pass_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		      struct fuse_file_info *fi)
{
	static _Thread_local char *buffer;
	ssize_t n;

	(void)ino;
	if (!buffer && posix_memalign((void **)&buffer, 4096, BUFFER_SIZE)) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	n = pread((int)fi->fh, buffer, size < BUFFER_SIZE ? size : BUFFER_SIZE,
		  off);
	if (n < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_buf(req, buffer, (size_t)n);
}

/* Writes from the buffer into which libfuse read the request. */
static void pass_write(fuse_req_t req, fuse_ino_t ino, const char *data,
		       size_t size, off_t off, struct fuse_file_info *fi)
{
	ssize_t n = pwrite((int)fi->fh, data, size, off);

	(void)ino;
	if (n < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_write(req, (size_t)n);
}

static void pass_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
		       struct fuse_file_info *fi)
{
	(void)ino;
	(void)datasync;
	fuse_reply_err(req, fdatasync((int)fi->fh) < 0 ? errno : 0);
}

static const struct fuse_lowlevel_ops pass_ops = {
	.lookup = pass_lookup,
	.getattr = pass_getattr,
	.open = pass_open,
	.release = pass_release,
	.read = pass_read,
	.write = pass_write,
	.fsync = pass_fsync,
};

static int serve(struct fuse_session *session,
		 const struct fuse_cmdline_opts *opts)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r = -1;

	if (config && fuse_set_signal_handlers(session) == 0 &&
	    fuse_session_mount(session, opts->mountpoint) == 0) {
		fuse_daemonize(opts->foreground);
		fuse_loop_cfg_set_clone_fd(config, 1);
		fuse_loop_cfg_set_max_threads(config, opts->max_threads);
		r = fuse_session_loop_mt(session, config);
		fuse_session_unmount(session);
	}
	if (config)
		fuse_loop_cfg_destroy(config);
	return r;
}

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct fuse_cmdline_opts opts;
	struct fuse_session *session;
	char *source = NULL;
	const struct fuse_opt known[] = { { "source=%s", 0, 0 }, FUSE_OPT_END };
	int r;

	if (fuse_parse_cmdline(&args, &opts) < 0 ||
	    fuse_opt_parse(&args, &source, known, NULL) < 0)
		return 2;
	if (!source || !opts.mountpoint) {
		fputs("usage: passthrough -o source=DIR MOUNTPOINT\n", stderr);
		return 2;
	}
	files.dir = open(source, O_DIRECTORY | O_PATH);
	if (files.dir < 0) {
		fprintf(stderr, "passthrough: %s: %s\n", source,
			strerror(errno));
		return 1;
	}
	session = fuse_session_new(&args, &pass_ops, sizeof pass_ops, NULL);
	if (!session)
		return 1;
	r = serve(session, &opts);
	fuse_session_destroy(session);
	return r ? 1 : 0;
}
