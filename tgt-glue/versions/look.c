/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs the program look-into, and reads its lines. */
#include "config.h"

#include "tgt-glue/versions/look.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

static const char *program(void)
{
	const char *own = getenv("VHDFS_LOOK_INTO");

	return own && *own ? own : PKGLIBEXECDIR "/look-into";
}

/* Returns 0 or a positive errno. */
static int spawn(const char *view, int out, pid_t *ret)
{
	char *const argv[] = { (char *)program(), (char *)view, NULL };
	posix_spawn_file_actions_t actions;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
					 O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	r = posix_spawn(ret, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

static void add_line(struct arena *arena, char *line, struct look *ret)
{
	static const char *const words[] = { "unclean ", "unchecked ",
					     "identity " };
	struct strings *const lists[] = { &ret->unclean, &ret->unchecked,
					  &ret->identity };

	line[strcspn(line, "\n")] = '\0';
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strncmp(line, words[i], strlen(words[i])))
			strings_add(
				arena, lists[i],
				arena_strdup(arena, line + strlen(words[i])));
}

/* Takes fd over. */
static void read_lines(struct arena *arena, int fd, struct look *ret)
{
	_cleanup_fclose_ FILE *f = fdopen(fd, "r");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	if (!f)
		close(fd);
	while (f && getline(&line, &size, f) >= 0)
		add_line(arena, line, ret);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail_errno(-errno, "%s", program());
	return WIFEXITED(status) && !WEXITSTATUS(status)
		       ? 0
		       : fail(-EIO, "%s: expected exit status 0, found %d",
			      program(),
			      WIFEXITED(status) ? WEXITSTATUS(status)
						: 128 + WTERMSIG(status));
}

int look_into(struct arena *arena, const char *view, struct look *ret)
{
	int fds[2], r;
	pid_t pid;

	*ret = (struct look){ 0 };
	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail_errno(-errno, "%s", program());
	r = -spawn(view, fds[1], &pid);
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return fail_errno(r, "%s", program());
	}
	read_lines(arena, fds[0], ret);
	return wait_for(pid);
}

const char *look_text(struct arena *arena, const struct strings *list)
{
	const char *text = list->v[0];

	for (size_t i = 1; i < list->n; i++)
		text = arena_printf(arena, "%s; %s", text, list->v[i]);
	return text;
}
