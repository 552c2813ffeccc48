/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Journal: runs journalctl, and reads what it prints. */
#include "config.h"

#include "tgt-glue/base/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"

#define PROGRAM "journalctl"

enum {
	/* Seconds from a failure of journalctl to the next start. */
	RETRY_SECONDS = 60,
	/* Bytes that one check reads at most. */
	CHECK_MAX = 1 << 20,
};

extern char **environ;

/* Returns 0 or a positive errno. */
static int spawn(const char *const argv[], int output, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
					 O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
					 O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	r = posix_spawnp(ret, PROGRAM, &actions, NULL, (char *const *)argv,
			 environ);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* Only root's processes: every user may log as "tgtd". */
static int run(int output, const char *cursor, pid_t *ret)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const char *const argv[] = {
		PROGRAM,
		"--follow",
		"--output=json",
		"--output-fields=MESSAGE",
		"--identifier=tgtd",
		cursor ? "--no-tail" : "--lines=0",
		"_UID=0",
		cursor ? arena_printf(&arena, "--after-cursor=%s", cursor)
		       : NULL,
		NULL
	};

	return spawn(argv, output, ret);
}

static void start(struct journal *journal, const char *cursor, int64_t clock)
{
	_cleanup_close_ int in = -1, out = -1;
	int fds[2];

	journal->retry_at = clock + RETRY_SECONDS;
	if (!journal->line)
		journal->line = malloc(JOURNAL_LINE_MAX);
	if (!journal->line || pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	in = fds[0];
	out = fds[1];
	/* journalctl waits for room in the pipe, and loses no entry. */
	fcntl(out, F_SETFL, 0);
	journal->resumed = cursor && !journal->fresh;
	if (run(out, journal->resumed ? cursor : NULL, &journal->pid) != 0) {
		journal->pid = 0;
		return;
	}
	journal->fresh = journal->skips = false;
	journal->ended = journal->answered = false;
	journal->used = 0;
	journal->fd = steal_fd(&in);
}

/* The text of an array of bytes: journalctl prints a message so that is not
 * UTF-8 or has control characters.  A NUL ends it. */
static const char *bytes_text(struct arena *arena, const json_t *bytes)
{
	const size_t n = json_array_size(bytes);
	char *text = arena_alloc(arena, n + 1);

	for (size_t i = 0; i < n; i++)
		text[i] = (char)json_integer_value(json_array_get(bytes, i));
	return text;
}

bool journal_parse(const char *line, struct arena *arena,
		   struct journal_entry *ret)
{
	json_t *entry = json_loads(line, 0, NULL);
	const json_t *message = json_object_get(entry, "MESSAGE");
	const char *cursor =
		json_string_value(json_object_get(entry, "__CURSOR"));
	const char *time = json_string_value(
		json_object_get(entry, "__REALTIME_TIMESTAMP"));
	const bool good = cursor && time &&
			  (json_is_string(message) || json_is_array(message));

	if (good)
		*ret = (struct journal_entry){
			.message =
				json_is_array(message)
					? bytes_text(arena, message)
					: arena_strdup(arena, json_string_value(
								      message)),
			.cursor = arena_strdup(arena, cursor),
			.time = strtoll(time, NULL, 10) / 1000000,
		};
	json_decref(entry);
	return good;
}

static void take_line(const char *line, journal_each *each, void *arg)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct journal_entry entry;

	if (journal_parse(line, &arena, &entry))
		each(arg, &entry);
}

/* Takes the lines that are complete, and keeps the rest. */
static void take_lines(struct journal *journal, journal_each *each, void *arg)
{
	char *at = journal->line, *end;

	while ((end = memchr(at, '\n',
			     journal->used - (size_t)(at - journal->line)))) {
		*end = '\0';
		if (!journal->skips)
			take_line(at, each, arg);
		journal->skips = false;
		at = end + 1;
	}
	journal->used -= (size_t)(at - journal->line);
	memmove(journal->line, at, journal->used);
	if (journal->used == JOURNAL_LINE_MAX) {
		journal->skips = true;
		journal->used = 0;
	}
}

static void read_all(struct journal *journal, journal_each *each, void *arg)
{
	for (size_t done = 0; done < CHECK_MAX;) {
		const ssize_t n =
			read(journal->fd, journal->line + journal->used,
			     JOURNAL_LINE_MAX - journal->used);

		if (n < 0 && errno == EINTR)
			continue;
		journal->ended = n == 0 || (n < 0 && errno != EAGAIN);
		if (n <= 0)
			return;
		journal->answered = true;
		done += (size_t)n;
		journal->used += (size_t)n;
		take_lines(journal, each, arg);
	}
}

/* After the end of the pipe: waits for the next check where it still runs. */
static void reap(struct journal *journal, int64_t clock,
		 struct messages *messages)
{
	int status;

	if (waitpid(journal->pid, &status, WNOHANG) == 0)
		return;
	close(journal->fd);
	journal->pid = 0;
	/* It may have refused the cursor: then it starts without, at once. */
	journal->fresh = !journal->answered;
	journal->retry_at =
		clock +
		(journal->fresh && journal->resumed ? 0 : RETRY_SECONDS);
	messages_print(
		messages,
		"warning: " PROGRAM
		" ended: no refused login is logged until it runs again");
}

void journal_check(struct journal *journal, const char *cursor, int64_t clock,
		   struct messages *messages, journal_each *each, void *arg)
{
	if (!journal->pid && clock >= journal->retry_at)
		start(journal, cursor, clock);
	if (!journal->pid)
		return;
	if (!journal->ended)
		read_all(journal, each, arg);
	if (journal->ended)
		reap(journal, clock, messages);
}

void journal_fini(struct journal *journal)
{
	if (journal->pid) {
		kill(journal->pid, SIGTERM);
		while (waitpid(journal->pid, NULL, 0) < 0 && errno == EINTR)
			;
		close(journal->fd);
	}
	free(journal->line);
	memset(journal, 0, sizeof *journal);
}
