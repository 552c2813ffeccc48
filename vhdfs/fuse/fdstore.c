/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptor store: see fdstore.h for the order of steps. */
#include "config.h"

#include "fuse/fdstore.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/notify.h"
#include "fuse/mountpoint.h"
#include "io/recovery.h"

enum {
	FIRST_FD = 3, /* see sd_listen_fds(3) */
	/* Many: a supervisor may also be killed from outside. */
	ATTEMPTS_MAX = 20,
};

static bool enabled;

/* The descriptors that the manager passed; -1 after they are taken or closed.
 */
struct given {
	char *text; /* of the names; owned */
	struct given_fd {
		const char *name;
		int fd;
	} * v; /* owned */
	size_t n;
};

static unsigned long number_in(const char *variable)
{
	const char *text = getenv(variable);

	return text ? strtoul(text, NULL, 10) : 0;
}

bool fdstore_is_given(void)
{
	return number_in("LISTEN_PID") == (unsigned long)getpid() &&
	       number_in("LISTEN_FDS");
}

static void given_fini(struct given *given)
{
	for (size_t i = 0; i < given->n; i++)
		if (given->v[i].fd >= 0)
			close(given->v[i].fd);
	free(given->text);
	free(given->v);
}

static int read_given(struct given *ret)
{
	const char *text = getenv("LISTEN_FDNAMES");
	size_t n = number_in("LISTEN_FDS");
	char *rest = ret->text = strdup(text ? text : "");

	ret->v = calloc(n, sizeof *ret->v);
	if (!ret->text || !ret->v)
		return fail(-ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const char *name = strsep(&rest, ":");

		ret->v[i].fd = FIRST_FD + (int)i;
		ret->v[i].name = name ? name : "";
		fcntl(ret->v[i].fd, F_SETFD, FD_CLOEXEC);
	}
	ret->n = n;
	/* They are not for programs that this process executes. */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return 0;
}

/* The index of the descriptor of that name; -1 unless there is exactly one. */
static int find_unique(const struct given *given, const char *name)
{
	int found = -1;

	for (size_t i = 0; i < given->n; i++) {
		if (strcmp(given->v[i].name, name) != 0)
			continue;
		if (found >= 0)
			return -1;
		found = (int)i;
	}
	return found;
}

/* Writes store, mount point and mount options, each ended by NUL.  Returns the
 * length of the first two; 0 if there is no room. */
static size_t describe(const struct options *o, char text[DESCRIBED_MAX])
{
	int n;

	memset(text, 0, DESCRIBED_MAX);
	n = snprintf(text, DESCRIBED_MAX, "%s%c%s%c%s,%s", o->store, '\0',
		     o->mountpoint, '\0', o->read_only ? "ro" : "rw",
		     o->mount ? o->mount : "");
	if (n >= DESCRIBED_MAX) {
		memset(text, 0, DESCRIBED_MAX);
		return 0;
	}
	return strlen(o->store) + 1 + strlen(o->mountpoint) + 1;
}

static int check_link(const struct options *o, const struct mount_link *link)
{
	char text[DESCRIBED_MAX];
	size_t n = describe(o, text);
	struct guid id;

	if (!link || !link->init_len || link->init_len > INIT_MAX ||
	    guid_parse(link->state, STATE_SIZE - 1, &id) < 0)
		return fail(-EPROTO, "it is of another version of vhdfs");
	if (!n || memcmp(text, link->described, n) != 0)
		return fail(-EPROTO, "it is of another store or mount point");
	if (link->attempts >= ATTEMPTS_MAX)
		return fail(-EIO,
			    "%u supervisors in a row died when they used it",
			    link->attempts);
	return 0;
}

/* Is the mount of that descriptor still mounted, and at its mount point? */
static bool is_alive(const struct options *o, int fd)
{
	struct pollfd poll_fd = { .fd = fd };

	return poll(&poll_fd, 1, 0) >= 0 && !(poll_fd.revents & POLLERR) &&
	       mountpoint_is_mounted(o);
}

/* Closes all descriptors of that name, in this process and in the store. */
static void drop(struct given *given, const char *name)
{
	for (size_t i = 0; i < given->n; i++) {
		if (given->v[i].fd < 0 || strcmp(given->v[i].name, name) != 0)
			continue;
		close(given->v[i].fd);
		given->v[i].fd = -1;
	}
	notify_fd(-1, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

/* The mount is dead once the manager has closed its copy; then unmounts it. */
static void drop_mount(const struct options *o, struct given *given)
{
	drop(given, "fuse");
	notify_barrier();
	mountpoint_clear_dead(o);
}

/* Steps 2 to 4, with the recovery memory in use. */
static int take_state(const struct options *o, struct given *given)
{
	struct mount_link *link = recovery_extra(sizeof *link);
	int r;

	for (size_t i = 0; i < given->n; i++)
		if (given->v[i].fd >= 0 &&
		    recovery_adopt_file(given->v[i].name, given->v[i].fd))
			given->v[i].fd = -1;
	r = recovery_end_adoption();
	if (r == 0)
		r = check_link(o, link);
	if (r < 0) {
		recovery_abandon();
		return r;
	}
	link->attempts++;
	if (!mount_state_forget(o->mountpoint))
		mount_state_new(link->state);
	return 0;
}

static int take_memory(const struct options *o, struct given *given)
{
	int keep = find_unique(given, "keep"), r;

	if (keep < 0)
		return fail(-ENODATA, "the recovery memory is missing");
	r = recovery_adopt(given->v[keep].fd);
	/* The manager keeps it, and the next supervisor tries. */
	if (r == -EBUSY)
		return r;
	given->v[keep].fd = -1;
	return r < 0 ? r : take_state(o, given);
}

/* The kernel's descriptor of the mount; -1: it was dropped. */
static int take_mount(const struct options *o, struct given *given)
{
	struct mount_link *link = recovery_extra(sizeof *link);
	int fuse = find_unique(given, "fuse");
	char text[DESCRIBED_MAX];

	if (fuse >= 0 && describe(o, text) &&
	    !memcmp(text, link->described, DESCRIBED_MAX) &&
	    is_alive(o, given->v[fuse].fd))
		return steal_fd(&given->v[fuse].fd);
	drop_mount(o, given);
	return -1;
}

/* Logs the error, and drops everything. */
static void drop_all(const struct options *o, struct given *given)
{
	log_error(
		"%s: cannot resume the mount after the death of all its processes: %s; writes that were answered and not flushed are lost",
		o->mountpoint, error_text());
	for (size_t i = 0; i < given->n; i++)
		drop(given, given->v[i].name);
	drop_mount(o, given);
}

int fdstore_take(const struct options *options, int *ret_fd)
{
	struct given given = { 0 };
	int r = read_given(&given);

	if (r == 0)
		r = take_memory(options, &given);
	if (r == 0) {
		*ret_fd = take_mount(options, &given);
		r = 1;
	} else if (r != -EBUSY && r != -ENOMEM) {
		drop_all(options, &given);
		r = 0;
	}
	given_fini(&given);
	return r;
}

void fdstore_enable(const struct options *options)
{
	unsigned long max = number_in("FDSTORE");

	enabled = max && max <= UINT_MAX && getenv("NOTIFY_SOCKET") &&
		  options->foreground;
	if (enabled)
		recovery_fdstore_enable((unsigned)max);
}

void fdstore_clear_dead_mount(const struct options *options)
{
	if (enabled)
		mountpoint_clear_dead(options);
}

void fdstore_put_mount(const struct mount *mount)
{
	int r;

	if (!enabled)
		return;
	r = notify_fd(mount->link->fd, "FDSTORE=1\nFDPOLL=0\nFDNAME=fuse");
	if (r == 0)
		r = notify_barrier();
	if (r < 0)
		log_error(
			"%s: the service manager does not store the mount: %s",
			mount->options->mountpoint, strerror(-r));
}

void fdstore_put_all(const struct mount *mount)
{
	if (!enabled)
		return;
	describe(mount->options, mount->link->described);
	fdstore_put_mount(mount);
	if (recovery_fdstore_all() < 0)
		log_error("%s: %s", mount->options->mountpoint, error_text());
}

void fdstore_remove_mount(void)
{
	if (!enabled)
		return;
	notify_fd(-1, "FDSTOREREMOVE=1\nFDNAME=fuse");
	notify_barrier();
}

void fdstore_remove_all(void)
{
	if (!enabled)
		return;
	recovery_fdstore_remove_all();
	fdstore_remove_mount();
}
