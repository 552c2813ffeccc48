/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Supervisor: the three ways to start it.
 *
 * ORDER of a fresh start (start_fresh):
 *
 *   1. create the recovery memory; check the options and the mount point
 *   2. fork into the background, unless -f: the first process waits for the
 *      result
 *   3. start the worker, which reads the store, and wait for it
 *   4. mount; put what must survive into the descriptor store
 *   5. tell the worker that it can serve
 *   6. report success to the first process, which exits
 *
 * So an error of any step is reported on standard error and by the exit status.
 *
 * The other two ways begin with the state of an earlier supervisor:
 * resume_upgrade in a hand-over, start_from_fdstore after a kill.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "base/notify.h"
#include "fuse/daemonize.h"
#include "fuse/end-signal.h"
#include "fuse/fdstore.h"
#include "fuse/supervisor-internal.h"
#include "fuse/upgrade.h"
#include "io/recovery.h"

/* Creates the recovery memory; the mount's link is in it. */
static int create_memory(struct supervisor *s)
{
	int r = recovery_create();

	if (r < 0)
		return r;
	s->mount.link = recovery_extra(sizeof *s->mount.link);
	s->mount.link->fd = -1;
	return 0;
}

/* Waits until the worker has read the store: 0, or -ECHILD if it failed, which
 * the worker has logged. */
static int wait_for_store(struct supervisor *s)
{
	sigset_t set;
	int sig;

	supervisor_signals(&set);
	do {
		sig = sigwaitinfo(&set, NULL);
		if (sig == SIGINT || sig == SIGTERM)
			supervisor_signal_worker(s, sig);
		if (sig == SIGCHLD && waitpid(s->worker, NULL, WNOHANG) > 0)
			s->worker = 0;
	} while ((sig != SIGUSR1 || s->ending) && s->worker);
	return s->worker ? 0 : -ECHILD;
}

/* Logs why there is no mount.  A store that is mounted there already is no
 * error. */
static void log_reason(int r)
{
	if (r == -EALREADY)
		log_info("%s", error_text());
	else
		log_error("%s", error_text());
}

/* Steps 3 to 5. */
static int mount_for_worker(struct supervisor *s)
{
	int r = wait_for_store(s);

	if (r < 0)
		return r;
	r = mount_make(&s->mount);
	if (r < 0) {
		log_reason(r);
		return r;
	}
	fdstore_put_all(&s->mount);
	kill(s->worker, SIGUSR1);
	return 0;
}

static int start_fresh(struct supervisor *s)
{
	struct options *o = s->mount.options;
	int r = create_memory(s);

	fdstore_enable(o);
	if (r == 0)
		r = options_make_absolute(o);
	if (r == 0)
		fdstore_clear_dead_mount(o);
	if (r == 0)
		r = mount_check_libfuse();
	if (r == 0)
		r = mount_check_point(o);
	if (r == 0)
		mount_state_take(o->store, o->mountpoint, s->mount.link->state);
	if (r == 0)
		r = o->foreground ? 0 : daemonize_begin(); /* 2 */
	if (r == 0)
		r = supervisor_start_worker(s); /* 3 */
	if (r < 0) {
		log_reason(r);
		return r;
	}
	r = mount_for_worker(s);
	if (r == -EALREADY && !o->foreground)
		daemonize_finish();
	if (r < 0 || o->foreground)
		return r;
	/* 6, unless a signal came meanwhile: that is reported too. */
	r = pending_end_signal()
		    ? fail(-ECANCELED, "%s: interrupted by a signal", o->store)
		    : daemonize_finish();
	if (r < 0)
		log_error("%s", error_text());
	else
		log_init("vhdfs", LOG_LEVEL_INFO, true);
	return r;
}

/* In the program that was executed: step 3 of a hand-over. */
static int resume_upgrade(struct supervisor *s)
{
	struct options *o = s->mount.options;
	int r = create_memory(s);

	/* An older version may not have told the manager. */
	notify_reloading();
	if (!o->foreground)
		log_init("vhdfs", LOG_LEVEL_INFO, true);
	fdstore_enable(o);
	if (r == 0)
		mount_state_new(s->mount.link->state);
	if (r == 0)
		r = upgrade_resume(&s->mount);
	if (r == 0)
		r = supervisor_clean_descriptors(s);
	if (r == 0)
		fdstore_put_all(&s->mount);
	if (r == 0)
		r = supervisor_start_worker(s);
	if (r < 0)
		log_error("%s", error_text());
	else
		log_info("%s: upgraded to version %s", o->mountpoint,
			 PACKAGE_VERSION);
	return r;
}

/* With the recovery memory in place, as after a worker's death.  fd is the
 * kernel's descriptor of the mount, or -1: then the mount is replaced. */
static int resume_mount(struct supervisor *s, int fd)
{
	struct options *o = s->mount.options;
	int r;

	s->mount.link = recovery_extra(sizeof *s->mount.link);
	s->mount.link->fd = fd;
	worker_deaths_add(&s->mount.link->deaths, (int64_t)time(NULL), 0);
	fdstore_enable(o);
	r = supervisor_clean_descriptors(s);
	if (r == 0 && (fd < 0 || o->no_resend || !mount_can_resend(&s->mount)))
		r = supervisor_replace_mount(s);
	/* Another vhdfs has mounted the store there: no success here. */
	if (r == -EALREADY)
		r = -EBUSY;
	return r < 0 ? r : supervisor_start_worker(s);
}

/* Resumes the mount of a supervisor that was killed, with the descriptors that
 * the service manager holds; else a fresh start. */
static int start_from_fdstore(struct supervisor *s)
{
	struct options *o = s->mount.options;
	int r = options_make_absolute(o), fd;

	s->resuming = true;
	if (r == 0)
		r = mount_check_libfuse();
	if (r == 0)
		r = fdstore_take(o, &fd);
	if (r == 0) {
		s->resuming = false;
		return start_fresh(s);
	}
	if (r > 0)
		r = resume_mount(s, fd);
	if (r < 0) {
		log_error("%s", error_text());
		return r;
	}
	s->resuming = false;
	log_info("%s: resumed after the death of all its processes, with %s",
		 o->mountpoint, fd < 0 ? "a new mount" : "all open files");
	return 0;
}

int supervisor_start(struct supervisor *s)
{
	if (upgrade_is_under_way())
		return resume_upgrade(s);
	return fdstore_is_given() ? start_from_fdstore(s) : start_fresh(s);
}
