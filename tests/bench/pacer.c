/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients that write 4 KiB at a steady rate, a thread for each file, and the
 * time that their writes take.
 *
 *     pacer RATE SECONDS START LENGTH FILE...
 *
 * RATE is the number of writes a second to each file, to random places of the
 * LENGTH bytes from START.  Prints the line "begun" when every file has been
 * written once; these writes are not counted.  Ends after SECONDS, or at
 * SIGTERM, but not before a further write to each file, and prints a line of
 * JSON: the number of writes, and of the longest write of each file the median
 * and the longest, in seconds.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	PIECE = 4096,
	FILES_MAX = 1024,
	STACK = 256 << 10,
};

static struct {
	double interval; /* seconds */
	uint64_t start, pieces;
	atomic_bool ended;
	pthread_barrier_t begin;
} job;

struct writer {
	pthread_t thread;
	const char *path;
	uint64_t seed, writes;
	double longest; /* seconds */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleep_until(double time)
{
	struct timespec t = { .tv_sec = (time_t)time };

	t.tv_nsec = (long)((time - (double)t.tv_sec) * 1e9);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void write_piece(struct writer *w, int fd)
{
	unsigned char piece[PIECE];

	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	memset(piece, 'p', sizeof piece);
	memcpy(piece, &w->seed, sizeof w->seed);
	if (pwrite(fd, piece, PIECE,
		   (off_t)(job.start + w->seed % job.pieces * PIECE)) != PIECE)
		err(1, "%s: write", w->path);
}

/* The first write of a thread is due at a time of its own, so that not all
 * threads write at once.  A write that is late is not made up for. */
static void *work(void *arg)
{
	struct writer *w = arg;
	int fd = open(w->path, O_RDWR | O_CLOEXEC);
	double due;

	if (fd < 0)
		err(1, "%s", w->path);
	write_piece(w, fd);
	pthread_barrier_wait(&job.begin);
	due = now() + job.interval * (double)(w->seed % 1000) / 1000;
	do {
		double begun, took;

		sleep_until(due);
		begun = now();
		write_piece(w, fd);
		took = now() - begun;
		w->writes++;
		if (took > w->longest)
			w->longest = took;
		due += job.interval;
		if (due < begun + took)
			due = begun + took;
	} while (!atomic_load(&job.ended));
	close(fd);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void print(const struct writer *writers, int n)
{
	double longest[FILES_MAX];
	uint64_t writes = 0;

	for (int i = 0; i < n; i++) {
		writes += writers[i].writes;
		longest[i] = writers[i].longest;
	}
	qsort(longest, (size_t)n, sizeof *longest, compare);
	printf("{\"writes\": %" PRIu64
	       ", \"median\": %.6f, \"longest\": %.6f}\n",
	       writes, longest[n / 2], longest[n - 1]);
}

static void parse(int argc, char **argv)
{
	double rate = argc > 5 ? strtod(argv[1], NULL) : 0;

	if (!(rate > 0) || argc - 5 > FILES_MAX) {
		fputs("usage: pacer RATE SECONDS START LENGTH FILE...\n",
		      stderr);
		exit(2);
	}
	job.interval = 1 / rate;
	job.start = strtoull(argv[3], NULL, 10);
	job.pieces = strtoull(argv[4], NULL, 10) / PIECE;
	if (!job.pieces)
		errx(2, "LENGTH: expected 4096 or more, found %s", argv[4]);
}

/* The signal is blocked in all threads. */
static void wait_for_end(const sigset_t *set, double seconds)
{
	struct timespec limit = { .tv_sec = (time_t)seconds };

	limit.tv_nsec = (long)((seconds - (double)limit.tv_sec) * 1e9);
	sigtimedwait(set, NULL, &limit);
	atomic_store(&job.ended, true);
}

int main(int argc, char **argv)
{
	static struct writer writers[FILES_MAX];
	int n = argc - 5;
	pthread_attr_t attr;
	sigset_t set;

	parse(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_barrier_init(&job.begin, NULL, (unsigned)n + 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (int i = 0; i < n; i++) {
		writers[i].path = argv[5 + i];
		writers[i].seed = (uint64_t)(i + 1) * 0x9e3779b97f4a7c15;
		if (pthread_create(&writers[i].thread, &attr, work,
				   &writers[i]))
			errx(1, "cannot start a thread");
	}
	pthread_barrier_wait(&job.begin);
	puts("begun");
	fflush(stdout);
	wait_for_end(&set, strtod(argv[2], NULL));
	for (int i = 0; i < n; i++)
		pthread_join(writers[i].thread, NULL);
	print(writers, n);
	return 0;
}
