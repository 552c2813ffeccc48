/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions of one target, from tgtd's answer about its connections:
 *
 *     Session: 2
 *         Connection: 0
 *             Initiator: iqn.1991-05.com.microsoft:pc1
 *             IP Address: 10.0.0.7
 *
 * An initiator's name may have line breaks: see FORGED LINES in state.c.
 */
#include "config.h"

#include "tgt-glue/tgtd/state.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/base/messages.h"

/* How often one read ends forged sessions: the initiator may log in again at
 * once. */
enum { FORGED_MAX = 3 };

static void add(struct arena *arena, struct tgtd_target *t, uint64_t sid,
		const char *cid)
{
	t->connections = arena_grow(arena, t->connections, t->n_connections,
				    sizeof *t->connections);
	t->connections[t->n_connections++] = (struct tgtd_connection){
		.sid = sid,
		.cid = (uint32_t)strtoul(cid, NULL, 10),
		.initiator = "",
		.address = "",
	};
}

/* False if the line is forged: tgtd writes no such line. */
static bool take(struct arena *arena, struct tgtd_target *t, uint64_t *sid,
		 const char *line)
{
	struct tgtd_connection *c =
		t->n_connections ? &t->connections[t->n_connections - 1] : NULL;
	const char *value;

	if ((value = tgtd_state_value(line, "Session: ")))
		*sid = strtoull(value, NULL, 10);
	else if ((value = tgtd_state_value(line, "    Connection: ")))
		add(arena, t, *sid, value);
	else if (c && (value = tgtd_state_value(line, "        Initiator: ")))
		c->initiator = arena_strdup(arena, value);
	else if (c && (value = tgtd_state_value(line, "        IP Address: ")))
		c->address = arena_strdup(arena, value);
	else
		return false;
	return true;
}

int tgtd_state_connections(const struct tgtd *tgtd, struct arena *arena,
			   struct tgtd_target *target)
{
	_cleanup_free_ char *text = NULL;
	int r = tgtd_ask(tgtd, TGTD_CONNECTION, TGTD_SHOW, target->tid, &text);
	char *rest = text;
	uint64_t sid = 0;
	bool forged = false;

	if (r < 0)
		return r;
	target->n_connections = 0;
	for (char *line; (line = tgtd_state_next_line(&rest));)
		/* The text ends with a line break. */
		if ((rest || *line) && !take(arena, target, &sid, line))
			forged = true;
	if (forged)
		return fail(
			-EBADMSG,
			"target %d, %s: the name of the initiator at %s is empty or has a line break: `tgt-glue apply' ends its session; take that machine out of the network",
			target->tid, target->name ? target->name : "?",
			target->n_connections ? target->connections->address
					      : "?");
	return 0;
}

const char *tgtd_state_initiators(struct arena *arena,
				  const struct tgtd_target *target)
{
	return arena_printf(arena, "%s from %s%s",
			    target->connections->initiator,
			    target->connections->address,
			    target->n_connections > 1 ? " and others" : "");
}

void tgtd_state_end_connections(const struct tgtd *tgtd,
				const struct tgtd_target *target)
{
	/* One may have ended meanwhile, or be forged. */
	for (size_t i = 0; i < target->n_connections; i++)
		tgtd_end_connection(tgtd, target->tid,
				    target->connections[i].sid,
				    target->connections[i].cid);
}

int tgtd_state_read_ending(const struct tgtd *tgtd, struct messages *messages,
			   struct tgtd_state *ret)
{
	int r = tgtd_state_read(tgtd, ret);

	for (unsigned i = 0; i < FORGED_MAX && ret->forged_tid; i++) {
		struct tgtd_target forged = { .tid = ret->forged_tid };

		messages_print(messages, "%s", error_text());
		(void)tgtd_state_connections(tgtd, &ret->arena, &forged);
		tgtd_state_end_connections(tgtd, &forged);
		tgtd_state_fini(ret);
		r = tgtd_state_read(tgtd, ret);
	}
	return r;
}
