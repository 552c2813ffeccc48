/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Supervisor: restarts and upgrades the worker.
 *
 * ORDER of a restart (restart_worker), after the worker has died:
 *
 *   1. close all descriptors but those of locked files and of the mount
 *   2. if the kernel cannot send the unanswered requests again, or the worker
 *      has crashed too often: replace the mount, so that these requests fail
 *   3. start the next worker
 *
 * ORDER of a hand-over (hand_over), after the worker has flushed and exited:
 *
 *   1. as a restart
 *   2. execute the installed program; if that fails, start a worker of this one
 *   3. the new program reads the hand-over, and starts a worker
 *      (supervisor-start.c)
 */
#include "config.h"

#include "fuse/supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/notify.h"
#include "fuse/fdstore.h"
#include "fuse/supervisor-internal.h"
#include "fuse/upgrade.h"
#include "io/recovery.h"

enum {
	/* A worker that dies within this time may have died of a request. */
	CRASH_MS = 1000,
	/* After so many crashes in a row the mount is replaced, so the
	 * requests of the old one fail; after twice as many the supervisor
	 * gives up.  SIGKILL comes from outside and is no crash. */
	CRASHES_MAX = 10,
	/* The first restarts are immediate, those after them are delayed. */
	CRASHES_WITHOUT_DELAY = 3,
	RESTART_DELAY_MS = 100,
};

/* Waits until the worker has exited.  Returns its status as waitpid does. */
static int wait_for_worker(struct supervisor *s)
{
	sigset_t set;
	int sig, status;

	supervisor_signals(&set);
	for (;;) {
		sig = notify_wait_signal(&set);
		if (sig == 0)
			pulse_check(&s->pulse, s->worker);
		if (sig == PULSE_SIGNAL)
			pulse_received(&s->pulse);
		if (sig == SIGCHLD &&
		    waitpid(s->worker, &status, WNOHANG) == s->worker) {
			s->worker = 0;
			return status;
		}
		if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP)
			supervisor_signal_worker(s, sig);
	}
}

static void delay_restart(unsigned n_crashes)
{
	unsigned n = n_crashes > CRASHES_WITHOUT_DELAY
			     ? n_crashes - CRASHES_WITHOUT_DELAY
			     : 0;
	struct timespec delay = { .tv_nsec = n * RESTART_DELAY_MS * 1000000L };

	nanosleep(&delay, NULL);
}

/* Why the kernel must not send the unanswered requests again; null: it may. */
static const char *reason_to_replace_mount(const struct supervisor *s)
{
	if (s->n_crashes == CRASHES_MAX)
		return "a request may crash it: replacing the mount";
	if (s->mount.options->no_resend || !mount_can_resend(&s->mount))
		return "requests cannot be sent again: replacing the mount";
	return NULL;
}

/* How the worker died; null: it exited, and no other is to be started. */
static const char *cause_of_death(int status)
{
	if (WIFSIGNALED(status))
		return format_arg("was killed by signal %d (%s)",
				  WTERMSIG(status),
				  strsignal(WTERMSIG(status)));
	return WEXITSTATUS(status) == WORKER_NOT_STARTED ? "could not start"
							 : NULL;
}

/* status: the worker's, as of waitpid; cause: cause_of_death of it. */
static int restart_worker(struct supervisor *s, int status, const char *cause)
{
	const char *replace;
	int r;

	/* SIGKILL comes from outside. */
	if ((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
	    (clock_us() - s->started) / 1000 >= CRASH_MS)
		s->n_crashes = 0;
	else
		s->n_crashes++;
	replace = reason_to_replace_mount(s);
	log_error("%s: the worker process %s; %s", s->mount.options->mountpoint,
		  cause, replace ? replace : "starting another");
	worker_deaths_add(&s->mount.link->deaths, (int64_t)time(NULL),
			  WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	if (s->n_crashes == 2 * CRASHES_MAX)
		return fail(
			-EIO,
			"%s: %u worker processes crashed in a row; giving up",
			s->mount.options->mountpoint, s->n_crashes);
	delay_restart(s->n_crashes % CRASHES_MAX);
	r = supervisor_clean_descriptors(s); /* 1 */
	if (r == 0 && replace)
		r = supervisor_replace_mount(s); /* 2 */
	if (r == 0)
		r = supervisor_start_worker(s); /* 3 */
	return r;
}

/* Returns only on failure, with error_text(). */
static void exec_upgrade(struct supervisor *s)
{
	struct error saved;

	fdstore_remove_all();
	upgrade_exec(&s->mount);
	saved = *error_last();
	fdstore_put_all(&s->mount);
	error_set(&saved);
}

/* The worker has exited for a hand-over.  If the installed program cannot be
 * executed, this program starts the next worker. */
static int hand_over(struct supervisor *s, int status)
{
	bool flushed = WEXITSTATUS(status) == WORKER_HANDED_OVER;
	int r = supervisor_clean_descriptors(s); /* 1 */

	if (r == 0 && flushed && !s->ending)
		exec_upgrade(s); /* 2 */
	if (r == 0 && !s->ending) {
		snprintf(s->pulse.not_upgraded, sizeof s->pulse.not_upgraded,
			 "%s",
			 flushed ? error_text()
				 : "an image could not be flushed");
		log_error("%s: not upgraded: %s", s->mount.options->mountpoint,
			  s->pulse.not_upgraded);
	}
	return r < 0 ? r : supervisor_start_worker(s);
}

static bool has_handed_over(int status)
{
	return WIFEXITED(status) &&
	       (WEXITSTATUS(status) == WORKER_HANDED_OVER ||
		WEXITSTATUS(status) == WORKER_HANDED_OVER_UNFLUSHED);
}

/* Until the mount has ended.  Returns the exit status of the program. */
static int serve(struct supervisor *s)
{
	int r = 0, status = 0;
	const char *cause;

	while (r == 0) {
		status = wait_for_worker(s);
		cause = cause_of_death(status);
		if (cause)
			r = restart_worker(s, status, cause);
		else if (has_handed_over(status))
			r = hand_over(s, status);
		else
			break;
		/* The worker died before it had written all: the next one is
		 * told to end instead. */
		if (r == 0 && s->ending)
			supervisor_signal_worker(s, s->ending);
	}
	if (r < 0) {
		log_error("%s", error_text());
		return EXIT_FAILURE;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) != WORKER_FAILED
		       ? EXIT_SUCCESS
		       : EXIT_FAILURE;
}

static void block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	supervisor_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* As a program that does not handle the signal. */
static void die_of(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	signal(sig, SIG_DFL);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int supervise(struct options *options)
{
	/* Static: its address is valid in each worker, too. */
	static struct supervisor s;
	int r, status;

	s.mount.options = options;
	block_signals();
	r = supervisor_start(&s);
	if (s.resuming) {
		/* This supervisor does not die of the attempt. */
		if (s.mount.link)
			s.mount.link->attempts--;
		return EXIT_FAILURE;
	}
	if (r == -EALREADY) {
		/* The service is what its manager wants it to be. */
		notify("READY=1");
		status = EXIT_SUCCESS;
	} else {
		status = r < 0 ? EXIT_FAILURE : serve(&s);
	}
	supervisor_end_worker(&s);
	fdstore_remove_all();
	if (s.mount.link)
		mount_end(&s.mount);
	recovery_destroy();
	if (r < 0 && s.ending)
		die_of(s.ending);
	return status;
}
