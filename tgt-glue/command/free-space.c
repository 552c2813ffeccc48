/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watch over the free space, and the command on-low-space.
 *
 * The command belongs to the administrator and may take any time, so watch does
 * not wait for it: the command runs in a process group of its own, and each
 * check looks whether it has ended.  At most one runs.  When the state changes
 * while one runs, the next one starts after it.
 */
#include "config.h"

#include "tgt-glue/command/free-space.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/printable.h"
#include "tgt-glue/base/hook.h"

static const char key[] = "on-low-space";

static void run(struct free_space_watch *watch, const struct fleet *fleet,
		const struct free_space *space)
{
	char free[24], min_free[24];
	const char *const arguments[] = { watch->low ? "low" : "ok",
					  fleet->store, free, min_free, NULL };

	snprintf(free, sizeof free, "%" PRIu64, space->free);
	snprintf(min_free, sizeof min_free, "%" PRIu64, space->min_free);
	watch->pid = hook_start(key, fleet->on_low_space, arguments);
	watch->pending = false;
}

static void reap_command(struct free_space_watch *watch,
			 const struct fleet *fleet)
{
	const char *command = fleet->on_low_space ? fleet->on_low_space : "";

	if (hook_has_ended(key, command, watch->pid))
		watch->pid = 0;
}

/* The space has become low, or enough again. */
static void change_state(struct free_space_watch *watch,
			 const struct fleet *fleet,
			 const struct free_space *space)
{
	watch->low = !watch->low;
	watch->pending = fleet->on_low_space != NULL;
	print_line(
		stderr,
		watch->low
			? "tgt-glue: warning: %s: %s free, expected at least %s (min-free); `tgt-glue status' shows the size of each image"
			: "tgt-glue: %s: %s free, which is enough again (min-free is %s)",
		fleet->store, size_text(space->free),
		size_text(space->min_free));
	if (watch->pid && fleet->on_low_space)
		print_line(
			stderr,
			"tgt-glue: on-low-space: %s: process %ld still runs; the next one starts after it",
			fleet->on_low_space, (long)watch->pid);
}

static void write_event(const struct event_log *log, const struct fleet *fleet,
			const struct free_space *space, bool low)
{
	const struct event event = {
		low ? "space-low" : "space-ok", NULL,
		low ? LOG_WARNING : LOG_NOTICE,
		json_pack("{s:I, s:I}", "free", (json_int_t)space->free,
			  "min-free", (json_int_t)space->min_free)
	};

	event_write(log, &event, "%s: %s free, min-free is %s", fleet->store,
		    size_text(space->free), size_text(space->min_free));
}

void free_space_check(struct free_space_watch *watch, const struct fleet *fleet,
		      const struct event_log *log)
{
	struct free_space space;

	reap_command(watch, fleet);
	free_space_read(fleet, &space);
	if (!space.size)
		return;
	if (watch->low ? space.free >= space.min_free + space.min_free / 10
		       : free_space_is_low(&space)) {
		change_state(watch, fleet, &space);
		write_event(log, fleet, &space, watch->low);
	}
	if (watch->pending && !watch->pid && fleet->on_low_space)
		run(watch, fleet, &space);
}
