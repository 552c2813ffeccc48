/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading fleet.conf: sections to clients and shards, and checks. */
#include "config.h"

#include "tgt-glue/config/resolve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "format/registry.h"
#include "tgt-glue/base/textfile.h"
#include "tgt-glue/config/acl.h"
#include "tgt-glue/config/disks.h"
#include "tgt-glue/config/masters.h"
#include "tgt-glue/config/read.h"
#include "tgt-glue/config/sections.h"
#include "tgt-glue/config/tid.h"
#include "tgt-glue/config/values.h"

/* The client that is being resolved. */
struct resolving {
	struct fleet *fleet;
	struct client *client;
	struct sections sections; /* that may set its keys */
	bool without_secrets;
	bool mistaken; /* a disk of the client is in a section with mistakes */
};

static const struct setting *setting_of(const struct resolving *r,
					enum client_key key)
{
	return &sections_find(&r->sections, key)->keys[key];
}

/* Where no section sets the key, or its value is invalid: null. */
static const char *value_of(const struct resolving *r, enum client_key key)
{
	return setting_of(r, key)->value;
}

/* Whether the key is set, though perhaps to an invalid value. */
static bool has(const struct resolving *r, enum client_key key)
{
	return setting_of(r, key)->line;
}

static bool flag_of(const struct resolving *r, enum client_key key,
		    bool otherwise)
{
	const char *value = value_of(r, key);

	return value ? value_is_yes(value) : otherwise;
}

/* The line for a mistake about this key: the key's, otherwise the client's. */
static int line_of(const struct resolving *r, enum client_key key)
{
	return has(r, key) ? setting_of(r, key)->line : r->client->line;
}

/* Reports a mistake of the client about this key. */
#define mistake(r, key, ...) \
	fleet_mistake((r)->fleet, (r)->client, line_of(r, key), __VA_ARGS__)

/* The values of a key that may be repeated, without duplicates. */
static struct strings list_of(const struct resolving *r, enum client_key key)
{
	struct arena *arena = &r->fleet->conf.arena;
	struct strings list = { 0 };
	char text[64];

	for (const struct setting *s = setting_of(r, key); s; s = s->next) {
		const char *value = s->value;

		if (value && key == CLIENT_ADDRESS) {
			value_read_address(value, text);
			value = arena_strdup(arena, text);
		}
		if (value && !strings_have(&list, value))
			strings_add(arena, &list, value);
	}
	return list;
}

static void resolve_images(struct resolving *r, struct disk *disk)
{
	const char *wanted = value_of(r, CLIENT_MASTER), *found;
	const char *size = value_of(r, CLIENT_BLOCK_SIZE);

	if (size)
		disk->block_size = value_read_size(size);
	if (!has(r, CLIENT_MASTER)) {
		mistake(r, CLIENT_MASTER,
			"expected a master, found none; add `master = PATH' here or in [defaults]");
		return;
	}
	if (!wanted || r->fleet->rootdir.fd < 0)
		return;
	disk->master_name = masters_find(r->fleet, wanted,
					 value_of(r, CLIENT_FORMAT), &found);
	if (!disk->master_name) {
		mistake(r, CLIENT_MASTER, "%s",
			masters_mistake(r->fleet, "master", wanted, found));
		return;
	}
	disk->master_line = line_of(r, CLIENT_MASTER);
	masters_set(r->fleet, disk);
	disks_set_image(r->fleet, disk, value_image_format(disk->master));
}

/* The secret on the first line of the client's secret-file, or null.  key: what
 * names the file. */
static const char *secret_from_file(struct resolving *r, enum client_key key)
{
	struct conf *conf = &r->fleet->conf;
	const char *name = r->client->secret_file, *expected;
	_cleanup_fclose_ FILE *f = fopen(name, "re");
	char buf[256] = "", *text;
	int line = line_of(r, key);
	unsigned mode = f ? textfile_open_mode(fileno(f)) : 0;
	size_t n;

	if (!f) {
		if (errno != ENOENT || !r->without_secrets)
			conf_mistake(
				conf, line,
				"%s: expected a readable file, found %s: %s",
				conf_client_key_name(key), name,
				strerror(errno));
		return NULL;
	}
	if (mode)
		conf_mistake(
			conf, line,
			"%s: expected no access for group and others, found mode %03o; run: chmod 600 %s",
			conf_client_key_name(key), mode, shell_word(name));
	if (!fgets(buf, sizeof buf, f))
		*buf = '\0';
	text = buf + text_byte_order_mark(buf);
	for (n = strlen(text); n && strchr(" \t\r\n", text[n - 1]);)
		text[--n] = '\0';
	expected = text_is_utf16(text) ? "a file in UTF-8"
				       : value_check(&value_secret, text);
	if (!expected)
		return arena_strdup(&conf->arena, text);
	conf_mistake(
		conf, line,
		"%s: expected %s on the first line of %s, found something else",
		conf_client_key_name(key), expected, name);
	return NULL;
}

/* Whether the client has a secret, though perhaps an invalid one. */
static bool has_secret(const struct resolving *r)
{
	return has(r, CLIENT_SECRET) || has(r, CLIENT_SECRET_FILE) ||
	       has(r, CLIENT_SECRET_DIR);
}

/* The secret, of the nearest section that has one in any of its forms. */
static void resolve_secret(struct resolving *r)
{
	struct conf *conf = &r->fleet->conf;
	struct client *client = r->client;
	const char *file = value_of(r, CLIENT_SECRET_FILE);
	const char *dir = value_of(r, CLIENT_SECRET_DIR);

	client->secret = value_of(r, CLIENT_SECRET);
	if (!!client->secret + !!file + !!dir > 1) {
		mistake(r, dir ? CLIENT_SECRET_DIR : CLIENT_SECRET_FILE,
			"expected one of secret, secret-file and secret-dir, found several");
		return;
	}
	if (dir)
		file = arena_printf(&conf->arena, "%s/%s.secret", dir,
				    client->name);
	if (!file)
		return;
	client->secret_file = conf_path(conf, file);
	client->secret = secret_from_file(r, dir ? CLIENT_SECRET_DIR
						 : CLIENT_SECRET_FILE);
}

static void resolve_chap(struct resolving *r)
{
	const bool any_secret = has_secret(r);
	const bool mutual_user = has(r, CLIENT_MUTUAL_USER);
	struct client *client = r->client;

	resolve_secret(r);
	client->user = value_of(r, CLIENT_USER);
	if (any_secret && !has(r, CLIENT_USER))
		client->user = client->name;
	if (!any_secret && has(r, CLIENT_USER))
		mistake(r, CLIENT_USER,
			"expected a secret or secret-file for its user, found none");
	client->mutual_user = value_of(r, CLIENT_MUTUAL_USER);
	client->mutual_secret = value_of(r, CLIENT_MUTUAL_SECRET);
	if (mutual_user != has(r, CLIENT_MUTUAL_SECRET))
		mistake(r,
			mutual_user ? CLIENT_MUTUAL_USER : CLIENT_MUTUAL_SECRET,
			"expected both mutual-user and mutual-secret, found one of them");
	else if (mutual_user && !any_secret)
		mistake(r, CLIENT_MUTUAL_USER,
			"expected a secret too (mutual CHAP needs both directions), found none");
	if (client->secret && client->mutual_secret &&
	    !strcmp(client->secret, client->mutual_secret))
		mistake(r, CLIENT_MUTUAL_SECRET,
			"expected a mutual-secret that differs from secret (RFC 3720, 8.2.1), found the same");
}

static void resolve_access(struct resolving *r)
{
	struct client *client = r->client;

	client->addresses = list_of(r, CLIENT_ADDRESS);
	client->initiators = list_of(r, CLIENT_INITIATOR);
	client->open = flag_of(r, CLIENT_OPEN, false);
	resolve_chap(r);
	/* An invalid setting is one too: the parser has reported it. */
	if (!has(r, CLIENT_ADDRESS) && !has(r, CLIENT_INITIATOR) &&
	    !has_secret(r) && !has(r, CLIENT_USER) && !client->open)
		mistake(r, CLIENT_ADDRESS,
			"expected an address, an initiator or a secret, found none; to admit every initiator: `open = yes'");
}

static void resolve_identity(struct resolving *r)
{
	struct client *client = r->client;
	struct arena *arena = &r->fleet->conf.arena;
	const char *mac = value_of(r, CLIENT_MAC);
	char text[18], *label;

	label = arena_strdup(arena, client->name);
	value_fold_name(label);
	client->label = label;
	client->iqn = arena_printf(arena, "%s:%s", r->fleet->iqn_prefix, label);
	client->tid =
		value_read_number(value_of(r, CLIENT_TID), tid_of(client->iqn));
	if (mac) {
		value_read_mac(mac, text);
		client->mac = arena_strdup(arena, text);
	}
}

static void resolve_shard(struct resolving *r)
{
	const struct setting *shards = &r->fleet->conf.fleet[FLEET_SHARDS];
	const unsigned n = fleet_active_shards(r->fleet);
	unsigned shard = value_read_number(value_of(r, CLIENT_SHARD),
					   shard_of(r->client->iqn, n));

	/* The parser has reported an invalid `shards'. */
	if (shard >= n && (!shards->line || shards->value))
		mistake(r, CLIENT_SHARD,
			"shard: expected a number below shards of [fleet], which is %u, found %u",
			n, shard);
	if (shard >= n)
		shard = 0;
	r->client->home = &r->fleet->shards[shard];
}

static void resolve_system_disk(struct resolving *r, struct disk *disk)
{
	const char *reset = value_of(r, CLIENT_RESET);
	const char *update = value_of(r, CLIENT_UPDATE);

	*disk = (struct disk){ .client = r->client, .lun = SYSTEM_LUN };
	disks_set_ids(r->fleet, disk, r->client->iqn);
	resolve_images(r, disk);
	disk->readonly = flag_of(r, CLIENT_READONLY, false);
	disk->write_cache = flag_of(r, CLIENT_WRITE_CACHE, true);
	disk->thin = flag_of(r, CLIENT_THIN, false);
	disk->keep = value_read_number(value_of(r, CLIENT_KEEP), DEFAULT_KEEP);
	disk->keep_age = value_read_age(value_of(r, CLIENT_KEEP_AGE));
	disk->reset_boot = reset && !strcmp(reset, "boot");
	disk->update_reset = update && !strcmp(update, "reset");
	disks_set_quota(disk, value_of(r, CLIENT_QUOTA));
}

/* The values of all lines of `disks'; null: none. */
static const char *disk_names(const struct resolving *r)
{
	const struct strings lines = list_of(r, CLIENT_DISKS);
	const char *names = lines.n ? lines.v[0] : NULL;

	for (size_t i = 1; i < lines.n; i++)
		names = arena_printf(&r->fleet->conf.arena, "%s %s", names,
				     lines.v[i]);
	return names;
}

static void resolve_client(struct resolving *r, const struct conf_client *own)
{
	struct client *client = r->client;

	client->name = own->name;
	client->line = own->line;
	r->sections = sections_of(&r->fleet->conf, own);
	resolve_identity(r);
	resolve_shard(r);
	client->disks = &r->fleet->disks[r->fleet->n_disks];
	client->n_disks = 1;
	resolve_system_disk(r, client->disks);
	r->mistaken = !disks_resolve_client(r->fleet, client, disk_names(r),
					    line_of(r, CLIENT_DISKS));
	resolve_access(r);
}

/* IQN, target number and MAC address identify one client. */
static void check_unique(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->n; i++)
		for (size_t k = 0; k < i; k++) {
			const struct client *a = &fleet->clients[k];
			const struct client *b = &fleet->clients[i];

			if (!strcmp(a->iqn, b->iqn))
				fleet_mistake(
					fleet, b, b->line,
					"expected a unique target name (upper case becomes lower case, '_' becomes '-'), found %s, which client %s (%s) also has",
					b->iqn, a->name,
					conf_line(&fleet->conf, a->line));
			else if (a->tid == b->tid)
				fleet_mistake(
					fleet, b, b->line,
					"expected a unique target number, found %u, which client %s (%s) also has; set another with `tid = NUMBER'",
					b->tid, a->name,
					conf_line(&fleet->conf, a->line));
			if (a->mac && b->mac && !strcmp(a->mac, b->mac))
				fleet_mistake(
					fleet, b, b->line,
					"expected a unique MAC address, found %s, which client %s (%s) also has",
					b->mac, a->name,
					conf_line(&fleet->conf, a->line));
		}
}

static const char *required(struct conf *conf, enum fleet_key key,
			    const char *name)
{
	if (!conf->fleet[key].line)
		conf_mistake(conf, 0, "[fleet]: expected %s, found none", name);
	return conf->fleet[key].value;
}

/* The required path, without trailing slashes. */
static const char *required_path(struct conf *conf, enum fleet_key key,
				 const char *name)
{
	const char *path = required(conf, key, name);
	size_t n = path ? strlen(path) : 0;

	while (n > 1 && path[n - 1] == '/')
		n--;
	return path ? arena_printf(&conf->arena, "%.*s", (int)n, path) : NULL;
}

static void resolve_space(struct fleet *fleet)
{
	const struct setting *keys = fleet->conf.fleet;

	fleet->min_free = keys[FLEET_MIN_FREE].value;
	fleet->on_low_space = keys[FLEET_ON_LOW_SPACE].value;
	fleet->warn = keys[FLEET_WARN].value;
	fleet->reserve = keys[FLEET_RESERVE].value;
	fleet->spares =
		value_read_number(keys[FLEET_SPARES].value, SPARES_DEFAULT);
	if (keys[FLEET_ON_LOW_SPACE].line && !keys[FLEET_MIN_FREE].line)
		conf_mistake(
			&fleet->conf, keys[FLEET_ON_LOW_SPACE].line,
			"on-low-space: expected min-free too, found none; add for example `min-free = 5%%'");
}

static const char *log_file(struct conf *conf)
{
	const char *value = conf->fleet[FLEET_LOG_FILE].value;
	const char *dir = getenv("LOGS_DIRECTORY"); /* of systemd.exec(5) */

	if (value)
		return conf_path(conf, value);
	return arena_printf(&conf->arena, "%s/fleet.log", dir ? dir : LOGDIR);
}

static void resolve_fleet(struct fleet *fleet)
{
	struct conf *conf = &fleet->conf;

	fleet->store = required_path(conf, FLEET_STORE, "store");
	fleet->mount = required_path(conf, FLEET_MOUNT, "mount");
	fleet->iqn_prefix = required(conf, FLEET_IQN_PREFIX, "iqn-prefix");
	if (!fleet->iqn_prefix)
		fleet->iqn_prefix = "iqn.2000-01.none";
	fleet->n_shards = shard_resolve(conf, &fleet->shards);
	fleet->log_file = log_file(conf);
	resolve_space(fleet);
	fleet->directories = fleet_directories();
	fleet->keep_versions =
		value_read_number(conf->fleet[FLEET_KEEP_VERSIONS].value, 0);
	if (fleet->store && root_dir_init(&fleet->rootdir, fleet->store) < 0)
		conf_mistake(conf, conf->fleet[FLEET_STORE].line,
			     "store: expected a directory, found %s",
			     error_text());
	if (fleet->store && fleet->mount && !strcmp(fleet->store, fleet->mount))
		conf_mistake(
			conf, conf->fleet[FLEET_MOUNT].line,
			"mount: expected another directory than store, found the same");
}

/* tolerant: leave out the clients with mistakes. */
static void resolve_clients(struct resolving *r, bool tolerant)
{
	struct fleet *fleet = r->fleet;
	struct conf *conf = &fleet->conf;

	fleet->clients = arena_alloc(
		&conf->arena, (conf->n_clients + 1) * sizeof *fleet->clients);
	fleet->disks = arena_alloc(
		&conf->arena, (conf->n_clients + 1) * (fleet->n_sections + 1) *
				      sizeof *fleet->disks);
	for (size_t i = 0; i < conf->n_clients; i++) {
		const size_t mistakes = conf->n_mistakes;

		r->client = &fleet->clients[fleet->n];
		*r->client = (struct client){ 0 };
		resolve_client(r, conf->clients[i]);
		if (tolerant && (r->mistaken || conf->n_mistakes != mistakes))
			continue;
		fleet->n++;
		fleet->n_disks += r->client->n_disks;
	}
}

/* from: the file to read; file: the name of it in messages. */
static int load(const char *from, const char *file, bool without_secrets,
		bool tolerant, struct fleet *fleet)
{
	struct resolving r = { .fleet = fleet,
			       .without_secrets = without_secrets };
	int ret;

	*fleet = NO_FLEET;
	ret = conf_read(from, &fleet->conf);
	if (ret < 0)
		return ret;
	fleet->conf.file = arena_strdup(&fleet->conf.arena, file);
	resolve_fleet(fleet);
	if (tolerant && fleet->conf.n_mistakes)
		return -EINVAL;
	disks_resolve_sections(fleet);
	resolve_clients(&r, tolerant);
	check_unique(fleet);
	masters_check_images(fleet);
	acl_check_accounts(fleet);
	return fleet->conf.n_mistakes && !tolerant ? -EINVAL : 0;
}

int fleet_load(const char *file, bool without_secrets, struct fleet *fleet)
{
	return load(file, file, without_secrets, false, fleet);
}

/* TARGETS-FILE.fleet; tgt-admin reads *.conf only. */
static const char *good_file(struct arena *arena, const struct fleet *fleet)
{
	return arena_printf(arena, "%s.fleet",
			    fleet->n_shards ? fleet->shards[0].targets_file
					    : DEFAULT_TARGETS_FILE);
}

int fleet_keep(const struct fleet *fleet)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const char *text = fleet->conf.text;
	int r = text ? textfile_write(good_file(&arena, fleet), text, 0600,
				      TEXTFILE_ANY_GROUP)
		     : 0;

	return r < 0 ? r : 0;
}

int fleet_load_good(const struct fleet *bad, bool tolerant, struct fleet *ret)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };

	return load(good_file(&arena, bad), bad->conf.file, false, tolerant,
		    ret);
}
