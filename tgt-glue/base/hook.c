/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hook: starts a command of the administrator, and sees its end. */
#include "config.h"

#include "tgt-glue/base/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/printable.h"
#include "tgt-glue/base/arena.h"

extern char **environ;

static char **make_argv(struct arena *arena, const char *command,
			const char *const arguments[])
{
	char *rest = arena_strdup(arena, command);
	struct strings words = { 0 };

	for (char *word; (word = strsep(&rest, " \t"));)
		if (*word)
			strings_add(arena, &words, word);
	for (; *arguments; arguments++)
		strings_add(arena, &words, *arguments);
	strings_add(arena, &words, NULL);
	return (char **)words.v;
}

/* Returns 0 or an errno. */
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

pid_t hook_start(const char *key, const char *command,
		 const char *const arguments[])
{
	struct arena arena = { 0 };
	pid_t pid = 0;
	int r = spawn(make_argv(&arena, command, arguments), &pid);

	if (r)
		print_line(stderr, "tgt-glue: %s: %s: %s", key, command,
			   strerror(r));
	arena_fini(&arena);
	return r ? 0 : pid;
}

bool hook_has_ended(const char *key, const char *command, pid_t pid)
{
	int status;
	pid_t ended = pid ? waitpid(pid, &status, WNOHANG) : 0;

	if (!pid)
		return true;
	if (!ended || (ended < 0 && errno == EINTR))
		return false;
	if (ended > 0 && WIFSIGNALED(status))
		print_line(stderr, "tgt-glue: %s: %s: ended by signal %d", key,
			   command, WTERMSIG(status));
	else if (ended > 0 && WEXITSTATUS(status))
		print_line(stderr, "tgt-glue: %s: %s: exit status %d", key,
			   command, WEXITSTATUS(status));
	return true;
}
