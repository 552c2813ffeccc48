/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes 4 KiB and syncs, in a loop, with a thread for each file.
 *
 *     syncer SYNCS SECONDS COUNT again|once|filled START LENGTH FILE...
 *
 * SYNCS is the number of fdatasyncs for each write; 1.5 is one and two in turn.
 * Ends after SECONDS, or COUNT writes of each file.  The writes go to the
 * LENGTH bytes from START in a scattered order: "again" repeats it, "once"
 * writes each 4 KiB once; "filled" is as "once", and rewrites the first 4 KiB
 * before each further sync, so that no sync is without data.  Prints the writes
 * per second of all files together.
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
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
	STRIDE = 40503, /* odd: reaches all pieces of a power of two */
};

static struct {
	double syncs, end;
	uint64_t count, start, pieces;
	bool once, filled;
} job;

struct writer {
	pthread_t thread;
	const char *path;
	uint64_t done;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void write_piece(const struct writer *w, int fd,
			const unsigned char *piece, uint64_t at)
{
	if (pwrite(fd, piece, PIECE, (off_t)(job.start + at)) != PIECE)
		err(1, "%s: write", w->path);
}

static void *work(void *arg)
{
	struct writer *w = arg;
	unsigned char piece[PIECE];
	int fd = open(w->path, O_RDWR | O_CLOEXEC);
	double owed = 0;

	if (fd < 0)
		err(1, "%s", w->path);
	memset(piece, 'w', sizeof piece);
	while (now() < job.end && w->done < job.count) {
		uint64_t at = w->done * STRIDE % job.pieces * PIECE;

		if (job.once && w->done == job.pieces)
			break;
		memcpy(piece, &w->done, sizeof w->done);
		write_piece(w, fd, piece, at);
		owed += job.syncs;
		for (int i = 0; owed >= 1; i++, owed--) {
			if (job.filled && i)
				write_piece(w, fd, piece, 0);
			if (fdatasync(fd) < 0)
				err(1, "%s: fdatasync", w->path);
		}
		w->done++;
	}
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct writer writers[FILES_MAX];
	uint64_t done = 0;
	double begun;
	int n = argc - 7;

	if (n < 1 || n > FILES_MAX ||
	    (strcmp(argv[4], "again") && strcmp(argv[4], "once") &&
	     strcmp(argv[4], "filled"))) {
		fputs("usage: syncer SYNCS SECONDS COUNT again|once|filled "
		      "START LENGTH FILE...\n",
		      stderr);
		return 2;
	}
	begun = now();
	job.syncs = strtod(argv[1], NULL);
	job.end = begun + strtod(argv[2], NULL);
	job.count = strtoull(argv[3], NULL, 10);
	job.filled = !strcmp(argv[4], "filled");
	job.once = job.filled || !strcmp(argv[4], "once");
	job.start = strtoull(argv[5], NULL, 10);
	job.pieces = strtoull(argv[6], NULL, 10) / PIECE;
	if (!job.pieces || job.pieces & (job.pieces - 1))
		errx(2, "LENGTH: expected 4096 times a power of two, found %s",
		     argv[6]);
	for (int i = 0; i < n; i++) {
		writers[i].path = argv[7 + i];
		if (pthread_create(&writers[i].thread, NULL, work, &writers[i]))
			errx(1, "cannot start a thread");
	}
	for (int i = 0; i < n; i++) {
		pthread_join(writers[i].thread, NULL);
		done += writers[i].done;
	}
	printf("%.3f\n", (double)done / (now() - begun));
	return 0;
}
