/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Worker: the process that answers the kernel's requests.
 *
 * ORDER of a start:
 *
 *   1. open the store, and again what earlier workers had open (restore_state)
 *   2. the first worker: wait until the supervisor has mounted
 *   3. start libfuse's session, and the invalidator
 *   4. after an earlier worker: drop the kernel's cached pages, and ask it to
 *      send the unanswered requests again
 *   5. start the thread pool
 *   6. tell the supervisor
 *
 * ORDER of the end, and of a hand-over:
 *
 *   1. stop the thread pool: each request that was read is answered
 *   2. answer the writes that wait for the invalidator
 *   3. flush the images.  At the end they are closed too, and then the mount's
 *      state identifier is saved for the next mount.
 */
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
#include "fuse/invalidate.h"
#include "fuse/restore.h"
#include "fuse/thread-pool.h"
#include "io/recovery.h"

enum {
	/* How many asynchronous requests (read ahead, AIO) of all clients
	 * together the kernel sends before it waits for answers. */
	BACKGROUND_MAX = 512,
	/* Linux 6.9; older headers do not define it. */
	NOTIFY_RESEND = 7,
};

struct server server;

static void request_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	conn->max_write = REQUEST_MAX;
	conn->max_readahead = REQUEST_MAX;
	conn->max_background = BACKGROUND_MAX;
	conn->congestion_threshold = BACKGROUND_MAX * 3 / 4;
	conn->time_gran = 1;
	/*
	 * Off: with it every read of cached pages asks for attributes first.
	 * It is not needed: the invalidator drops pages that clients of the
	 * mount change; other programs cannot change an image while it is open,
	 * and the next open drops its pages.
	 */
	conn->want &= ~FUSE_CAP_AUTO_INVAL_DATA;
#ifdef FUSE_CAP_DIRECT_IO_ALLOW_MMAP
	/* Shared mappings of files that are open for writing. */
	conn->want |= conn->capable & FUSE_CAP_DIRECT_IO_ALLOW_MMAP;
#endif
}

/*
 * Makes the session, and gives libfuse the kernel's INIT request, which the
 * supervisor has read.  libfuse sends an answer each time; the kernel uses only
 * the first one, of the first worker, and ignores the others.
 */
static int new_session(const struct mount *mount)
{
	struct fuse_lowlevel_ops ops = { .init = request_init };
	char init[INIT_MAX];
	struct fuse_buf buf = { .mem = init, .size = mount->link->init_len };
	int r;

	requests_of_names(&ops);
	requests_of_files(&ops);
	requests_of_control(&ops);
	r = mount_session_on(mount, mount->link->fd, &ops, &server.session);
	if (r < 0)
		return r;
	memcpy(init, mount->link->init, buf.size);
	fuse_session_process_buf(server.session, &buf);
	return 0;
}

/* Asks the kernel to send again the requests that an earlier worker has read
 * and not answered. */
static int request_resend(const struct mount *mount)
{
	struct fuse_out_header out = { .len = sizeof out,
				       .error = NOTIFY_RESEND };

	/* ENODEV: it is unmounted; the thread pool will find that too. */
	if (write(mount->link->fd, &out, sizeof out) == sizeof out ||
	    errno == ENODEV)
		return 0;
	return fail_errno(-errno,
			  "%s: asking the kernel to send requests again",
			  mount->options->mountpoint);
}

/* Returns the signal that ends the worker. */
static int wait_for_end(void)
{
	siginfo_t info;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR2); /* from the thread pool */
	sigaddset(&set, PULSE_SIGNAL);
	do {
		sig = sigwaitinfo(&set, &info);
		if (sig == PULSE_SIGNAL && thread_pool_is_alive())
			kill(getppid(), PULSE_SIGNAL);
	} while (sig < 0 || sig == PULSE_SIGNAL ||
		 (sig == SIGHUP && info.si_pid != getppid()));
	return sig;
}

static int start(void)
{
	const struct mount *mount = server.mount;
	int r;

	server.fd = mount->link->fd;
	/* When the kernel needs memory to process our answers, it must not
	 * wait for write-back to this mount. */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	r = new_session(mount); /* 3 */
	if (r == 0)
		r = invalidator_start();
	if (r == 0 && server.restored)
		restore_caches();
	if (r == 0 && server.restored && mount_can_resend(mount))
		r = request_resend(mount); /* 4 */
	if (r == 0)
		/* 5 */
		r = thread_pool_start(server.fd, fast_path_handle);
	return r;
}

static void note_open(void *ctx, const struct recovery_open *open)
{
	(void)open;
	*(bool *)ctx = true;
}

/* Flushes and closes the images before the mount ends.  If files are still
 * open, their clients will ask the next mount whether writes were lost: its
 * state identifier says that none was. */
static int end(void)
{
	const struct mount *mount = server.mount;
	const struct options *o = mount->options;
	bool opened = false;
	int r;

	recovery_set_ending();
	invalidator_stop(o->mountpoint);
	nodes_free();
	r = store_close(server.store);
	recovery_each_open(note_open, &opened);
	if (r == 0 && opened)
		mount_state_save(o->store, o->mountpoint, mount->link->state);
	return r < 0 ? WORKER_FAILED : WORKER_DONE;
}

static int hand_over(void)
{
	invalidator_abandon();
	return store_flush(server.store) < 0 ? WORKER_HANDED_OVER_UNFLUSHED
					     : WORKER_HANDED_OVER;
}

/* Waits until the supervisor has mounted. */
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
	return sig == SIGUSR1 ? 0 : fail(-ECANCELED, "interrupted by a signal");
}

/* The supervisor does the same, and replaces the standard files, which are
 * shared. */
static void follow_into_background(void)
{
	log_init("vhdfs", LOG_LEVEL_INFO, true);
	if (setsid() < 0 || chdir("/") < 0)
		log_warn(
			"worker process: setsid or chdir to /: %s; it stays in the session of the terminal",
			strerror(errno));
}

/* The exit status of a worker that could not start.  A libfuse that cannot
 * serve will not do so for the next worker. */
static int start_failure_status(bool first)
{
	int r = first ? -ECANCELED : mount_check_libfuse();

	return r < 0 && !error_is_passing(r) ? WORKER_FAILED
					     : WORKER_NOT_STARTED;
}

int worker_run(const struct mount *mount)
{
	bool first = mount->link->fd < 0;
	int r, rc, sig;

	server.mount = mount;
	server.restored = !first && !mount->link->replaced;
	r = restore_state();
	if (r == 0)
		mount->link->replaced = false;
	if (r == 0 && first)
		r = wait_for_mount();
	if (r == 0 && first && !mount->options->foreground)
		follow_into_background();
	if (r == 0)
		r = start();
	if (r < 0) {
		if (r != -ECANCELED)
			log_error("%s", error_text());
		if (server.session)
			fuse_session_destroy(server.session);
		nodes_free();
		if (server.store)
			store_close(server.store);
		return start_failure_status(first);
	}
	mount->link->attempts = 0;
	kill(getppid(), PULSE_SIGNAL);
	sig = wait_for_end();
	r = thread_pool_stop();
	if (r < 0)
		log_error("%s", error_text());
	rc = sig == SIGHUP ? hand_over() : end();
	fuse_session_destroy(server.session);
	return r < 0 ? WORKER_FAILED : rc;
}
