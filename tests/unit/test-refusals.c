/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of refused logins: messages of tgtd, entries of the journal, and the
 * list of deaths that a mount tells; each also hostile. */
#define _GNU_SOURCE
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/worker-deaths.h"
#include "tgt-glue/base/journal.h"
#include "tgt-glue/tgtd/refusals.h"

#define WRONG \
	"CHAP initiator auth.: authentication of %s failed (wrong secret!?)"
#define USER                                             \
	"tgtd: chap_initiator_auth_check_response(422) " \
	"No valid user/pass combination for initiator %s found\n"

/* Each refusal in the text as "INITIATOR: REASON;". */
static const char *all_of(struct arena *arena, const char *text)
{
	struct login_refusal found;
	const char *list = "";

	while (login_refusal_next(&text, arena, &found))
		list = arena_printf(arena, "%s%s: %s;", list,
				    found.initiator ? found.initiator : "-",
				    found.reason);
	return list;
}

static void expect(const char *text, const char *wanted)
{
	struct arena arena = { 0 };

	assert_string_equal(all_of(&arena, text), wanted);
	arena_fini(&arena);
}

static void test_messages_of_tgtd_are_understood(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	expect(arena_printf(&arena, "tgtd: " WRONG, "iqn.x:a"),
	       "iqn.x:a: the secret is wrong;");
	expect(arena_printf(&arena, USER, "iqn.x:a"),
	       "iqn.x:a: the user name is not one of the target;");
	expect("CHAP target auth.: no outgoing credentials configured.",
	       "-: the initiator asks for a mutual secret, and the target has none;");
	expect("CHAP target auth.: initiator iqn.x:a reflected our challenge",
	       "iqn.x:a: the initiator returns the target's challenge;");
	expect("CHAP target auth.: got no challenge from initiator iqn.x:a",
	       "iqn.x:a: the initiator's challenge is missing;");
	arena_fini(&arena);
}

static void test_other_messages_are_none(void **state)
{
	(void)state;
	expect("", "");
	expect("tgtd: conn_close(101) connection closed, 0x55 2", "");
	expect("CHAP initiator auth.: authentication of ", "");
	expect("CHAP initiator auth.: authentication of iqn.x:a", "");
	expect("No valid user/pass combination for initiator a b found", "");
}

/* log_warning of tgtd ends no line. */
static void test_messages_without_line_breaks_are_separated(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	expect(arena_printf(&arena, "tgtd: " WRONG "tgtd: " WRONG "tgtd: " USER,
			    "a", "b", "c"),
	       "a: the secret is wrong;b: the secret is wrong;"
	       "c: the user name is not one of the target;");
	arena_fini(&arena);
}

static void test_name_of_other_bytes_is_unknown(void **state)
{
	struct arena arena = { 0 };
	char name[INITIATOR_MAX + 2];

	(void)state;
	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	expect(arena_printf(&arena, WRONG, "\x1b[31m\xff"),
	       "-: the secret is wrong;");
	expect(arena_printf(&arena, WRONG, ""), "-: the secret is wrong;");
	expect(arena_printf(&arena, WRONG, name), "-: the secret is wrong;");
	name[sizeof name - 2] = '\0';
	expect(arena_printf(&arena, WRONG, name),
	       arena_printf(&arena, "%s: the secret is wrong;", name));
	arena_fini(&arena);
}

static void test_entry_has_message_cursor_and_time(void **state)
{
	struct arena arena = { 0 };
	struct journal_entry entry;

	(void)state;
	assert_true(journal_parse(
		"{\"__CURSOR\":\"s=1;i=2\",\"__REALTIME_TIMESTAMP\":"
		"\"1700000000999999\",\"MESSAGE\":\"x\"}",
		&arena, &entry));
	assert_string_equal(entry.message, "x");
	assert_string_equal(entry.cursor, "s=1;i=2");
	assert_int_equal(entry.time, 1700000000);
	/* A message that is not UTF-8. */
	assert_true(journal_parse(
		"{\"__CURSOR\":\"c\",\"__REALTIME_TIMESTAMP\":\"1\","
		"\"MESSAGE\":[104,255,0,1]}",
		&arena, &entry));
	assert_string_equal(entry.message, "h\xff");
	arena_fini(&arena);
}

static void test_line_of_another_form_is_no_entry(void **state)
{
	static const char *const lines[] = {
		"",
		"null",
		"[]",
		"{",
		"\xff",
		"{\"MESSAGE\":\"x\"}",
		"{\"__CURSOR\":\"c\",\"MESSAGE\":\"x\"}",
		"{\"__CURSOR\":1,\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":\"x\"}",
		"{\"__CURSOR\":\"c\",\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":null}",
		"{\"__CURSOR\":\"c\",\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":{}}",
		"{\"__CURSOR\":\"c\",\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":\"a\\u0000b\"}",
	};
	struct arena arena = { 0 };
	struct journal_entry entry;

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		assert_false(journal_parse(lines[i], &arena, &entry));
	arena_fini(&arena);
}

static void test_deaths_keep_the_last_ones(void **state)
{
	struct worker_deaths deaths = { 0 }, read;
	char text[WORKER_DEATHS_SIZE];

	(void)state;
	worker_deaths_format(&deaths, text);
	assert_string_equal(text, "0");
	for (int i = 0; i < WORKER_DEATHS_MAX + 3; i++)
		worker_deaths_add(&deaths, 1000 + i, i);
	worker_deaths_format(&deaths, text);
	assert_string_equal(
		text,
		"11 1003 3 1004 4 1005 5 1006 6 1007 7 1008 8 1009 9 1010 10");
	assert_true(worker_deaths_parse(text, &read));
	assert_int_equal(read.count, 11);
	assert_null(worker_deaths_get(&read, 2));
	assert_int_equal(worker_deaths_get(&read, 3)->signal, 3);
	assert_int_equal(worker_deaths_get(&read, 10)->time, 1010);
	assert_null(worker_deaths_get(&read, 11));
}

/* The longest numbers. */
static void test_text_of_deaths_has_room(void **state)
{
	struct worker_deaths deaths = { .count = UINT32_MAX -
						 WORKER_DEATHS_MAX };
	char text[WORKER_DEATHS_SIZE];

	(void)state;
	for (int i = 0; i < WORKER_DEATHS_MAX + 1; i++)
		worker_deaths_add(&deaths, INT64_MIN, INT32_MIN);
	assert_int_equal(deaths.count, UINT32_MAX);
	worker_deaths_format(&deaths, text);
	assert_true(strlen(text) < sizeof text - 1);
	assert_true(worker_deaths_parse(text, &deaths));
}

static void test_other_texts_are_no_deaths(void **state)
{
	static const char *const texts[] = {
		"",           "x",        "-1",    "1",      "1 5",
		"1 5 x",      "1 5 9 7",  "2 5 9", "1 5 9x", "99999999999 1 1",
		"4294967295", " 1 5 9 9",
	};
	struct worker_deaths deaths;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_false(worker_deaths_parse(texts[i], &deaths));
		assert_int_equal(deaths.count, 0);
	}
	assert_true(worker_deaths_parse("1 5 9\n", &deaths));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_of_tgtd_are_understood),
		cmocka_unit_test(test_other_messages_are_none),
		cmocka_unit_test(
			test_messages_without_line_breaks_are_separated),
		cmocka_unit_test(test_name_of_other_bytes_is_unknown),
		cmocka_unit_test(test_entry_has_message_cursor_and_time),
		cmocka_unit_test(test_line_of_another_form_is_no_entry),
		cmocka_unit_test(test_deaths_keep_the_last_ones),
		cmocka_unit_test(test_text_of_deaths_has_room),
		cmocka_unit_test(test_other_texts_are_no_deaths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
