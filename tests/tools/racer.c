/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * racer: repeats an action as fast as it can, for tests of races:
 *
 *     racer swap A B            exchanges the two names until standard input
 *                               ends; prints "swapping" first, the count last
 *     racer read SECONDS FILE   opens FILE, reads its first 8 bytes, closes it;
 *                               for that many seconds
 *     racer write SECONDS FILE  the same, opened for writing
 *     racer look SECONDS FILE   stat: "SIZE bytes"
 *     racer fill FILE           writes and syncs all over FILE until standard
 *                               input ends; prints "filling" first
 *     racer once N FILE...      opens all the FILEs for writing at the same
 *                               moment, and closes them when all have their
 *                               answer; N times.  An outcome is the sorted
 *                               answers of one time
 *
 * read, write, look and once print a line "COUNT OUTCOME" for each outcome;
 * that of a failed call is the errno's name.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLE = 8, OUTCOMES_MAX = 64, FILES_MAX = 8 };

static struct {
	char text[128];
	unsigned long count;
} outcomes[OUTCOMES_MAX];
static unsigned n_outcomes;

static void note(const char *text)
{
	unsigned i = 0;

	while (i < n_outcomes && strcmp(outcomes[i].text, text) != 0)
		i++;
	if (i == OUTCOMES_MAX)
		return;
	if (i == n_outcomes) {
		snprintf(outcomes[i].text, sizeof outcomes[i].text, "%s", text);
		n_outcomes++;
	}
	outcomes[i].count++;
}

static int print_outcomes(void)
{
	for (unsigned i = 0; i < n_outcomes; i++)
		printf("%lu %s\n", outcomes[i].count, outcomes[i].text);
	return 0;
}

static bool input_ended(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char c;

	return poll(&p, 1, 0) > 0 && read(STDIN_FILENO, &c, 1) <= 0;
}

static int run_swap(char **v)
{
	unsigned long count = 0;

	puts("swapping");
	fflush(stdout);
	while (!input_ended())
		for (int i = 0; i < 100; i++, count++) {
			if (renameat2(AT_FDCWD, v[0], AT_FDCWD, v[1],
				      RENAME_EXCHANGE) == 0)
				continue;
			perror("racer: renameat2");
			return 1;
		}
	/* An even number: the names are as before. */
	printf("%lu\n", count);
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void open_once(const char *path, int flags)
{
	char buf[SAMPLE + 1] = "";
	int fd = open(path, flags | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, buf, SAMPLE, 0);

	if (n < 0)
		note(strerrorname_np(errno));
	for (int i = 0; i < n; i++)
		if (!isprint((unsigned char)buf[i]))
			buf[i] = '.';
	if (n >= 0)
		note(buf);
	if (fd >= 0)
		close(fd);
}

static void look_once(const char *path)
{
	struct stat st;
	char text[64];

	if (stat(path, &st) < 0)
		snprintf(text, sizeof text, "%s", strerrorname_np(errno));
	else
		snprintf(text, sizeof text, "%lld bytes",
			 (long long)st.st_size);
	note(text);
}

static int run_timed(const char *how, char **v)
{
	double end = now() + strtod(v[0], NULL);

	while (now() < end) {
		if (!strcmp(how, "look"))
			look_once(v[1]);
		else
			open_once(v[1], *how == 'r' ? O_RDONLY : O_RDWR);
	}
	return print_outcomes();
}

/* Piece sizes that divide no block size, so that every kind of overlap
 * occurs. */
static int run_fill(char **v)
{
	enum { PIECE = 100 * 1000 };
	static char buf[PIECE];
	int fd = open(v[0], O_RDWR | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END), at = 0;

	if (size < PIECE) {
		perror("racer: fill");
		return 1;
	}
	memset(buf, 'w', sizeof buf);
	puts("filling");
	fflush(stdout);
	while (!input_ended()) {
		at = (at + 7 * PIECE) % (size - PIECE);
		if (pwrite(fd, buf, PIECE, at) != PIECE || fsync(fd) < 0) {
			perror("racer: fill");
			return 1;
		}
	}
	return close(fd) < 0;
}

struct runner {
	pthread_t thread;
	const char *path;
	unsigned times;
	const char *answer; /* of the current time */
};

static pthread_barrier_t barrier;

static void *run_runner(void *arg)
{
	struct runner *r = arg;

	for (unsigned i = 0; i < r->times; i++) {
		int fd;

		pthread_barrier_wait(&barrier); /* all are ready */
		fd = open(r->path, O_RDWR | O_CLOEXEC);
		r->answer = fd < 0 ? strerrorname_np(errno) : "open";
		pthread_barrier_wait(&barrier); /* all have their answer */
		if (fd >= 0)
			close(fd);
		pthread_barrier_wait(&barrier); /* it was noted */
	}
	return NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void note_answers(const struct runner *runners, unsigned n)
{
	const char *answers[FILES_MAX];
	char text[128] = "";

	for (unsigned i = 0; i < n; i++)
		answers[i] = runners[i].answer;
	qsort(answers, n, sizeof *answers, by_text);
	for (unsigned i = 0; i < n; i++) {
		strncat(text, i ? " " : "", sizeof text - strlen(text) - 1);
		strncat(text, answers[i], sizeof text - strlen(text) - 1);
	}
	note(text);
}

static int run_once(char **v)
{
	struct runner runners[FILES_MAX];
	unsigned times = (unsigned)strtoul(*v++, NULL, 10), n = 0;

	while (v[n] && n < FILES_MAX)
		n++;
	pthread_barrier_init(&barrier, NULL, n + 1);
	for (unsigned i = 0; i < n; i++) {
		runners[i] = (struct runner){ .path = v[i], .times = times };
		pthread_create(&runners[i].thread, NULL, run_runner,
			       &runners[i]);
	}
	for (unsigned i = 0; i < times; i++) {
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		note_answers(runners, n);
		pthread_barrier_wait(&barrier);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(runners[i].thread, NULL);
	return print_outcomes();
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (!strcmp(what, "swap") && argc == 4)
		return run_swap(argv + 2);
	if (!strcmp(what, "fill") && argc == 3)
		return run_fill(argv + 2);
	if (!strcmp(what, "once") && argc > 3)
		return run_once(argv + 2);
	if ((!strcmp(what, "read") || !strcmp(what, "write") ||
	     !strcmp(what, "look")) &&
	    argc == 4)
		return run_timed(what, argv + 2);
	fprintf(stderr,
		"racer: expected swap, read, write, look, fill or once, "
		"and their operands\n");
	return 2;
}
