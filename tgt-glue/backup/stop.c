/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stop of a long command: a flag that signals set. */
#include "config.h"

#include "tgt-glue/backup/stop.h"

#include <signal.h>
#include <stddef.h>

#include "base/error.h"

static volatile sig_atomic_t arrived;

static void on_signal(int number)
{
	arrived = number;
}

void stop_catch(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction action = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct sigaction old;

		if (sigaction(signals[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

bool stop_wanted(void)
{
	return arrived != 0;
}

int stop_check(void)
{
	return arrived ? fail(-EINTR, "interrupted") : 0;
}
