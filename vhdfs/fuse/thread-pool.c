/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * STATES.  A thread WAITS for a request (in its read), is AT WORK on one, or is
 * HELD UP in one: it said that it may have to wait (thread_pool_will_block), or
 * the watchman found it at the same request twice.  Or it is parked.  Of
 * threads that wait or are at work, the `ready', there are to be as many as
 * there are processors: more of them would only take turns, and one fewer keeps
 * clients waiting.  So whoever is held up, or takes the last place of those
 * that wait, sees to it that there are enough; and who comes back and finds
 * more than enough, and than are held up, parks.
 *
 * A thread's state is changed by the thread itself, but for AT WORK to HELD UP,
 * which the watchman may do as well; whoever did it has counted it.
 */
#include "config.h"

#include "fuse/thread-pool.h"

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
#include "io/blocking.h"

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
	alignas(CACHE_LINE) struct thread_pool *pool;
	pthread_t thread;
	char *buf; /* BUFFER_SIZE */
	_Atomic(enum state) state;
	atomic_uint number; /* of the request that it is at, counted */
	unsigned seen;      /* by the watchman: number */
	uint64_t unique;    /* the kernel's number of it */
};

struct thread_pool {
	thread_pool_handler *handler;
	void *ctx; /* for handler */
	int fd;
	int processors;
	atomic_int enough; /* threads that are ready */
	atomic_bool stop;
	atomic_int failed; /* -errno of a read */
	atomic_bool watched;
	unsigned taken; /* by all, when thread_pool_is_alive was asked before */
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

uint64_t thread_pool_request_id(void)
{
	return self->unique;
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
static int start_thread(struct thread_pool *pool)
{
	struct worker *worker = &pool->workers[pool->n];
	int r;

	worker->pool = pool;
	worker->buf = new_buffer();
	if (!worker->buf)
		return fail(-ENOMEM, "out of memory");
	r = pthread_create(&worker->thread, NULL, work, worker);
	if (r != 0) {
		free_buffer(worker->buf);
		return fail_errno(-r, "starting a thread");
	}
	pool->n++;
	return 0;
}

/* There are too few that are ready: one more, where there can be. */
static void call_another(struct thread_pool *pool)
{
	struct error why = *error_last();

	pthread_mutex_lock(&pool->lock);
	if (!atomic_load(&pool->stop) &&
	    atomic_load(&pool->ready) < atomic_load(&pool->enough)) {
		if (pool->n_parked > pool->n_called) {
			pool->n_called++;
			atomic_fetch_add(&pool->ready, 1);
			pthread_cond_signal(&pool->unpark);
		} else if (pool->n < THREADS_MAX && start_thread(pool) == 0) {
			atomic_fetch_add(&pool->ready, 1);
		}
		/* Else those that there are must do. */
	}
	/* Whose words they are is at work on something else. */
	error_set(&why);
	pthread_mutex_unlock(&pool->lock);
}

static void see_to_enough(struct thread_pool *pool)
{
	if (atomic_load(&pool->waiting) == 0 &&
	    atomic_load(&pool->ready) < atomic_load(&pool->enough))
		call_another(pool);
}

/* From AT_WORK; nothing is done where somebody else was first. */
static void hold_up(struct worker *worker)
{
	enum state state = AT_WORK;

	if (!atomic_compare_exchange_strong(&worker->state, &state, HELD_UP))
		return;
	atomic_fetch_add(&worker->pool->held_up, 1);
	atomic_fetch_sub(&worker->pool->ready, 1);
	see_to_enough(worker->pool);
}

void thread_pool_will_block(void)
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
static void wake_watchman(struct thread_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	atomic_store(&pool->watched, true);
	pthread_cond_signal(&pool->watch);
	pthread_mutex_unlock(&pool->lock);
}

static void answer(struct worker *worker, size_t n)
{
	struct thread_pool *pool = worker->pool;
	struct fuse_in_header *in = (void *)(worker->buf + REQUEST_AT);

	worker->unique = in->unique & ~FUSE_UNIQUE_RESEND;
	atomic_fetch_add(&worker->number, 1);
	atomic_store(&worker->state, AT_WORK);
	if (!atomic_load(&pool->watched))
		wake_watchman(pool);
	if (mostly_waits(in->opcode))
		hold_up(worker);
	else
		see_to_enough(pool);
	pool->handler(pool->ctx, in, n, worker->buf + HEADER_ROOM);
	if (atomic_exchange(&worker->state, WAITS) == HELD_UP) {
		atomic_fetch_add(&pool->ready, 1);
		atomic_fetch_sub(&pool->held_up, 1);
	}
}

static bool is_passing(int code)
{
	/* ENOENT: the request was given up while it was read. */
	return code == EINTR || code == EAGAIN || code == ENOENT;
}

/* Where many are held up again and again, who comes back is needed at once. */
static bool is_too_many(struct thread_pool *pool)
{
	return atomic_load(&pool->ready) >
	       atomic_load(&pool->enough) + atomic_load(&pool->held_up);
}

/* There are enough without us: until we are called. */
static void park(struct thread_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	if (is_too_many(pool)) {
		atomic_fetch_sub(&pool->ready, 1);
		pool->n_parked++;
		while (!pool->n_called && !atomic_load(&pool->stop))
			pthread_cond_wait(&pool->unpark, &pool->lock);
		pool->n_parked--;
		if (pool->n_called)
			pool->n_called--;
	}
	pthread_mutex_unlock(&pool->lock);
}

/* What read gave where it gave no request. */
static void serve_failure(struct thread_pool *pool, int code)
{
	if (is_passing(code))
		return;
	/* ENODEV: it is unmounted. */
	if (code && code != ENODEV)
		atomic_store(&pool->failed, -code);
	if (!atomic_exchange(&pool->stop, true))
		kill(getpid(), ENDED_SIGNAL);
}

static void serve(struct worker *worker)
{
	struct thread_pool *pool = worker->pool;

	while (!atomic_load(&pool->stop)) {
		ssize_t n;
		int code;

		if (is_too_many(pool))
			park(pool);
		atomic_fetch_add(&pool->waiting, 1);
		n = read(pool->fd, worker->buf + REQUEST_AT,
			 BUFFER_SIZE - REQUEST_AT);
		code = n < 0 ? errno : 0;
		atomic_fetch_sub(&pool->waiting, 1);
		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			answer(worker, n);
		else
			serve_failure(pool, code);
	}
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct thread_pool *pool = worker->pool;
	sigset_t wake;

	self = worker;
	sigemptyset(&wake);
	sigaddset(&wake, WAKE_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
	serve(worker);
	pthread_mutex_lock(&pool->lock);
	pool->n_ended++;
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Who is at the same request as when the watchman looked last is held up,
 * though it did not say so: by a lock, or a disk that is full of writes. */
static bool find_held_up(struct thread_pool *pool)
{
	bool found = false;
	int n;

	pthread_mutex_lock(&pool->lock);
	n = pool->n;
	pthread_mutex_unlock(&pool->lock);
	for (int i = 0; i < n; i++) {
		struct worker *worker = &pool->workers[i];
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
static void look(struct thread_pool *pool)
{
	int enough = pool->processors;

	if (find_held_up(pool))
		enough = 2 * atomic_load(&pool->enough);
	if (enough > READY_MAX)
		enough = READY_MAX;
	atomic_store(&pool->enough, enough);
	for (int i = 0; i < enough; i++)
		see_to_enough(pool);
}

/* How many requests were ever taken, counted round and round. */
static unsigned taken_by_all(struct thread_pool *pool)
{
	unsigned n = 0;

	for (int i = 0; i < THREADS_MAX; i++)
		n += atomic_load(&pool->workers[i].number);
	return n;
}

bool thread_pool_is_alive(struct thread_pool *pool)
{
	unsigned before = pool->taken;

	pool->taken = taken_by_all(pool);
	return pool->taken != before || atomic_load(&pool->waiting) > 0;
}

/* Does nobody have to be looked at? */
static bool is_quiet(struct thread_pool *pool, unsigned taken)
{
	bool quiet =
		taken_by_all(pool) == taken && atomic_load(&pool->waiting) > 0;

	for (int i = 0; i < THREADS_MAX && quiet; i++)
		quiet = atomic_load(&pool->workers[i].state) != AT_WORK;
	return quiet;
}

/* Sleeps while there is nothing to do. */
static void *watch(void *arg)
{
	struct thread_pool *pool = arg;
	struct timespec tick = { .tv_nsec = WATCH_NS };
	unsigned taken = 0;

	while (!atomic_load(&pool->stop)) {
		pthread_mutex_lock(&pool->lock);
		if (is_quiet(pool, taken)) {
			atomic_store(&pool->watched, false);
			/* Who takes a request from now on sees that. */
			while (is_quiet(pool, taken) &&
			       !atomic_load(&pool->watched) &&
			       !atomic_load(&pool->stop))
				pthread_cond_wait(&pool->watch, &pool->lock);
			atomic_store(&pool->watched, true);
		}
		pthread_mutex_unlock(&pool->lock);
		taken = taken_by_all(pool);
		nanosleep(&tick, NULL);
		look(pool);
	}
	return NULL;
}

static void wake(int sig)
{
	(void)sig;
}

static struct thread_pool *thread_pool_new(int fd, thread_pool_handler *handler,
					   void *ctx)
{
	struct thread_pool *pool = aligned_alloc(CACHE_LINE, sizeof *pool);
	int processors = get_nprocs();

	if (!pool)
		return NULL;
	memset(pool, 0, sizeof *pool);
	pool->handler = handler;
	pool->ctx = ctx;
	pool->fd = fd;
	pool->processors = processors < READY_MIN   ? READY_MIN
			   : processors > READY_MAX ? READY_MAX
						    : processors;
	pool->enough = pool->processors;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->unpark, NULL);
	pthread_cond_init(&pool->watch, NULL);
	return pool;
}

static void thread_pool_free(struct thread_pool *pool)
{
	pthread_cond_destroy(&pool->watch);
	pthread_cond_destroy(&pool->unpark);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

static int n_started(struct thread_pool *pool)
{
	int n;

	pthread_mutex_lock(&pool->lock);
	n = pool->n;
	pthread_mutex_unlock(&pool->lock);
	return n;
}

int thread_pool_start(int fd, thread_pool_handler *handler, void *ctx,
		      struct thread_pool **ret)
{
	struct thread_pool *pool = thread_pool_new(fd, handler, ctx);
	struct sigaction action = { .sa_handler = wake };
	int r;

	if (!pool)
		return fail(-ENOMEM, "out of memory");
	sigaction(WAKE_SIGNAL, &action, NULL);
	io_set_blocking_hook(thread_pool_will_block);
	r = pthread_create(&pool->watchman, NULL, watch, pool);
	if (r != 0) {
		thread_pool_free(pool);
		return fail_errno(-r, "starting a thread");
	}
	call_another(pool);
	call_another(pool);
	/* Not whether one is ready: they may be at syncs already, of clients
	 * that waited for the process before. */
	if (!n_started(pool)) {
		thread_pool_stop(pool);
		return fail(-ENOMEM, "no thread could be started");
	}
	*ret = pool;
	return 0;
}

/* Have all ended?  A signal that comes just before a read is lost, so it is
 * sent until the thread is known to be out of it. */
static bool all_ended(struct thread_pool *pool)
{
	bool ended;

	pthread_mutex_lock(&pool->lock);
	pthread_cond_broadcast(&pool->unpark);
	pthread_cond_signal(&pool->watch);
	ended = pool->n_ended == pool->n;
	for (int i = 0; i < pool->n && !ended; i++)
		pthread_kill(pool->workers[i].thread, WAKE_SIGNAL);
	pthread_mutex_unlock(&pool->lock);
	return ended;
}

int thread_pool_stop(struct thread_pool *pool)
{
	struct timespec wait = { .tv_nsec = 1000000 };
	int r = 0;

	atomic_store(&pool->stop, true);
	while (!all_ended(pool))
		nanosleep(&wait, NULL);
	for (int i = 0; i < pool->n; i++) {
		pthread_join(pool->workers[i].thread, NULL);
		free_buffer(pool->workers[i].buf);
	}
	pthread_join(pool->watchman, NULL);
	io_set_blocking_hook(NULL);
	if (atomic_load(&pool->failed) < 0)
		r = fail_errno(atomic_load(&pool->failed), "reading requests");
	thread_pool_free(pool);
	return r;
}
