/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pulse: the supervisor's messages to its service manager. */
#include "config.h"

#include "fuse/pulse.h"

#include <signal.h>
#include <stdint.h>

#include "base/notify.h"
#include "fuse/worker.h"

void pulse_worker_ends(struct pulse *pulse, bool reloading)
{
	if (reloading)
		notify_reloading();
	pulse->ready = false;
	pulse->worker_ends = true;
	clock_gettime(CLOCK_MONOTONIC, &pulse->asked_at);
}

void pulse_received(struct pulse *pulse)
{
	notify_alive();
	if (pulse->ready || pulse->worker_ends)
		return;
	if (notify_wait("READY=1\nSTATUS=%s%s",
			*pulse->not_upgraded ? "Not upgraded: " : "Serving",
			pulse->not_upgraded) == 0)
		pulse->ready = true;
}

static bool ends_in_time(const struct pulse *pulse)
{
	struct timespec now;
	int64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (now.tv_sec - pulse->asked_at.tv_sec) * 1000 +
	     (now.tv_nsec - pulse->asked_at.tv_nsec) / 1000000;
	return ms < 2 * (int64_t)notify_watchdog_ms();
}

void pulse_check(struct pulse *pulse, pid_t worker)
{
	if (!pulse->worker_ends)
		kill(worker, PULSE_SIGNAL);
	else if (ends_in_time(pulse))
		notify_alive();
}
