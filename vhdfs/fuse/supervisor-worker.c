/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Supervisor: the worker process, and what it leaves behind. */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "fuse/fdstore.h"
#include "fuse/supervisor-internal.h"
#include "io/recovery.h"

void supervisor_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGUSR1); /* see worker.h */
	sigaddset(set, PULSE_SIGNAL);
}

/* The worker process, until it exits. */
static _Noreturn void worker_main(struct supervisor *s, pid_t parent)
{
	sigset_t set;
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The supervisor may have died before prctl. */
	if (getppid() != parent)
		_exit(WORKER_FAILED);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	status = worker_run(&s->mount);
	recovery_detach();
	/* No exit handlers: open files stay open for the next worker. */
	if (status == WORKER_HANDED_OVER ||
	    status == WORKER_HANDED_OVER_UNFLUSHED)
		_exit(status);
	exit(status);
}

/*
 * Like fork, but the table of descriptors is shared.  The C library's clone
 * runs a function on a new stack instead, so this is the system call.
 */
int supervisor_start_worker(struct supervisor *s)
{
	pid_t self = getpid();
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL,
				   NULL, NULL);

	if (pid == 0)
		worker_main(s, self);
	if (pid < 0) {
		const int r = fail_errno(-errno, "worker process: clone");

		error_advise(
			"check memory and the limit of processes (TasksMax, ulimit -u)");
		return r;
	}
	s->worker = pid;
	s->pulse.worker_ends = false;
	s->started = clock_us();
	return 0;
}

void supervisor_signal_worker(struct supervisor *s, int sig)
{
	if (sig == SIGHUP && !s->ending) {
		pulse_worker_ends(&s->pulse, true);
		kill(s->worker, SIGHUP);
	} else if (sig != SIGHUP) {
		s->ending = sig;
		pulse_worker_ends(&s->pulse, false);
		kill(s->worker, SIGTERM);
	}
}

void supervisor_end_worker(struct supervisor *s)
{
	if (s->worker <= 0)
		return;
	kill(s->worker, SIGTERM);
	waitpid(s->worker, NULL, 0);
}

int supervisor_clean_descriptors(struct supervisor *s)
{
	/* recovery_begin_takeover closes the log's descriptor. */
	log_reopen();
	return recovery_begin_takeover(&s->mount.link->fd, 1);
}

int supervisor_replace_mount(struct supervisor *s)
{
	int r;

	fdstore_remove_mount();
	r = mount_make(&s->mount);
	if (r < 0)
		return r;
	recovery_opens_clear();
	s->mount.link->replaced = true;
	fdstore_put_mount(&s->mount);
	return 0;
}
