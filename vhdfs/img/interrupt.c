/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "img/interrupt.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

/* A signal handler has no other way to know. It is written while the signals
 * are held back; once the file has its own name, or is gone, there is nothing
 * of this name to remove. */
static char unfinished[NAME_MAX + 1];
static int unfinished_dir;

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaddset(set, signals[i]);
}

void interrupt_hold(void)
{
	sigset_t set;

	signal_set(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

void interrupt_release(void)
{
	sigset_t set;

	signal_set(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* SA_RESETHAND: the second time it does what it always does. */
static void remove_and_end(int number)
{
	sigset_t set;

	if (unlinkat(unfinished_dir, unfinished, 0) < 0) {
		/* It had its name already, or it cannot be helped. */
	}
	raise(number);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void handle_signals(void)
{
	struct sigaction action = { .sa_handler = remove_and_end,
				    .sa_flags = (int)SA_RESETHAND };

	signal_set(&action.sa_mask);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct sigaction old;

		/* Who started us with nohup wants it ignored. */
		if (sigaction(signals[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

int interrupt_atomic_file_create(const char *path, const char *within,
				 struct atomic_file *ret)
{
	int r;

	interrupt_hold();
	r = atomic_file_create(path, within, ret);
	if (r == 0) {
		snprintf(unfinished, sizeof unfinished, "%s", ret->temp);
		unfinished_dir = ret->dir_fd;
		handle_signals();
	}
	interrupt_release();
	return r;
}
