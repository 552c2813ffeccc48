/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Warnings: the queue, its command, and the watch over quotas. */
#include "config.h"

#include "tgt-glue/command/warnings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/printable.h"
#include "store/quota.h"
#include "tgt-glue/base/hook.h"
#include "tgt-glue/reconcile/space.h"
#include "tgt-glue/tgtd/sessions.h"

/* How often to look at the quotas, in seconds. */
enum { QUOTAS_SECONDS = 60 };

static const char key[] = "warn";

static void free_warning(struct warning *w)
{
	free(w->kind);
	free(w->subject);
	free(w->value);
}

void warnings_add(struct warnings *warnings, const struct fleet *fleet,
		  const char *kind, const char *subject, const char *value)
{
	struct warning *w;

	if (!fleet->warn)
		return;
	if (warnings->n == WARNINGS_MAX) {
		print_line(
			stderr,
			"tgt-glue: warn: %s: dropped the warning %s %s: process %ld still runs, and %d others wait",
			fleet->warn, kind, subject, (long)warnings->pid,
			WARNINGS_MAX);
		return;
	}
	w = &warnings->queue[warnings->n];
	*w = (struct warning){ strdup(kind), strdup(subject), strdup(value) };
	if (w->kind && w->subject && w->value)
		warnings->n++;
	else
		free_warning(w);
}

static void run_next(struct warnings *warnings, const struct fleet *fleet)
{
	struct warning *w = &warnings->queue[0];
	const char *const arguments[] = { w->kind, w->subject, w->value, NULL };

	if (fleet->warn)
		warnings->pid = hook_start(key, fleet->warn, arguments);
	free_warning(w);
	memmove(w, w + 1, --warnings->n * sizeof *w);
}

/* Whether the image takes more than nine tenths of its quota; *ret_use: the
 * bytes that it takes. */
static bool is_short(const struct fleet *fleet, const struct disk *disk,
		     uint64_t *ret_use, uint64_t *ret_quota)
{
	_cleanup_close_ int fd =
		root_dir_openat(&fleet->rootdir, disk->child, O_PATH);
	struct stat st;

	if (fd < 0 || quota_read(fd, disk->child, ret_quota) < 0 ||
	    fstat(fd, &st) < 0)
		return false;
	*ret_use = (uint64_t)st.st_blocks * 512;
	return *ret_quota && *ret_use > *ret_quota / 10 * 9;
}

static void warn_of_quota(struct warnings *warnings, const struct fleet *fleet,
			  const struct event_log *log, const struct disk *disk,
			  uint64_t use, uint64_t quota)
{
	const struct event event = {
		"quota-short", disk->client->name, LOG_WARNING,
		json_pack("{s:s, s:I, s:I}", "image", disk->child, "disk-use",
			  (json_int_t)use, "quota", (json_int_t)quota)
	};
	char value[24];

	event_write(log, &event, "%s takes %s of its quota of %s", disk->child,
		    size_text(use), size_text(quota));
	snprintf(value, sizeof value, "%" PRIu64, use);
	warnings_add(warnings, fleet, "quota", disk->client->name, value);
}

static void check_quotas(struct warnings *warnings, const struct fleet *fleet,
			 const struct event_log *log)
{
	struct arena arena = { 0 };
	struct strings shorts = { 0 };
	uint64_t use, quota;

	for (size_t i = 0; i < fleet->n_disks; i++) {
		const struct disk *disk = &fleet->disks[i];

		if (!disk->child || !is_short(fleet, disk, &use, &quota))
			continue;
		if (!strings_have(&warnings->shorts, disk->child))
			warn_of_quota(warnings, fleet, log, disk, use, quota);
		strings_add_once(&arena, &shorts, disk->child);
	}
	arena_fini(&warnings->arena);
	warnings->arena = arena;
	warnings->shorts = shorts;
}

void warnings_check(struct warnings *warnings, const struct fleet *fleet,
		    const struct event_log *log)
{
	if (sessions_clock() >= warnings->next_quotas) {
		warnings->next_quotas = sessions_clock() + QUOTAS_SECONDS;
		check_quotas(warnings, fleet, log);
	}
	if (!hook_has_ended(key, fleet->warn ? fleet->warn : "", warnings->pid))
		return;
	warnings->pid = 0;
	if (warnings->n)
		run_next(warnings, fleet);
}

void warnings_fini(struct warnings *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		free_warning(&warnings->queue[i]);
	arena_fini(&warnings->arena);
	memset(warnings, 0, sizeof *warnings);
}
