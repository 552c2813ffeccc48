/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the events of sessions: two checks are compared, with a clock of the
 * test's own. */
#define _GNU_SOURCE
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tgt-glue/base/textfile.h"
#include "tgt-glue/command/session-events.h"

#define IQN "iqn.2026-01.lan.example:pc1"

/* A tgtd with one target, and its checks. */
struct scene {
	const char *file;
	struct messages messages;
	struct fleet fleet;
	struct client client;
	struct session_events events;
	struct tgtd_connection connections[2];
	struct tgtd_target target;
	struct sessions sessions;
	struct traffic traffic;
	int64_t clock;
};

static void scene_init(struct scene *s, void **state)
{
	*s = (struct scene){
		.file = scratch_path(state, "log"),
		.client = { .name = "PC1", .iqn = IQN },
		.connections = { { .sid = 3,
				   .initiator = "iqn.2026-01.lan:x",
				   .address = "10.0.0.7" },
				 { .sid = 4,
				   .initiator = "iqn.2026-01.lan:y",
				   .address = "10.0.0.8" } },
		.target = { .tid = 5, .name = IQN },
		.sessions.instance = "a",
		.traffic = { .tid = 5, .sid = 3 },
		.clock = 1000,
	};
	s->fleet = (struct fleet){ .iqn_prefix = "iqn.2026-01.lan.example",
				   .clients = &s->client,
				   .n = 1 };
}

static void scene_fini(struct scene *s)
{
	session_events_fini(&s->events);
	messages_fini(&s->messages);
}

/* A check, seconds after the last one, with n sessions. */
static void check(struct scene *s, int seconds, size_t n)
{
	const struct event_log log = { s->file, &s->messages };
	const struct tgtd_state live = { .targets = &s->target, .n = 1 };
	const struct traffics traffics = { &s->traffic, 1 };

	s->target.connections = s->connections;
	s->target.n_connections = n;
	s->clock += seconds;
	session_events_check(&s->events, &log, &s->fleet, &live, &s->sessions,
			     &traffics, s->clock, 1800000000 + s->clock);
}

static void moves(struct scene *s, unsigned bytes)
{
	s->traffic.read_bytes += bytes;
	s->traffic.read_commands++;
}

/* A login, and reads before each check, one a second. */
static void stays_busy(struct scene *s, int seconds)
{
	check(s, 1, 1);
	for (int i = 0; i < seconds; i++) {
		moves(s, 512);
		check(s, 1, 1);
	}
}

/* The event of that number in the log; null: there are fewer. */
static json_t *event_of(const struct scene *s, size_t number)
{
	char *text, *rest;
	json_t *event = NULL;

	assert_int_equal(textfile_read(s->file, &text), 0);
	rest = text;
	for (char *line; (line = strsep(&rest, "\n")) && *line;)
		if (!number--)
			event = event_parse(line);
	free(text);
	return event;
}

static void assert_event(const struct scene *s, size_t number, const char *kind)
{
	json_t *event = event_of(s, number);

	if (!kind) {
		assert_null(event);
		return;
	}
	assert_non_null(event);
	assert_string_equal(json_string_value(json_object_get(event, "event")),
			    kind);
	assert_string_equal(event_client(event), "PC1");
	json_decref(event);
}

/* expected -1: null. */
static void assert_field(const struct scene *s, size_t number, const char *key,
			 int64_t expected)
{
	json_t *event = event_of(s, number);
	const json_t *value = json_object_get(event, key);

	assert_non_null(value);
	if (expected < 0)
		assert_true(json_is_null(value));
	else
		assert_int_equal(json_integer_value(value), expected);
	json_decref(event);
}

static void session_is_logged_once(void **state)
{
	struct scene s;

	scene_init(&s, state);
	check(&s, 1, 0);
	assert_event(&s, 0, NULL);
	check(&s, 1, 1);
	check(&s, 1, 1);
	assert_event(&s, 0, "login");
	assert_event(&s, 1, NULL);
	check(&s, 1, 0);
	check(&s, 1, 0);
	assert_event(&s, 1, "logout");
	assert_event(&s, 2, NULL);
	scene_fini(&s);
}

static void each_session_of_a_target_has_its_own_events(void **state)
{
	struct scene s;

	scene_init(&s, state);
	check(&s, 1, 2);
	assert_event(&s, 1, "login");
	check(&s, 10, 1);
	assert_event(&s, 2, "logout");
	assert_field(&s, 2, "session", 4);
	assert_event(&s, 3, NULL);
	scene_fini(&s);
}

/* A session may have several connections. */
static void connections_of_a_session_are_one_login(void **state)
{
	struct scene s;

	scene_init(&s, state);
	s.connections[1] = s.connections[0];
	check(&s, 1, 2);
	assert_event(&s, 0, "login");
	assert_event(&s, 1, NULL);
	scene_fini(&s);
}

static void logout_has_the_last_counters(void **state)
{
	struct scene s;

	scene_init(&s, state);
	check(&s, 1, 1);
	moves(&s, 4096);
	check(&s, 1, 1);
	moves(&s, 512);
	check(&s, 1, 1);
	moves(&s, 1 << 20); /* not seen */
	check(&s, 1, 0);
	assert_field(&s, 1, "read-bytes", 4608);
	assert_field(&s, 1, "written-bytes", 0);
	assert_field(&s, 1, "seconds", 2);
	scene_fini(&s);
}

static void counters_that_were_not_read_are_unknown(void **state)
{
	struct scene s;

	scene_init(&s, state);
	s.traffic.sid = 9;
	check(&s, 1, 1);
	check(&s, 9, 1);
	check(&s, 1, 0);
	assert_field(&s, 1, "read-bytes", -1);
	assert_field(&s, 1, "idle-seconds", -1);
	scene_fini(&s);
}

/* Idle for 4 seconds, then for 5: the last read before was after 16. */
static void idle_is_the_first_pause_of_five_seconds(void **state)
{
	struct scene s;

	scene_init(&s, state);
	stays_busy(&s, 12);
	check(&s, IDLE_SECONDS - 1, 1);
	moves(&s, 512);
	check(&s, 0, 1);
	check(&s, IDLE_SECONDS, 1);
	moves(&s, 512);
	check(&s, 100, 1);
	check(&s, 1, 0);
	assert_field(&s, 1, "idle-seconds", 16);
	scene_fini(&s);
}

static void busy_session_was_never_idle(void **state)
{
	struct scene s;

	scene_init(&s, state);
	stays_busy(&s, 12);
	check(&s, 1, 0);
	assert_field(&s, 1, "idle-seconds", -1);
	scene_fini(&s);
}

/* The ids of another instance begin again. */
static void another_instance_ends_all_sessions(void **state)
{
	struct scene s;

	scene_init(&s, state);
	check(&s, 1, 1);
	s.sessions.instance = "b";
	check(&s, 1, 1);
	assert_event(&s, 0, "login");
	assert_event(&s, 1, "logout");
	assert_event(&s, 2, "login");
	scene_fini(&s);
}

static void continued_session_has_no_login_and_no_idle_time(void **state)
{
	struct session known = { IQN, "iqn.2026-01.lan:x", "10.0.0.7", 3,
				 1800001000 };
	struct scene s;

	scene_init(&s, state);
	s.sessions.v = &known;
	s.sessions.n = 1;
	session_events_continue(&s.events, &s.sessions);
	check(&s, 100, 1);
	check(&s, 100, 1);
	assert_event(&s, 0, NULL);
	check(&s, 100, 0);
	assert_event(&s, 0, "logout");
	assert_field(&s, 0, "seconds", 300);
	assert_field(&s, 0, "idle-seconds", -1);
	scene_fini(&s);
}

/* tgtd knows it a moment later. */
static void login_waits_for_the_name_of_the_initiator(void **state)
{
	struct scene s;

	scene_init(&s, state);
	s.connections[0].initiator = "";
	check(&s, 1, 1);
	assert_event(&s, 0, NULL);
	s.connections[0].initiator = "iqn.2026-01.lan:x";
	check(&s, 1, 1);
	assert_event(&s, 0, "login");
	scene_fini(&s);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest session_events[] = {
		TEST(session_is_logged_once),
		TEST(each_session_of_a_target_has_its_own_events),
		TEST(connections_of_a_session_are_one_login),
		TEST(logout_has_the_last_counters),
		TEST(counters_that_were_not_read_are_unknown),
		TEST(idle_is_the_first_pause_of_five_seconds),
		TEST(busy_session_was_never_idle),
		TEST(another_instance_ends_all_sessions),
		TEST(continued_session_has_no_login_and_no_idle_time),
		TEST(login_waits_for_the_name_of_the_initiator),
	};

	return cmocka_run_group_tests(session_events, NULL, NULL);
}
