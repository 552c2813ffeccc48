/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-short: an NBD server that breaks the protocol, for a test of its client:
 *
 *     nbd-short SOCKET SIZE LIMIT
 *
 * listens on the Unix socket and serves one client a disk of SIZE bytes 0xaa.
 * The answer to a read at LIMIT or above has no data and says that it is
 * complete.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	OPT_ABORT = 2,
	OPT_GO = 7,
	OPT_STRUCTURED_REPLY = 8,
	REP_ACK = 1,
	REP_INFO = 3,
	CMD_READ = 0,
	CMD_DISCONNECT = 2,
	CHUNK_DONE = 1,
	CHUNK_DATA = 1,
	READ_MAX = 32 << 20,
};

static int client;

static void get(void *buf, size_t len)
{
	if (recv(client, buf, len, MSG_WAITALL) != (ssize_t)len)
		exit(EXIT_SUCCESS);
}

static void put(const void *buf, size_t len)
{
	if (send(client, buf, len, MSG_NOSIGNAL) != (ssize_t)len)
		exit(EXIT_SUCCESS);
}

static void put_number(uint64_t value, size_t size)
{
	uint64_t be = htobe64(value);

	put((const char *)&be + sizeof be - size, size);
}

static uint64_t get_number(size_t size)
{
	uint64_t be = 0;

	get((char *)&be + sizeof be - size, size);
	return be64toh(be);
}

static void skip(size_t len)
{
	char byte;

	while (len--)
		get(&byte, 1);
}

static void answer_option(uint32_t option, uint32_t type, uint32_t len)
{
	put_number(UINT64_C(0x3e889045565a9), 8);
	put_number(option, 4);
	put_number(type, 4);
	put_number(len, 4);
}

/* Answers options until the client starts the transmission. */
static void shake_hands(uint64_t size)
{
	uint32_t option = 0;

	put("NBDMAGICIHAVEOPT", 16);
	put_number(3, 2); /* fixed newstyle, no zeroes */
	get_number(4);
	while (option != OPT_GO) {
		get_number(8);
		option = (uint32_t)get_number(4);
		skip(get_number(4));
		if (option == OPT_ABORT)
			exit(EXIT_SUCCESS);
		if (option == OPT_GO) {
			answer_option(option, REP_INFO, 12);
			put_number(0, 2); /* NBD_INFO_EXPORT */
			put_number(size, 8);
			put_number(3, 2); /* has flags, is read only */
		}
		if (option == OPT_GO || option == OPT_STRUCTURED_REPLY)
			answer_option(option, REP_ACK, 0);
		else
			answer_option(option, UINT32_C(0x80000001), 0);
	}
}

static void answer_read(uint64_t cookie, uint64_t off, uint32_t len,
			uint64_t limit)
{
	static char data[READ_MAX];

	memset(data, 0xaa, len);
	put_number(0x668e33ef, 4);
	put_number(CHUNK_DONE, 2);
	put_number(off < limit ? CHUNK_DATA : 0, 2);
	put_number(cookie, 8);
	put_number(off < limit ? len + 8 : 0, 4);
	if (off >= limit)
		return;
	put_number(off, 8);
	put(data, len);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 4)
		errx(2, "usage: nbd-short SOCKET SIZE LIMIT");
	strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
	if (s < 0 || bind(s, (struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(s, 1) < 0)
		err(1, "%s", argv[1]);
	client = accept(s, NULL, NULL);
	if (client < 0)
		err(1, "accept");
	shake_hands(strtoull(argv[2], NULL, 0));
	for (;;) {
		uint64_t cookie, off;
		uint16_t command;
		uint32_t len;

		get_number(6); /* magic and flags */
		command = (uint16_t)get_number(2);
		cookie = get_number(8);
		off = get_number(8);
		len = (uint32_t)get_number(4);
		if (command != CMD_READ || len > READ_MAX)
			return command == CMD_DISCONNECT ? 0 : 1;
		answer_read(cookie, off, len, strtoull(argv[3], NULL, 0));
	}
}
