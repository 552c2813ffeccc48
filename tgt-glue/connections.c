/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions of a target, by tgtd's answer about its connections:
 *
 *     Session: 2
 *         Connection: 0
 *             Initiator: iqn.1991-05.com.microsoft:pc1
 *             IP Address: 10.0.0.7
 *
 * An initiator's name may have line breaks: see live.c.
 */
#include "config.h"

#include "tgt-glue/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/notes.h"

/* So often in a row such a session is ended; it may come back at once. */
enum { STRANGE_MAX = 3 };

struct reader {
	struct pool *pool;
	struct live_connection *list;
	size_t n;
	uint64_t sid;
};

static void add(struct reader *reader, const char *cid)
{
	reader->list = pool_grow(reader->pool, reader->list, reader->n,
				 sizeof *reader->list);
	reader->list[reader->n++] = (struct live_connection){
		.sid = reader->sid,
		.cid = (uint32_t)strtoul(cid, NULL, 10),
		.initiator = "",
		.address = "",
	};
}

/* False: it is no line of tgtd's. */
static bool take(struct reader *reader, size_t indent, const char *line)
{
	struct live_connection *c =
		reader->n ? &reader->list[reader->n - 1] : NULL;
	const char *value;

	if (indent == 0 && (value = live_value(line, "Session: ")))
		reader->sid = strtoull(value, NULL, 10);
	else if (indent == 4 && (value = live_value(line, "Connection: ")))
		add(reader, value);
	else if (indent == 8 && c && (value = live_value(line, "Initiator: ")))
		c->initiator = pool_strdup(reader->pool, value);
	else if (indent == 8 && c && (value = live_value(line, "IP Address: ")))
		c->address = pool_strdup(reader->pool, value);
	else
		return false;
	return true;
}

/* Reads all lines, also behind one that is not tgtd's: the number of those. */
static size_t read_all(struct reader *reader, char *text)
{
	size_t strange = 0;

	for (char *line; (line = live_next_line(&text));) {
		size_t indent = strspn(line, " ");

		/* The last line ends, too. */
		if (text || *line)
			strange += !take(reader, indent, line + indent);
	}
	return strange;
}

int live_connections(const struct tgtd *tgtd, struct live *live, int32_t tid,
		     struct live_connection **ret)
{
	_cleanup_free_ char *text = NULL;
	struct reader reader = { .pool = &live->pool };
	int r = live_ask(tgtd, TGTD_CONNECTION, tid, &text);

	if (r < 0)
		return r;
	if (read_all(&reader, text))
		return fail(
			-EBADMSG,
			"target %d: the name of an initiator that is logged in from %s is empty or has a line break: `tgt-glue apply' ends its session; take that machine out of the network",
			tid, reader.n ? reader.list[0].address : "?");
	*ret = reader.list;
	return (int)reader.n;
}

void live_end_connections(const struct tgtd *tgtd, int32_t tid,
			  const struct live_connection *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct tgtd_request request = {
			.mode = TGTD_CONNECTION,
			.op = TGTD_DELETE,
			.tid = tid,
			.lun = TGTD_NO_LUN,
			.sid = list[i].sid,
			.cid = list[i].cid,
		};

		/* It may have gone by itself, or be a forged one. */
		tgtd_ask(tgtd, &request, NULL);
	}
}

/* Those of the target with strange lines, as far as they can be read. */
static void end_strange(const struct tgtd *tgtd, struct live *live)
{
	_cleanup_free_ char *text = NULL;
	struct reader reader = { .pool = &live->pool };

	if (live_ask(tgtd, TGTD_CONNECTION, live->strange_tid, &text) < 0)
		return;
	read_all(&reader, text);
	live_end_connections(tgtd, live->strange_tid, reader.list, reader.n);
}

int live_read_ending(const struct tgtd *tgtd, struct notes *notes,
		     struct live *ret)
{
	int r = live_read(tgtd, ret);

	for (unsigned i = 0; i < STRANGE_MAX && ret->strange_tid; i++) {
		notes_say(notes, "%s", error_text());
		end_strange(tgtd, ret);
		live_fini(ret);
		r = live_read(tgtd, ret);
	}
	return r;
}
