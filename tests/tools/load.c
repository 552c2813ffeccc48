/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load: writes to a disk from several threads and keeps a record of the data
 * that every sector may have, also when a program is killed.  For tests:
 *
 *     load fill DISK SEED          writes to half of the places of a disk from
 *                                  which other disks are made
 *     load record RECORD DISK CLIENT
 *                                  starts the record with the disk's content
 *     load run [OPTION...] RECORD DISK SEED
 *                                  writes, zeroes, reads, flushes; checks the
 *                                  data that it reads
 *         -t THREADS               4
 *         -s SECONDS               the duration; 10
 *         -n OPERATIONS COMMAND    starts a shell command after that many
 *         -f N                     ends after N answers of ENOSPC
 *         -F                       flushes nothing
 *         -z                       zeroes nothing, so that a disk that was
 *                                  written as a whole needs no more space
 *         -p SECONDS               each thread pauses after an operation
 *         -u FILE                  ends when FILE exists
 *         -D, -S                   opens with O_DSYNC or O_SYNC: an answered
 *                                  write is flushed
 *         -c FILE                  a flush that returns when FILE exists is
 *                                  ignored: the power was cut before
 *         -e EVENTS                adds each beginning and answer to EVENTS
 *         -w FILE N                starts when N loads with the same FILE,
 *                                  empty at first, are ready
 *     load verify RECORD DISK      after a crash: does the disk have all
 *                                  flushed data, and only bytes that a load
 *                                  wrote?
 *     load flush RECORD DISK       the same, then flushes; from then on the
 *                                  data found must stay
 *     load exact RECORD DISK       without a crash: does it have every write?
 *     load events EVENTS RECORD    starts a file of events
 *     load now EVENTS              prints the number of events up to now, which
 *                                  is a moment
 *     load moment EVENTS RECORD FROM TO DISK
 *                                  is DISK a copy of the record's disk at one
 *                                  moment, from FROM to TO?
 *     load show RECORD             a line for each sector that was written:
 *                                  its number, the generations that are
 *                                  flushed, answered and begun, Z for zeros
 *
 * DISK is a path, or iscsi://HOST:PORT/IQN/LUN.  Exit status: 0; 1 if the disk
 * has wrong data; 2 if load itself cannot continue; 3 if the run ended because
 * the disk answered with an error, which is printed.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/load.h"

enum {
	THREADS_MAX = 16,
	RANGE_MAX = 4096, /* sectors, of an operation */
	HOT = 16,         /* the first of 16 parts gets many writes */
	EDGE = 1024,      /* sectors: block sizes are multiples of 512 KiB */
};

struct worker;

struct run {
	struct record *record;
	struct events *events; /* null: none */
	const char *events_path;
	const char *where;
	unsigned threads;
	double seconds;
	uint64_t command_at; /* the number of an operation */
	const char *command;
	uint64_t full_max;
	bool no_flush, no_zero;
	double pause;     /* seconds, after each operation */
	const char *stop; /* a file that ends the run when it exists; or null */
	int sync;         /* O_DSYNC, O_SYNC or 0 */
	const char *cut; /* a file that exists when the power is off; or null */
	const char *ready; /* a file; null: start at once */
	off_t ready_size;
	struct timespec end;

	atomic_uchar *busy; /* 1: a thread is using the sector */
	_Atomic uint64_t operations, full;
	atomic_int error; /* the first error: all threads end */
	atomic_bool wrong;
	atomic_bool command_started;
	pid_t command_pid;
	pthread_mutex_t flushed; /* the record's durable generations */
};

struct worker {
	struct run *run;
	struct disk *disk;
	pthread_t thread;
	unsigned number;
	uint64_t random;
	uint32_t *done; /* of every sector, when a flush begins */
	uint8_t *buf;
};

/* 0 to n - 1. */
static uint64_t draw(struct worker *w, uint64_t n)
{
	w->random = mix(w->random);
	return w->random % n;
}

static void start_command(struct run *run)
{
	char *argv[] = { "sh", "-c", (char *)run->command, NULL };

	if (!run->command || atomic_exchange(&run->command_started, true))
		return;
	if (posix_spawn(&run->command_pid, "/bin/sh", NULL, NULL, argv,
			environ) != 0)
		abort();
}

/* True if the load continues after this answer. */
static bool survive(struct worker *w, int r)
{
	struct run *run = w->run;
	int none = 0;

	if (r >= 0)
		return true;
	if (r == -ENOSPC) {
		run->record->full++;
		run->full++;
		return true;
	}
	atomic_compare_exchange_strong(&run->error, &none, -r);
	return false;
}

static void complain(struct worker *w, const char *why)
{
	fprintf(stderr, "load: %s\n", why);
	w->run->wrong = true;
}

/* Chooses a range: small or large, at the edges of blocks or not, often the
 * same one again. */
static void draw_range(struct worker *w, uint64_t *ret_sec, uint32_t *ret_n)
{
	static const uint32_t most[] = { 1, 8, 8, 64, 128, 600 };
	const struct record *record = w->run->record;
	uint32_t unit = record->unit;
	uint32_t n = 1 + draw(w, most[draw(w, 6)]);
	uint64_t sec = draw(w, record->sectors);

	if (draw(w, 2))
		sec %= record->sectors / HOT;
	if (!draw(w, 8))
		sec = sec / EDGE * EDGE + EDGE - draw(w, 16);
	if (draw(w, 2)) {
		sec &= ~UINT64_C(7);
		n = (n + 7) & ~7u;
	}
	sec -= sec % unit;
	n = (n + unit - 1) / unit * unit;
	if (sec + n > record->sectors)
		sec = record->sectors - n;
	*ret_sec = sec;
	*ret_n = n;
}

static void leave(struct run *run, uint64_t sec, uint32_t n)
{
	while (n--)
		run->busy[sec + n] = 0;
}

/* Reserves the sectors for the thread; false if another thread has one. */
static bool enter(struct run *run, uint64_t sec, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (atomic_exchange(&run->busy[sec + i], 1)) {
			leave(run, sec, i);
			return false;
		}
	}
	return true;
}

static bool may_start(const struct record *record, uint64_t sec, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!record_may_start(record, sec + i))
			return false;
	return true;
}

static void answered(struct run *run, uint64_t sec, uint32_t n)
{
	struct sector *s = &run->record->sector[sec];

	for (uint32_t i = 0; i < n; i++)
		s[i].done = s[i].started;
	if (!run->sync)
		return;
	pthread_mutex_lock(&run->flushed);
	for (uint32_t i = 0; i < n; i++)
		s[i].durable = s[i].done;
	pthread_mutex_unlock(&run->flushed);
}

static bool do_write(struct worker *w, uint64_t sec, uint32_t n)
{
	struct record *record = w->run->record;
	uint32_t done = 0, begun;

	for (uint32_t i = 0; i < n; i++)
		sector_fill(w->buf + (size_t)i * SECTOR, sec + i,
			    record_start(record, sec + i, false),
			    record->client, w->number);
	record->writes++;
	begun = events_begin(w->run->events, sec, n, false);
	while (done < n) {
		int r = w->disk->ops->write(w->disk,
					    w->buf + (size_t)done * SECTOR,
					    sec + done, n - done);

		if (r <= 0)
			return survive(w, r ? r : -ENODATA);
		answered(w->run, sec + done, (uint32_t)r);
		done += (uint32_t)r;
	}
	events_done(w->run->events, begun);
	return true;
}

static bool do_zero(struct worker *w, uint64_t sec, uint32_t n)
{
	struct record *record = w->run->record;
	uint32_t begun;
	int r;

	for (uint32_t i = 0; i < n; i++)
		record_start(record, sec + i, true);
	record->zeroings++;
	begun = events_begin(w->run->events, sec, n, true);
	r = w->disk->ops->zero(w->disk, sec, n, draw(w, 2));
	if (r < 0)
		return survive(w, r);
	for (uint32_t i = 0; i < n; i++)
		record->sector[sec + i].done = record->sector[sec + i].started;
	events_done(w->run->events, begun);
	return true;
}

static bool do_read(struct worker *w, uint64_t sec, uint32_t n)
{
	struct record *record = w->run->record;
	char why[WHY_SIZE];
	uint32_t g;
	int r = w->disk->ops->read(w->disk, w->buf, sec, n);

	if (r < 0)
		return survive(w, r);
	record->reads++;
	for (uint32_t i = 0; i < n; i++)
		if (!record_allows(record, sec + i, w->buf + (size_t)i * SECTOR,
				   record->sector[sec + i].done, &g, why))
			complain(w, why);
	return !w->run->wrong;
}

/*
 * Writes that were answered before the flush began are durable when it has
 * returned.  But a file system that is being shut down may answer a sync with
 * success and lose the data (ext4 and xfs of Linux 6.18 do); in a power cut no
 * program would receive that answer, so it is ignored.
 */
static bool do_flush(struct worker *w)
{
	struct record *record = w->run->record;
	struct sector *s = record->sector;
	int r;

	if (w->run->no_flush)
		return true;
	for (uint64_t i = 0; i < record->sectors; i++)
		w->done[i] = s[i].done;
	r = w->disk->ops->flush(w->disk, draw(w, 2));
	if (r < 0)
		return survive(w, r);
	if (w->run->cut && access(w->run->cut, F_OK) == 0)
		return true;
	pthread_mutex_lock(&w->run->flushed);
	record->flushes++;
	for (uint64_t i = 0; i < record->sectors; i++) {
		if (w->done[i] <= s[i].durable)
			continue;
		s[i].durable = w->done[i];
		s[i].flush = record->flushes;
	}
	pthread_mutex_unlock(&w->run->flushed);
	return true;
}

static bool do_operation(struct worker *w)
{
	struct run *run = w->run;
	unsigned what = draw(w, 100);
	uint64_t sec;
	uint32_t n;
	bool go_on;

	if (what < 5)
		return do_flush(w);
	draw_range(w, &sec, &n);
	if (!draw(w, 400) && run->record->sectors >= 2 * RANGE_MAX) {
		/* A whole block, or a part of a large one.  Rarely, because
		 * zeros prove less than data. */
		what = 7;
		n = RANGE_MAX;
		sec = draw(w, run->record->sectors / n) * n;
	}
	if (!enter(run, sec, n))
		return true;
	if (what >= 20 && what < 35)
		go_on = do_read(w, sec, n);
	else if (!may_start(run->record, sec, n))
		go_on = do_flush(w);
	else if (what < 20 && !run->no_zero)
		go_on = do_zero(w, sec, n);
	else
		go_on = do_write(w, sec, n);
	leave(run, sec, n);
	return go_on;
}

static bool is_over(const struct run *run)
{
	struct timespec now;

	if (run->stop && access(run->stop, F_OK) == 0)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > run->end.tv_sec ||
	       (now.tv_sec == run->end.tv_sec &&
		now.tv_nsec >= run->end.tv_nsec);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct run *run = w->run;

	while (!run->error && !run->wrong && !is_over(run) &&
	       run->full < run->full_max) {
		if (!do_operation(w))
			break;
		if (++run->operations == run->command_at)
			start_command(run);
		if (run->pause > 0)
			usleep((useconds_t)(run->pause * 1e6));
	}
	return NULL;
}

static void start_worker(struct run *run, struct worker *w, unsigned number,
			 uint64_t seed)
{
	w->run = run;
	w->number = number;
	w->random = mix(seed) + number;
	w->disk = disk_open(run->where, O_RDWR | run->sync);
	w->done = allocate(run->record->sectors, sizeof *w->done);
	w->buf = allocate(RANGE_MAX, SECTOR);
	if (w->disk->sectors != run->record->sectors ||
	    w->disk->unit > run->record->unit) {
		fputs("load: the disk is not the record's\n", stderr);
		exit(EXIT_USAGE);
	}
}

static void end_worker(struct worker *w)
{
	w->disk->ops->close(w->disk);
	free(w->done);
	free(w->buf);
}

static int end_run(struct run *run)
{
	const struct record *r = run->record;
	int status = 0;

	start_command(run);
	if (run->command_started)
		waitpid(run->command_pid, &status, 0);
	if (status) {
		fprintf(stderr, "load: %s: failed\n", run->command);
		return EXIT_USAGE;
	}
	printf("client %" PRIu32 ": %" PRIu64 " operations, in all %" PRIu64
	       " writes, %" PRIu64 " zeroings, %" PRIu64 " reads, %" PRIu64
	       " flushes, %" PRIu64 " times full; ended by %s\n",
	       r->client, run->operations, r->writes, r->zeroings, r->reads,
	       r->flushes, r->full,
	       run->wrong   ? "wrong data"
	       : run->error ? strerrorname_np(run->error)
			    : "its own end");
	return run->wrong ? EXIT_WRONG : run->error ? EXIT_CUT : 0;
}

/* Waits until all loads with the same file are ready. */
static void wait_for_others(const struct run *run)
{
	int fd = open(run->ready, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
		      0600);
	struct stat st;

	if (fd < 0 || write(fd, "+", 1) != 1)
		abort();
	while (fstat(fd, &st) == 0 && st.st_size < run->ready_size)
		usleep(500);
	close(fd);
}

static int do_run(struct run *run, uint64_t seed)
{
	struct worker workers[THREADS_MAX] = { 0 };

	run->busy = allocate(run->record->sectors, sizeof *run->busy);
	pthread_mutex_init(&run->flushed, NULL);
	for (unsigned i = 0; i < run->threads; i++)
		start_worker(run, &workers[i], i, seed);
	if (run->ready)
		wait_for_others(run);
	clock_gettime(CLOCK_MONOTONIC, &run->end);
	run->end.tv_sec += (time_t)run->seconds;
	run->end.tv_nsec += (long)((run->seconds - (time_t)run->seconds) * 1e9);
	if (run->end.tv_nsec >= 1000000000) {
		run->end.tv_sec++;
		run->end.tv_nsec -= 1000000000;
	}
	for (unsigned i = 0; i < run->threads; i++)
		if (pthread_create(&workers[i].thread, NULL, work,
				   &workers[i]) != 0)
			abort();
	for (unsigned i = 0; i < run->threads; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned i = 0; i < run->threads; i++)
		end_worker(&workers[i]);
	free(run->busy);
	return end_run(run);
}

static int run_options(int argc, char **argv)
{
	struct run run = { .threads = 4,
			   .seconds = 10,
			   .full_max = UINT64_MAX };
	int c;

	while ((c = getopt(argc, argv, "+DFSzt:s:n:f:c:w:e:p:u:")) >= 0) {
		switch (c) {
		case 't':
			run.threads = (unsigned)atoi(optarg);
			break;
		case 's':
			run.seconds = strtod(optarg, NULL);
			break;
		case 'n':
			run.command_at = strtoull(optarg, NULL, 0);
			run.command = argv[optind++];
			break;
		case 'D':
			run.sync = O_DSYNC;
			break;
		case 'S':
			run.sync = O_SYNC;
			break;
		case 'F':
			run.no_flush = true;
			break;
		case 'z':
			run.no_zero = true;
			break;
		case 'p':
			run.pause = strtod(optarg, NULL);
			break;
		case 'u':
			run.stop = optarg;
			break;
		case 'c':
			run.cut = optarg;
			break;
		case 'w':
			run.ready = optarg;
			run.ready_size = atoi(argv[optind++]);
			break;
		case 'e':
			run.events_path = optarg;
			break;
		case 'f':
			run.full_max = strtoull(optarg, NULL, 0);
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 3 || run.threads < 1 || run.threads > THREADS_MAX)
		return EXIT_USAGE;
	run.record = record_open(argv[optind]);
	if (run.events_path)
		run.events = events_open(run.events_path, run.record);
	run.where = argv[optind + 1];
	return do_run(&run, strtoull(argv[optind + 2], NULL, 0));
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	int r = EXIT_USAGE;

	if (!strcmp(command, "run"))
		r = run_options(argc - 1, argv + 1);
	else if (!strcmp(command, "fill") && argc == 4)
		return look_fill(argv[2], strtoull(argv[3], NULL, 0));
	else if (!strcmp(command, "record") && argc == 5)
		return look_begin(argv[2], argv[3], (uint32_t)atoi(argv[4]));
	else if ((!strcmp(command, "verify") || !strcmp(command, "flush") ||
		  !strcmp(command, "exact")) &&
		 argc == 4)
		return look_verify(command, argv[2], argv[3]);
	else if (!strcmp(command, "show") && argc == 3)
		return look_show(argv[2]);
	else if (!strcmp(command, "events") && argc == 4)
		return events_create(argv[2], argv[3]);
	else if (!strcmp(command, "now") && argc == 3)
		return events_now(argv[2]);
	else if (!strcmp(command, "moment") && argc == 7)
		return events_moment(
			argv[2], argv[3], (uint32_t)strtoul(argv[4], NULL, 0),
			(uint32_t)strtoul(argv[5], NULL, 0), argv[6]);
	if (r == EXIT_USAGE)
		fputs("load: see the head of its source\n", stderr);
	return r;
}
