/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "fuse/supervisor.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/notify.h"
#include "fuse/daemonize.h"
#include "fuse/fdstore.h"
#include "fuse/mount.h"
#include "fuse/pulse.h"
#include "fuse/upgrade.h"
#include "fuse/worker.h"
#include "io/recovery.h"

enum {
	/* A worker that lives less long died of what it was asked, perhaps. */
	SHORT_LIFE_MS = 1000,
	/* So many short lives in a row: what is asked is given up, with the
	 * mount; and after once more as many, all is.  Who is killed from
	 * outside (SIGKILL) died of nothing that was asked. */
	SHORT_LIVES_MAX = 10,
	/* The first few start at once, those after wait. */
	SHORT_LIVES_FREE = 3,
	WAIT_MS = 100,
};

struct supervisor {
	struct options *options;
	struct store_options store;
	struct mount mount;
	struct mount_link *link; /* in memory that is shared with workers */
	enum worker_kind kind;   /* of the next one */
	pid_t worker;
	struct timespec started;
	unsigned short_lives;
	int ending; /* the signal that says so, or 0 */
	struct pulse pulse;
	/* What the service manager holds is not taken yet, and stays. */
	bool taking;
};

/* Blocked always, and waited for. */
static void signals_of_supervisor(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGUSR1); /* see worker.h */
	sigaddset(set, PULSE_SIGNAL);
}

/* Runs in the new process: the rest of its life. */
static _Noreturn void worker_main(struct supervisor *s, pid_t parent)
{
	sigset_t set;
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It may have died just before. */
	if (getppid() != parent)
		_exit(WORKER_FAILED);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	status = worker_run(s->kind, &s->mount, &s->store,
			    !s->options->foreground);
	recovery_detach();
	/* Then what is open is meant to stay so. */
	if (status == WORKER_LEFT || status == WORKER_LEFT_UNSAFE)
		_exit(status);
	exit(status);
}

/*
 * Like fork, but that the table of descriptors is shared; the C library has no
 * function for that which goes on where it was called.
 */
static int start_worker(struct supervisor *s)
{
	pid_t self = getpid();
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL,
				   NULL, NULL);

	if (pid == 0)
		worker_main(s, self);
	if (pid < 0)
		return fail_errno(-errno, "starting a process");
	s->worker = pid;
	s->kind = WORKER_NEXT;
	s->pulse.leaving = false;
	clock_gettime(CLOCK_MONOTONIC, &s->started);
	return 0;
}

static int64_t ms_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - then->tv_sec) * 1000 +
	       (now.tv_nsec - then->tv_nsec) / 1000000;
}

static void tell_worker(struct supervisor *s, int sig)
{
	if (sig == SIGHUP && !s->ending) {
		pulse_leave(&s->pulse, true);
		kill(s->worker, SIGHUP);
	} else if (sig != SIGHUP) {
		s->ending = sig;
		pulse_leave(&s->pulse, false);
		kill(s->worker, SIGTERM);
	}
}

/* Waits until the worker has ended: its status, as waitpid has it. */
static int wait_for_worker(struct supervisor *s)
{
	sigset_t set;
	int sig, status;

	signals_of_supervisor(&set);
	for (;;) {
		sig = notify_wait_signal(&set);
		if (sig == 0)
			pulse_take(&s->pulse, s->worker);
		if (sig == PULSE_SIGNAL)
			pulse_note(&s->pulse);
		if (sig == SIGCHLD &&
		    waitpid(s->worker, &status, WNOHANG) == s->worker) {
			s->worker = 0;
			return status;
		}
		if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP)
			tell_worker(s, sig);
	}
}

/* What a worker left is sorted for the next one. */
static int take_over(struct supervisor *s)
{
	/* The log's descriptor is none of those that stay. */
	log_reopen();
	return recovery_begin_takeover(&s->link->fd, 1);
}

/* Nobody can answer what the kernel waits for: those who asked get an error,
 * at once, and who asks again finds a new mount. */
static int give_up_requests(struct supervisor *s)
{
	int r;

	fdstore_remove_mount();
	r = s->link->fd < 0 ? mount_make(&s->mount) : mount_again(&s->mount);
	if (r < 0)
		return r;
	recovery_opens_clear();
	s->link->anew = true;
	s->kind = WORKER_NEW_MOUNT;
	fdstore_put_mount(&s->mount);
	return 0;
}

static void wait_a_little(unsigned short_lives)
{
	unsigned n = short_lives > SHORT_LIVES_FREE
			     ? short_lives - SHORT_LIVES_FREE
			     : 0;
	struct timespec wait = { .tv_nsec = n * WAIT_MS * 1000000L };

	nanosleep(&wait, NULL);
}

/* Why what the dead worker was asked is not asked again; null: it is. */
static const char *why_anew(const struct supervisor *s)
{
	if (s->short_lives == SHORT_LIVES_MAX)
		return "it may have died of what it was asked: mounting anew";
	if (s->options->no_resend || !mount_can_resend(&s->mount))
		return "what it was asked is not sent again: mounting anew";
	return NULL;
}

/* In words how the worker ended; null: it is not to be followed by another. */
static const char *how_it_died(int status)
{
	if (WIFSIGNALED(status))
		return words("was ended by signal %d (%s)", WTERMSIG(status),
			     strsignal(WTERMSIG(status)));
	return WEXITSTATUS(status) == WORKER_NOT_STARTED ? "could not begin"
							 : NULL;
}

static bool was_killed_from_outside(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* Starts the next one. */
static int follow(struct supervisor *s, int status, const char *how)
{
	const char *anew;
	int r;

	if (was_killed_from_outside(status) ||
	    ms_since(&s->started) >= SHORT_LIFE_MS)
		s->short_lives = 0;
	else
		s->short_lives++;
	anew = why_anew(s);
	log_error("%s: the process that serves it %s; %s", s->mount.point, how,
		  anew ? anew : "another goes on");
	if (s->short_lives == 2 * SHORT_LIVES_MAX)
		return fail(-EIO, "%s: %u processes ended like that in a row",
			    s->mount.point, s->short_lives);
	wait_a_little(s->short_lives % SHORT_LIVES_MAX);
	r = take_over(s);
	if (r == 0 && anew)
		r = give_up_requests(s);
	return r < 0 ? r : start_worker(s);
}

/* Returns where that fails. */
static void exec_upgrade(struct supervisor *s)
{
	struct error why;

	fdstore_remove_all();
	upgrade_exec(&s->mount, s->options);
	why = *error_last();
	fdstore_put_all(&s->mount, s->options);
	error_set(&why);
}

/* The worker has left things as they are, for the program as it is installed
 * now; where that is not to be, for another of our own. */
static int upgrade(struct supervisor *s, int status)
{
	int r = take_over(s);

	if (r == 0 && WEXITSTATUS(status) == WORKER_LEFT && !s->ending)
		exec_upgrade(s);
	if (r == 0 && !s->ending) {
		snprintf(s->pulse.not_upgraded, sizeof s->pulse.not_upgraded,
			 "%s",
			 WEXITSTATUS(status) == WORKER_LEFT
				 ? error_text()
				 : "not all could be flushed");
		log_error("%s: not upgraded: %s", s->mount.point,
			  s->pulse.not_upgraded);
	}
	return r < 0 ? r : start_worker(s);
}

static bool has_left(int status)
{
	return WIFEXITED(status) && (WEXITSTATUS(status) == WORKER_LEFT ||
				     WEXITSTATUS(status) == WORKER_LEFT_UNSAFE);
}

static int serve(struct supervisor *s)
{
	int r = 0, status = 0;
	const char *how;

	while (r == 0) {
		status = wait_for_worker(s);
		how = how_it_died(status);
		if (how)
			r = follow(s, status, how);
		else if (has_left(status))
			r = upgrade(s, status);
		else
			break;
		/* The one that was to end did not come to write all. */
		if (r == 0 && s->ending)
			tell_worker(s, s->ending);
	}
	if (r < 0) {
		log_error("%s", error_text());
		return EXIT_FAILURE;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) != WORKER_FAILED
		       ? EXIT_SUCCESS
		       : EXIT_FAILURE;
}

static void take_options(struct supervisor *s)
{
	const struct options *o = s->options;

	s->store = (struct store_options){ .path = o->store,
					   .parents = o->parents,
					   .n_parents = o->n_parents,
					   .reserve = o->reserve,
					   .read_only = o->read_only };
}

static void prepare(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signals_of_supervisor(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A kept memory of this process's own, with the link in it. */
static int make_memory(struct supervisor *s)
{
	int r = recovery_create();

	if (r == 0)
		s->link = recovery_extra(sizeof *s->link);
	return r;
}

/* The worker has read the store, or has said why not. */
static int wait_for_store(struct supervisor *s)
{
	sigset_t set;
	int sig;

	signals_of_supervisor(&set);
	do {
		sig = sigwaitinfo(&set, NULL);
		if (sig == SIGINT || sig == SIGTERM)
			tell_worker(s, sig);
		if (sig == SIGCHLD && waitpid(s->worker, NULL, WNOHANG) > 0)
			s->worker = 0;
	} while ((sig != SIGUSR1 || s->ending) && s->worker);
	return s->worker ? 0 : -ECHILD;
}

/* Why there is no mount.  That the store is mounted there is no failure. */
static void say_why(int r)
{
	if (r == -EALREADY)
		log_info("%s", error_text());
	else
		log_error("%s", error_text());
}

static int mount_for_worker(struct supervisor *s)
{
	int r = wait_for_store(s);

	if (r < 0)
		return r;
	r = mount_make(&s->mount);
	if (r < 0) {
		say_why(r);
		return r;
	}
	fdstore_put_all(&s->mount, s->options);
	kill(s->worker, SIGUSR1);
	return 0;
}

static int start_background(struct supervisor *s)
{
	int r = s->options->foreground ? 0 : daemonize_begin();

	return r < 0 ? r : start_worker(s);
}

static bool is_to_end(void)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, SIGINT) || sigismember(&set, SIGTERM);
}

/* The store is read and the mount made before whoever called the program is
 * told that it goes on in the background, so he learns of every failure. */
static int start(struct supervisor *s)
{
	struct options *o = s->options;
	int r = make_memory(s);

	fdstore_enable(o);
	if (r == 0)
		r = options_make_absolute(o);
	take_options(s);
	if (r == 0)
		fdstore_clear_dead_mount(o);
	if (r == 0)
		r = mount_check_libfuse();
	if (r == 0)
		r = mount_check_point(o->store, o->mountpoint, o->read_only);
	/* The worker has it from before it is mounted. */
	if (r == 0)
		r = mount_describe(o->store, o->mountpoint, o->mount,
				   o->read_only, s->link, &s->mount);
	if (r == 0)
		mount_state_take(o->store, s->mount.point, s->link->state);
	if (r == 0)
		r = start_background(s);
	if (r < 0) {
		say_why(r);
		return r;
	}
	r = mount_for_worker(s);
	if (r == -EALREADY && !o->foreground)
		daemonize_finish();
	if (r < 0 || o->foreground)
		return r;
	/* Whoever started it is told of a signal that came meanwhile. */
	r = is_to_end() ? fail(-ECANCELED, "%s: ended by a signal", o->store)
			: daemonize_finish();
	if (r < 0)
		log_error("%s", error_text());
	else
		log_init("vhdfs", LOG_LEVEL_INFO, true);
	return r;
}

/* In the program that was exec'd. */
static int go_on(struct supervisor *s)
{
	struct options *o = s->options;
	int r = make_memory(s);

	/* The version before this one may not have said so. */
	notify_reloading();
	if (!o->foreground)
		log_init("vhdfs", LOG_LEVEL_INFO, true);
	fdstore_enable(o);
	take_options(s);
	if (r == 0)
		r = mount_describe(o->store, o->mountpoint, o->mount,
				   o->read_only, s->link, &s->mount);
	if (r == 0)
		mount_state_new(s->link->state);
	if (r == 0)
		r = upgrade_resume(&s->mount);
	if (r == 0)
		r = take_over(s);
	if (r == 0)
		fdstore_put_all(&s->mount, o);
	s->kind = WORKER_NEXT;
	if (r == 0)
		r = start_worker(s);
	if (r < 0)
		log_error("%s", error_text());
	else
		log_info("%s: served by version %s from now on", s->mount.point,
			 PACKAGE_VERSION);
	return r;
}

/* As after the death of a worker; fd is the mount's or -1. */
static int go_on_held(struct supervisor *s, int fd)
{
	struct options *o = s->options;
	int r;

	s->link = recovery_extra(sizeof *s->link);
	fdstore_enable(o);
	take_options(s);
	r = mount_describe(o->store, o->mountpoint, o->mount, o->read_only,
			   s->link, &s->mount);
	s->link->fd = fd;
	if (r == 0)
		r = take_over(s);
	s->kind = WORKER_NEXT;
	if (r == 0 && (fd < 0 || o->no_resend || !mount_can_resend(&s->mount)))
		r = give_up_requests(s);
	/* The mount of another vhdfs: that it is there is no success here. */
	if (r == -EALREADY)
		r = -EBUSY;
	return r < 0 ? r : start_worker(s);
}

/* Of a supervisor that died with its worker, if the service manager holds what
 * they had. */
static int start_again(struct supervisor *s)
{
	int r = options_make_absolute(s->options), fd;

	s->taking = true;
	if (r == 0)
		r = mount_check_libfuse();
	if (r == 0)
		r = fdstore_take(s->options, &fd);
	if (r == FDSTORE_EMPTY) {
		s->taking = false;
		return start(s);
	}
	if (r > 0)
		r = go_on_held(s, fd);
	if (r < 0) {
		log_error("%s", error_text());
		return r;
	}
	s->taking = false;
	log_info("%s: its processes died; served again, with %s",
		 s->mount.point, fd < 0 ? "a new mount" : "all open files");
	return 0;
}

/* Where it has not ended by itself. */
static void end_worker(struct supervisor *s)
{
	if (s->worker <= 0)
		return;
	kill(s->worker, SIGTERM);
	waitpid(s->worker, NULL, 0);
}

/* Before it was mounted, as any program does. */
static void die_of(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	signal(sig, SIG_DFL);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int begin(struct supervisor *s)
{
	if (upgrade_is_under_way())
		return go_on(s);
	return fdstore_is_given() ? start_again(s) : start(s);
}

int supervise(struct options *options)
{
	/* Its address stays good in each worker. */
	static struct supervisor s;
	int r, status;

	s.options = options;
	prepare();
	r = begin(&s);
	/* The next process tries it. */
	if (s.taking) {
		/* No attempt that it died of. */
		if (s.link)
			s.link->attempts--;
		return EXIT_FAILURE;
	}
	if (r == -EALREADY) {
		/* A unit has what it was started for. */
		notify("READY=1");
		status = EXIT_SUCCESS;
	} else {
		status = r < 0 ? EXIT_FAILURE : serve(&s);
	}
	end_worker(&s);
	fdstore_remove_all();
	if (s.mount.point)
		mount_end(&s.mount);
	recovery_destroy();
	if (r < 0 && s.ending)
		die_of(s.ending);
	return status;
}
