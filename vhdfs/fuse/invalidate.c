/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Invalidator: a queue of jobs, and the thread that does them. */
#include "config.h"

#include "fuse/invalidate.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <time.h>

#include "base/error.h"
#include "fuse/fuse3.h"
#include "fuse/raw-reply.h"
#include "fuse/server.h"

enum { END_WAIT_SECONDS = 2 };

struct job {
	struct job *next;
	uint64_t unique; /* the request to answer; 0: none, or it is answered */
	uint64_t number; /* the node's */
	uint64_t off;
	uint64_t len;
	ssize_t written; /* for raw_reply_changed */
};

/* A worker has one. */
static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	/* Under lock: */
	struct job *first; /* also while it is in the kernel's call */
	struct job **end;
	bool ending;
} inv = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.more = PTHREAD_COND_INITIALIZER,
};

/* Waits for a job.  Null when the queue is empty and the thread is to end. */
static struct job *wait_for_job(void)
{
	struct job *job;

	pthread_mutex_lock(&inv.lock);
	while (!inv.first && !inv.ending)
		pthread_cond_wait(&inv.more, &inv.lock);
	job = inv.first;
	pthread_mutex_unlock(&inv.lock);
	return job;
}

/* After the pages of the first job are dropped. */
static void finish(struct job *job)
{
	pthread_mutex_lock(&inv.lock);
	inv.first = job->next;
	if (!inv.first)
		inv.end = &inv.first;
	pthread_mutex_unlock(&inv.lock);
	/* invalidator_abandon may have answered it. */
	if (job->unique)
		raw_reply_changed(job->unique, job->written);
	free(job);
}

static void *run(void *arg)
{
	(void)arg;
	for (struct job *job; (job = wait_for_job());) {
		/* It fails only for a node that the kernel has not cached. */
		fuse_lowlevel_notify_inval_inode(server.session, job->number,
						 (off_t)job->off,
						 (off_t)job->len);
		finish(job);
	}
	return NULL;
}

static void add(struct job *job)
{
	pthread_mutex_lock(&inv.lock);
	*inv.end = job;
	inv.end = &job->next;
	pthread_cond_signal(&inv.more);
	pthread_mutex_unlock(&inv.lock);
}

void invalidate_and_reply(uint64_t unique, uint64_t number, uint64_t off,
			  uint64_t len, ssize_t written)
{
	struct job *job = malloc(sizeof *job);

	if (!job) {
		raw_reply(unique, -ENOMEM, NULL, 0);
		return;
	}
	*job = (struct job){ .unique = unique,
			     .number = number,
			     .off = off,
			     .len = len,
			     .written = written };
	add(job);
}

void invalidate(uint64_t number)
{
	struct job *job = calloc(1, sizeof *job);

	if (!job)
		return;
	job->number = number; /* length 0: the whole file */
	add(job);
}

/* The request of one job, which is then answered; 0: none is left. */
static uint64_t take_request(ssize_t *ret_written)
{
	uint64_t unique = 0;

	pthread_mutex_lock(&inv.lock);
	for (struct job *job = inv.first; job && !unique; job = job->next) {
		unique = job->unique;
		job->unique = 0;
		*ret_written = job->written;
	}
	pthread_mutex_unlock(&inv.lock);
	return unique;
}

void invalidator_abandon(void)
{
	ssize_t written;

	for (uint64_t unique; (unique = take_request(&written));)
		raw_reply_changed(unique, written);
}

int invalidator_start(void)
{
	int r;

	inv.end = &inv.first;
	r = pthread_create(&inv.thread, NULL, run, NULL);
	return r == 0 ? 0
		      : fail_errno(-r, "invalidation thread: pthread_create");
}

void invalidator_stop(const char *mountpoint)
{
	struct timespec end;

	pthread_mutex_lock(&inv.lock);
	inv.ending = true;
	pthread_cond_signal(&inv.more);
	pthread_mutex_unlock(&inv.lock);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += END_WAIT_SECONDS;
	if (pthread_clockjoin_np(inv.thread, NULL, CLOCK_MONOTONIC, &end) !=
	    0) {
		/* It waits for a read that no thread will answer. */
		umount2(mountpoint, MNT_FORCE | MNT_DETACH);
		pthread_join(inv.thread, NULL);
	}
}
