/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iSCSI initiators, many in one process, as fast as the server answers.
 *
 *     storm replay TRACE DEPTH URL...
 *         each replays a recorded boot, with DEPTH commands in flight, started
 *         in their order; a flush waits for all commands before it
 *     storm read|write random|sequential SIZE DEPTH SECONDS START LENGTH URL...
 *         each keeps DEPTH commands of SIZE bytes in flight, within LENGTH
 *         bytes from START
 *
 * All log in first.  Prints a line of JSON: clients, the seconds from the first
 * command to the last answer, commands and bytes answered, and errors, the
 * first of which is printed on standard error; exits 0, or 2 when it could not
 * begin.
 */
#include <err.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#include "bench/trace.h"

enum {
	BLOCK = 512,
	PATIENCE = 120 * 1000, /* ms without an answer */
};

/* The job: a trace, or one kind of command until a time. */
static struct {
	struct trace trace;
	bool write, random;
	uint32_t size, depth; /* size is 0: the trace */
	uint64_t start, length;
	double end;
} job;

struct client {
	struct iscsi_context *iscsi;
	int lun;
	size_t next; /* of the trace, or of the disk */
	uint32_t in_flight;
	uint32_t armed; /* epoll's events */
	uint64_t seed;
	bool ended;
};

static struct {
	struct client *clients;
	size_t n, left;
	uint64_t commands, bytes, errors;
	unsigned char *data;      /* one buffer for all writes and reads */
	struct scsi_iovec *sinks; /* buffers of the reads in flight */
	int epoll;
} storm;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void failed(const struct client *client, const char *what)
{
	if (!storm.errors++)
		warnx("client %zu: %s: %s", client - storm.clients, what,
		      iscsi_get_error(client->iscsi));
}

/* --- commands */

static bool exhausted(const struct client *client)
{
	return job.size ? now() >= job.end : client->next == job.trace.n;
}

/* The offset of the next command of a job without a trace. */
static uint64_t next_rootdir(struct client *client)
{
	uint64_t n = client->next++;

	if (job.random) {
		client->seed ^= client->seed << 13;
		client->seed ^= client->seed >> 7;
		client->seed ^= client->seed << 17;
		n = client->seed;
	}
	return job.start + n % (job.length / job.size) * job.size;
}

static void answered(struct iscsi_context *iscsi, int status, void *data,
		     void *private_data);

static struct scsi_task *begin_read(struct client *client,
				    const struct trace_command *c,
				    struct scsi_iovec *sink)
{
	return iscsi_read16_iov_task(client->iscsi, client->lun, c->off / BLOCK,
				     c->len, BLOCK, 0, 0, 0, 0, 0, answered,
				     client, sink, 1);
}

static struct scsi_task *begin_write(struct client *client,
				     const struct trace_command *c)
{
	return iscsi_write16_task(client->iscsi, client->lun, c->off / BLOCK,
				  storm.data, c->len, BLOCK, 0, 0, 0, 0, 0,
				  answered, client);
}

static struct scsi_task *begin_flush(struct client *client)
{
	return iscsi_synchronizecache10_task(client->iscsi, client->lun, 0, 0,
					     0, 0, answered, client);
}

static void begin_next(struct client *client)
{
	struct scsi_iovec *sink = storm.sinks;
	struct trace_command c = { 0 };
	struct scsi_task *task;

	if (job.size) {
		c.op = job.write ? 'W' : 'R';
		c.off = next_rootdir(client);
		c.len = job.size;
	} else {
		sink += client->next;
		c = job.trace.commands[client->next++];
	}
	task = c.op == 'R'   ? begin_read(client, &c, sink)
	       : c.op == 'W' ? begin_write(client, &c)
			     : begin_flush(client);
	if (!task)
		errx(2, "a command cannot be sent: %s",
		     iscsi_get_error(client->iscsi));
	client->in_flight++;
	storm.bytes += c.len;
}

static void end_client(struct client *client)
{
	if (client->ended)
		return;
	client->ended = true;
	storm.left--;
}

/* Starts commands until DEPTH are in flight. */
static void advance(struct client *client)
{
	while (client->in_flight < job.depth && !exhausted(client)) {
		if (!job.size && client->in_flight &&
		    job.trace.commands[client->next].op == 'F')
			return;
		begin_next(client);
	}
	if (!client->in_flight)
		end_client(client);
}

static void answered(struct iscsi_context *iscsi, int status, void *data,
		     void *private_data)
{
	struct client *client = private_data;

	(void)iscsi;
	if (status != SCSI_STATUS_GOOD)
		failed(client, "a command failed");
	if (data)
		scsi_free_scsi_task(data);
	storm.commands++;
	client->in_flight--;
}

/* --- the loop */

static void arm(struct client *client)
{
	uint32_t want = EPOLLIN;
	struct epoll_event event = { .data.ptr = client };

	if (iscsi_which_events(client->iscsi) & POLLOUT)
		want |= EPOLLOUT;
	if (want == client->armed)
		return;
	event.events = want;
	if (epoll_ctl(storm.epoll,
		      client->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
		      iscsi_get_fd(client->iscsi), &event) < 0)
		err(2, "epoll_ctl");
	client->armed = want;
}

/* Sends at once as much as the socket accepts; epoll reports when it accepts
 * more. */
static void serve(struct client *client, int events)
{
	int r = events ? iscsi_service(client->iscsi, events) : 0;

	if (r == 0) {
		advance(client);
		if (iscsi_which_events(client->iscsi) & POLLOUT)
			r = iscsi_service(client->iscsi, POLLOUT);
	}
	if (r == 0 && !(events & (POLLHUP | POLLERR))) {
		arm(client);
		return;
	}
	failed(client, "the connection was lost");
	epoll_ctl(storm.epoll, EPOLL_CTL_DEL, iscsi_get_fd(client->iscsi),
		  NULL);
	end_client(client);
}

static int poll_events(uint32_t events)
{
	return (events & EPOLLIN ? POLLIN : 0) |
	       (events & EPOLLOUT ? POLLOUT : 0) |
	       (events & EPOLLHUP ? POLLHUP : 0) |
	       (events & EPOLLERR ? POLLERR : 0);
}

static void run(void)
{
	struct epoll_event events[64];

	for (size_t i = 0; i < storm.n; i++)
		serve(&storm.clients[i], 0);
	while (storm.left) {
		int n = epoll_wait(storm.epoll, events, 64, PATIENCE);

		if (n < 0)
			err(2, "epoll_wait");
		if (n == 0) {
			warnx("no answer for %d s, %zu clients wait",
			      PATIENCE / 1000, storm.left);
			storm.errors += storm.left;
			return;
		}
		for (int i = 0; i < n; i++)
			serve(events[i].data.ptr,
			      poll_events(events[i].events));
	}
}

/* --- the beginning */

static void log_in(struct client *client, const char *text, size_t number)
{
	char name[64];
	struct iscsi_url *url;

	snprintf(name, sizeof name, "iqn.2026-01.lan.example:storm%zu", number);
	client->seed = number * 0x9e3779b97f4a7c15 + 1;
	client->iscsi = iscsi_create_context(name);
	url = client->iscsi ? iscsi_parse_full_url(client->iscsi, text) : NULL;
	if (!url)
		errx(2, "bad URL %s", text);
	iscsi_set_targetname(client->iscsi, url->target);
	iscsi_set_session_type(client->iscsi, ISCSI_SESSION_NORMAL);
	iscsi_set_header_digest(client->iscsi, ISCSI_HEADER_DIGEST_NONE);
	iscsi_set_noautoreconnect(client->iscsi, 1);
	client->lun = url->lun;
	if (iscsi_full_connect_sync(client->iscsi, url->portal, url->lun) != 0)
		errx(2, "%s: %s", text, iscsi_get_error(client->iscsi));
	iscsi_destroy_url(url);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (end == text || *end)
		errx(2, "expected a number, found '%s'", text);
	return value;
}

static void usage(void)
{
	fputs("usage: storm replay TRACE DEPTH URL...\n"
	      "       storm read|write random|sequential SIZE DEPTH SECONDS "
	      "START LENGTH URL...\n",
	      stderr);
	exit(2);
}

/* Returns the seconds that the job is to take; sets the number of arguments
 * used. */
static double parse(int argc, char **argv, int *ret_taken)
{
	const char *op = argc > 1 ? argv[1] : "";

	if (!strcmp(op, "replay") && argc > 4) {
		job.trace = trace_load(argv[2]);
		job.depth = (uint32_t)number(argv[3]);
		*ret_taken = 4;
		return 0;
	}
	if ((strcmp(op, "read") && strcmp(op, "write")) || argc < 9)
		usage();
	job.write = !strcmp(op, "write");
	job.random = !strcmp(argv[2], "random");
	job.size = (uint32_t)number(argv[3]);
	job.depth = (uint32_t)number(argv[4]);
	job.start = number(argv[6]);
	job.length = number(argv[7]);
	if (!job.size || job.size % BLOCK || job.length < job.size)
		usage();
	*ret_taken = 8;
	return strtod(argv[5], NULL);
}

static void prepare(char **urls, size_t n)
{
	size_t room = job.size ? job.size : job.trace.longest;
	size_t n_sinks = job.size ? 1 : job.trace.n;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	storm.n = storm.left = n;
	storm.clients = calloc(n, sizeof *storm.clients);
	storm.data = malloc(room);
	storm.sinks = calloc(n_sinks, sizeof *storm.sinks);
	storm.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!storm.clients || !storm.data || !storm.sinks || storm.epoll < 0)
		err(2, "cannot begin");
	/* Not zeros, which the server could store as a hole. */
	for (size_t i = 0; i < room; i++)
		storm.data[i] = (unsigned char)(i * 7 + i / 251 + 1);
	for (size_t i = 0; i < n_sinks; i++) {
		storm.sinks[i].iov_base = storm.data;
		storm.sinks[i].iov_len =
			job.size ? job.size : job.trace.commands[i].len;
	}
	for (size_t i = 0; i < n; i++)
		log_in(&storm.clients[i], urls[i], i);
}

int main(int argc, char **argv)
{
	int taken = 0;
	double seconds = parse(argc, argv, &taken), begun;

	if (!job.depth)
		usage();
	prepare(argv + taken, (size_t)(argc - taken));
	begun = now();
	job.end = begun + seconds;
	run();
	seconds = now() - begun;
	printf("{\"clients\": %zu, \"seconds\": %.6f, \"commands\": %" PRIu64
	       ", \"bytes\": %" PRIu64 ", \"errors\": %" PRIu64 "}\n",
	       storm.n, seconds, storm.commands, storm.bytes, storm.errors);
	for (size_t i = 0; i < storm.n; i++)
		iscsi_destroy_context(storm.clients[i].iscsi);
	return 0;
}
