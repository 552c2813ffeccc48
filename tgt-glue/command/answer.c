/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command answer: the answering side of reader.h, started by systemd with a
 * connection as standard input and output.
 *
 * The asking side is not trusted: a request has a fixed size, and each step a
 * time in which it must be done.
 */
#include "config.h"

#include "tgt-glue/command/reader.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"

/* Seconds: for the request; for the answer that is not followed; for one write
 * to a connection that is not read. */
enum { REQUEST_SECONDS = 10, ANSWER_SECONDS = 120, WRITE_SECONDS = 30 };

/* With this much of the answer in memory a connection that is not read fails
 * after one write. */
enum { BUFFER = 1 << 20 };

/* Of the messages that are sent. */
enum { MESSAGES_MAX = 1 << 16 };

/* Reads a request into text, which stays, and sets words, null-ended.  Returns
 * whether it is complete. */
static bool read_request(char *text, char **words)
{
	size_t size = 0, at = 0, n = 0;

	while (n < REQUEST_WORDS - 1) {
		char *nul = memchr(text + at, '\0', size - at);
		ssize_t got;

		if (nul && nul == text + at) {
			words[n] = NULL;
			return true;
		}
		if (nul) {
			words[n++] = text + at;
			at = (size_t)(nul - text) + 1;
			continue;
		}
		got = read(STDIN_FILENO, text + size, REQUEST_MAX - size);
		if (got <= 0)
			return false;
		size += (size_t)got;
	}
	return false;
}

/* Sends the end of the answer: the code, and the messages in the file. */
static void send_end(int code, int messages)
{
	char text[4096];
	size_t left = MESSAGES_MAX;
	ssize_t n;

	printf("%c%d\n", '\0', code);
	lseek(messages, 0, SEEK_SET);
	while (left &&
	       (n = read(messages, text,
			 left < sizeof text ? left : sizeof text)) > 0) {
		fwrite(text, 1, (size_t)n, stdout);
		left -= (size_t)n;
	}
	fflush(stdout);
}

static int answer(const struct command_line *own)
{
	char text[REQUEST_MAX], *words[REQUEST_WORDS];
	struct command_line line = { .config = own->config };
	const struct reader_command *command;
	int code;

	alarm(REQUEST_SECONDS);
	if (!read_request(text, words)) {
		print_line(
			stderr,
			"tgt-glue: request: expected words and an empty one, found its end");
		return CLI_FAILED;
	}
	command = reader_parse(words, &line);
	if (!command)
		return command_failed();
	alarm(line.follow ? 0 : ANSWER_SECONDS);
	code = command->run(&line);
	alarm(ANSWER_SECONDS);
	return code;
}

int command_answer(const struct command_line *line)
{
	const struct timeval limit = { .tv_sec = WRITE_SECONDS };
	_cleanup_close_ int messages = memfd_create("messages", MFD_CLOEXEC);
	int code;

	/* Not where a test has a pipe in the place of the connection. */
	(void)setsockopt(STDOUT_FILENO, SOL_SOCKET, SO_SNDTIMEO, &limit,
			 sizeof limit);
	if (messages < 0 || dup2(messages, STDERR_FILENO) < 0) {
		print_line(stderr, "tgt-glue: answer: no memory for messages");
		return CLI_FAILED;
	}
	setvbuf(stdout, NULL, _IOFBF, BUFFER);
	code = answer(line);
	fflush(stdout);
	if (!ferror(stdout))
		send_end(code, messages);
	return CLI_DONE;
}
