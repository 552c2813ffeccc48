/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shards: their settings, and their files. */
#include "config.h"

#include "tgt-glue/config/shard.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
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

/* Whether two tgtds cannot listen on the same port of these addresses. */
static bool addresses_overlap(const char *a, const char *b)
{
	return !strcmp(a, b) || !strcmp(a, ALL_ADDRESSES) ||
	       !strcmp(b, ALL_ADDRESSES) || !strcmp(a, "[::]") ||
	       !strcmp(b, "[::]");
}

/* Shard K listens on the portal's port + K: these n ports must be valid and
 * must not overlap those of another portal. */
static void check_portal(struct conf *conf, const struct setting *own,
			 unsigned n)
{
	char address[PORTAL_SIZE], other[PORTAL_SIZE];
	int port, others;

	value_read_portal(own->value, address, &port);
	if (port + (int)n - 1 > PORT_MAX)
		conf_mistake(
			conf, own->line,
			"portal: expected a port of at most %d (shards = %u, and each listens on the next port), found %d",
			PORT_MAX - (int)n + 1, n, port);
	for (const struct setting *s = &conf->fleet[FLEET_PORTAL]; s != own;
	     s = s->next) {
		if (!s->value)
			continue;
		value_read_portal(s->value, other, &others);
		if (port != others && abs(port - others) < (int)n &&
		    addresses_overlap(address, other))
			conf_mistake(
				conf, own->line,
				"portal: expected a port at least %u from that of %s (shards = %u, and each listens on the next port), found %d",
				n, s->value, n, port);
	}
}

static void check_ports(struct conf *conf, int control_port, unsigned n)
{
	for (const struct setting *s = &conf->fleet[FLEET_PORTAL]; s;
	     s = s->next)
		if (s->value)
			check_portal(conf, s, n);
	if (control_port + (int)n - 1 > CONTROL_PORT_MAX)
		conf_mistake(
			conf, conf->fleet[FLEET_CONTROL_PORT].line,
			"control-port: expected at most %d (shards = %u, and each has the next number), found %d",
			CONTROL_PORT_MAX - (int)n + 1, n, control_port);
}

static struct strings portals_of(struct conf *conf, unsigned number)
{
	static const struct setting every_address = { .value = ALL_ADDRESSES };
	const struct setting *s = &conf->fleet[FLEET_PORTAL];
	struct strings list = { 0 };
	char address[PORTAL_SIZE];
	bool has_port;
	int port;

	if (number && !s->line)
		s = &every_address;
	for (; s; s = s->next) {
		if (!s->value)
			continue;
		has_port = value_read_portal(s->value, address, &port);
		strings_add(&conf->arena, &list,
			    arena_printf(&conf->arena,
					 number || has_port ? "%s:%d" : "%s",
					 address, port + (int)number));
	}
	return list;
}

/* The name of shard K does not end in .conf: tgt's own tgtd reads *.conf. */
static const char *targets_file_of(struct conf *conf, unsigned number)
{
	const char *file = conf->fleet[FLEET_TARGETS_FILE].value;

	if (!file)
		file = DEFAULT_TARGETS_FILE;
	return number ? arena_printf(&conf->arena, "%s.%u", file, number)
		      : file;
}

size_t shard_resolve(struct conf *conf, struct shard **ret)
{
	const unsigned n =
		value_read_number(conf->fleet[FLEET_SHARDS].value, 1);
	const int control_port = (int)value_read_number(
		conf->fleet[FLEET_CONTROL_PORT].value, 0);
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
	return shard->number ? format_arg("systemctl start vhdfs-tgtd@%u",
					  shard->number)
			     : "systemctl start tgt";
}
