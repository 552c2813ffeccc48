/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "fuse/loop.h"

#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "fuse/requests.h"

/* Set by the kernel in the number of what it sends again (6.9); headers of
 * before do not have it. */
#ifndef FUSE_UNIQUE_RESEND
#define FUSE_UNIQUE_RESEND (1ULL << 63)
#endif

enum {
	/* A sync keeps its thread waiting for the disk, and many may sync at
	 * once. */
	WORKERS_MAX = 64,
	/* What libfuse takes a request's header to need. */
	BUFFER_SIZE = REQUEST_MAX + 4096,
	/* Takes a thread out of its read. */
	WAKE_SIGNAL = SIGUSR1,
	ENDED_SIGNAL = SIGUSR2,
};

struct worker {
	struct loop *loop;
	pthread_t thread;
	void *buf; /* BUFFER_SIZE */
};

struct loop {
	struct fuse_session *session;
	int fd;
	atomic_bool stop;
	atomic_int failed; /* -errno of a read */
	atomic_int idle;   /* wait for a request */
	pthread_mutex_t lock;
	/* Under lock: */
	struct worker workers[WORKERS_MAX];
	unsigned n, n_ended;
};

static _Thread_local uint64_t request_number;

uint64_t loop_request_number(void)
{
	return request_number;
}

/*
 * All of it is there from the start: the kernel gives up a request with EIO
 * when the thread that it copies it to is killed while it waits for a page.
 */
static void *new_buffer(void)
{
	void *buf = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (buf == MAP_FAILED)
		return NULL;
	/* And stays there, where we may ask for that. */
	(void)mlock(buf, BUFFER_SIZE);
	return buf;
}

static void free_buffer(void *buf)
{
	munmap(buf, BUFFER_SIZE);
}

static void *work(void *arg);

/* With the lock. */
static int start_thread(struct loop *loop)
{
	struct worker *worker = &loop->workers[loop->n];
	int r;

	worker->loop = loop;
	worker->buf = new_buffer();
	if (!worker->buf)
		return fail(-ENOMEM, "out of memory");
	r = pthread_create(&worker->thread, NULL, work, worker);
	if (r != 0) {
		free_buffer(worker->buf);
		return fail_errno(-r, "starting a thread");
	}
	loop->n++;
	return 0;
}

/* Nobody else waits for a request: somebody is to. */
static void start_another(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	if (!atomic_load(&loop->stop) && loop->n < WORKERS_MAX) {
		atomic_fetch_add(&loop->idle, 1);
		/* Then those that there are must do. */
		if (start_thread(loop) < 0)
			atomic_fetch_sub(&loop->idle, 1);
	}
	pthread_mutex_unlock(&loop->lock);
}

static void answer(struct loop *loop, void *buf, size_t n)
{
	struct fuse_buf request = { .mem = buf, .size = n };
	const struct fuse_in_header *in = buf;

	request_number = in->unique & ~FUSE_UNIQUE_RESEND;
	if (atomic_fetch_sub(&loop->idle, 1) == 1)
		start_another(loop);
	fuse_session_process_buf(loop->session, &request);
	atomic_fetch_add(&loop->idle, 1);
}

static bool is_passing(int code)
{
	/* ENOENT: the request was given up while it was read. */
	return code == EINTR || code == EAGAIN || code == ENOENT;
}

static void serve(struct loop *loop, void *buf)
{
	while (!atomic_load(&loop->stop)) {
		ssize_t n = read(loop->fd, buf, BUFFER_SIZE);

		if (n >= (ssize_t)sizeof(struct fuse_in_header)) {
			answer(loop, buf, n);
			continue;
		}
		if (n < 0 && is_passing(errno))
			continue;
		/* ENODEV: it is unmounted. */
		if (n < 0 && errno != ENODEV)
			atomic_store(&loop->failed, -errno);
		if (!atomic_exchange(&loop->stop, true))
			kill(getpid(), ENDED_SIGNAL);
	}
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct loop *loop = worker->loop;
	sigset_t wake;

	sigemptyset(&wake);
	sigaddset(&wake, WAKE_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
	serve(loop, worker->buf);
	pthread_mutex_lock(&loop->lock);
	loop->n_ended++;
	pthread_mutex_unlock(&loop->lock);
	return NULL;
}

static void wake(int sig)
{
	(void)sig;
}

int loop_start(struct fuse_session *session, int fd, struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof *loop);
	struct sigaction action = { .sa_handler = wake };
	int r;

	if (!loop)
		return fail(-ENOMEM, "out of memory");
	loop->session = session;
	loop->fd = fd;
	pthread_mutex_init(&loop->lock, NULL);
	atomic_init(&loop->idle, 1);
	sigaction(WAKE_SIGNAL, &action, NULL);
	pthread_mutex_lock(&loop->lock);
	r = start_thread(loop);
	pthread_mutex_unlock(&loop->lock);
	if (r < 0) {
		free(loop);
		return r;
	}
	*ret = loop;
	return 0;
}

/* Have all ended?  A signal that comes just before a read is lost, so it is
 * sent until the thread is known to be out of it. */
static bool all_ended(struct loop *loop)
{
	bool ended;

	pthread_mutex_lock(&loop->lock);
	ended = loop->n_ended == loop->n;
	for (unsigned i = 0; i < loop->n && !ended; i++)
		pthread_kill(loop->workers[i].thread, WAKE_SIGNAL);
	pthread_mutex_unlock(&loop->lock);
	return ended;
}

int loop_stop(struct loop *loop)
{
	struct timespec wait = { .tv_nsec = 1000000 };
	int r = 0;

	atomic_store(&loop->stop, true);
	while (!all_ended(loop))
		nanosleep(&wait, NULL);
	for (unsigned i = 0; i < loop->n; i++) {
		pthread_join(loop->workers[i].thread, NULL);
		free_buffer(loop->workers[i].buf);
	}
	if (atomic_load(&loop->failed) < 0)
		r = fail_errno(atomic_load(&loop->failed), "reading requests");
	pthread_mutex_destroy(&loop->lock);
	free(loop);
	return r;
}
