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

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/base/messages.h"

/* How often one read ends forged sessions: the initiator may log in again at
 * once. */
enum { FORGED_MAX = 3 };

struct reader {
	struct arena *arena;
	struct tgtd_connection *list;
	size_t n;
	uint64_t sid;
};

static void add(struct reader *reader, const char *cid)
{
	reader->list = arena_grow(reader->arena, reader->list, reader->n,
				  sizeof *reader->list);
	reader->list[reader->n++] = (struct tgtd_connection){
		.sid = reader->sid,
		.cid = (uint32_t)strtoul(cid, NULL, 10),
		.initiator = "",
		.address = "",
	};
}

/* False if the line is forged: tgtd writes no such line. */
static bool take(struct reader *reader, size_t indent, const char *line)
{
	struct tgtd_connection *c =
		reader->n ? &reader->list[reader->n - 1] : NULL;
	const char *value;

	if (indent == 0 && (value = tgtd_state_value(line, "Session: ")))
		reader->sid = strtoull(value, NULL, 10);
	else if (indent == 4 &&
		 (value = tgtd_state_value(line, "Connection: ")))
		add(reader, value);
	else if (indent == 8 && c &&
		 (value = tgtd_state_value(line, "Initiator: ")))
		c->initiator = arena_strdup(reader->arena, value);
	else if (indent == 8 && c &&
		 (value = tgtd_state_value(line, "IP Address: ")))
		c->address = arena_strdup(reader->arena, value);
	else
		return false;
	return true;
}

/* Reads all lines; returns the number of forged ones. */
static size_t read_all(struct reader *reader, char *text)
{
	size_t forged = 0;

	for (char *line; (line = tgtd_state_next_line(&text));) {
		size_t indent = strspn(line, " ");

		/* The text ends with a line break. */
		if (text || *line)
			forged += !take(reader, indent, line + indent);
	}
	return forged;
}

int tgtd_state_connections(const struct tgtd *tgtd, struct tgtd_state *live,
			   int32_t tid, struct tgtd_connection **ret)
{
	_cleanup_free_ char *text = NULL;
	struct reader reader = { .arena = &live->arena };
	int r = tgtd_ask(tgtd, TGTD_CONNECTION, TGTD_SHOW, tid, &text);

	if (r < 0)
		return r;
	if (read_all(&reader, text))
		return fail(
			-EBADMSG,
			"target %d: the name of the initiator at %s is empty or has a line break: `tgt-glue apply' ends its session; take that machine out of the network",
			tid, reader.n ? reader.list[0].address : "?");
	*ret = reader.list;
	return (int)reader.n;
}

const char *tgtd_state_initiators(struct arena *arena,
				  const struct tgtd_connection *list, size_t n)
{
	return arena_printf(arena, "%s from %s%s", list->initiator,
			    list->address, n > 1 ? " and others" : "");
}

void tgtd_state_end_connections(const struct tgtd *tgtd, int32_t tid,
				const struct tgtd_connection *list, size_t n)
{
	/* One may have ended meanwhile, or be forged. */
	for (size_t i = 0; i < n; i++)
		tgtd_end_connection(tgtd, tid, list[i].sid, list[i].cid);
}

/* Ends the sessions of the target with forged lines. */
static void end_forged(const struct tgtd *tgtd, struct tgtd_state *live)
{
	_cleanup_free_ char *text = NULL;
	struct reader reader = { .arena = &live->arena };

	if (tgtd_ask(tgtd, TGTD_CONNECTION, TGTD_SHOW, live->forged_tid,
		     &text) < 0)
		return;
	read_all(&reader, text);
	tgtd_state_end_connections(tgtd, live->forged_tid, reader.list,
				   reader.n);
}

int tgtd_state_read_ending(const struct tgtd *tgtd, struct messages *messages,
			   struct tgtd_state *ret)
{
	int r = tgtd_state_read(tgtd, ret);

	for (unsigned i = 0; i < FORGED_MAX && ret->forged_tid; i++) {
		messages_print(messages, "%s", error_text());
		end_forged(tgtd, ret);
		tgtd_state_fini(ret);
		r = tgtd_state_read(tgtd, ret);
	}
	return r;
}
