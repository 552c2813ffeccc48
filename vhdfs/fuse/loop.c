/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * STATES.  A thread WAITS for a request (in its read), is AT WORK on one, or is
 * HELD UP in one: it said that it may have to wait (loop_may_wait), or the
 * watchman found it at the same request twice.  Or it is parked.  Of threads
 * that wait or are at work, the `ready', there are to be as many as there are
 * processors: more of them would only take turns, and one fewer keeps clients
 * waiting.  So whoever is held up, or takes the last place of those that wait,
 * sees to it that there are enough; and who comes back and finds more than
 * enough, and than are held up, parks.
 *
 * A thread's state is changed by the thread itself, but for AT WORK to HELD UP,
 * which the watchman may do as well; whoever did it has counted it.
 */
#include "config.h"

#include "fuse/loop.h"

#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "fuse/direct.h"
#include "fuse/requests.h"
#include "io/wait.h"

/* Set by the kernel in the number of what it sends again (6.9); headers of
 * before do not have it. */
#ifndef FUSE_UNIQUE_RESEND
#define FUSE_UNIQUE_RESEND (1ULL << 63)
#endif

enum {
	/* A sync keeps its thread waiting for the disk, and many may sync at
	 * once. With the others of the process they are fewer than 64. */
	THREADS_MAX = 48,
	CACHE_LINE = 64,
	READY_MIN = 2,
	READY_MAX = 16,
	/* Of the buffer, before the page where data begins: that of a write,
	 * so that the kernel copies whole pages to whole pages, and that of an
	 * answer. */
	HEADER_ROOM = 4096,
	WRITE_HEADER =
		sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in),
	REQUEST_AT = HEADER_ROOM - WRITE_HEADER,
	BUFFER_SIZE = HEADER_ROOM + REQUEST_MAX,
	/* How often the watchman looks: oftener, and its coming and going is
	 * felt by all others. */
	WATCH_NS = 20000000,
	/* Takes a thread out of its read. */
	WAKE_SIGNAL = SIGUSR1,
	ENDED_SIGNAL = SIGUSR2,
};

enum state {
	WAITS,
	AT_WORK,
	HELD_UP,
};

/* What one thread changes with each request is apart from what others read. */
struct worker {
	alignas(CACHE_LINE) struct loop *loop;
	pthread_t thread;
	char *buf; /* BUFFER_SIZE */
	_Atomic(enum state) state;
	atomic_uint number; /* of the request that it is at, counted */
	unsigned seen;      /* by the watchman: number */
	uint64_t unique;    /* the kernel's number of it */
};

struct loop {
	struct fuse_session *session;
	struct server *server;
	int fd;
	int processors;
	atomic_int enough; /* threads that are ready */
	atomic_bool stop;
	atomic_int failed; /* -errno of a read */
	atomic_bool watched;
	unsigned taken; /* by all, when loop_is_alive was asked before */
	/* Changed with each request, by all. */
	alignas(CACHE_LINE) atomic_int waiting;
	alignas(CACHE_LINE) atomic_int ready; /* wait or are at work */
	atomic_int held_up;
	pthread_t watchman;
	pthread_mutex_t lock;
	pthread_cond_t unpark, watch;
	/* Under lock: */
	struct worker workers[THREADS_MAX];
	int n, n_parked, n_called, n_ended;
};

static _Thread_local struct worker *self;

uint64_t loop_request_number(void)
{
	return self->unique;
}

char *loop_answer_buffer(void)
{
	return self->buf + HEADER_ROOM;
}

/*
 * All of it is there from the start: the kernel gives up a request with EIO
 * when the thread that it copies it to is killed while it waits for a page.
 */
static char *new_buffer(void)
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

/* There are too few that are ready: one more, where there can be. */
static void call_another(struct loop *loop)
{
	struct error why = *error_last();

	pthread_mutex_lock(&loop->lock);
	if (!atomic_load(&loop->stop) &&
	    atomic_load(&loop->ready) < atomic_load(&loop->enough)) {
		if (loop->n_parked > loop->n_called) {
			loop->n_called++;
			atomic_fetch_add(&loop->ready, 1);
			pthread_cond_signal(&loop->unpark);
		} else if (loop->n < THREADS_MAX && start_thread(loop) == 0) {
			atomic_fetch_add(&loop->ready, 1);
		}
		/* Else those that there are must do. */
	}
	/* Whose words they are is at work on something else. */
	error_set(&why);
	pthread_mutex_unlock(&loop->lock);
}

static void see_to_enough(struct loop *loop)
{
	if (atomic_load(&loop->waiting) == 0 &&
	    atomic_load(&loop->ready) < atomic_load(&loop->enough))
		call_another(loop);
}

/* From AT_WORK; nothing is done where somebody else was first. */
static void hold_up(struct worker *worker)
{
	enum state state = AT_WORK;

	if (!atomic_compare_exchange_strong(&worker->state, &state, HELD_UP))
		return;
	atomic_fetch_add(&worker->loop->held_up, 1);
	atomic_fetch_sub(&worker->loop->ready, 1);
	see_to_enough(worker->loop);
}

void loop_may_wait(void)
{
	if (self && atomic_load(&self->state) == AT_WORK)
		hold_up(self);
}

/* What goes to the disk as a rule.  Others mostly find what they need in
 * memory, and where they do not, say so themselves or are found out. */
static bool mostly_waits(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_OPEN:
	case FUSE_RELEASE:
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_FALLOCATE:
		return true;
	default:
		return false;
	}
}

/* There is something to do: the watchman is to look. */
static void wake_watchman(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	atomic_store(&loop->watched, true);
	pthread_cond_signal(&loop->watch);
	pthread_mutex_unlock(&loop->lock);
}

static void answer(struct worker *worker, size_t n)
{
	struct loop *loop = worker->loop;
	struct fuse_buf request = { .mem = worker->buf + REQUEST_AT,
				    .size = n };
	const struct fuse_in_header *in = request.mem;

	worker->unique = in->unique & ~FUSE_UNIQUE_RESEND;
	atomic_fetch_add(&worker->number, 1);
	atomic_store(&worker->state, AT_WORK);
	if (!atomic_load(&loop->watched))
		wake_watchman(loop);
	if (mostly_waits(in->opcode))
		hold_up(worker);
	else
		see_to_enough(loop);
	if (!direct_answer(loop->server, loop->fd, request.mem, n))
		fuse_session_process_buf(loop->session, &request);
	if (atomic_exchange(&worker->state, WAITS) == HELD_UP) {
		atomic_fetch_add(&loop->ready, 1);
		atomic_fetch_sub(&loop->held_up, 1);
	}
}

static bool is_passing(int code)
{
	/* ENOENT: the request was given up while it was read. */
	return code == EINTR || code == EAGAIN || code == ENOENT;
}

/* Where many are held up again and again, who comes back is needed at once. */
static bool is_too_many(struct loop *loop)
{
	return atomic_load(&loop->ready) >
	       atomic_load(&loop->enough) + atomic_load(&loop->held_up);
}

/* There are enough without us: until we are called. */
static void park(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	if (is_too_many(loop)) {
		atomic_fetch_sub(&loop->ready, 1);
		loop->n_parked++;
		while (!loop->n_called && !atomic_load(&loop->stop))
			pthread_cond_wait(&loop->unpark, &loop->lock);
		loop->n_parked--;
		if (loop->n_called)
			loop->n_called--;
	}
	pthread_mutex_unlock(&loop->lock);
}

/* What read gave where it gave no request. */
static void serve_failure(struct loop *loop, int code)
{
	if (is_passing(code))
		return;
	/* ENODEV: it is unmounted. */
	if (code && code != ENODEV)
		atomic_store(&loop->failed, -code);
	if (!atomic_exchange(&loop->stop, true))
		kill(getpid(), ENDED_SIGNAL);
}

static void serve(struct worker *worker)
{
	struct loop *loop = worker->loop;

	while (!atomic_load(&loop->stop)) {
		ssize_t n;
		int code;

		if (is_too_many(loop))
			park(loop);
		atomic_fetch_add(&loop->waiting, 1);
		n = read(loop->fd, worker->buf + REQUEST_AT,
			 BUFFER_SIZE - REQUEST_AT);
		code = n < 0 ? errno : 0;
		atomic_fetch_sub(&loop->waiting, 1);
		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			answer(worker, n);
		else
			serve_failure(loop, code);
	}
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct loop *loop = worker->loop;
	sigset_t wake;

	self = worker;
	sigemptyset(&wake);
	sigaddset(&wake, WAKE_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
	serve(worker);
	pthread_mutex_lock(&loop->lock);
	loop->n_ended++;
	pthread_mutex_unlock(&loop->lock);
	return NULL;
}

/* Who is at the same request as when the watchman looked last is held up,
 * though it did not say so: by a lock, or a disk that is full of writes. */
static bool find_held_up(struct loop *loop)
{
	bool found = false;
	int n;

	pthread_mutex_lock(&loop->lock);
	n = loop->n;
	pthread_mutex_unlock(&loop->lock);
	for (int i = 0; i < n; i++) {
		struct worker *worker = &loop->workers[i];
		unsigned number = atomic_load(&worker->number);

		if (number == worker->seen &&
		    atomic_load(&worker->state) == AT_WORK) {
			hold_up(worker);
			found = true;
		}
		worker->seen = number;
	}
	return found;
}

/* As long as some are found that did not say so there are likely more to come:
 * twice as many are to be ready each time. */
static void look(struct loop *loop)
{
	int enough = loop->processors;

	if (find_held_up(loop))
		enough = 2 * atomic_load(&loop->enough);
	if (enough > READY_MAX)
		enough = READY_MAX;
	atomic_store(&loop->enough, enough);
	for (int i = 0; i < enough; i++)
		see_to_enough(loop);
}

/* How many requests were ever taken, counted round and round. */
static unsigned taken_by_all(struct loop *loop)
{
	unsigned n = 0;

	for (int i = 0; i < THREADS_MAX; i++)
		n += atomic_load(&loop->workers[i].number);
	return n;
}

bool loop_is_alive(struct loop *loop)
{
	unsigned before = loop->taken;

	loop->taken = taken_by_all(loop);
	return loop->taken != before || atomic_load(&loop->waiting) > 0;
}

/* Does nobody have to be looked at? */
static bool is_quiet(struct loop *loop, unsigned taken)
{
	bool quiet =
		taken_by_all(loop) == taken && atomic_load(&loop->waiting) > 0;

	for (int i = 0; i < THREADS_MAX && quiet; i++)
		quiet = atomic_load(&loop->workers[i].state) != AT_WORK;
	return quiet;
}

/* Sleeps while there is nothing to do. */
static void *watch(void *arg)
{
	struct loop *loop = arg;
	struct timespec tick = { .tv_nsec = WATCH_NS };
	unsigned taken = 0;

	while (!atomic_load(&loop->stop)) {
		pthread_mutex_lock(&loop->lock);
		if (is_quiet(loop, taken)) {
			atomic_store(&loop->watched, false);
			/* Who takes a request from now on sees that. */
			while (is_quiet(loop, taken) &&
			       !atomic_load(&loop->watched) &&
			       !atomic_load(&loop->stop))
				pthread_cond_wait(&loop->watch, &loop->lock);
			atomic_store(&loop->watched, true);
		}
		pthread_mutex_unlock(&loop->lock);
		taken = taken_by_all(loop);
		nanosleep(&tick, NULL);
		look(loop);
	}
	return NULL;
}

static void wake(int sig)
{
	(void)sig;
}

static struct loop *loop_new(struct fuse_session *session,
			     struct server *server, int fd)
{
	struct loop *loop = aligned_alloc(CACHE_LINE, sizeof *loop);
	int processors = get_nprocs();

	if (!loop)
		return NULL;
	memset(loop, 0, sizeof *loop);
	loop->session = session;
	loop->server = server;
	loop->fd = fd;
	loop->processors = processors < READY_MIN   ? READY_MIN
			   : processors > READY_MAX ? READY_MAX
						    : processors;
	loop->enough = loop->processors;
	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->unpark, NULL);
	pthread_cond_init(&loop->watch, NULL);
	return loop;
}

static void loop_free(struct loop *loop)
{
	pthread_cond_destroy(&loop->watch);
	pthread_cond_destroy(&loop->unpark);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

static int n_started(struct loop *loop)
{
	int n;

	pthread_mutex_lock(&loop->lock);
	n = loop->n;
	pthread_mutex_unlock(&loop->lock);
	return n;
}

int loop_start(struct fuse_session *session, struct server *server, int fd,
	       struct loop **ret)
{
	struct loop *loop = loop_new(session, server, fd);
	struct sigaction action = { .sa_handler = wake };
	int r;

	if (!loop)
		return fail(-ENOMEM, "out of memory");
	sigaction(WAKE_SIGNAL, &action, NULL);
	io_set_before_wait(loop_may_wait);
	r = pthread_create(&loop->watchman, NULL, watch, loop);
	if (r != 0) {
		loop_free(loop);
		return fail_errno(-r, "starting a thread");
	}
	call_another(loop);
	call_another(loop);
	/* Not whether one is ready: they may be at syncs already, of clients
	 * that waited for the process before. */
	if (!n_started(loop)) {
		loop_stop(loop);
		return fail(-ENOMEM, "no thread could be started");
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
	pthread_cond_broadcast(&loop->unpark);
	pthread_cond_signal(&loop->watch);
	ended = loop->n_ended == loop->n;
	for (int i = 0; i < loop->n && !ended; i++)
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
	for (int i = 0; i < loop->n; i++) {
		pthread_join(loop->workers[i].thread, NULL);
		free_buffer(loop->workers[i].buf);
	}
	pthread_join(loop->watchman, NULL);
	io_set_before_wait(NULL);
	if (atomic_load(&loop->failed) < 0)
		r = fail_errno(atomic_load(&loop->failed), "reading requests");
	loop_free(loop);
	return r;
}
