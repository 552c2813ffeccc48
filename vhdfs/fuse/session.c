/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "fuse/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"

enum {
	/* A sync keeps its thread waiting for the disk, and many may sync at
	 * once; threads are started when all others are busy. */
	WORKERS_MAX = 64,
	/* Requests that the kernel sends without waiting for the answer before:
	 * read ahead and asynchronous I/O, of all clients together. */
	BACKGROUND_MAX = 512,
};

static void request_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	conn->max_write = REQUEST_MAX;
	conn->max_readahead = REQUEST_MAX;
	conn->max_background = BACKGROUND_MAX;
	conn->congestion_threshold = BACKGROUND_MAX * 3 / 4;
	conn->time_gran = 1;
	/*
	 * With it every read of cached pages asks for attributes first.  What
	 * is written through us is dropped from the cache by us, what others
	 * write by the next open, and while an image is open they may not.
	 */
	conn->want &= ~FUSE_CAP_AUTO_INVAL_DATA;
#ifdef FUSE_CAP_DIRECT_IO_ALLOW_MMAP
	/* Shared mappings of what is open for writing. */
	conn->want |= conn->capable & FUSE_CAP_DIRECT_IO_ALLOW_MMAP;
#endif
}

/* libfuse takes the list apart at commas, and a backslash protects one. */
static char *escape(const char *text)
{
	char *out = malloc(2 * strlen(text) + 1), *p = out;

	for (; out && *text; text++) {
		if (*text == ',' || *text == '\\')
			*p++ = '\\';
		*p++ = *text;
	}
	if (out)
		*p = '\0';
	return out;
}

static char *mount_options(const struct server *server, const char *options)
{
	_cleanup_free_ char *root = escape(store_root(server->store));
	char *all;

	if (!root ||
	    asprintf(&all, "fsname=%s,subtype=vhdfs,default_permissions%s%s",
		     root, options ? "," : "", options ? options : "") < 0)
		return NULL;
	return all;
}

/* What libfuse has to say is our log's, and the last line the error's words. */
static void take_message(enum fuse_log_level level, const char *fmt, va_list ap)
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

static int mount_it(struct session *s)
{
	fail(-EIO, "%s: mounting failed", s->mountpoint);
	if (fuse_session_mount(s->fuse, s->mountpoint) != 0) {
		fuse_session_destroy(s->fuse);
		return -EIO;
	}
	return 0;
}

/* SIG_BLOCK or SIG_UNBLOCK: of the calling thread, and of those it starts. */
static void ending_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(how, &set, NULL);
}

static int mount_session(struct server *server, const char *mountpoint,
			 const char *options, struct session *ret)
{
	_cleanup_free_ char *all = mount_options(server, options);
	struct fuse_lowlevel_ops ops = { .init = request_init };
	struct session s = { .server = server };
	char *argv[] = { "vhdfs", "-o", all, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	int r;

	s.mountpoint = realpath(mountpoint, NULL);
	if (!s.mountpoint)
		return fail_errno(-errno, "%s", mountpoint);
	if (!all)
		r = fail(-ENOMEM, "out of memory");
	else
		r = 0;
	requests_of_names(&ops);
	requests_of_files(&ops);
	fuse_set_log_func(take_message);
	if (r == 0) {
		s.fuse = fuse_session_new(&args, &ops, sizeof ops, server);
		r = s.fuse ? mount_it(&s) : -EIO;
	}
	fuse_opt_free_args(&args);
	if (r < 0) {
		free(s.mountpoint);
		return r;
	}
	*ret = s;
	return 0;
}

int session_mount(struct server *server, const char *mountpoint,
		  const char *options, struct session *ret)
{
	int r;

	signal(SIGHUP, SIG_IGN);
	ending_signals(SIG_BLOCK);
	r = mount_session(server, mountpoint, options, ret);
	if (r < 0)
		ending_signals(SIG_UNBLOCK);
	return r;
}

static int serve(struct session *session)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r;

	if (!config)
		return fail(-ENOMEM, "out of memory");
	fuse_loop_cfg_set_clone_fd(config, 1);
	fuse_loop_cfg_set_max_threads(config, WORKERS_MAX);
	fuse_loop_cfg_set_idle_threads(config, WORKERS_MAX);
	r = fuse_session_loop_mt(session->fuse, config);
	fuse_loop_cfg_destroy(config);
	/* A signal's number: that is how it is meant to end. */
	return r < 0 ? fail_errno(r, "%s: serving requests",
				  session->mountpoint)
		     : 0;
}

int session_run(struct session *session)
{
	struct server *server = session->server;
	int r = pthread_key_create(&server->buffer, free);

	if (r != 0)
		return fail_errno(-r, "a buffer for each thread");
	/* Memory that the kernel needs to let us answer must not wait for us.
	 */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	/* libfuse handles those that are at their default, and SIGINT is not
	 * in what a shell has started in the background. */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	if (fuse_set_signal_handlers(session->fuse) != 0)
		return fail(-EIO, "cannot handle signals");
	r = invalidator_new(session->fuse, &server->invalidator);
	if (r < 0)
		return r;
	/* This thread is the one to be woken by them. */
	ending_signals(SIG_UNBLOCK);
	r = serve(session);
	invalidator_free(server->invalidator, session->mountpoint);
	pthread_key_delete(server->buffer);
	return r;
}

void session_end(struct session *session)
{
	fuse_session_unmount(session->fuse);
	/* Until here: one more signal must not end us while we flush. */
	fuse_remove_signal_handlers(session->fuse);
	fuse_session_destroy(session->fuse);
	free(session->mountpoint);
}
