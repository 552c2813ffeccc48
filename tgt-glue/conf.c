/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inih takes lines apart, and the reader that feeds it counts them.  The reader
 * also keeps from inih what inih would take without a word: it cuts long lines
 * and names, takes an indented line for a continuation of the one before, and
 * tells of the first mistake only.
 */
#include "config.h"

#include "tgt-glue/conf.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/values.h"

/* Longer ones inih cuts. */
enum { SECTION_MAX = 49, KEY_MAX = 49 };

struct key {
	const char *name;
	value_check *check;
	bool list;        /* may be repeated */
	bool not_default; /* cannot be the same for all clients */
};

static const struct key fleet_keys[FLEET_KEYS] = {
	[FLEET_STORE] = { "store", value_directory, false, false },
	[FLEET_MOUNT] = { "mount", value_directory, false, false },
	[FLEET_IQN_PREFIX] = { "iqn-prefix", value_iqn_prefix, false, false },
	[FLEET_PORTAL] = { "portal", value_portal, true, false },
	[FLEET_TARGETS_FILE] = { "targets-file", value_directory, false,
				 false },
	[FLEET_CONTROL_PORT] = { "control-port", value_control_port, false,
				 false },
	[FLEET_MIN_FREE] = { "min-free", value_min_free, false, false },
	[FLEET_SHARDS] = { "shards", value_shards, false, false },
};

static const struct key client_keys[CLIENT_KEYS] = {
	[CLIENT_MASTER] = { "master", value_master, false, false },
	[CLIENT_FORMAT] = { "format", value_format, false, false },
	[CLIENT_MAC] = { "mac", value_mac, false, true },
	[CLIENT_ADDRESS] = { "address", value_address, true, false },
	[CLIENT_INITIATOR] = { "initiator", value_initiator, true, false },
	[CLIENT_OPEN] = { "open", value_flag, false, false },
	[CLIENT_USER] = { "user", value_user, false, false },
	[CLIENT_SECRET] = { "secret", value_secret, false, false },
	[CLIENT_SECRET_FILE] = { "secret-file", value_file, false, false },
	[CLIENT_MUTUAL_USER] = { "mutual-user", value_user, false, false },
	[CLIENT_MUTUAL_SECRET] = { "mutual-secret", value_secret, false,
				   false },
	[CLIENT_READONLY] = { "readonly", value_flag, false, false },
	[CLIENT_WRITE_CACHE] = { "write-cache", value_flag, false, false },
	[CLIENT_THIN] = { "thin", value_flag, false, false },
	[CLIENT_RESET] = { "reset", value_reset, false, false },
	[CLIENT_KEEP] = { "keep", value_keep, false, false },
	[CLIENT_BLOCK_SIZE] = { "block-size", value_block_size, false, false },
	[CLIENT_TID] = { "tid", value_tid, false, true },
	[CLIENT_SHARD] = { "shard", value_shard, false, true },
};

enum section {
	SECTION_NONE, /* before the first, or one that was no good */
	SECTION_FLEET,
	SECTION_DEFAULTS,
	SECTION_MACHINES,
	SECTION_CLIENT,
};

struct reader {
	struct conf *conf;
	FILE *stream;
	int line; /* the one being read, from 1 */
	enum section section;
	bool any_section;           /* there was one, good or not */
	struct conf_client *client; /* of SECTION_DEFAULTS and SECTION_CLIENT */
	char *buf;
	size_t size;
};

const char *fleet_key_name(enum fleet_key key)
{
	return fleet_keys[key].name;
}

const char *client_key_name(enum client_key key)
{
	return client_keys[key].name;
}

void conf_mistake(struct conf *conf, int line, const char *fmt, ...)
{
	struct mistake *mistake;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	conf->mistakes = pool_grow(&conf->pool, conf->mistakes,
				   conf->n_mistakes, sizeof *conf->mistakes);
	mistake = &conf->mistakes[conf->n_mistakes];
	mistake->line = line;
	mistake->order = (unsigned)conf->n_mistakes++;
	mistake->text = pool_strdup(&conf->pool, text);
}

static int by_line(const void *a, const void *b)
{
	const struct mistake *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void conf_print_mistakes(struct conf *conf, FILE *f)
{
	if (conf->n_mistakes)
		qsort(conf->mistakes, conf->n_mistakes, sizeof *conf->mistakes,
		      by_line);
	for (size_t i = 0; i < conf->n_mistakes; i++) {
		const struct mistake *m = &conf->mistakes[i];

		if (m->line)
			fprintf(f, "%s:%d: %s\n", conf->file, m->line, m->text);
		else
			fprintf(f, "%s: %s\n", conf->file, m->text);
	}
}

/* The client of that name, made where there is none. */
static struct conf_client *client_named(struct reader *reader, const char *name)
{
	struct conf *conf = reader->conf;
	struct conf_client *client;

	for (size_t i = 0; i < conf->n_clients; i++)
		if (!strcmp(conf->clients[i]->name, name))
			return conf->clients[i];
	client = pool_alloc(&conf->pool, sizeof *client);
	client->name = pool_strdup(&conf->pool, name);
	client->line = reader->line;
	conf->clients = pool_grow(&conf->pool, conf->clients, conf->n_clients,
				  sizeof *conf->clients);
	conf->clients[conf->n_clients++] = client;
	return client;
}

static void open_client_section(struct reader *reader, const char *name)
{
	const char *expected = value_name(name);
	struct conf_client *client;

	if (expected) {
		conf_mistake(reader->conf, reader->line,
			     "[client NAME]: expected %s, found '%s'", expected,
			     name);
		return;
	}
	client = client_named(reader, name);
	if (client->section_line) {
		conf_mistake(
			reader->conf, reader->line,
			"[client %s]: expected once, found again; it is on line %d already",
			name, client->section_line);
		return;
	}
	client->section_line = reader->line;
	reader->section = SECTION_CLIENT;
	reader->client = client;
}

static void open_section(struct reader *reader, const char *name)
{
	reader->section = SECTION_NONE;
	reader->any_section = true;
	if (strlen(name) > SECTION_MAX) {
		conf_mistake(
			reader->conf, reader->line,
			"section: expected a name of at most %d characters, found %zu",
			SECTION_MAX, strlen(name));
	} else if (!strcmp(name, "fleet")) {
		reader->section = SECTION_FLEET;
	} else if (!strcmp(name, "machines")) {
		reader->section = SECTION_MACHINES;
	} else if (!strcmp(name, "defaults")) {
		reader->section = SECTION_DEFAULTS;
		reader->client = &reader->conf->defaults;
	} else if (!strncmp(name, "client ", 7)) {
		open_client_section(reader, name + 7 + strspn(name + 7, " \t"));
	} else {
		conf_mistake(
			reader->conf, reader->line,
			"section: expected [fleet], [defaults], [machines] or [client NAME], found [%s]",
			name);
	}
}

/* Looks at a line without the space around it; false: inih is not to see it. */
static bool look_at_line(struct reader *reader, char *text)
{
	size_t separator = strcspn(text, "=:");
	char *end;

	if (*text == '\0' || *text == ';' || *text == '#')
		return true;
	if (*text == '[') {
		end = strchr(text, ']');
		if (end) {
			*end = '\0';
			open_section(reader, text + 1);
			*end = ']';
			return true;
		}
		conf_mistake(reader->conf, reader->line,
			     "section: expected ']' at its end, found '%s'",
			     text);
		reader->section = SECTION_NONE;
		reader->any_section = true;
		return false;
	}
	if (text[separator] && separator <= KEY_MAX)
		return true;
	/* The first word only: the rest might be a secret. */
	conf_mistake(
		reader->conf, reader->line,
		text[separator]
			? "expected a key of at most 49 characters, found '%.*s'"
			: "expected KEY = VALUE, found '%.*s'",
		(int)strcspn(text, " \t=:"), text);
	return false;
}

/* An ini_reader: what fgets would do, with the line looked at before. */
static char *read_line(char *str, int num, void *stream)
{
	struct reader *reader = stream;
	ssize_t n = getline(&reader->buf, &reader->size, reader->stream);
	char *text = reader->buf;

	if (n < 0)
		return NULL;
	reader->line++;
	*str = '\0';
	if (strlen(text) != (size_t)n) {
		conf_mistake(reader->conf, reader->line,
			     "expected text, found a NUL character");
		return str;
	}
	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	if (reader->line == 1 && !strncmp(text, "\xef\xbb\xbf", 3))
		text += 3; /* a byte order mark, which editors leave */
	text += strspn(text, " \t");
	if (strlen(text) >= (size_t)num)
		conf_mistake(
			reader->conf, reader->line,
			"expected a line of less than %d characters, found %zu",
			num, strlen(text));
	else if (look_at_line(reader, text))
		strcpy(str, text);
	return str;
}

static void set(struct reader *reader, struct settings *settings,
		const struct key *key, const char *value)
{
	struct conf *conf = reader->conf;
	struct setting *setting;
	const char *expected = key->check(value);

	if (settings->n && !key->list) {
		conf_mistake(
			conf, reader->line,
			"%s: expected once, found again; it is set on line %d already",
			key->name, settings->v[0].line);
		return;
	}
	settings->v = pool_grow(&conf->pool, settings->v, settings->n,
				sizeof *settings->v);
	setting = &settings->v[settings->n++];
	setting->line = reader->line;
	/* A secret is not shown, not even a wrong one. */
	if (expected && key->check == value_secret && *value)
		conf_mistake(conf, reader->line,
			     "%s: expected %s, found something else", key->name,
			     expected);
	else if (expected)
		conf_mistake(conf, reader->line, "%s: expected %s, found '%s'",
			     key->name, expected, value);
	else
		setting->value = pool_strdup(&conf->pool, value);
}

static const struct key *find_key(const struct key *keys, size_t n,
				  const char *name, size_t *ret_index)
{
	for (*ret_index = 0; *ret_index < n; ++*ret_index)
		if (!strcmp(keys[*ret_index].name, name))
			return &keys[*ret_index];
	return NULL;
}

static void set_fleet(struct reader *reader, const char *name,
		      const char *value)
{
	size_t i;
	const struct key *key = find_key(fleet_keys, FLEET_KEYS, name, &i);

	if (key)
		set(reader, &reader->conf->fleet[i], key, value);
	else
		conf_mistake(
			reader->conf, reader->line,
			"[fleet]: expected store, mount, iqn-prefix, portal, targets-file, control-port or min-free, found '%s'",
			name);
}

static void set_client(struct reader *reader, const char *name,
		       const char *value)
{
	size_t i;
	const struct key *key = find_key(client_keys, CLIENT_KEYS, name, &i);

	if (!key)
		conf_mistake(
			reader->conf, reader->line,
			"expected a client's key (see fleet.conf(5)), found '%s'",
			name);
	else if (key->not_default && reader->section == SECTION_DEFAULTS)
		conf_mistake(
			reader->conf, reader->line,
			"%s: expected in [client NAME], found in [defaults]: no two clients have the same",
			name);
	else
		set(reader, &reader->client->keys[i], key, value);
}

/* A line of [machines]: NAME = MAC [ADDRESS]. */
static void set_machine(struct reader *reader, const char *name,
			const char *value)
{
	char mac[64] = "", address[64] = "", more[2] = "";
	const char *expected = value_name(name);
	struct conf_client *client;
	int n = sscanf(value, "%63s %63s %1s", mac, address, more);

	if (expected) {
		conf_mistake(reader->conf, reader->line,
			     "[machines]: expected %s, found '%s'", expected,
			     name);
		return;
	}
	if (n == 3) {
		conf_mistake(reader->conf, reader->line,
			     "%s: expected MAC [ADDRESS], found '%s'", name,
			     value);
		return;
	}
	client = client_named(reader, name);
	set(reader, &client->keys[CLIENT_MAC], &client_keys[CLIENT_MAC], mac);
	if (n == 2)
		set(reader, &client->keys[CLIENT_ADDRESS],
		    &client_keys[CLIENT_ADDRESS], address);
}

/* An ini_handler. The reader knows the section better than inih. */
static int take(void *user, const char *section, const char *name,
		const char *value)
{
	struct reader *reader = user;

	(void)section;
	switch (reader->section) {
	case SECTION_FLEET:
		set_fleet(reader, name, value);
		break;
	case SECTION_MACHINES:
		set_machine(reader, name, value);
		break;
	case SECTION_DEFAULTS:
	case SECTION_CLIENT:
		set_client(reader, name, value);
		break;
	case SECTION_NONE:
		if (!reader->any_section)
			conf_mistake(
				reader->conf, reader->line,
				"expected a [section] before the first key, found '%s'",
				name);
		break;
	}
	return 1;
}

int conf_read(const char *file, struct conf *conf)
{
	struct reader reader = { .conf = conf };
	int r;

	memset(conf, 0, sizeof *conf);
	conf->file = pool_strdup(&conf->pool, file);
	conf->defaults.name = "defaults";
	reader.stream = fopen(file, "re");
	if (!reader.stream)
		return fail_errno(-errno, "%s", file);
	ini_parse_stream(read_line, &reader, take, &reader);
	/* What inih could not parse the reader has named; but did it end early?
	 */
	errno = 0;
	r = ferror(reader.stream) || fgetc(reader.stream) != EOF
		    ? fail_errno(errno ? -errno : -EIO, "%s", file)
		    : 0;
	fclose(reader.stream);
	free(reader.buf);
	return r;
}

void conf_fini(struct conf *conf)
{
	pool_fini(&conf->pool);
	memset(conf, 0, sizeof *conf);
}
