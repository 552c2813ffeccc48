/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parser of fleet.conf, line by line: the sections and keys as they are
 * written, each with its line number.  read.h reads the files.
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
#include <stdio.h>

#include "tgt-glue/base/arena.h"
#include "tgt-glue/config/sources.h"

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
	FLEET_INCLUDE,
	FLEET_KEEP_VERSIONS,
	FLEET_LOG_FILE,
	FLEET_WARN,
	FLEET_RESERVE,
	FLEET_KEYS,
};

/* Keys of [defaults], [group NAME] and [client NAME]. */
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
	CLIENT_SECRET_DIR,
	CLIENT_MUTUAL_USER,
	CLIENT_MUTUAL_SECRET,
	CLIENT_READONLY,
	CLIENT_WRITE_CACHE,
	CLIENT_THIN,
	CLIENT_RESET,
	CLIENT_KEEP,
	CLIENT_UPDATE,
	CLIENT_KEEP_AGE,
	CLIENT_QUOTA,
	CLIENT_BLOCK_SIZE,
	CLIENT_TID,
	CLIENT_SHARD,
	CLIENT_DISKS,
	CLIENT_KEYS,
};

/* Keys of [disk NAME]. */
enum disk_key {
	DISK_KEY_LUN,
	DISK_KEY_SIZE,
	DISK_KEY_MASTER,
	DISK_KEY_IMAGE,
	DISK_KEY_CDROM,
	DISK_KEY_FORMAT,
	DISK_KEY_BLOCK_SIZE,
	DISK_KEY_RESET,
	DISK_KEY_KEEP,
	DISK_KEY_QUOTA,
	DISK_KEY_UPDATE,
	DISK_KEY_READONLY,
	DISK_KEY_WRITE_CACHE,
	DISK_KEY_THIN,
	DISK_KEYS,
};

/* One line KEY = VALUE. */
struct setting {
	const char *value; /* null: not set, or invalid and already reported */
	int line;          /* as struct sources counts; 0: the key is not set */
	/* The next line with this key, where it may be repeated, or null. */
	struct setting *next;
};

struct conf_client {
	const char *name;
	int line;         /* the first line that names the client */
	int section_line; /* of [client NAME]; 0: no such section */
	/* "[defaults]" or "[group NAME]"; null: of one client. */
	const char *shared;
	struct setting keys[CLIENT_KEYS];
};

/* Settings of the clients whose names match. */
struct conf_group {
	struct conf_client section; /* with the group's name */
	struct setting match;       /* of each line, patterns between spaces */
};

struct conf_disk {
	const char *name;
	int line; /* of [disk NAME] */
	struct setting keys[DISK_KEYS];
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
	struct conf_group **groups; /* in the order of the file */
	size_t n_groups;
	struct conf_disk **disks; /* in the order of the file */
	size_t n_disks;
	struct mistake *mistakes; /* in the order of lines */
	size_t n_mistakes;
	/* What was read, with the text of the included files in the place of
	 * the lines `include': another fleet.conf that says the same. */
	const char *text;
	struct sources sources;
};

/* Frees what the parser made. */
void conf_fini(struct conf *conf);

/* A file name of fleet.conf, which is relative to fleet.conf's directory, in
 * the arena; also in an included file. */
const char *conf_path(struct conf *conf, const char *name);
/* Another line for a message: "line N" of fleet.conf, "FILE:N" of an included
 * file. */
const char *conf_line(struct conf *conf, int line);
/* "FILE:N", or FILE for line 0. */
const char *conf_place(struct conf *conf, int line);

const char *conf_client_key_name(enum client_key key);
/* Whether its values are secrets, which no output shows. */
bool conf_client_key_is_secret(enum client_key key);
/* The name of a key of [disk NAME]. */
const char *conf_disk_key_name(enum disk_key key);

/* Reports a mistake; line 0 stands for the whole file.  By custom the text is
 * "SUBJECT: expected X, found Y; do Z". */
void conf_mistake(struct conf *conf, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a whole file; line: the number of its first line. */
void conf_mistake_of_file(struct conf *conf, int line, const char *path,
			  const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The parser in one file. */
struct reader {
	struct conf *conf;
	int line;   /* the current one, from 1, as struct sources counts */
	int depth;  /* of included files */
	FILE *text; /* that becomes conf->text */
	/* Takes a line KEY = VALUE of the section; null: in an invalid one.  A
	 * value of null could not be read, which was reported. */
	void (*set)(struct reader *reader, const char *key, const char *value);
	struct conf_client *client; /* of a section with a client's keys */
	struct conf_group *group;   /* of [group NAME] */
	struct conf_disk *disk;     /* of [disk NAME] */
	/* The comment after the value, with its # or ;; "" without one. */
	const char *comment;
	bool any_secret; /* the file holds a secret */
	/* The value of a line `include' that was parsed; null: another line. */
	const char *include;
};

/* Parses a line of n bytes, which it changes. */
void conf_parse_line(struct reader *reader, char *text, size_t n);
/* reader->set at a file's beginning. */
void conf_before_sections(struct reader *reader, const char *name,
			  const char *value);
/* Checks what is known after the last line. */
void conf_parse_end(struct conf *conf);

#endif
