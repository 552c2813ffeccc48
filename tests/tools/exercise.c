/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exercise: random operations on a view and on a plain file, the model, with
 * which the view must then be equal.
 *
 *     exercise [OPTION...] VIEW MODEL
 *
 * Both must be equal at the start.  It works in rounds; at the end of each,
 * every thread has closed its descriptors, and the whole disk has been
 * compared.  Between two rounds it prints "round N done", and waits for a line
 * of standard input: the view may be unmounted and mounted again meanwhile.
 *
 *     --seed N         determines, with the options, the operations of a thread
 *     --ops N          operations of each thread in a round; else 1000; of
 *                      several threads it is rounded up to bursts of 25
 *     --threads LIST   an item for each round, used in turn: N threads that
 *                      own a part of the disk each, or N/BYTES: thread I owns
 *                      each N-th piece of that many bytes; else 1.  A + after
 *                      it: several threads read through the page cache too,
 *                      which makes the kernel send them one write at a time
 *     --rounds N       the number of rounds, else the number of items
 *     --seconds N      rounds until that many seconds have passed, and --rounds
 *     --block BYTES    the image's block size, near whose multiples most
 *                      operations are; else 2 MiB
 *     --log N          prints the last N operations when data is wrong
 *     --only NAME,...  only these operations (exercise-ops.c has their names)
 *     --lose N         the N-th change is made in the model alone: exercise
 *                      must detect this
 *
 * A difference is printed on standard error, with the byte, its expected and
 * found value, and the operation that changed it last; exit status 1.
 */
#include "config.h"

#include "tools/exercise.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 32, BURST = 25 };

/* The division of the bytes among threads in a round. */
struct sharing {
	unsigned threads;
	uint64_t unit; /* 0: one part of the disk for each */
	bool cached;
};

struct plan {
	struct sharing sharing[ROUNDS_MAX];
	unsigned n;
	uint64_t rounds;
	uint64_t seconds;
};

/* For the signal handlers, which print the last operations. */
static struct exercise *running;

static _Noreturn void usage(const char *what)
{
	fprintf(stderr, "exercise: %s\n", what);
	exit(2);
}

static void on_signal(int signal)
{
	if (signal == SIGBUS)
		give_up(running, "a mapping could not be read");
	give_up(running, "nothing was done for %d seconds", HANG_SECONDS);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	if (!*text || *end)
		usage("expected a number");
	return n;
}

static void add_sharing(struct plan *plan, char *item)
{
	char *slash = strchr(item, '/'), *plus = strchr(item, '+');
	struct sharing s = { .cached = plus };

	if (plus)
		*plus = '\0';
	if (slash) {
		*slash = '\0';
		s.unit = number(slash + 1);
	}
	s.threads = number(item);
	if (!s.threads || s.threads > THREADS_MAX || plan->n == ROUNDS_MAX)
		usage("--threads: expected fewer threads");
	plan->sharing[plan->n++] = s;
}

static void set_threads(struct plan *plan, char *list)
{
	plan->n = 0;
	for (char *item; (item = strsep(&list, ","));)
		add_sharing(plan, item);
}

static uint64_t set_only(char *list)
{
	uint64_t only = 0, bit;

	for (char *name; (name = strsep(&list, ",")); only |= bit) {
		bit = operation_bit(name);
		if (!bit)
			usage("--only: unknown operation");
	}
	return only;
}

static void parse(int argc, char **argv, struct exercise *x, struct plan *plan)
{
	static const struct option options[] = {
		{ "seed", 1, NULL, 's' },    { "ops", 1, NULL, 'o' },
		{ "threads", 1, NULL, 't' }, { "rounds", 1, NULL, 'r' },
		{ "seconds", 1, NULL, 'e' }, { "block", 1, NULL, 'b' },
		{ "log", 1, NULL, 'g' },     { "only", 1, NULL, 'y' },
		{ "lose", 1, NULL, 'l' },    { 0 }
	};
	uint64_t *const numbers[128] = {
		['s'] = &x->seed,      ['o'] = &x->operations,
		['r'] = &plan->rounds, ['e'] = &plan->seconds,
		['b'] = &x->block,     ['g'] = &x->shown,
		['l'] = &x->lose
	};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
		if (c == 't')
			set_threads(plan, optarg);
		else if (c == 'y')
			x->only = set_only(optarg);
		else if (c > 0 && c < 128 && numbers[c])
			*numbers[c] = number(optarg);
		else
			exit(2);
	if (optind + 2 != argc)
		usage("expected a view and a model");
	x->view = argv[optind];
	x->model = open(argv[optind + 1], O_RDWR | O_CLOEXEC);
	if (!plan->rounds)
		plan->rounds = plan->n;
	if (!x->block)
		usage("--block: expected a size above 0");
}

static void look_at_sizes(struct exercise *x)
{
	struct stat view, model;

	if (x->model < 0 || fstat(x->model, &model) < 0 ||
	    stat(x->view, &view) < 0)
		give_up(x, "the view or the model cannot be opened");
	if (view.st_size != model.st_size)
		give_up(x, "size: expected %lld, found %lld",
			(long long)model.st_size, (long long)view.st_size);
	x->size = (uint64_t)view.st_size;
}

static void *run_alone(void *arg)
{
	struct worker *w = arg;

	for (uint64_t i = 0; i < w->x->operations; i++)
		worker_step(w);
	return NULL;
}

static void *run_burst(void *arg)
{
	struct worker *w = arg;

	pthread_barrier_wait(&w->x->start);
	worker_rush(w);
	for (uint64_t i = 0; i < BURST; i++)
		worker_step(w);
	return NULL;
}

static void *run_disturber(void *arg)
{
	worker_disturb(arg);
	return NULL;
}

static void start(pthread_t *thread, void *(*run)(void *), struct worker *w)
{
	if (pthread_create(thread, NULL, run, w) != 0)
		give_up(w->x, "a thread cannot be started");
}

/* Several threads at once, repeatedly with blocks that are to be allocated. */
static void work_in_bursts(struct exercise *x, struct worker *main)
{
	struct worker workers[THREADS_MAX];
	pthread_t threads[THREADS_MAX];

	for (unsigned i = 0; i < x->threads; i++)
		worker_init(&workers[i], x, i);
	pthread_barrier_init(&x->start, NULL, x->threads);
	for (uint64_t done = 0; done < x->operations; done += BURST) {
		worker_clear(main);
		for (unsigned i = 0; i < x->threads; i++)
			start(&threads[i], run_burst, &workers[i]);
		for (unsigned i = 0; i < x->threads; i++)
			pthread_join(threads[i], NULL);
	}
	pthread_barrier_destroy(&x->start);
	for (unsigned i = 0; i < x->threads; i++)
		worker_fini(&workers[i]);
}

/* With a page cache one more thread runs, which only reads. */
static void work_together(struct exercise *x, struct worker *main)
{
	struct worker disturber;
	pthread_t thread;

	if (!x->cached) {
		work_in_bursts(x, main);
		return;
	}
	worker_init(&disturber, x, THREADS_MAX);
	atomic_store(&x->ended, false);
	start(&thread, run_disturber, &disturber);
	work_in_bursts(x, main);
	atomic_store(&x->ended, true);
	pthread_join(thread, NULL);
	worker_fini(&disturber);
}

static void run_round(struct exercise *x, const struct sharing *sharing)
{
	struct worker main;

	x->threads = sharing->threads;
	x->cached = sharing->cached || x->threads == 1;
	x->unit = sharing->unit;
	if (!x->unit)
		x->unit = (x->size + x->threads - 1) / x->threads;
	if (x->size / x->unit < x->threads - 1)
		usage("--threads: the disk is too small");
	worker_init(&main, x, x->threads == 1 ? 0 : THREADS_MAX);
	if (x->threads == 1)
		run_alone(&main);
	else
		work_together(x, &main);
	worker_verify(&main, x->round % 2);
	worker_fini(&main);
	alarm(0);
}

/* False after the last round. */
static bool next_round(struct exercise *x, const struct plan *plan)
{
	static time_t end;
	struct timespec now;
	char line[16];

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!end)
		end = now.tv_sec + (time_t)plan->seconds;
	if (x->round >= plan->rounds && (!plan->seconds || now.tv_sec >= end))
		return false;
	if (x->round) {
		printf("round %" PRIu64 " done\n", x->round);
		fflush(stdout);
		if (!fgets(line, sizeof line, stdin))
			return false;
	}
	x->round++;
	return true;
}

int main(int argc, char **argv)
{
	static struct exercise x = { .block = 2 << 20,
				     .operations = 1000,
				     .shown = 30,
				     .only = UINT64_MAX };
	struct plan plan = { .sharing = { { .threads = 1 } }, .n = 1 };

	running = &x;
	parse(argc, argv, &x, &plan);
	if (trace_init(&x.trace) < 0)
		usage("out of memory");
	signal(SIGBUS, on_signal);
	signal(SIGALRM, on_signal);
	look_at_sizes(&x);
	while (next_round(&x, &plan))
		run_round(&x, &plan.sharing[(x.round - 1) % plan.n]);
	printf("%" PRIu64 " rounds, %" PRIu64 " operations, %" PRIu64
	       " changes\n",
	       x.round, (uint64_t)atomic_load(&x.trace.n),
	       (uint64_t)atomic_load(&x.changes));
	return 0;
}
