/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parser of fleet.conf: lines, sections, keys. */
#include "config.h"

#include "tgt-glue/config/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tgt-glue/config/syntax.h"
#include "tgt-glue/config/values.h"

enum { SECTION_MAX = 49, KEY_MAX = 49, LINE_MAX_BYTES = 200 };

/* Advice for an invalid value that a comment follows. */
#define COMMENT_ADVICE \
	"; text after # or ; is a comment: put a value that contains them in double quotes"

enum key_flags {
	LIST = 1, /* may be repeated */
	PER_CLIENT =
		2, /* of [client NAME] alone: each client has its own value */
	PATH = 4,  /* may contain # */
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
	[FLEET_INCLUDE] = TEXT("include", &value_include, LIST | PATH),
	[FLEET_KEEP_VERSIONS] = NUMBER("keep-versions", 0, 0, 1000),
	[FLEET_LOG_FILE] = TEXT("log-file", &value_file, PATH),
	[FLEET_WARN] = TEXT("warn", &value_command, 0),
	[FLEET_RESERVE] = TEXT("reserve", &value_reserve, 0),
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
	[CLIENT_SECRET_DIR] = TEXT("secret-dir", &value_file, PATH),
	[CLIENT_MUTUAL_USER] = TEXT("mutual-user", &value_user, 0),
	[CLIENT_MUTUAL_SECRET] = TEXT("mutual-secret", &value_secret, 0),
	[CLIENT_READONLY] = TEXT("readonly", &value_flag, 0),
	[CLIENT_WRITE_CACHE] = TEXT("write-cache", &value_flag, 0),
	[CLIENT_THIN] = TEXT("thin", &value_flag, 0),
	[CLIENT_RESET] = TEXT("reset", &value_reset, 0),
	[CLIENT_KEEP] = NUMBER("keep", 0, 0, 1000),
	[CLIENT_UPDATE] = TEXT("update", &value_update, 0),
	[CLIENT_KEEP_AGE] = TEXT("keep-age", &value_age, 0),
	[CLIENT_QUOTA] = TEXT("quota", &value_quota, 0),
	[CLIENT_BLOCK_SIZE] = TEXT("block-size", &value_block_size, 0),
	[CLIENT_TID] = NUMBER("tid", PER_CLIENT, 1, TID_MAX),
	[CLIENT_SHARD] = NUMBER("shard", PER_CLIENT, 0, SHARDS_MAX - 1),
	[CLIENT_DISKS] = TEXT("disks", &value_disks, LIST),
};

static const struct key disk_keys[DISK_KEYS] = {
	[DISK_KEY_LUN] = NUMBER("lun", 0, SYSTEM_LUN + 1, LUN_MAX),
	[DISK_KEY_SIZE] = TEXT("size", &value_disk_size, 0),
	[DISK_KEY_MASTER] = TEXT("master", &value_master, PATH),
	[DISK_KEY_IMAGE] = TEXT("image", &value_exported_file, PATH),
	[DISK_KEY_CDROM] = TEXT("cdrom", &value_exported_file, PATH),
	[DISK_KEY_FORMAT] = TEXT("format", &value_format, 0),
	[DISK_KEY_BLOCK_SIZE] = TEXT("block-size", &value_block_size, 0),
	[DISK_KEY_RESET] = TEXT("reset", &value_reset, 0),
	[DISK_KEY_KEEP] = NUMBER("keep", 0, 0, 1000),
	[DISK_KEY_QUOTA] = TEXT("quota", &value_quota, 0),
	[DISK_KEY_UPDATE] = TEXT("update", &value_update, 0),
	[DISK_KEY_READONLY] = TEXT("readonly", &value_flag, 0),
	[DISK_KEY_WRITE_CACHE] = TEXT("write-cache", &value_flag, 0),
	[DISK_KEY_THIN] = TEXT("thin", &value_flag, 0),
};

static const struct key match_key = TEXT("match", &value_match, LIST);

/* Reports a mistake on the current line. */
#define mistake(reader, ...) \
	conf_mistake((reader)->conf, (reader)->line, __VA_ARGS__)

const char *conf_client_key_name(enum client_key key)
{
	return client_keys[key].name;
}

bool conf_client_key_is_secret(enum client_key key)
{
	return client_keys[key].syntax == &value_secret;
}

const char *conf_path(struct conf *conf, const char *name)
{
	const char *file = conf->file, *slash = strrchr(file, '/');

	if (*name == '/' || !slash)
		return name;
	return arena_printf(&conf->arena, "%.*s/%s", (int)(slash - file), file,
			    name);
}

const char *conf_line(struct conf *conf, int line)
{
	const char *path = sources_find(&conf->sources, line, &line);

	return path ? arena_printf(&conf->arena, "%s:%d", path, line)
		    : arena_printf(&conf->arena, "line %d", line);
}

const char *conf_place(struct conf *conf, int line)
{
	const char *path;

	if (!line)
		return conf->file;
	path = sources_find(&conf->sources, line, &line);
	return arena_printf(&conf->arena, "%s:%d", path ? path : conf->file,
			    line);
}

/* Adds a mistake where its line number belongs. */
static void add_mistake(struct conf *conf, int line, const char *place,
			const char *fmt, va_list ap)
{
	struct arena *arena = &conf->arena;
	const char *text = arena_vprintf(arena, fmt, ap);
	size_t i = conf->n_mistakes;

	conf->mistakes = arena_grow(arena, conf->mistakes, conf->n_mistakes++,
				    sizeof *conf->mistakes);
	for (; i && conf->mistakes[i - 1].line > line; i--)
		conf->mistakes[i] = conf->mistakes[i - 1];
	conf->mistakes[i] =
		(struct mistake){ line,
				  arena_printf(arena, "%s: %s", place, text) };
}

void conf_mistake(struct conf *conf, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_mistake(conf, line, conf_place(conf, line), fmt, ap);
	va_end(ap);
}

void conf_mistake_of_file(struct conf *conf, int line, const char *path,
			  const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_mistake(conf, line, path, fmt, ap);
	va_end(ap);
}

const char *conf_disk_key_name(enum disk_key key)
{
	return disk_keys[key].name;
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
		mistake(reader, "%s: expected once, found again; first on %s",
			key->name, conf_line(reader->conf, setting->line));
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
	struct conf *conf = reader->conf;
	const size_t mistakes = conf->n_mistakes;

	if (i < FLEET_KEYS)
		set(reader, &conf->fleet[i], &fleet_keys[i], value);
	else
		mistake(reader, "[fleet]: expected %s, found '%s'",
			key_names(&conf->arena, fleet_keys, FLEET_KEYS), name);
	if (i == FLEET_INCLUDE && value && conf->n_mistakes == mistakes)
		reader->include = arena_strdup(&conf->arena, value);
}

static void set_disk(struct reader *reader, const char *name, const char *value)
{
	const size_t i = find_key(disk_keys, DISK_KEYS, name);

	if (i < DISK_KEYS)
		set(reader, &reader->disk->keys[i], &disk_keys[i], value);
	else
		mistake(reader, "[disk %s]: expected %s, found '%s'",
			reader->disk->name,
			key_names(&reader->conf->arena, disk_keys, DISK_KEYS),
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
	else if ((client_keys[i].flags & PER_CLIENT) && reader->client->shared)
		mistake(reader,
			"%s: expected in [client NAME], found in %s; each client needs a value of its own",
			name, reader->client->shared);
	else
		set(reader, &reader->client->keys[i], &client_keys[i], value);
}

static void set_group(struct reader *reader, const char *name,
		      const char *value)
{
	if (!strcmp(name, match_key.name))
		set(reader, &reader->group->match, &match_key, value);
	else
		set_client(reader, name, value);
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

void conf_before_sections(struct reader *reader, const char *name,
			  const char *value)
{
	(void)value;
	mistake(reader, "expected a [section] before the first key, found '%s'",
		name);
}

/* True if the name of [KIND NAME] is valid, and line, that of the section of
 * that name before, is 0; else reports it. */
static bool check_section(struct reader *reader, const char *kind,
			  const char *name, int line)
{
	const char *expected = value_check(&value_name, name);

	if (expected)
		mistake(reader, "[%s NAME]: expected %s, found '%s'", kind,
			expected, name);
	else if (line)
		mistake(reader,
			"[%s %s]: expected once, found again; first on %s",
			kind, name, conf_line(reader->conf, line));
	return !expected && !line;
}

static void open_disk_section(struct reader *reader, const char *name)
{
	struct conf *conf = reader->conf;
	struct conf_disk *disk;
	int line = 0;

	for (size_t i = 0; i < conf->n_disks; i++)
		if (!strcmp(conf->disks[i]->name, name))
			line = conf->disks[i]->line;
	if (!check_section(reader, "disk", name, line))
		return;
	disk = arena_alloc(&conf->arena, sizeof *disk);
	disk->name = arena_strdup(&conf->arena, name);
	disk->line = reader->line;
	conf->disks = arena_grow(&conf->arena, conf->disks, conf->n_disks,
				 sizeof *conf->disks);
	conf->disks[conf->n_disks++] = disk;
	reader->set = set_disk;
	reader->disk = disk;
}

static void open_client_section(struct reader *reader, const char *name)
{
	struct conf_client *client;

	if (!check_section(reader, "client", name, 0))
		return;
	client = client_of_name(reader, name);
	if (!check_section(reader, "client", name, client->section_line))
		return;
	client->section_line = reader->line;
	reader->set = set_client;
	reader->client = client;
}

static void open_group_section(struct reader *reader, const char *name)
{
	const char *expected = value_check(&value_name, name);
	struct conf *conf = reader->conf;
	struct conf_group *group;

	if (expected) {
		mistake(reader, "[group NAME]: expected %s, found '%s'",
			expected, name);
		return;
	}
	for (size_t i = 0; i < conf->n_groups; i++)
		if (!strcmp(conf->groups[i]->section.name, name)) {
			mistake(reader,
				"[group %s]: expected once, found again; first on %s",
				name,
				conf_line(conf, conf->groups[i]->section.line));
			return;
		}
	group = arena_alloc(&conf->arena, sizeof *group);
	group->section.name = arena_strdup(&conf->arena, name);
	group->section.line = group->section.section_line = reader->line;
	group->section.shared = arena_printf(&conf->arena, "[group %s]", name);
	conf->groups = arena_grow(&conf->arena, conf->groups, conf->n_groups,
				  sizeof(struct conf_group *));
	conf->groups[conf->n_groups++] = group;
	reader->set = set_group;
	reader->group = group;
	reader->client = &group->section;
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
	} else if (!strncmp(name, "group ", 6)) {
		open_group_section(reader, name + 6 + strspn(name + 6, " \t"));
	} else if (!strncmp(name, "disk ", 5)) {
		open_disk_section(reader, name + 5 + strspn(name + 5, " \t"));
	} else {
		mistake(reader,
			"section: expected [fleet], [defaults], [machines], [group NAME], [client NAME] or [disk NAME], found [%s]",
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

/* Removes quotes and comment from a value in place.  Returns false for an
 * invalid value, after reporting it. */
static bool read_value(struct reader *reader, char *value)
{
	const bool quoted = *value == '"';
	char *end = quoted ? syntax_unquote(value) : syntax_find_comment(value),
	     *rest;

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
		syntax_trim_end(value);
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
	syntax_trim_end(text);
	value = read_value(reader, value) ? value : NULL;
	if (reader->set)
		reader->set(reader, text, value);
}

void conf_parse_line(struct reader *reader, char *text, size_t n)
{
	if (strlen(text) != n) {
		mistake(reader, "expected text, found a NUL character");
		return;
	}
	syntax_trim_end(text);
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

void conf_parse_end(struct conf *conf)
{
	for (size_t i = 0; i < conf->n_groups; i++) {
		const struct conf_group *group = conf->groups[i];

		if (!group->match.line)
			conf_mistake(
				conf, group->section.line,
				"%s: expected its clients, found none; add `match = PATTERN...' under it",
				group->section.shared);
	}
}

void conf_fini(struct conf *conf)
{
	arena_fini(&conf->arena);
	memset(conf, 0, sizeof *conf);
}
