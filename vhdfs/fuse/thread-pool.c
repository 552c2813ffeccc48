/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Thread pool: each thread reads a request, handles it and answers it.
 *
 * STATES of a thread:
 *
 *   WAITING   in read(), for a request
 *   RUNNING   handling a request
 *   BLOCKED   handling a request that waits for the disk or for a lock: the
 *             thread announced it (thread_pool_will_block), or the monitor
 *             found the thread at the same request twice
 *   idle      waiting for the condition variable `wakeup'; reads no requests
 *
 * WAITING and RUNNING threads are "ready".  ready_target says how many there
 * should be: the number of processors.  More ready threads only take turns;
 * with fewer, clients wait.  So a thread that blocks, or that takes the last
 * WAITING place, wakes or starts another (ensure_ready).  A thread that
 * finishes a request becomes idle if there are more ready threads than
 * ready_target and n_blocked together.
 *
 * A thread changes its own state, but for one change, RUNNING to BLOCKED, which
 * the monitor makes too.  The thread that makes a change also updates n_ready
 * and n_blocked.
 */
#include "config.h"

#include "fuse/thread-pool.h"

#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "io/blocking.h"

/* The kernel sets this bit in the number of a request that it sends again
 * (Linux 6.9); older headers do not define it. */
#ifndef FUSE_UNIQUE_RESEND
#define FUSE_UNIQUE_RESEND (1ULL << 63)
#endif

enum {
	/* A sync blocks its thread until the disk has finished, and many
	 * clients may sync at once.  Together with the other threads of the
	 * process there are fewer than 64. */
	THREADS_MAX = 48,
	CACHE_LINE = 64,
	READY_MIN = 2,
	READY_MAX = 16,
	/* The buffer's first page ends with the headers of a write request, so
	 * that its data begins on a page boundary and the kernel copies whole
	 * pages to whole pages. */
	HEADER_ROOM = 4096,
	WRITE_HEADER =
		sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in),
	REQUEST_AT = HEADER_ROOM - WRITE_HEADER,
	BUFFER_SIZE = HEADER_ROOM + REQUEST_MAX,
	/* Period of the monitor.  A shorter one costs all threads time. */
	MONITOR_NS = 20000000,
	/* Interrupts a thread's read(). */
	WAKE_SIGNAL = SIGUSR1,
	ENDED_SIGNAL = SIGUSR2,
};

enum state {
	WAITING,
	RUNNING,
	BLOCKED,
};

/* A thread changes these with each request: no cache line is shared. */
struct thread {
	alignas(CACHE_LINE) pthread_t id;
	char *buf; /* BUFFER_SIZE */
	_Atomic(enum state) state;
	atomic_uint n_requests;   /* read so far, modulo UINT_MAX + 1 */
	unsigned n_requests_seen; /* the monitor's last look at n_requests */
	uint64_t request_id;      /* the kernel's number, of the current one */
};

/* A process has one pool. */
static struct {
	thread_pool_handler *handler;
	int fd;
	int n_processors; /* within READY_MIN and READY_MAX */
	atomic_int ready_target;
	atomic_bool stop;
	atomic_int read_error; /* -errno, or 0 */
	atomic_bool monitor_awake;
	unsigned n_requests_alive; /* at the last thread_pool_is_alive */
	/* Every thread changes these with each request. */
	alignas(CACHE_LINE) atomic_int n_waiting;
	alignas(CACHE_LINE) atomic_int n_ready;
	atomic_int n_blocked;
	pthread_t monitor;
	pthread_mutex_t lock;
	pthread_cond_t wakeup; /* of idle threads */
	pthread_cond_t monitor_wakeup;
	struct thread threads[THREADS_MAX];
	atomic_int n_threads; /* grows under lock */
	/* Under lock: */
	int n_idle;
	int n_wakeups; /* idle threads that were woken and still are in n_idle
			*/
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.wakeup = PTHREAD_COND_INITIALIZER,
	.monitor_wakeup = PTHREAD_COND_INITIALIZER,
};

static _Thread_local struct thread *current; /* null: not of a pool */

uint64_t thread_pool_request_id(void)
{
	return current->request_id;
}

/*
 * All pages are present from the start: if a process is killed while the kernel
 * waits for a page to copy a request to, that request fails with EIO.
 */
static char *new_buffer(void)
{
	void *buf = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (buf == MAP_FAILED)
		return NULL;
	/* Without the permission to lock memory the pages may be swapped. */
	(void)mlock(buf, BUFFER_SIZE);
	return buf;
}

static void free_buffer(void *buf)
{
	munmap(buf, BUFFER_SIZE);
}

static void *thread_main(void *arg);

/* pthread_create has failed with the error r. */
static int fail_thread(int r)
{
	fail_errno(-r, "worker thread: pthread_create");
	error_advise(
		"check memory and the limit of threads (TasksMax, ulimit -u)");
	return -r;
}

/* With the lock. */
static int start_thread(void)
{
	struct thread *thread = &pool.threads[pool.n_threads];
	int r;

	thread->buf = new_buffer();
	if (!thread->buf)
		return fail(-ENOMEM, "out of memory");
	r = pthread_create(&thread->id, NULL, thread_main, thread);
	if (r != 0) {
		free_buffer(thread->buf);
		return fail_thread(r);
	}
	pool.n_threads++;
	return 0;
}

/* Wakes or starts a thread if too few are ready.  If no thread can be started,
 * the pool goes on with those that it has. */
static void add_ready_thread(void)
{
	/* The caller may be about to report an error of its own. */
	_cleanup_(error_set) struct error saved = *error_last();

	pthread_mutex_lock(&pool.lock);
	if (!atomic_load(&pool.stop) &&
	    atomic_load(&pool.n_ready) < atomic_load(&pool.ready_target)) {
		if (pool.n_idle > pool.n_wakeups) {
			pool.n_wakeups++;
			atomic_fetch_add(&pool.n_ready, 1);
			pthread_cond_signal(&pool.wakeup);
		} else if (pool.n_threads < THREADS_MAX &&
			   start_thread() == 0) {
			atomic_fetch_add(&pool.n_ready, 1);
		}
	}
	pthread_mutex_unlock(&pool.lock);
}

static void ensure_ready(void)
{
	if (atomic_load(&pool.n_waiting) == 0 &&
	    atomic_load(&pool.n_ready) < atomic_load(&pool.ready_target))
		add_ready_thread();
}

/* RUNNING to BLOCKED; does nothing in another state. */
static void mark_blocked(struct thread *thread)
{
	enum state state = RUNNING;

	if (!atomic_compare_exchange_strong(&thread->state, &state, BLOCKED))
		return;
	atomic_fetch_add(&pool.n_blocked, 1);
	atomic_fetch_sub(&pool.n_ready, 1);
	ensure_ready();
}

void thread_pool_will_block(void)
{
	if (current && atomic_load(&current->state) == RUNNING)
		mark_blocked(current);
}

/* Requests that usually wait for the disk.  Other requests usually find their
 * data in memory; where they do not, mark_blocked is called later. */
static bool usually_blocks(uint32_t opcode)
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

static void wake_monitor(void)
{
	pthread_mutex_lock(&pool.lock);
	atomic_store(&pool.monitor_awake, true);
	pthread_cond_signal(&pool.monitor_wakeup);
	pthread_mutex_unlock(&pool.lock);
}

static void dispatch(struct thread *thread, size_t n)
{
	struct fuse_in_header *in = (void *)(thread->buf + REQUEST_AT);

	thread->request_id = in->unique & ~FUSE_UNIQUE_RESEND;
	atomic_fetch_add(&thread->n_requests, 1);
	atomic_store(&thread->state, RUNNING);
	if (!atomic_load(&pool.monitor_awake))
		wake_monitor();
	if (usually_blocks(in->opcode))
		mark_blocked(thread);
	else
		ensure_ready();
	pool.handler(in, n, thread->buf + HEADER_ROOM);
	if (atomic_exchange(&thread->state, WAITING) == BLOCKED) {
		atomic_fetch_add(&pool.n_ready, 1);
		atomic_fetch_sub(&pool.n_blocked, 1);
	}
}

/* n_blocked: while other threads block again and again, a thread that returns
 * is needed at once. */
static bool has_surplus(void)
{
	return atomic_load(&pool.n_ready) >
	       atomic_load(&pool.ready_target) + atomic_load(&pool.n_blocked);
}

/* Returns when add_ready_thread wakes this thread, or the pool stops. */
static void become_idle(void)
{
	pthread_mutex_lock(&pool.lock);
	if (has_surplus()) {
		atomic_fetch_sub(&pool.n_ready, 1);
		pool.n_idle++;
		while (!pool.n_wakeups && !atomic_load(&pool.stop))
			pthread_cond_wait(&pool.wakeup, &pool.lock);
		pool.n_idle--;
		if (pool.n_wakeups)
			pool.n_wakeups--;
	}
	pthread_mutex_unlock(&pool.lock);
}

/* code is read()'s errno; 0 after a read that was too short. */
static void handle_read_error(int code)
{
	/* ENOENT: the request was cancelled while it was read. */
	if (code == EINTR || code == EAGAIN || code == ENOENT)
		return;
	/* ENODEV: the mount is unmounted. */
	if (code && code != ENODEV)
		atomic_store(&pool.read_error, -code);
	if (!atomic_exchange(&pool.stop, true))
		kill(getpid(), ENDED_SIGNAL);
}

static void read_requests(struct thread *thread)
{
	while (!atomic_load(&pool.stop)) {
		ssize_t n;
		int code;

		if (has_surplus())
			become_idle();
		atomic_fetch_add(&pool.n_waiting, 1);
		n = read(pool.fd, thread->buf + REQUEST_AT,
			 BUFFER_SIZE - REQUEST_AT);
		code = n < 0 ? errno : 0;
		atomic_fetch_sub(&pool.n_waiting, 1);
		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			dispatch(thread, n);
		else
			handle_read_error(code);
	}
}

static void *thread_main(void *arg)
{
	struct thread *thread = arg;
	sigset_t wake;

	current = thread;
	sigemptyset(&wake);
	sigaddset(&wake, WAKE_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
	read_requests(thread);
	return NULL;
}

/*
 * A thread that is at the same request as a period ago is blocked without
 * having announced it: by a lock, or by a disk with too many writes queued.
 */
static bool mark_stuck_threads(void)
{
	bool found = false;

	for (int i = 0; i < THREADS_MAX; i++) {
		struct thread *thread = &pool.threads[i];
		unsigned n_requests = atomic_load(&thread->n_requests);

		if (n_requests == thread->n_requests_seen &&
		    atomic_load(&thread->state) == RUNNING) {
			mark_blocked(thread);
			found = true;
		}
		thread->n_requests_seen = n_requests;
	}
	return found;
}

/* While threads get stuck, more of them are likely to: ready_target doubles
 * with each period, up to READY_MAX. */
static void check_threads(void)
{
	int target = pool.n_processors;

	if (mark_stuck_threads())
		target = 2 * atomic_load(&pool.ready_target);
	if (target > READY_MAX)
		target = READY_MAX;
	atomic_store(&pool.ready_target, target);
	for (int i = 0; i < target; i++)
		ensure_ready();
}

/* The requests that all threads have read, modulo UINT_MAX + 1. */
static unsigned count_requests(void)
{
	unsigned n = 0;

	for (int i = 0; i < THREADS_MAX; i++)
		n += atomic_load(&pool.threads[i].n_requests);
	return n;
}

bool thread_pool_is_alive(void)
{
	unsigned before = pool.n_requests_alive;

	pool.n_requests_alive = count_requests();
	return pool.n_requests_alive != before ||
	       atomic_load(&pool.n_waiting) > 0;
}

/* No request came since count_requests was n_requests, and none is RUNNING. */
static bool is_quiet(unsigned n_requests)
{
	bool quiet = count_requests() == n_requests &&
		     atomic_load(&pool.n_waiting) > 0;

	for (int i = 0; i < THREADS_MAX && quiet; i++)
		quiet = atomic_load(&pool.threads[i].state) != RUNNING;
	return quiet;
}

/* The monitor sleeps while the pool is quiet, and looks every MONITOR_NS while
 * it is not. */
static void *monitor_main(void *arg)
{
	struct timespec period = { .tv_nsec = MONITOR_NS };
	unsigned n_requests = 0;

	(void)arg;
	while (!atomic_load(&pool.stop)) {
		pthread_mutex_lock(&pool.lock);
		if (is_quiet(n_requests)) {
			atomic_store(&pool.monitor_awake, false);
			/* Asked again: a thread that read its request before
			 * this store does not wake the monitor. */
			while (is_quiet(n_requests) &&
			       !atomic_load(&pool.monitor_awake) &&
			       !atomic_load(&pool.stop))
				pthread_cond_wait(&pool.monitor_wakeup,
						  &pool.lock);
			atomic_store(&pool.monitor_awake, true);
		}
		pthread_mutex_unlock(&pool.lock);
		n_requests = count_requests();
		nanosleep(&period, NULL);
		check_threads();
	}
	return NULL;
}

/* WAKE_SIGNAL only has to interrupt read(). */
static void ignore_signal(int sig)
{
	(void)sig;
}

int thread_pool_start(int fd, thread_pool_handler *handler)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	int n = get_nprocs(), r;

	pool.handler = handler;
	pool.fd = fd;
	pool.n_processors = n < READY_MIN   ? READY_MIN
			    : n > READY_MAX ? READY_MAX
					    : n;
	pool.ready_target = pool.n_processors;
	sigaction(WAKE_SIGNAL, &action, NULL);
	r = pthread_create(&pool.monitor, NULL, monitor_main, NULL);
	if (r != 0)
		return fail_thread(r);
	io_set_blocking_hook(thread_pool_will_block);
	add_ready_thread();
	add_ready_thread();
	/* Not n_ready: the threads may be BLOCKED already, by syncs that
	 * clients sent to the worker before this one. */
	if (!atomic_load(&pool.n_threads)) {
		thread_pool_stop();
		return fail(
			-ENOMEM,
			"worker threads: expected at least one, started none; check memory and the limit of threads (TasksMax, ulimit -u)");
	}
	return 0;
}

int thread_pool_stop(void)
{
	struct timespec pause = { .tv_nsec = 100000 };

	atomic_store(&pool.stop, true);
	/* After this no thread is idle, and no other one starts. */
	pthread_mutex_lock(&pool.lock);
	pthread_cond_broadcast(&pool.wakeup);
	pthread_cond_signal(&pool.monitor_wakeup);
	pthread_mutex_unlock(&pool.lock);
	pthread_join(pool.monitor, NULL);
	for (int i = 0; i < atomic_load(&pool.n_threads); i++) {
		struct thread *thread = &pool.threads[i];

		/* Repeated: a signal that arrives just before read() does not
		 * interrupt it. */
		while (pthread_tryjoin_np(thread->id, NULL) == EBUSY) {
			pthread_kill(thread->id, WAKE_SIGNAL);
			nanosleep(&pause, NULL);
		}
		free_buffer(thread->buf);
	}
	io_set_blocking_hook(NULL);
	return atomic_load(&pool.read_error) < 0
		       ? fail_errno(atomic_load(&pool.read_error),
				    "reading requests")
		       : 0;
}
