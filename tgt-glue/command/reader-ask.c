/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The asking side of reader.h: tgt-glue of a user other than root. */
#include "config.h"

#include "tgt-glue/command/reader.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/printable.h"
#include "tgt-glue/base/textfile.h"

static const char *socket_path(void)
{
	const char *path = getenv("VHDFS_READER_SOCKET");

	return path ? path : READER_SOCKET;
}

/* The command, if a user without privileges may ask for what the line says. */
static const struct reader_command *
command_of(const struct command_line *line,
	   int (*run)(const struct command_line *line))
{
	return geteuid() == 0 || line->remove || line->prometheus
		       ? NULL
		       : reader_command(NULL, run);
}

/* A connection, or -errno. */
static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		return -errno;
	return steal_fd(&fd);
}

static void add_word(FILE *f, const char *option, const char *value)
{
	fprintf(f, "%s%s%c", option, value, '\0');
}

/* Returns whether the request was sent. */
static bool send_request(int fd, const struct reader_command *command,
			 const struct command_line *line)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *f = text_open(&text, &size);

	add_word(f, command->name, "");
	if (line->json)
		add_word(f, "--json", "");
	if (line->follow)
		add_word(f, "--follow", "");
	if (line->disk)
		add_word(f, "--disk=", line->disk);
	if (line->since)
		add_word(f, "--since=", line->since);
	add_word(f, "--", "");
	for (char **word = line->clients; *word; word++)
		add_word(f, *word, "");
	add_word(f, "", "");
	text_close(f);
	return send(fd, text, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* The end of an answer: its first NUL was read. */
struct ending {
	bool begun;
	FILE *text;
};

/* Prints what belongs to standard output, and keeps the rest. */
static void take(struct ending *ending, const char *bytes, size_t n)
{
	const char *nul = ending->begun ? bytes : memchr(bytes, '\0', n);
	const size_t printed = nul ? (size_t)(nul - bytes) : n;

	fwrite(bytes, 1, printed, stdout);
	fflush(stdout);
	if (!nul)
		return;
	/* Without the NUL itself. */
	fwrite(nul + !ending->begun, 1, n - printed - !ending->begun,
	       ending->text);
	ending->begun = true;
}

/* Reads the answer to its end.  False: standard output has no reader. */
static bool read_answer(int fd, struct ending *ending)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
				{ .fd = STDOUT_FILENO } };
	char bytes[65536];
	ssize_t n;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return false;
		if (fds[1].revents)
			return false;
		if (!fds[0].revents)
			continue;
		n = read(fd, bytes, sizeof bytes);
		if (n <= 0)
			return true;
		take(ending, bytes, (size_t)n);
	}
}

/* Where the other side closed the connection, as systemd does at its limit. */
static int fail_ended(void)
{
	print_line(
		stderr,
		"tgt-glue: %s: the connection ended before its answer: too many may be open at once (tgt-glue(8)); the journal of tgt-glue-status@ has more",
		socket_path());
	return CLI_FAILED;
}

static int copy_answer(int fd)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	struct ending ending = { .text = text_open(&text, &size) };
	const bool whole = read_answer(fd, &ending);
	char *end = NULL;
	long code;

	text_close(ending.text);
	if (!whole)
		return CLI_DONE;
	code = strtol(text, &end, 10);
	if (!ending.begun || end == text || *end != '\n' || code < 0 ||
	    code > 255)
		return fail_ended();
	fputs(end + 1, stderr);
	return (int)code;
}

bool reader_ask(const struct command_line *line,
		int (*run)(const struct command_line *line), int *ret_code)
{
	const struct reader_command *command = command_of(line, run);
	_cleanup_close_ int fd = -1;

	if (!command)
		return false;
	fd = connect_to(socket_path());
	if (fd < 0 && fd != -EACCES)
		return false;
	*ret_code = CLI_FAILED;
	if (fd < 0)
		print_line(
			stderr,
			"tgt-glue: %s: permission denied: root and the group adm read the fleet; type `adduser USER adm' as root, and log in again",
			socket_path());
	else if (send_request(fd, command, line))
		*ret_code = copy_answer(fd);
	else if (errno == EPIPE || errno == ECONNRESET)
		*ret_code = fail_ended();
	else
		print_line(stderr, "tgt-glue: %s: the request failed: %s",
			   socket_path(), strerror(errno));
	return true;
}

static bool denied_printed;

void reader_print_denied(void)
{
	denied_printed = true;
	print_line(
		stderr,
		"tgt-glue: no permission to read all of the fleet: run as root, or type `systemctl enable --now tgt-glue-status.socket' as root, and be in the group adm (`adduser USER adm')");
}

void reader_print_hint(int (*run)(const struct command_line *line))
{
	if (geteuid() != 0 && !denied_printed && reader_command(NULL, run))
		print_line(
			stderr,
			"tgt-glue: only root can do this; to let the members of the group adm read the fleet, type `systemctl enable --now tgt-glue-status.socket' as root");
}
