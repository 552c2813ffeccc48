/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fleet.conf as it is written: sections, keys, and the line that each stands
 * on.  Reading goes on after a mistake, so that one run names them all.
 */
#ifndef TGT_GLUE_CONFIG_PARSE_H
#define TGT_GLUE_CONFIG_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tgt-glue/base/arena.h"

/* Of [fleet]. */
enum fleet_key {
	FLEET_STORE,
	FLEET_MOUNT,
	FLEET_IQN_PREFIX,
	FLEET_PORTAL,
	FLEET_TARGETS_FILE,
	FLEET_CONTROL_PORT,
	FLEET_MIN_FREE,
	FLEET_SHARDS,
	FLEET_SPARES,
	FLEET_ON_LOW_SPACE,
	FLEET_KEYS,
};

/* Of [defaults] and [client NAME]. */
enum client_key {
	CLIENT_MASTER,
	CLIENT_FORMAT,
	CLIENT_MAC,
	CLIENT_ADDRESS,
	CLIENT_INITIATOR,
	CLIENT_OPEN,
	CLIENT_USER,
	CLIENT_SECRET,
	CLIENT_SECRET_FILE,
	CLIENT_MUTUAL_USER,
	CLIENT_MUTUAL_SECRET,
	CLIENT_READONLY,
	CLIENT_WRITE_CACHE,
	CLIENT_THIN,
	CLIENT_RESET,
	CLIENT_KEEP,
	CLIENT_BLOCK_SIZE,
	CLIENT_TID,
	CLIENT_SHARD,
	CLIENT_KEYS,
};

/* What a key was set to. Without a line: not at all; without a value: to
 * something that was no good, and said so. */
struct setting {
	const char *value;
	int line;
};

/* All that a key was set to: one, but for those that may be repeated. */
struct settings {
	struct setting *v;
	size_t n;
};

struct conf_client {
	const char *name;
	int line;         /* where it was first named */
	int section_line; /* of [client NAME], or 0 */
	struct settings keys[CLIENT_KEYS];
};

struct mistake {
	int line;       /* 0: of the whole file */
	unsigned order; /* of finding it */
	const char *text;
};

struct conf {
	const char *file;
	struct arena arena;
	struct settings fleet[FLEET_KEYS];
	struct conf_client defaults;
	struct conf_client **clients; /* in the order of the file */
	size_t n_clients;
	struct mistake *mistakes;
	size_t n_mistakes;
	const char
		*text; /* the whole file, or null where that cannot be kept */
};

/*
 * Reads it.  0 also where it is full of mistakes, which are in conf->mistakes
 * then; an error only where the file cannot be read.  conf_fini in any case.
 */
int conf_read(const char *file, struct conf *conf);
void conf_fini(struct conf *conf);

/* How many bytes of a byte-order mark of UTF-8, which editors leave, the text
 * begins with. */
size_t conf_byte_order_mark(const char *text);
/* Does it begin with a byte-order mark of UTF-16? */
bool conf_is_utf16(const char *text);
/* The mode of a file that others than its owner may use, else 0. */
unsigned conf_open_mode(int fd);

const char *fleet_key_name(enum fleet_key key);
const char *client_key_name(enum client_key key);

/* line 0 is the file as a whole. The text says what was expected and found. */
void conf_mistake(struct conf *conf, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* In the order of lines, to standard error, "FILE:LINE: ...". */
void conf_print_mistakes(struct conf *conf, FILE *f);

#endif
