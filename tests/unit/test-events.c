/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the event log: lines, rotation, times, and the journal. */
#include "config.h"

#include "unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tgt-glue/base/events.h"
#include "tgt-glue/base/textfile.h"

/* The linker gives this name to the wrapped function. */
int __wrap_sd_journal_sendv(const struct iovec *iov, int n);

static char journal[4096]; /* the fields of the last entry, each a line */

int __wrap_sd_journal_sendv(const struct iovec *iov, int n)
{
	*journal = '\0';
	for (int i = 0; i < n; i++) {
		strncat(journal, iov[i].iov_base, iov[i].iov_len);
		strcat(journal, "\n");
	}
	return 0;
}

static char *read_text(const char *file)
{
	char *text;

	assert_int_equal(textfile_read(file, &text), 0);
	return text;
}

static void write_one(const char *file, const char *message)
{
	struct messages messages = { 0 };
	const struct event_log log = { file, &messages };
	const struct event event = { "login", "pc1", LOG_INFO,
				     json_pack("{s:i, s:n}", "read-bytes", 7,
					       "idle-seconds") };

	event_write(&log, &event, "%s", message);
	messages_fini(&messages);
}

static off_t size_of(const char *file)
{
	struct stat st;

	return stat(file, &st) == 0 ? st.st_size : -1;
}

static void event_is_one_line_with_its_fields(void **state)
{
	const char *file = scratch_path(state, "log");
	char *text;
	json_t *event;

	write_one(file, "a \"message\"\nof two lines");
	write_one(file, "second");
	text = read_text(file);
	text[strcspn(text, "\n")] = '\0';
	event = event_parse(text);
	assert_non_null(event);
	assert_string_equal(event_client(event), "pc1");
	assert_non_null(strstr(event_message(event), "of two lines"));
	assert_in_range(event_time(event), time(NULL) - 3600, time(NULL));
	assert_int_equal(
		json_integer_value(json_object_get(event, "read-bytes")), 7);
	assert_true(json_is_null(json_object_get(event, "idle-seconds")));
	json_decref(event);
	free(text);
}

static void full_file_is_renamed(void **state)
{
	const char *file = scratch_path(state, "log");
	char before[300];

	snprintf(before, sizeof before, "%s.1", file);
	write_one(file, "first");
	write_one(file, "second");
	assert_int_equal(size_of(before), -1);
	assert_int_equal(truncate(file, EVENT_FILE_MAX - 1), 0);
	write_one(file, "third");
	assert_int_equal(size_of(before), -1);
	write_one(file, "fourth");
	assert_in_range(size_of(before), EVENT_FILE_MAX, EVENT_FILE_MAX + 300);
	assert_in_range(size_of(file), 10, 300);
}

/* Another program has renamed the file, and holds the lock of the old one. */
static void file_is_not_renamed_under_the_lock_of_another(void **state)
{
	const char *file = scratch_path(state, "log");
	char before[300];
	int fd;

	snprintf(before, sizeof before, "%s.1", file);
	write_one(file, "first");
	assert_int_equal(truncate(file, EVENT_FILE_MAX), 0);
	fd = open(file, O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	write_one(file, "second");
	assert_int_equal(size_of(before), -1);
	assert_true(size_of(file) > EVENT_FILE_MAX);
	close(fd);
	write_one(file, "third");
	assert_in_range(size_of(file), 10, 300);
}

static void torn_line_ends_before_the_next(void **state)
{
	const char *file = scratch_path(state, "log");
	char *text;

	assert_int_equal(textfile_write(file, "torn", 0600, TEXTFILE_ANY_GROUP),
			 1);
	write_one(file, "whole");
	text = read_text(file);
	assert_int_equal(strncmp(text, "torn\n{", 6), 0);
	free(text);
}

static void only_events_are_parsed(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"7",
		"{}",
		"{\"time\":1,\"event\":\"x\"}",
		"{\"time\":1.5,\"event\":\"x\",\"message\":\"m\"}",
		"{\"time\":1,\"event\":2,\"message\":\"m\"}",
		"{\"time\":1,\"event\":\"x\",\"message\":\"m\",\"client\":5}",
		"{\"time\":1,\"event\":\"x\",\"message\":\"m\"} more",
	};
	json_t *event;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_null(event_parse(bad[i]));
	event = event_parse("{\"time\":1,\"event\":\"x\",\"message\":\"m\"}");
	assert_non_null(event);
	assert_null(event_client(event));
	json_decref(event);
}

static void times_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t time;
	} good[] = {
		{ "90s", 1800000000 - 90 },
		{ "30m", 1800000000 - 1800 },
		{ "2h", 1800000000 - 7200 },
		{ "3d", 1800000000 - 3 * 86400 },
		{ "2w", 1800000000 - 14 * 86400 },
		{ "2026-01-31", 1769817600 },
		{ "2026-01-31 12:00", 1769860800 },
		{ "2026-01-31 12:00:30", 1769860830 },
	};
	static const char *const bad[] = { "",
					   "h",
					   "2",
					   "2y",
					   "2hh",
					   "-2h",
					   "2 h",
					   "2026",
					   "2026-01",
					   " 2h",
					   "soon",
					   "2026-02-30",
					   "2026-13-01",
					   "2026-01-31 12",
					   "2026-01-31 25:00",
					   "2026-01-31x" };
	int64_t time;

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(event_read_time(good[i].text, 1800000000, &time));
		assert_int_equal(time, good[i].time);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(event_read_time(bad[i], 1800000000, &time));
}

static void entry_of_the_journal_has_the_fields(void **state)
{
	*journal = '\0';
	write_one(scratch_path(state, "log"), "hello");
#ifndef HAVE_LIBSYSTEMD
	skip();
#endif
	assert_non_null(strstr(journal, "MESSAGE=pc1: hello\n"));
	assert_non_null(strstr(journal, "PRIORITY=6\n"));
	assert_non_null(strstr(journal, "VHDFS_EVENT=login\n"));
	assert_non_null(strstr(journal, "VHDFS_CLIENT=pc1\n"));
	assert_non_null(strstr(journal, "VHDFS_READ_BYTES=7\n"));
	assert_null(strstr(journal, "IDLE"));
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest events[] = {
		TEST(event_is_one_line_with_its_fields),
		TEST(full_file_is_renamed),
		TEST(file_is_not_renamed_under_the_lock_of_another),
		TEST(torn_line_ends_before_the_next),
		TEST(only_events_are_parsed),
		TEST(times_are_read),
		TEST(entry_of_the_journal_has_the_fields),
	};

	return cmocka_run_group_tests(events, NULL, NULL);
}
