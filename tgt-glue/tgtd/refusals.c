/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refused logins: finds them in tgtd's messages. */
#include "config.h"

#include "tgt-glue/tgtd/refusals.h"

#include <ctype.h>
#include <string.h>

/* The messages of usr/iscsi/chap.c of tgt 1.0.85 to 1.0.97. */
static const struct pattern {
	const char *before; /* the initiator's name */
	const char *after;  /* null: the message has no name */
	const char *reason;
} patterns[] = {
	{ "No valid user/pass combination for initiator ", " found",
	  "the user name is not one of the target" },
	{ "CHAP initiator auth.: authentication of ", " failed",
	  "the secret is wrong" },
	{ "No CHAP credentials configured", NULL,
	  "the target has no user name" },
	{ "CHAP target auth.: no outgoing credentials configured", NULL,
	  "the initiator asks for a mutual secret, and the target has none" },
	{ "CHAP target auth.: got no challenge from initiator ", "",
	  "the initiator's challenge is missing" },
	{ "CHAP target auth.: initiator ", " sent challenge of invalid length",
	  "the initiator's challenge is too long" },
	{ "CHAP target auth.: initiator ", " reflected our challenge",
	  "the initiator returns the target's challenge" },
};

/* The pattern that begins there, or null. */
static const struct pattern *pattern_at(const char *text)
{
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		const struct pattern *p = &patterns[i];
		const char *name = text + strlen(p->before);

		if (strncmp(text, p->before, strlen(p->before)) != 0)
			continue;
		if (!p->after)
			return p;
		name += strcspn(name, " \n");
		if (!strncmp(name, p->after, strlen(p->after)))
			return p;
	}
	return NULL;
}

/* The name, or null where it is none. */
static const char *read_name(struct arena *arena, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)name[i]) ||
		    !isgraph((unsigned char)name[i]))
			return NULL;
	return n && n <= INITIATOR_MAX
		       ? arena_printf(arena, "%.*s", (int)n, name)
		       : NULL;
}

bool login_refusal_next(const char **text, struct arena *arena,
			struct login_refusal *ret)
{
	for (const char *at = *text; *at; at++) {
		const struct pattern *p = pattern_at(at);
		size_t n;

		if (!p)
			continue;
		at += strlen(p->before);
		n = p->after ? strcspn(at, " \n") : 0;
		*ret = (struct login_refusal){ p->reason,
					       read_name(arena, at, n) };
		*text = at + n;
		return true;
	}
	return false;
}
