/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupts: a signal removes the unfinished output file. */
#include "config.h"

#include "img/interrupt.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

/* The temporary name of the output file.  The signal handler can read only
 * global variables.  Written while the signals are blocked.  After the file is
 * published or removed, no file has this name. */
static char temp_name[NAME_MAX + 1];
static int temp_dir;

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaddset(set, signals[i]);
}

static void change_mask(int how)
{
	sigset_t set;

	signal_set(&set);
	sigprocmask(how, &set, NULL);
}

void interrupt_block(void)
{
	change_mask(SIG_BLOCK);
}

void interrupt_unblock(void)
{
	change_mask(SIG_UNBLOCK);
}

/* SA_RESETHAND restored the default action, which raise() now triggers. */
static void remove_and_end(int number)
{
	sigset_t set;

	if (unlinkat(temp_dir, temp_name, 0) < 0) {
		/* Published already, or the file stays: there is no remedy. */
	}
	raise(number);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void install_handlers(void)
{
	struct sigaction action = { .sa_handler = remove_and_end,
				    .sa_flags = (int)SA_RESETHAND };

	signal_set(&action.sa_mask);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct sigaction old;

		/* nohup(1) ignores SIGHUP for its program. */
		if (sigaction(signals[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

int interrupt_atomic_file_create(const char *path, const char *within,
				 struct atomic_file *ret)
{
	int r;

	interrupt_block();
	r = atomic_file_create(path, within, NULL, ret);
	if (r == 0) {
		snprintf(temp_name, sizeof temp_name, "%s", ret->temp);
		temp_dir = ret->dir_fd;
		install_handlers();
	}
	interrupt_unblock();
	return r;
}
