/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "fuse/worker.h"

#include <errno.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "fuse/fast-path.h"
#include "fuse/restore.h"
#include "fuse/thread-pool.h"
#include "io/recovery.h"

enum {
	/* Requests that the kernel sends without waiting for the answer before:
	 * read ahead and asynchronous I/O, of all clients together. */
	BACKGROUND_MAX = 512,
	/* Of the kernel's 6.9; headers of before do not have it. */
	NOTIFY_RESEND = 7,
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

/* libfuse learns what the kernel can do, whoever it was told to first; an
 * answer that another worker gave before is the one that counts. */
static void take_init(const struct mount *mount, struct fuse_session *session)
{
	char copy[INIT_MAX];
	struct fuse_buf buf = { .mem = copy, .size = mount->link->init_len };

	memcpy(copy, mount->link->init, mount->link->init_len);
	fuse_session_process_buf(session, &buf);
}

static int new_session(const struct mount *mount, struct server *server,
		       struct fuse_session **ret)
{
	struct fuse_lowlevel_ops ops = { .init = request_init };
	int r;

	requests_of_names(&ops);
	requests_of_files(&ops);
	r = mount_session_on(mount, mount->link->fd, &ops, server, ret);
	if (r == 0)
		take_init(mount, *ret);
	return r;
}

/* Asks for what was taken by who died, and not answered. */
static int ask_again(const struct mount *mount)
{
	struct fuse_out_header out = { .len = sizeof out,
				       .error = NOTIFY_RESEND };

	/* ENODEV: it was unmounted meanwhile, as the loop will see. */
	if (write(mount->link->fd, &out, sizeof out) == sizeof out ||
	    errno == ENODEV)
		return 0;
	return fail_errno(-errno, "%s: asking the kernel to send again",
			  mount->point);
}

static void answer_pulse(struct thread_pool *pool)
{
	if (thread_pool_is_alive(pool))
		kill(getppid(), PULSE_SIGNAL);
}

/* Waits for what ends it: the signal. */
static int wait_for_end(struct thread_pool *pool)
{
	siginfo_t info;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR2); /* of the loop */
	sigaddset(&set, PULSE_SIGNAL);
	do {
		sig = sigwaitinfo(&set, &info);
		if (sig == PULSE_SIGNAL)
			answer_pulse(pool);
	} while (sig < 0 || sig == PULSE_SIGNAL ||
		 (sig == SIGHUP && info.si_pid != getppid()));
	return sig;
}

static int start(const struct mount *mount, struct server *server,
		 bool restored, struct thread_pool **ret)
{
	int r;

	server->restored = restored;
	server->fd = mount->link->fd;
	/* Memory that the kernel needs to let us answer must not wait for us.
	 */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	r = new_session(mount, server, &server->session);
	if (r == 0)
		r = invalidator_new(server->session, &server->invalidator);
	if (r == 0 && restored)
		restore_caches(server);
	if (r == 0 && restored && mount_can_resend(mount))
		r = ask_again(mount);
	if (r == 0)
		r = thread_pool_start(server->fd, fast_path_handle, server,
				      ret);
	return r;
}

static void has_opened(void *ctx, const struct recovery_open *open)
{
	(void)open;
	*(bool *)ctx = true;
}

/* Flushes all that is open, and only then lets the mount go.  For clients of
 * files that are still open the next mount is to know that nothing is lost. */
static int end(const struct mount *mount, struct server *server,
	       const char *store)
{
	bool opened = false;
	int r;

	recovery_set_ending();
	invalidator_free(server->invalidator, mount->point);
	nodes_free(server->nodes);
	r = store_close(server->store);
	recovery_each_open(has_opened, &opened);
	if (r == 0 && opened)
		mount_state_leave(store, mount->point, server->state);
	return r < 0 ? WORKER_FAILED : WORKER_DONE;
}

static int leave(struct server *server)
{
	invalidator_abandon(server->invalidator);
	return store_flush(server->store) < 0 ? WORKER_LEFT_UNSAFE
					      : WORKER_LEFT;
}

/* Until the parent has mounted. */
static int wait_for_mount(void)
{
	sigset_t set;
	int sig;

	kill(getppid(), SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	do
		sig = sigwaitinfo(&set, NULL);
	while (sig < 0);
	return sig == SIGUSR1 ? 0 : fail(-ECANCELED, "ended by a signal");
}

/* The parent does the same; the standard files are shared with it. */
static void follow_into_background(void)
{
	log_init("vhdfs", LOG_LEVEL_INFO, true);
	if (setsid() < 0 || chdir("/") < 0)
		log_warn("going into the background: %s", strerror(errno));
}

static void close_store(struct server *server)
{
	if (server->nodes)
		nodes_free(server->nodes);
	if (server->store)
		store_close(server->store);
}

/* How a worker ends that could not begin. */
static int status_of_failure(enum worker_kind kind)
{
	int r = kind == WORKER_FIRST ? -ECANCELED : mount_check_libfuse();

	/* The next worker would run with the same libfuse. */
	return r < 0 && !error_is_passing(r) ? WORKER_FAILED
					     : WORKER_NOT_STARTED;
}

int worker_run(enum worker_kind kind, const struct mount *mount,
	       const struct store_options *store_options, bool background)
{
	struct server server = { .read_only = store_options->read_only,
				 .state = mount->link->state,
				 .anew = mount->link->anew };
	bool restored = kind == WORKER_NEXT;
	struct thread_pool *pool;
	int r = restore_state(&server, store_options), rc, sig;

	if (r == 0)
		mount->link->anew = false;
	if (r == 0 && kind == WORKER_FIRST)
		r = wait_for_mount();
	if (r == 0 && kind == WORKER_FIRST && background)
		follow_into_background();
	if (r == 0)
		r = start(mount, &server, restored, &pool);
	if (r < 0) {
		if (r != -ECANCELED)
			log_error("%s", error_text());
		if (server.invalidator && kind == WORKER_FIRST)
			invalidator_free(server.invalidator, mount->point);
		if (server.session)
			fuse_session_destroy(server.session);
		close_store(&server);
		return status_of_failure(kind);
	}
	mount->link->attempts = 0;
	kill(getppid(), PULSE_SIGNAL);
	sig = wait_for_end(pool);
	r = thread_pool_stop(pool);
	if (r < 0)
		log_error("%s", error_text());
	rc = sig == SIGHUP ? leave(&server)
			   : end(mount, &server, store_options->path);
	fuse_session_destroy(server.session);
	return r < 0 ? WORKER_FAILED : rc;
}
