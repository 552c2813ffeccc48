/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * manager: a test double of systemd as the manager of one service, with its
 * file descriptor store:
 *
 *     manager DIR MAX COMMAND...
 *
 * Runs COMMAND with NOTIFY_SOCKET and FDSTORE=MAX.  Each time COMMAND was
 * killed or failed, and all its descendants have ended, runs it again and
 * passes the stored descriptors on.  Ends with the status of COMMAND when that
 * is 0 or 2, or after SIGTERM, which it passes on.  Like systemd it ignores a
 * message whose sender has ended.
 *
 * DIR/log gets a line for each event: "start PID", "ended HOW", each line of a
 * message, "stored NAME", "removed NAME", "full NAME".
 *
 * These files control the manager.  It removes DIR/kill and DIR/lose when it
 * has read them:
 *
 *   DIR/kill    "N before" or "N after": kill COMMAND with SIGKILL at its Nth
 *               message from now, before or after the message is processed
 *   DIR/lose    a name: do not pass on the descriptors of that name
 *   DIR/wait    while it exists, do not start COMMAND again
 *   DIR/deaf    while it exists, read no message and keep the socket full; logs
 *               "deaf" when the socket is full
 *   DIR/hurry   while it exists, do not wait for the descendants of COMMAND
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STORE_MAX = 4096, NAME_SIZE = 64, TEXT_SIZE = 4096 };

static struct {
	char name[NAME_SIZE];
	int fd;
} stored[STORE_MAX];
static size_t n_stored, store_max;
static const char *dir;
static FILE *events;
static pid_t child;
static pid_t killed; /* its messages are ignored */
static int kill_in;  /* in this many messages; 0: no kill is due */
static bool kill_after, stopping;

#define EVENT(...)                            \
	do {                                  \
		fprintf(events, __VA_ARGS__); \
		fputc('\n', events);          \
		fflush(events);               \
	} while (0)

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static char *path_of(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

/* Reads the first line of a file, and removes the file. */
static bool take_file(const char *name, char text[NAME_SIZE])
{
	FILE *f = fopen(path_of(name), "re");
	bool found = f && fgets(text, NAME_SIZE, f);

	if (f)
		fclose(f);
	if (!found)
		return false;
	text[strcspn(text, "\n")] = '\0';
	unlink(path_of(name));
	return true;
}

static int open_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), yes = 1;

	snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", dir);
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) < 0)
		die(address.sun_path);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	return fd;
}

static bool is_same(int a, int b)
{
	return syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b) == 0;
}

static void store(int fd, const char *name)
{
	for (size_t i = 0; i < n_stored; i++) {
		if (!is_same(stored[i].fd, fd))
			continue;
		close(fd);
		return;
	}
	if (n_stored == store_max) {
		EVENT("full %s", name);
		close(fd);
		return;
	}
	stored[n_stored].fd = fd;
	snprintf(stored[n_stored++].name, NAME_SIZE, "%s", name);
	EVENT("stored %s", name);
}

static void unstore(const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < n_stored; i++) {
		if (strcmp(stored[i].name, name) != 0) {
			stored[n++] = stored[i];
			continue;
		}
		close(stored[i].fd);
		EVENT("removed %s", name);
	}
	n_stored = n;
}

/* Logs the message, and stores or removes descriptors. */
static void process_message(char *text, int fd)
{
	bool put = false, out = false;
	char name[NAME_SIZE] = "";

	for (char *line; (line = strsep(&text, "\n"));) {
		EVENT("%s", line);
		put |= !strcmp(line, "FDSTORE=1");
		out |= !strcmp(line, "FDSTOREREMOVE=1");
		sscanf(line, "FDNAME=%63s", name);
	}
	if (put && fd >= 0)
		store(fd, name);
	else if (fd >= 0) /* a barrier */
		close(fd);
	if (out)
		unstore(name);
}

/* Is this the message at which COMMAND is killed? */
static bool is_killed_now(void)
{
	char text[NAME_SIZE], when[8];

	if (!kill_in && take_file("kill", text) &&
	    sscanf(text, "%d %7s", &kill_in, when) == 2)
		kill_after = !strcmp(when, "after");
	return kill_in && --kill_in == 0;
}

static ssize_t receive_text(int s, char *text, int *ret_fd, pid_t *ret_pid)
{
	char control[CMSG_SPACE(sizeof(int)) +
		     CMSG_SPACE(sizeof(struct ucred))];
	struct iovec iov = { .iov_base = text, .iov_len = TEXT_SIZE - 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof control };
	ssize_t n = recvmsg(s, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	*ret_fd = -1;
	*ret_pid = 0;
	for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg); c;
	     c = CMSG_NXTHDR(&msg, c)) {
		struct ucred sender;

		if (c->cmsg_type == SCM_RIGHTS)
			memcpy(ret_fd, CMSG_DATA(c), sizeof *ret_fd);
		if (c->cmsg_type != SCM_CREDENTIALS)
			continue;
		memcpy(&sender, CMSG_DATA(c), sizeof sender);
		*ret_pid = sender.pid;
	}
	if (n >= 0)
		text[n] = '\0';
	return n;
}

/* False if there is no message. */
static bool receive(int s)
{
	char text[TEXT_SIZE];
	bool now;
	pid_t pid;
	int fd;

	if (receive_text(s, text, &fd, &pid) < 0)
		return false;
	now = is_killed_now();
	if (now && !kill_after) {
		killed = pid;
		kill(pid, SIGKILL);
		kill(child, SIGKILL);
		EVENT("killed before %.*s", (int)strcspn(text, "\n"), text);
	} else if (pid != killed && kill(pid, 0) == 0) {
		process_message(text, fd);
		fd = -1;
	}
	if (now && kill_after) {
		kill(child, SIGKILL);
		EVENT("killed after");
	}
	if (fd >= 0)
		close(fd);
	return true;
}

/* In the child: makes them descriptors from 3 on, for sd_listen_fds(3). */
static void pass_on(void)
{
	static char names[STORE_MAX * NAME_SIZE];
	char number[16];

	for (size_t i = 0; i < n_stored; i++) {
		stored[i].fd = fcntl(stored[i].fd, F_DUPFD, STORE_MAX + 100);
		strcat(strcat(names, i ? ":" : ""), stored[i].name);
	}
	for (size_t i = 0; i < n_stored; i++)
		if (dup2(stored[i].fd, 3 + (int)i) < 0)
			die("dup2");
	close_range(3 + (unsigned)n_stored, ~0U, 0);
	snprintf(number, sizeof number, "%d", getpid());
	setenv("LISTEN_PID", number, 1);
	snprintf(number, sizeof number, "%zu", n_stored);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

static void start(char **command)
{
	char name[NAME_SIZE];

	if (take_file("lose", name))
		unstore(name);
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (n_stored)
			pass_on();
		execvp(command[0], command);
		die(command[0]);
	}
	EVENT("start %d", (int)child);
}

/* Have COMMAND and its descendants ended?  *ret_status is that of COMMAND. */
static bool has_ended(int *ret_status)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == child) {
			*ret_status = status;
			child = 0;
		}
	return pid < 0 || (child == 0 && access(path_of("hurry"), F_OK) == 0);
}

static void end(int status)
{
	EVENT("ended %s %d", WIFSIGNALED(status) ? "by signal" : "with status",
	      WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (stopping || (WIFEXITED(status) && (WEXITSTATUS(status) == 0 ||
					       WEXITSTATUS(status) == 2)))
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
	while (access(path_of("wait"), F_OK) == 0)
		usleep(10000);
}

/* Fills the socket, as messages of other services do, and reads nothing. */
static void be_deaf(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", dir);
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		die(address.sun_path);
	while (send(fd, "filler", 6, MSG_DONTWAIT) > 0)
		;
	close(fd);
	EVENT("deaf");
	while (access(path_of("deaf"), F_OK) == 0)
		usleep(10000);
}

static void serve(int s, char **command)
{
	struct pollfd fds[2] = { { .fd = s, .events = POLLIN } };
	struct signalfd_siginfo info;
	int status = 0;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fds[1] = (struct pollfd){ .fd = signalfd(-1, &set, SFD_CLOEXEC),
				  .events = POLLIN };
	start(command);
	for (;;) {
		poll(fds, 2, 100);
		if (access(path_of("deaf"), F_OK) == 0)
			be_deaf();
		while (receive(s))
			;
		if (fds[1].revents &&
		    read(fds[1].fd, &info, sizeof info) == sizeof info &&
		    info.ssi_signo == SIGTERM) {
			stopping = true;
			kill(child, SIGTERM);
		}
		if (!has_ended(&status))
			continue;
		while (receive(s))
			;
		end(status);
		start(command);
	}
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fputs("usage: manager DIR MAX COMMAND...\n", stderr);
		return 2;
	}
	dir = argv[1];
	store_max = strtoul(argv[2], NULL, 10);
	setenv("FDSTORE", argv[2], 1);
	events = fopen(path_of("log"), "ae");
	if (!events)
		die(path_of("log"));
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	serve(open_socket(), argv + 3);
}
