/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watch over the free space, and the command on-low-space.
 *
 * The command belongs to the administrator and may take any time, so watch does
 * not wait for it: the command runs in a process group of its own, and each
 * check looks whether it has ended.  At most one runs.  When the state changes
 * while one runs, the next one starts after it.
 */
#include "config.h"

#include "tgt-glue/command/free-space.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/printable.h"

extern char **environ;

/* The argument vector: the words of on-low-space, then the state. */
static char **make_argv(struct arena *arena, const struct fleet *fleet,
			const struct free_space *space, const char *state)
{
	char *rest = arena_strdup(arena, fleet->on_low_space);
	struct strings words = { 0 };

	for (char *word; (word = strsep(&rest, " \t"));)
		if (*word)
			strings_add(arena, &words, word);
	strings_add(arena, &words, state);
	strings_add(arena, &words, fleet->store);
	strings_add(arena, &words,
		    arena_printf(arena, "%" PRIu64, space->free));
	strings_add(arena, &words,
		    arena_printf(arena, "%" PRIu64, space->min_free));
	strings_add(arena, &words, NULL);
	return (char **)words.v;
}

/* Returns 0 or an errno.  The command inherits standard output and error, and
 * no other descriptor. */
static int spawn(char **argv, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
					 O_RDONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	r = posix_spawn(ret, argv[0], &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

static void run(struct free_space_watch *watch, const struct fleet *fleet,
		const struct free_space *space)
{
	struct arena arena = { 0 };
	int r = spawn(
		make_argv(&arena, fleet, space, watch->low ? "low" : "ok"),
		&watch->pid);

	if (r) {
		watch->pid = 0;
		print_line(stderr, "tgt-glue: on-low-space: %s: %s",
			   fleet->on_low_space, strerror(r));
	}
	watch->pending = false;
	arena_fini(&arena);
}

static void reap_command(struct free_space_watch *watch,
			 const struct fleet *fleet)
{
	const char *command = fleet->on_low_space ? fleet->on_low_space : "";
	int status;
	pid_t pid = watch->pid ? waitpid(watch->pid, &status, WNOHANG) : 0;

	if (!pid || (pid < 0 && errno == EINTR))
		return;
	watch->pid = 0;
	if (pid > 0 && WIFSIGNALED(status))
		print_line(stderr,
			   "tgt-glue: on-low-space: %s: ended by signal %d",
			   command, WTERMSIG(status));
	else if (pid > 0 && WEXITSTATUS(status))
		print_line(stderr, "tgt-glue: on-low-space: %s: exit status %d",
			   command, WEXITSTATUS(status));
}

/* The space has become low, or enough again. */
static void change_state(struct free_space_watch *watch,
			 const struct fleet *fleet,
			 const struct free_space *space)
{
	watch->low = !watch->low;
	watch->pending = fleet->on_low_space != NULL;
	print_line(
		stderr,
		watch->low
			? "tgt-glue: warning: %s: %s free, expected at least %s (min-free); `tgt-glue status' shows the size of each image"
			: "tgt-glue: %s: %s free, which is enough again (min-free is %s)",
		fleet->store, size_text(space->free),
		size_text(space->min_free));
	if (watch->pid && fleet->on_low_space)
		print_line(
			stderr,
			"tgt-glue: on-low-space: %s: process %ld still runs; the next one starts after it",
			fleet->on_low_space, (long)watch->pid);
}

void free_space_check(struct free_space_watch *watch, const struct fleet *fleet)
{
	struct free_space space;

	reap_command(watch, fleet);
	free_space_read(fleet, &space);
	if (!space.size)
		return;
	if (watch->low ? space.free >= space.min_free + space.min_free / 10
		       : free_space_is_low(&space))
		change_state(watch, fleet, &space);
	if (watch->pending && !watch->pid && fleet->on_low_space)
		run(watch, fleet, &space);
}
