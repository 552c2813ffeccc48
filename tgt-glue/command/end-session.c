/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command end-session: ends the sessions of clients in the running tgtd.
 *
 * It ends those that it found: an initiator may log in again at once, as one
 * does that lost its connection, and its new session stays.
 */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/reconcile/reconcile.h"
#include "tgt-glue/tgtd/state.h"

/* tgtd ends a connection when its commands are done: how often to look, each
 * 50 ms. */
enum { LOOKS = 200 };

/* Whether one of these connections is among the target's present ones. */
static bool has_any(const struct tgtd_target *target,
		    const struct tgtd_connection *ended, size_t n)
{
	for (size_t i = 0; i < target->n_connections; i++)
		for (size_t k = 0; k < n; k++)
			if (target->connections[i].sid == ended[k].sid &&
			    target->connections[i].cid == ended[k].cid)
				return true;
	return false;
}

/* Ends the connections that the target has.  0, or -errno with a message. */
static int end(const struct tgtd *tgtd, struct arena *arena,
	       struct tgtd_target *target)
{
	const struct timespec moment = { .tv_nsec = 50 * 1000 * 1000 };
	const struct tgtd_connection *ended = target->connections;
	const size_t n = target->n_connections;
	struct tgtd_target now = *target;
	int r = 0;

	for (int i = 0; i < LOOKS; i++) {
		/* Once more each time: tgtd may not have taken a request. */
		tgtd_state_end_connections(tgtd, target);
		nanosleep(&moment, NULL);
		r = tgtd_state_connections(tgtd, arena, &now);
		if (r < 0 || !has_any(&now, ended, n))
			return r;
	}
	return fail(
		-EBUSY,
		"its session has not ended after %d seconds; type `tgt-glue status', and see tgtd's log (journalctl -u tgt)",
		LOOKS / 20);
}

/* Ends the client's sessions in this tgtd.  Returns the number of connections,
 * or -errno with a message. */
static int end_client(const struct tgtd *tgtd, struct tgtd_state *live,
		      const struct client *client)
{
	struct tgtd_target *target = tgtd_state_target(live, client->iqn);
	const char *initiators;
	int r;

	if (!target || !target->n_connections)
		return 0;
	initiators = tgtd_state_initiators(&live->arena, target);
	r = end(tgtd, &live->arena, target);
	if (r < 0)
		return r;
	print_line(stdout, "%s: session ended: %s", client->name, initiators);
	return (int)target->n_connections;
}

/* Ends sessions in the tgtd of one shard.  had: for each name, whether it had
 * one.  Returns an exit code; its messages are printed. */
static int end_in(const struct shard *shard, const struct fleet *fleet,
		  const struct strings *names, bool *had)
{
	_cleanup_(tgtd_state_fini) struct tgtd_state live = { 0 };
	struct tgtd tgtd;
	int code = CLI_DONE;

	if (tgtd_open(shard->control_port, &tgtd) < 0) {
		/* A retired shard's tgtd may have ended for good. */
		return shard->retired ? CLI_DONE : command_failed();
	}
	if (tgtd_state_read(&tgtd, &live) < 0)
		return command_failed();
	for (size_t i = 0; i < names->n; i++) {
		int r = end_client(&tgtd, &live,
				   fleet_client(fleet, names->v[i]));

		had[i] |= r != 0;
		if (r < 0) {
			print_line(stderr, "tgt-glue: %s: %s", names->v[i],
				   error_text());
			code = CLI_FAILED;
		}
	}
	return code;
}

int command_end_session(const struct command_line *line)
{
	_cleanup_close_ int lock = -1;
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct strings names = { 0 };
	int code = select_ask(line, "end-session", &arena, &names);
	bool *had;

	if (code != CLI_DONE)
		return code;
	lock = command_load_locked(line, &fleet);
	if (lock < 0 || !select_exist(line, &fleet, &names))
		return CLI_FAILED;
	had = arena_alloc(&arena, names.n * sizeof *had);
	for (size_t i = 0; i < fleet.n_shards; i++)
		if (end_in(&fleet.shards[i], &fleet, &names, had) != CLI_DONE)
			code = CLI_FAILED;
	for (size_t i = 0; code == CLI_DONE && i < names.n; i++)
		if (!had[i])
			print_line(stdout, "%s: has no session", names.v[i]);
	return code;
}
