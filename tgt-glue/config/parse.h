/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parser of fleet.conf: the sections and keys as they are written, each with
 * its line number.
 *
 * A mistake does not stop the parser: one run reports all mistakes.  The parser
 * checks each value by itself (values.h); resolve.h checks how they fit.
 *
 * All memory is of conf->arena.
 */
#ifndef TGT_GLUE_CONFIG_PARSE_H
#define TGT_GLUE_CONFIG_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "tgt-glue/base/arena.h"

/* Keys of [fleet]. */
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
	FLEET_KEEP_VERSIONS,
	FLEET_KEYS,
};

/* Keys of [defaults] and [client NAME]. */
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
	CLIENT_UPDATE,
	CLIENT_BLOCK_SIZE,
	CLIENT_TID,
	CLIENT_SHARD,
	CLIENT_KEYS,
};

/* One line KEY = VALUE. */
struct setting {
	const char *value; /* null: not set, or invalid and already reported */
	int line;          /* 0: the key is not set */
	/* The next line with this key, where it may be repeated, or null. */
	struct setting *next;
};

struct conf_client {
	const char *name;
	int line;         /* the first line that names the client */
	int section_line; /* of [client NAME]; 0: no such section */
	struct setting keys[CLIENT_KEYS];
};

struct mistake {
	int line;         /* 0: concerns the whole file */
	const char *text; /* "FILE:LINE: ...", not yet made printable */
};

struct conf {
	const char *file;
	struct arena arena;
	struct setting fleet[FLEET_KEYS];
	struct conf_client defaults;
	struct conf_client **clients; /* in the order of the file */
	size_t n_clients;
	struct mistake *mistakes; /* in the order of lines */
	size_t n_mistakes;
	/* The whole file; null where it cannot be read twice (a pipe). */
	const char *text;
};

/*
 * Parses the file.  Returns 0 also for a file with mistakes, which are in
 * conf->mistakes then.  Returns -errno with a message where the file cannot be
 * read, and -EINVAL where it is UTF-16.  Call conf_fini in every case.
 */
int conf_read(const char *file, struct conf *conf);
void conf_fini(struct conf *conf);

/* The length in bytes of the UTF-8 byte-order mark at the text's beginning: 3
 * or 0.  Some editors write one. */
size_t conf_byte_order_mark(const char *text);
/* Whether the text begins with a UTF-16 byte-order mark. */
bool conf_is_utf16(const char *text);
/* The mode of a regular file to which group or others have access; 0 for any
 * other file. */
unsigned conf_open_mode(int fd);

/* Reports a mistake; line 0 stands for the whole file.  By custom the text is
 * "SUBJECT: expected X, found Y; do Z". */
void conf_mistake(struct conf *conf, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
