/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is vhdfs mounted where fleet.conf says, and does it answer? */
#include "config.h"

#include "tgt-glue/reconcile/mount-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/reconcile/client-image.h"

enum { PATIENCE_SECONDS = 5 };

static enum mount_state state_of_errno(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return MOUNT_DENIED;
	case ENOENT:
	case ENOTDIR:
		return MOUNT_GONE;
	default:
		return MOUNT_DEAD;
	}
}

/* Sends requests to the mount: this may wait for ever. */
static enum mount_state look(const struct fleet *fleet)
{
	char text[64];
	struct stat st;

	if (stat(fleet->mount, &st) < 0)
		return state_of_errno(errno);
	if (!client_images_mounted(fleet))
		return MOUNT_GONE;
	if (getxattr(fleet->mount, "user.vhdfs.state", text, sizeof text) >= 0)
		return MOUNT_ANSWERS;
	return errno == ENODATA || errno == ENOTSUP ? MOUNT_OTHER
						    : state_of_errno(errno);
}

/* The process that asks.  It keeps nothing open for which a reader of status
 * waits, and ends with status. */
static _Noreturn void answer(const struct fleet *fleet, int fd)
{
	char state;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(fd, STDIN_FILENO);
	close_range(STDIN_FILENO + 1, ~0U, 0);
	state = (char)look(fleet);
	_exit(write(STDIN_FILENO, &state, 1) != 1);
}

/* Returns whether a process asks. */
static bool start(struct mount_probe *probe, const struct fleet *fleet)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	probe->pid = fork();
	if (probe->pid == 0)
		answer(fleet, ends[1]);
	close(ends[1]);
	if (probe->pid < 0) {
		close(ends[0]);
		probe->pid = 0;
		return false;
	}
	probe->fd = ends[0];
	return true;
}

static bool has_answer(const struct mount_probe *probe, int milliseconds)
{
	struct pollfd fd = { .fd = probe->fd, .events = POLLIN };
	int n;

	/* A signal says nothing of the mount. */
	do
		n = poll(&fd, 1, milliseconds);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Takes the answer, which is there. */
static enum mount_state take(struct mount_probe *probe)
{
	char state;
	const bool whole = read(probe->fd, &state, 1) == 1;

	close(probe->fd);
	/* It has nothing more to do than to end. */
	waitpid(probe->pid, NULL, 0);
	probe->pid = 0;
	return whole ? (enum mount_state)state : MOUNT_SILENT;
}

enum mount_state mount_probe_ask(struct mount_probe *probe,
				 const struct fleet *fleet)
{
	const bool waits = probe->pid != 0;

	/* Without a process for it the question is asked here. */
	if (!waits && !start(probe, fleet))
		return look(fleet);
	if (!has_answer(probe, waits ? 0 : PATIENCE_SECONDS * 1000))
		return MOUNT_SILENT;
	return take(probe);
}

void mount_probe_fini(struct mount_probe *probe)
{
	if (!probe->pid)
		return;
	kill(probe->pid, SIGKILL);
	close(probe->fd);
	/* It may not end before the mount does. */
	waitpid(probe->pid, NULL, WNOHANG);
	probe->pid = 0;
}

void mount_probe_set_silent(struct fleet *fleet)
{
	_cleanup_(mount_probe_fini) struct mount_probe probe = { 0 };

	fleet->mount_silent = mount_probe_ask(&probe, fleet) == MOUNT_SILENT;
}

const char *mount_problem(struct arena *arena, const struct fleet *fleet,
			  enum mount_state state)
{
	const char *mount = fleet->mount, *word = shell_word(mount);

	switch (state) {
	case MOUNT_ANSWERS:
	case MOUNT_DENIED:
		return NULL;
	case MOUNT_GONE:
		(void)client_images_fail_unmounted(fleet);
		return arena_strdup(arena, error_text());
	case MOUNT_OTHER:
		return arena_printf(
			arena,
			"%s: expected a mount of vhdfs, found something else; type `umount %s', and mount the store as README says",
			mount, word);
	case MOUNT_DEAD:
		return arena_printf(
			arena,
			"%s: vhdfs has ended, and its mount is still there; type `umount -l %s', and then `mount %s' where fstab names it, else `vhdfs %s %s'",
			mount, word, word, shell_word(fleet->store), word);
	case MOUNT_SILENT:
		break;
	}
	return arena_printf(
		arena,
		"%s: expected an answer of the mount within %d seconds, found none: its store or vhdfs hangs; `journalctl -t vhdfs' and `dmesg' say more",
		mount, PATIENCE_SECONDS);
}
