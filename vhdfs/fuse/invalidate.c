/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "fuse/invalidate.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <time.h>

#include "base/error.h"

enum { END_WAIT_SECONDS = 2 };

struct job {
	struct job *next;
	fuse_req_t req; /* null: nobody waits, or was answered already */
	uint64_t number;
	uint64_t off;
	uint64_t len;
	ssize_t written;
};

struct invalidator {
	struct fuse_session *session;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	/* Under lock: */
	struct job *first;
	struct job **end;
	struct job *current; /* whose pages are being dropped */
	bool ending;
};

static void reply(fuse_req_t req, ssize_t written)
{
	if (written < 0)
		fuse_reply_err(req, 0);
	else
		fuse_reply_write(req, written);
}

/* Null when there is none and none will come. */
static struct job *take_job(struct invalidator *inv)
{
	struct job *job;

	pthread_mutex_lock(&inv->lock);
	while (!inv->first && !inv->ending)
		pthread_cond_wait(&inv->more, &inv->lock);
	job = inv->first;
	inv->current = job;
	if (job) {
		inv->first = job->next;
		if (!inv->first)
			inv->end = &inv->first;
	}
	pthread_mutex_unlock(&inv->lock);
	return job;
}

/* Of the job: takes the request, for whoever is first to answer it. With the
 * lock. */
static fuse_req_t take_request(struct job *job)
{
	fuse_req_t req = job->req;

	job->req = NULL;
	return req;
}

/* Its pages are dropped. */
static void finish(struct invalidator *inv, struct job *job)
{
	fuse_req_t req;

	pthread_mutex_lock(&inv->lock);
	inv->current = NULL;
	req = take_request(job);
	pthread_mutex_unlock(&inv->lock);
	if (req)
		reply(req, job->written);
	free(job);
}

static void *run(void *arg)
{
	struct invalidator *inv = arg;

	for (struct job *job; (job = take_job(inv));) {
		/* It fails only for what the kernel has not cached at all. */
		fuse_lowlevel_notify_inval_inode(inv->session, job->number,
						 (off_t)job->off,
						 (off_t)job->len);
		finish(inv, job);
	}
	return NULL;
}

static void add(struct invalidator *inv, struct job *job)
{
	pthread_mutex_lock(&inv->lock);
	*inv->end = job;
	inv->end = &job->next;
	pthread_cond_signal(&inv->more);
	pthread_mutex_unlock(&inv->lock);
}

void invalidate_and_reply(struct invalidator *inv, fuse_req_t req,
			  uint64_t number, uint64_t off, uint64_t len,
			  ssize_t written)
{
	struct job *job = malloc(sizeof *job);

	if (!job) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	*job = (struct job){ .req = req,
			     .number = number,
			     .off = off,
			     .len = len,
			     .written = written };
	add(inv, job);
}

void invalidate(struct invalidator *inv, uint64_t number)
{
	struct job *job = calloc(1, sizeof *job);

	/* Length 0: all of it. */
	if (!job)
		return;
	job->number = number;
	add(inv, job);
}

/* Null when all are answered. */
static fuse_req_t take_any(struct invalidator *inv, ssize_t *ret_written)
{
	fuse_req_t req = NULL;

	pthread_mutex_lock(&inv->lock);
	if (inv->current && (req = take_request(inv->current)))
		*ret_written = inv->current->written;
	for (struct job *job = inv->first; job && !req; job = job->next)
		if ((req = take_request(job)))
			*ret_written = job->written;
	pthread_mutex_unlock(&inv->lock);
	return req;
}

void invalidator_abandon(struct invalidator *inv)
{
	ssize_t written;

	for (fuse_req_t req; (req = take_any(inv, &written));)
		reply(req, written);
}

int invalidator_new(struct fuse_session *session, struct invalidator **ret)
{
	struct invalidator *inv = calloc(1, sizeof *inv);
	int r;

	if (!inv)
		return fail(-ENOMEM, "out of memory");
	inv->session = session;
	inv->end = &inv->first;
	pthread_mutex_init(&inv->lock, NULL);
	pthread_cond_init(&inv->more, NULL);
	r = pthread_create(&inv->thread, NULL, run, inv);
	if (r != 0) {
		free(inv);
		return fail_errno(-r, "starting a thread");
	}
	*ret = inv;
	return 0;
}

void invalidator_free(struct invalidator *inv, const char *mountpoint)
{
	struct timespec end;

	pthread_mutex_lock(&inv->lock);
	inv->ending = true;
	pthread_cond_signal(&inv->more);
	pthread_mutex_unlock(&inv->lock);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += END_WAIT_SECONDS;
	if (pthread_clockjoin_np(inv->thread, NULL, CLOCK_MONOTONIC, &end) !=
	    0) {
		/* It waits for a read that nobody will answer any more. */
		umount2(mountpoint, MNT_FORCE | MNT_DETACH);
		pthread_join(inv->thread, NULL);
	}
	pthread_cond_destroy(&inv->more);
	pthread_mutex_destroy(&inv->lock);
	free(inv);
}
