/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events of the versions of a master. */
#include "config.h"

#include "tgt-glue/versions/version-events.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "tgt-glue/base/events.h"

/* What is true of the version now. */
static const char *words(const char *kind)
{
	if (!strcmp(kind, "publish"))
		return "was made, and is under test";
	return strcmp(kind, "promote") == 0 ? "is in production"
					    : "was removed";
}

void version_event(const struct fleet *fleet, const char *kind,
		   const char *client, const char *family, unsigned number)
{
	_cleanup_(messages_fini) struct messages messages = { 0 };
	const struct event_log log = { fleet->log_file, &messages };
	const struct event event = { kind, client, LOG_NOTICE,
				     json_pack("{s:o, s:I}", "master",
					       json_text(family), "version",
					       (json_int_t)number) };

	event_write(&log, &event, "version %u of %s %s", number, family,
		    words(kind));
}
