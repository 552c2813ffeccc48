/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pulse: the supervisor's messages to its service manager. */
#include "config.h"

#include "fuse/pulse.h"

#include <signal.h>

#include "base/clock.h"
#include "base/notify.h"
#include "fuse/worker.h"

void pulse_worker_ends(struct pulse *pulse, bool reloading)
{
	if (reloading)
		notify_reloading();
	pulse->ready = false;
	pulse->worker_ends = true;
	pulse->asked_at = clock_us();
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

void pulse_check(struct pulse *pulse, pid_t worker)
{
	if (!pulse->worker_ends)
		kill(worker, PULSE_SIGNAL);
	else if ((clock_us() - pulse->asked_at) / 1000 <
		 2 * (int64_t)notify_watchdog_ms())
		notify_alive();
}
