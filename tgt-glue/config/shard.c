/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/config/shard.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tgt-glue/base/textfile.h"
#include "tgt-glue/config/tid.h"

enum { PORT_MAX = 65535 };
#define ALL_ADDRESSES "0.0.0.0"

/*
 * Rendezvous hashing: every shard gets a hash of the target, and the highest
 * wins.  An added shard therefore takes only the targets that it wins.  The
 * function must never change: clients would move.
 */
unsigned shard_of(const char *iqn, unsigned n)
{
	const uint64_t serial = tid_serial(iqn);
	uint64_t highest = 0;
	unsigned winner = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t draw = serial + i * UINT64_C(0x9e3779b97f4a7c15);

		/* The last steps of MurmurHash3. */
		draw = (draw ^ draw >> 33) * UINT64_C(0xff51afd7ed558ccd);
		draw = (draw ^ draw >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
		draw ^= draw >> 33;
		if (draw > highest) {
			highest = draw;
			winner = i;
		}
	}
	return winner;
}

static const struct setting *setting_of(const struct conf *conf,
					enum fleet_key key)
{
	static const struct setting none = { 0 };

	return conf->fleet[key].n ? &conf->fleet[key].v[0] : &none;
}

/* Whether two tgtds cannot listen on the same port of these addresses. */
static bool addresses_overlap(const char *a, const char *b)
{
	return !strcmp(a, b) || !strcmp(a, ALL_ADDRESSES) ||
	       !strcmp(b, ALL_ADDRESSES) || !strcmp(a, "[::]") ||
	       !strcmp(b, "[::]");
}

/* Shard K listens on the portal's port + K: these n ports must be valid and
 * must not overlap those of another portal. */
static void check_portal(struct conf *conf, size_t nth, unsigned n)
{
	const struct settings *all = &conf->fleet[FLEET_PORTAL];
	const struct setting *own = &all->v[nth];
	char address[PORTAL_SIZE], other[PORTAL_SIZE];
	int port, others;

	value_read_portal(own->value, address, &port);
	if (port + (int)n - 1 > PORT_MAX)
		conf_mistake(
			conf, own->line,
			"portal: expected a port of at most %d (shards = %u, and each listens on the next port), found %d",
			PORT_MAX - (int)n + 1, n, port);
	for (size_t i = 0; i < nth; i++) {
		if (!all->v[i].value)
			continue;
		value_read_portal(all->v[i].value, other, &others);
		if (port != others && abs(port - others) < (int)n &&
		    addresses_overlap(address, other))
			conf_mistake(
				conf, own->line,
				"portal: expected a port at least %u from that of %s (shards = %u, and each listens on the next port), found %d",
				n, all->v[i].value, n, port);
	}
}

static void check_ports(struct conf *conf, int control_port, unsigned n)
{
	const struct settings *portals = &conf->fleet[FLEET_PORTAL];

	for (size_t i = 0; i < portals->n; i++)
		if (portals->v[i].value)
			check_portal(conf, i, n);
	if (control_port + (int)n - 1 > CONTROL_PORT_MAX)
		conf_mistake(
			conf, setting_of(conf, FLEET_CONTROL_PORT)->line,
			"control-port: expected at most %d (shards = %u, and each has the next number), found %d",
			CONTROL_PORT_MAX - (int)n + 1, n, control_port);
}

static struct strings portals_of(struct conf *conf, unsigned number)
{
	const struct settings *from = &conf->fleet[FLEET_PORTAL];
	struct arena *arena = &conf->arena;
	struct strings list = { 0 };
	char address[PORTAL_SIZE];
	int port;
	bool has_port;

	for (size_t i = 0; i < from->n; i++) {
		const char *value = from->v[i].value;

		if (!value)
			continue;
		has_port = value_read_portal(value, address, &port);
		strings_add(arena, &list,
			    number || has_port
				    ? arena_printf(arena, "%s:%d", address,
						   port + (int)number)
				    : arena_strdup(arena, address));
	}
	if (number && !list.n) {
		value_read_portal(ALL_ADDRESSES, address, &port);
		strings_add(arena, &list,
			    arena_printf(arena, "%s:%d", address,
					 port + (int)number));
	}
	return list;
}

/* The name of shard K does not end in .conf: tgt's own tgtd reads *.conf. */
static const char *targets_file_of(struct conf *conf, unsigned number)
{
	const char *file = setting_of(conf, FLEET_TARGETS_FILE)->value;

	if (!file)
		file = DEFAULT_TARGETS_FILE;
	return number ? arena_printf(&conf->arena, "%s.%u", file, number)
		      : file;
}

size_t shard_resolve(struct conf *conf, struct shard **ret)
{
	const char *shards = setting_of(conf, FLEET_SHARDS)->value;
	const char *port = setting_of(conf, FLEET_CONTROL_PORT)->value;
	const unsigned n = shards ? (unsigned)atoi(shards) : 1;
	const int control_port = port ? atoi(port) : 0;
	struct arena *arena = &conf->arena;
	size_t found = 0;

	check_ports(conf, control_port, n);
	*ret = arena_alloc(arena, SHARDS_MAX * sizeof **ret);
	for (unsigned i = 0; i < SHARDS_MAX; i++) {
		const char *file = targets_file_of(conf, i);

		/* A retired shard exists as long as its targets-file. */
		if (i >= n && access(file, F_OK) < 0)
			continue;
		(*ret)[found++] = (struct shard){
			.number = i,
			.retired = i >= n,
			.control_port = control_port + (int)i,
			.portals = portals_of(conf, i),
			.targets_file = file,
			.tgtd = i ? arena_printf(arena, "tgtd of shard %u", i)
				  : "tgtd",
		};
	}
	return found;
}

/* The caller frees it. */
static char *file_beside(const struct shard *shard, const char *ending)
{
	char *path;

	if (asprintf(&path, "%s%s", shard->targets_file, ending) < 0)
		abort();
	return path;
}

int shard_file_read(const struct shard *shard, const char *ending,
		    char **ret_text)
{
	_cleanup_free_ char *path = file_beside(shard, ending);

	return textfile_read(path, ret_text);
}

int shard_file_write(const struct shard *shard, const char *ending,
		     const char *text, mode_t mode)
{
	_cleanup_free_ char *path = file_beside(shard, ending);

	return textfile_write(path, text, mode, TEXTFILE_ANY_GROUP);
}

const char *shard_iscsi_options(struct arena *arena, const struct shard *shard)
{
	const char *text = "";

	for (size_t i = 0; i < shard->portals.n; i++)
		text = arena_printf(arena, "%s%sportal=%s", text, i ? "," : "",
				    shard->portals.v[i]);
	return text;
}

const char *shard_environment(struct arena *arena, const struct shard *shard)
{
	return arena_printf(
		arena,
		"# Written by tgt-glue from fleet.conf, for vhdfs-tgtd@%u.\n"
		"CONTROL_PORT=%d\nISCSI=%s\nTARGETS_FILE=\"%s\"\n",
		shard->number, shard->control_port,
		shard_iscsi_options(arena, shard), shard->targets_file);
}

const char *shard_start(const struct shard *shard)
{
	static _Thread_local char ring[2][40];
	static _Thread_local unsigned next;
	char *buf = ring[next++ % 2];

	snprintf(buf, sizeof ring[0],
		 shard->number ? "systemctl start vhdfs-tgtd@%u"
			       : "systemctl start tgt",
		 shard->number);
	return buf;
}
