/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parser of fleet.conf: lines, sections, keys, quoted values, comments.
 *
 * A comment begins with # or ; at the beginning of a line, or after a space
 * outside quotes.  In a value in double quotes, \" is a quote and \\ is a
 * backslash; all other characters stand for themselves.
 */
#include "config.h"

#include "tgt-glue/config/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/config/values.h"

enum { SECTION_MAX = 49, KEY_MAX = 49, LINE_MAX_BYTES = 200 };

/* Advice for an invalid value that a comment follows. */
#define COMMENT_ADVICE \
	"; text after # or ; is a comment: put a value that contains them in double quotes"

enum key_flags {
	LIST = 1,       /* may be repeated */
	PER_CLIENT = 2, /* not in [defaults]: each client has its own value */
	PATH = 4,       /* may contain # */
};

struct key {
	const char *name;
	const struct value_syntax *syntax; /* null: a number from min to max */
	unsigned flags;
	unsigned min, max;
};

#define TEXT(name, syntax, flags)         \
	{                                 \
		name, syntax, flags, 0, 0 \
	}

#define NUMBER(name, flags, min, max)       \
	{                                   \
		name, NULL, flags, min, max \
	}

static const struct key fleet_keys[FLEET_KEYS] = {
	[FLEET_STORE] = TEXT("store", &value_store, PATH),
	[FLEET_MOUNT] = TEXT("mount", &value_mount, PATH),
	[FLEET_IQN_PREFIX] = TEXT("iqn-prefix", &value_iqn_prefix, 0),
	[FLEET_PORTAL] = TEXT("portal", &value_portal, LIST),
	[FLEET_TARGETS_FILE] = TEXT("targets-file", &value_targets_file, PATH),
	[FLEET_CONTROL_PORT] = NUMBER("control-port", 0, 0, CONTROL_PORT_MAX),
	[FLEET_MIN_FREE] = TEXT("min-free", &value_min_free, 0),
	[FLEET_SHARDS] = NUMBER("shards", 0, 1, SHARDS_MAX),
	[FLEET_SPARES] = NUMBER("spares", 0, 0, 64),
	[FLEET_ON_LOW_SPACE] = TEXT("on-low-space", &value_command, 0),
	[FLEET_KEEP_VERSIONS] = NUMBER("keep-versions", 0, 0, 1000),
};

static const struct key client_keys[CLIENT_KEYS] = {
	[CLIENT_MASTER] = TEXT("master", &value_master, PATH),
	[CLIENT_FORMAT] = TEXT("format", &value_format, 0),
	[CLIENT_MAC] = TEXT("mac", &value_mac, PER_CLIENT),
	[CLIENT_ADDRESS] = TEXT("address", &value_address, LIST),
	[CLIENT_INITIATOR] = TEXT("initiator", &value_initiator, LIST),
	[CLIENT_OPEN] = TEXT("open", &value_flag, 0),
	[CLIENT_USER] = TEXT("user", &value_user, 0),
	[CLIENT_SECRET] = TEXT("secret", &value_secret, 0),
	[CLIENT_SECRET_FILE] = TEXT("secret-file", &value_file, PATH),
	[CLIENT_MUTUAL_USER] = TEXT("mutual-user", &value_user, 0),
	[CLIENT_MUTUAL_SECRET] = TEXT("mutual-secret", &value_secret, 0),
	[CLIENT_READONLY] = TEXT("readonly", &value_flag, 0),
	[CLIENT_WRITE_CACHE] = TEXT("write-cache", &value_flag, 0),
	[CLIENT_THIN] = TEXT("thin", &value_flag, 0),
	[CLIENT_RESET] = TEXT("reset", &value_reset, 0),
	[CLIENT_KEEP] = NUMBER("keep", 0, 0, 1000),
	[CLIENT_UPDATE] = TEXT("update", &value_update, 0),
	[CLIENT_BLOCK_SIZE] = TEXT("block-size", &value_block_size, 0),
	[CLIENT_TID] = NUMBER("tid", PER_CLIENT, 1, TID_MAX),
	[CLIENT_SHARD] = NUMBER("shard", PER_CLIENT, 0, SHARDS_MAX - 1),
};

struct reader {
	struct conf *conf;
	FILE *stream;
	int line; /* the current one, from 1 */
	/* Takes a line KEY = VALUE of the section; null: in an invalid one.  A
	 * value of null could not be read, which was reported. */
	void (*set)(struct reader *reader, const char *key, const char *value);
	struct conf_client *client; /* of set_client */
	/* The comment after the value, with its # or ;; "" without one. */
	const char *comment;
	bool any_secret; /* the file holds a secret */
};

/* Reports a mistake on the current line. */
#define mistake(reader, ...) \
	conf_mistake((reader)->conf, (reader)->line, __VA_ARGS__)

void conf_mistake(struct conf *conf, int line, const char *fmt, ...)
{
	struct arena *arena = &conf->arena;
	size_t i = conf->n_mistakes;
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	text = arena_vprintf(arena, fmt, ap);
	va_end(ap);
	text = line ? arena_printf(arena, "%s:%d: %s", conf->file, line, text)
		    : arena_printf(arena, "%s: %s", conf->file, text);
	conf->mistakes = arena_grow(arena, conf->mistakes, conf->n_mistakes++,
				    sizeof *conf->mistakes);
	for (; i && conf->mistakes[i - 1].line > line; i--)
		conf->mistakes[i] = conf->mistakes[i - 1];
	conf->mistakes[i] = (struct mistake){ line, text };
}

size_t conf_byte_order_mark(const char *text)
{
	return strncmp(text, "\xef\xbb\xbf", 3) ? 0 : 3;
}

bool conf_is_utf16(const char *text)
{
	return !strncmp(text, "\xff\xfe", 2) || !strncmp(text, "\xfe\xff", 2);
}

unsigned conf_open_mode(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    !(st.st_mode & (S_IRWXG | S_IRWXO)))
		return 0;
	return st.st_mode & 07777;
}

/* The client of that name; adds one where there is none. */
static struct conf_client *client_of_name(struct reader *reader,
					  const char *name)
{
	struct conf *conf = reader->conf;
	struct conf_client *client;

	for (size_t i = 0; i < conf->n_clients; i++)
		if (!strcmp(conf->clients[i]->name, name))
			return conf->clients[i];
	client = arena_alloc(&conf->arena, sizeof *client);
	client->name = arena_strdup(&conf->arena, name);
	client->line = reader->line;
	conf->clients = arena_grow(&conf->arena, conf->clients, conf->n_clients,
				   sizeof *conf->clients);
	conf->clients[conf->n_clients++] = client;
	return client;
}

/* Null for a valid value, otherwise a description of a valid one. */
static const char *check_key(struct conf *conf, const struct key *key,
			     const char *value)
{
	if (key->syntax)
		return value_check(key->syntax, value);
	return value_is_number(value, key->min, key->max)
		       ? NULL
		       : arena_printf(&conf->arena, "a number from %u to %u",
				      key->min, key->max);
}

/* Notes that the key is set on this line.  Returns where its value belongs. */
static struct setting *add_setting(struct reader *reader,
				   struct setting *setting)
{
	if (setting->line) {
		while (setting->next)
			setting = setting->next;
		setting->next =
			arena_alloc(&reader->conf->arena, sizeof *setting);
		setting = setting->next;
	}
	setting->line = reader->line;
	return setting;
}

/* Sets a key; value as for reader->set. */
static void set(struct reader *reader, struct setting *setting,
		const struct key *key, const char *value)
{
	struct conf *conf = reader->conf;
	const char *expected = value ? check_key(conf, key, value) : NULL;
	const char *advice = *reader->comment ? COMMENT_ADVICE : "";
	const bool secret = key->syntax == &value_secret;

	if (setting->line && !(key->flags & LIST)) {
		mistake(reader,
			"%s: expected once, found again; first on line %d",
			key->name, setting->line);
		return;
	}
	setting = add_setting(reader, setting);
	reader->any_secret = reader->any_secret || secret;
	if (!value)
		return;
	/* A message never shows a secret, not even an invalid one. */
	if (expected && secret && *value)
		mistake(reader, "%s: expected %s, found something else%s",
			key->name, expected, advice);
	else if (expected)
		mistake(reader, "%s: expected %s, found '%s'%s", key->name,
			expected, value, advice);
	/* "/srv/lab #2" may be a path with a space. */
	else if ((key->flags & PATH) && *reader->comment == '#' &&
		 !strchr(" \t#", reader->comment[1]))
		mistake(reader,
			"%s: expected a space after # (for a comment) or the value in double quotes (for a path with #), found '%s %s'",
			key->name, value, reader->comment);
	else
		setting->value = arena_strdup(&conf->arena, value);
}

/* The index of the key of that name; n where there is none. */
static size_t find_key(const struct key *keys, size_t n, const char *name)
{
	size_t i = 0;

	while (i < n && strcmp(keys[i].name, name) != 0)
		i++;
	return i;
}

/* "a, b or c": the names of the keys, in the arena. */
static const char *key_names(struct arena *arena, const struct key *keys,
			     size_t n)
{
	const char *names = keys[0].name;

	for (size_t i = 1; i < n; i++)
		names = arena_printf(arena, "%s%s%s", names,
				     i + 1 < n ? ", " : " or ", keys[i].name);
	return names;
}

static void set_fleet(struct reader *reader, const char *name,
		      const char *value)
{
	const size_t i = find_key(fleet_keys, FLEET_KEYS, name);

	if (i < FLEET_KEYS)
		set(reader, &reader->conf->fleet[i], &fleet_keys[i], value);
	else
		mistake(reader, "[fleet]: expected %s, found '%s'",
			key_names(&reader->conf->arena, fleet_keys, FLEET_KEYS),
			name);
}

static void set_client(struct reader *reader, const char *name,
		       const char *value)
{
	const size_t i = find_key(client_keys, CLIENT_KEYS, name);

	if (i == CLIENT_KEYS)
		mistake(reader,
			"expected a client's key (see fleet.conf(5)), found '%s'",
			name);
	else if ((client_keys[i].flags & PER_CLIENT) &&
		 reader->client == &reader->conf->defaults)
		mistake(reader,
			"%s: expected in [client NAME], found in [defaults]; each client needs a value of its own",
			name);
	else
		set(reader, &reader->client->keys[i], &client_keys[i], value);
}

/* Applies a line of [machines]: NAME = MAC [ADDRESS]. */
static void set_machine(struct reader *reader, const char *name,
			const char *value)
{
	char mac[64] = "", address[64] = "", more[2] = "";
	const char *expected = value_check(&value_name, name);
	struct conf_client *client;
	int n = value ? sscanf(value, "%63s %63s %1s", mac, address, more) : 0;

	if (expected) {
		mistake(reader, "[machines]: expected %s, found '%s'", expected,
			name);
		return;
	}
	if (n == 3) {
		mistake(reader, "%s: expected MAC [ADDRESS], found '%s'", name,
			value);
		return;
	}
	client = client_of_name(reader, name);
	if (!value)
		return;
	set(reader, &client->keys[CLIENT_MAC], &client_keys[CLIENT_MAC], mac);
	if (n == 2)
		set(reader, &client->keys[CLIENT_ADDRESS],
		    &client_keys[CLIENT_ADDRESS], address);
}

static void set_before_sections(struct reader *reader, const char *name,
				const char *value)
{
	(void)value;
	mistake(reader, "expected a [section] before the first key, found '%s'",
		name);
}

static void open_client_section(struct reader *reader, const char *name)
{
	const char *expected = value_check(&value_name, name);
	struct conf_client *client;

	if (expected) {
		mistake(reader, "[client NAME]: expected %s, found '%s'",
			expected, name);
		return;
	}
	client = client_of_name(reader, name);
	if (client->section_line) {
		mistake(reader,
			"[client %s]: expected once, found again; first on line %d",
			name, client->section_line);
		return;
	}
	client->section_line = reader->line;
	reader->set = set_client;
	reader->client = client;
}

static void open_section(struct reader *reader, const char *name)
{
	if (strlen(name) > SECTION_MAX) {
		mistake(reader,
			"section: expected a name of at most %d characters, found %zu",
			SECTION_MAX, strlen(name));
	} else if (!strcmp(name, "fleet")) {
		reader->set = set_fleet;
	} else if (!strcmp(name, "machines")) {
		reader->set = set_machine;
	} else if (!strcmp(name, "defaults")) {
		reader->set = set_client;
		reader->client = &reader->conf->defaults;
	} else if (!strncmp(name, "client ", 7)) {
		open_client_section(reader, name + 7 + strspn(name + 7, " \t"));
	} else {
		mistake(reader,
			"section: expected [fleet], [defaults], [machines] or [client NAME], found [%s]",
			name);
	}
}

/* Reads a line [SECTION]. */
static void read_section(struct reader *reader, char *text)
{
	char *end = strchr(text, ']');

	reader->set = NULL;
	if (!end) {
		mistake(reader, "section: expected ']' at its end, found '%s'",
			text);
		return;
	}
	*end = '\0';
	open_section(reader, text + 1);
}

static void trim_end(char *text)
{
	size_t n = strlen(text);

	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
}

/* The beginning of the comment in a text without quotes, or the text's end. */
static char *find_comment(char *text)
{
	for (char *c = text; *c; c++)
		if ((*c == '#' || *c == ';') &&
		    (c == text || c[-1] == ' ' || c[-1] == '\t'))
			return c;
	return text + strlen(text);
}

/* Replaces the quotes and escapes of a quoted value in place.  Returns the text
 * after the closing quote, or null without a closing quote. */
static char *unquote(char *value)
{
	char *to = value, *from = value + 1;

	for (; *from && *from != '"'; from++) {
		if (*from == '\\' && (from[1] == '"' || from[1] == '\\'))
			from++;
		*to++ = *from;
	}
	if (!*from)
		return NULL;
	*to = '\0';
	return from + 1;
}

/* Removes quotes and comment from a value in place.  Returns false for an
 * invalid value, after reporting it. */
static bool read_value(struct reader *reader, char *value)
{
	const bool quoted = *value == '"';
	char *end = quoted ? unquote(value) : find_comment(value), *rest;

	if (!end) {
		mistake(reader,
			"expected a quote at the value's end, found none");
		return false;
	}
	rest = end + strspn(end, " \t");
	if (*rest && *rest != '#' && *rest != ';') {
		mistake(reader,
			"expected the end of the line after the closing quote, found more text");
		return false;
	}
	reader->comment = arena_strdup(&reader->conf->arena, rest);
	if (!quoted) {
		*end = '\0';
		trim_end(value);
	}
	return true;
}

/* Reads a line KEY = VALUE. */
static void read_setting(struct reader *reader, char *text)
{
	char *separator = text + strcspn(text, "=:"), *value;

	if (!*separator || separator - text > KEY_MAX) {
		/* Show the first word only: the rest may be a secret. */
		mistake(reader,
			*separator
				? "expected a key of at most 49 characters, found '%.*s'"
				: "expected KEY = VALUE, found '%.*s'",
			(int)strcspn(text, " \t=:"), text);
		return;
	}
	*separator = '\0';
	value = separator + 1 + strspn(separator + 1, " \t");
	trim_end(text);
	value = read_value(reader, value) ? value : NULL;
	if (reader->set)
		reader->set(reader, text, value);
}

/* Reads a line of n bytes. */
static void read_line(struct reader *reader, char *text, size_t n)
{
	if (strlen(text) != n) {
		mistake(reader, "expected text, found a NUL character");
		return;
	}
	trim_end(text);
	if (reader->line == 1)
		text += conf_byte_order_mark(text);
	text += strspn(text, " \t");
	if (strlen(text) >= LINE_MAX_BYTES)
		mistake(reader,
			"expected a line of less than %d characters, found %zu",
			LINE_MAX_BYTES, strlen(text));
	else if (*text == '[')
		read_section(reader, text);
	else if (*text && *text != ';' && *text != '#')
		read_setting(reader, text);
}

/* Returns false where the file is not text in UTF-8. */
static bool read_lines(struct reader *reader)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&text, &size, reader->stream)) >= 0) {
		if (++reader->line == 1 && conf_is_utf16(text)) {
			conf_mistake(
				reader->conf, 1,
				"expected text in UTF-8, found UTF-16; save it as UTF-8");
			return false;
		}
		read_line(reader, text, (size_t)n);
	}
	return true;
}

/* A file that holds secrets must be inaccessible to group and others. */
static void check_mode(struct conf *conf, int fd)
{
	unsigned mode = conf_open_mode(fd);

	if (mode)
		conf_mistake(
			conf, 0,
			"mode: expected no access for group and others (the file holds secrets), found %03o; run: chmod 600 %s",
			mode, shell_word(conf->file));
}

/* Reads the whole file into conf->text, unless it cannot be read twice. */
static void keep_text(struct conf *conf, FILE *f)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;

	if (fseek(f, 0, SEEK_SET) == 0 && getdelim(&text, &size, '\0', f) > 0)
		conf->text = arena_strdup(&conf->arena, text);
}

int conf_read(const char *file, struct conf *conf)
{
	_cleanup_fclose_ FILE *stream = NULL;
	struct reader reader = { .conf = conf,
				 .set = set_before_sections,
				 .comment = "" };
	int r;

	memset(conf, 0, sizeof *conf);
	conf->file = arena_strdup(&conf->arena, file);
	reader.stream = stream = fopen(file, "re");
	if (!stream) {
		r = fail_errno(-errno, "%s", file);
		if (r == -ENOENT)
			error_advise(
				"create it, or name another file with --config; fleet.conf(5) describes it and has an example");
		return r;
	}
	errno = 0;
	r = read_lines(&reader) ? 0 : -EINVAL;
	if (ferror(stream))
		r = fail_errno(errno ? -errno : -EIO, "%s", file);
	if (reader.any_secret)
		check_mode(conf, fileno(stream));
	if (r == 0)
		keep_text(conf, stream);
	return r;
}

void conf_fini(struct conf *conf)
{
	arena_fini(&conf->arena);
	memset(conf, 0, sizeof *conf);
}
