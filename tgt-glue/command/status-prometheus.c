/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status in Prometheus' text format, for node_exporter's textfile directory:
 * for each metric HELP, TYPE and its samples, without timestamps.
 */
#include "config.h"

#include "tgt-glue/command/status-print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/printable.h"
#include "tgt-glue/config/versions.h"

struct metric {
	const char *name, *type, *help;
};

/* Of each client; client_sample has their values. */
enum {
	AGREES,
	BEHIND,
	VERSION_NUMBER,
	WANTED_NUMBER,
	RESTART,
	SHARD,
	DISK_USE,
	GROWTH,
	QUOTA,
	BLOCKS,
	SESSIONS,
	WRITERS,
	INITIATORS,
	READ_BYTES,
	READ_COMMANDS,
	WRITTEN_BYTES,
	WRITE_COMMANDS,
	ERRORS,
	IO_ERRORS,
	REFUSAL,
	CLIENT_METRICS
};

static const struct metric client_metrics[CLIENT_METRICS] = {
	[AGREES] = { "client_agrees", "gauge",
		     "1 where image and target are as fleet.conf says." },
	[BEHIND] = { "client_behind", "gauge",
		     "1 where the disk is on another version of its master than is wanted." },
	[VERSION_NUMBER] = { "client_version", "gauge",
			     "Number of the version of its master that the disk is on." },
	[WANTED_NUMBER] = { "client_wanted_version", "gauge",
			    "Number of the version that fleet.conf wants." },
	[RESTART] = { "client_restart", "gauge",
		      "1 where the client must be restarted: writes may be lost." },
	[SHARD] = { "client_shard", "gauge",
		    "The shard of the client's target, or the one it will be on." },
	[DISK_USE] = { "client_disk_use_bytes", "gauge",
		       "Space that the client's image takes on disk." },
	[GROWTH] = { "client_growth_bytes_per_day", "gauge",
		     "How fast the image has grown in the last two days." },
	[QUOTA] = { "client_quota_bytes", "gauge",
		    "Space that the client's image may take." },
	[BLOCKS] = { "client_blocks_ratio", "gauge",
		     "Part of the disk's blocks that are in the client's own image." },
	[SESSIONS] = { "client_sessions", "gauge",
		       "Sessions logged in to the target." },
	[WRITERS] = { "client_writers", "gauge",
		      "Sessions that can write to the disk; more than 1 damages it." },
	[INITIATORS] = { "client_initiators", "gauge",
			 "Initiators with different names that are logged in." },
	[READ_BYTES] = { "client_read_bytes_total", "counter",
			 "Bytes read in the present sessions." },
	[READ_COMMANDS] = { "client_read_commands_total", "counter",
			    "Commands that read, in the present sessions." },
	[WRITTEN_BYTES] = { "client_written_bytes_total", "counter",
			    "Bytes written in the present sessions." },
	[WRITE_COMMANDS] = { "client_write_commands_total", "counter",
			     "Commands that wrote, in the present sessions." },
	[ERRORS] = { "client_errors_total", "counter",
		     "Commands that tgtd answered with another status than GOOD, as the first one of a session." },
	[IO_ERRORS] = { "client_io_errors_total", "counter",
			"Failed reads, writes and flushes of the disk since vhdfs began." },
	[REFUSAL] = { "client_last_refusal_time_seconds", "gauge",
		      "When tgtd refused a login of the client's initiator." },
};

/* The ratio of blocks that the image has; NAN: unknown. */
static double blocks_ratio(const struct divergence *divergence)
{
	return divergence->of
		       ? (double)divergence->blocks / (double)divergence->of
		       : (double)NAN;
}

/* The number of the version at path; NAN: none, or it has no number. */
static double number_of(const struct disk *disk, const char *path)
{
	const unsigned n =
		disk->family && path ? family_number(disk->family, path) : 0;

	return n ? (double)n : (double)NAN;
}

/* NAN: unknown.  A new session begins at 0: Prometheus' rate() expects that
 * counters are reset. */
static double client_sample(const struct status *s,
			    const struct status_row *row, size_t metric)
{
	const struct traffic *t = &row->traffic;
	const double samples[CLIENT_METRICS] = {
		[AGREES] = row->denied ? NAN : status_row_agrees(row),
		[BEHIND] = row->behind,
		[VERSION_NUMBER] = number_of(row->client->disks, row->version),
		[WANTED_NUMBER] = number_of(row->client->disks,
					    row->client->disks->master),
		[RESTART] = row->restart,
		[SHARD] = row->shard->shard->number,
		[DISK_USE] = (double)row->disk_use,
		[GROWTH] = row->growth,
		[QUOTA] = row->quota ? (double)row->quota : NAN,
		[BLOCKS] = blocks_ratio(&row->divergence),
		[SESSIONS] = (double)row->n_sessions,
		[WRITERS] = (double)row->n_writers,
		[INITIATORS] = (double)row->n_initiators,
		[READ_BYTES] = (double)t->read_bytes,
		[READ_COMMANDS] = (double)t->read_commands,
		[WRITTEN_BYTES] = (double)t->written_bytes,
		[WRITE_COMMANDS] = (double)t->write_commands,
		[ERRORS] = (double)t->errors,
		[IO_ERRORS] = s->errors.known ? (double)row->io_errors : NAN,
		[REFUSAL] = row->refusal ? (double)row->refusal->when : NAN,
	};

	return metric >= SESSIONS && metric <= ERRORS && row->shard->tgtd_error
		       ? NAN
		       : samples[metric];
}

static void print_head(const char *name, const char *type, const char *help)
{
	printf("# HELP tgt_glue_%s %s\n# TYPE tgt_glue_%s %s\n", name, help,
	       name, type);
}

/* Prints NAME="VALUE", the value printable and escaped for Prometheus. */
static void print_label(const char *before, const char *name, const char *value)
{
	_cleanup_free_ char *shown = printable_copy(value);

	printf("%s%s=\"", before, name);
	for (value = shown ? shown : ""; *value; value++) {
		if (*value == '\\' || *value == '"')
			printf("\\%c", *value);
		else
			putchar(*value);
	}
	putchar('"');
}

static void print_gauge(const char *name, const char *help, double value)
{
	print_head(name, "gauge", help);
	printf("tgt_glue_%s %.15g\n", name, value);
}

/* The space of all images, by what they are, and of those of no client. */
static void print_images(const struct status *s)
{
	print_head("images_bytes", "gauge",
		   "Space that the fleet's images take on disk.");
	for (size_t i = 0; i < USE_KINDS; i++)
		printf("tgt_glue_images_bytes{kind=\"%s\"} %" PRIu64 "\n",
		       image_use_names[i], s->orphans.use.v[i]);
	print_gauge("orphan_images", "Images that belong to no client.",
		    (double)s->orphans.n);
	print_gauge("orphan_images_bytes",
		    "Space that images of no client take on disk.",
		    (double)s->orphans.size);
}

static void print_masters(const struct status *s)
{
	print_head("client_info", "gauge", "The client's target and master.");
	for (size_t i = 0; i < s->fleet.n; i++) {
		const struct client *c = &s->fleet.clients[i];

		fputs("tgt_glue_client_info{", stdout);
		print_label("", "client", c->name);
		print_label(",", "iqn", c->iqn);
		print_label(",", "master", c->disks->master_name);
		puts("} 1");
	}
}

static void print_since(const struct status *s)
{
	print_head("session_start_time_seconds", "gauge",
		   "When the session began, where watch has seen it.");
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->rows[i].n_sessions; k++) {
			const struct status_session *n =
				&s->rows[i].sessions[k];

			if (!n->since)
				continue;
			fputs("tgt_glue_session_start_time_seconds{", stdout);
			print_label("", "client", s->rows[i].name);
			print_label(",", "initiator", n->connection->initiator);
			print_label(",", "address", n->connection->address);
			printf(",session=\"%" PRIu64 "\"} %" PRId64 "\n",
			       n->connection->sid, n->since);
		}
}

/* The metrics that data disks have, too; NAN for others. */
static double disk_sample(const struct status *s, const struct status_disk *d,
			  size_t metric)
{
	switch (metric) {
	case BEHIND:
		return d->disk->master ? d->behind : (double)NAN;
	case VERSION_NUMBER:
		return number_of(d->disk, d->version);
	case WANTED_NUMBER:
		return number_of(d->disk, d->disk->master);
	case DISK_USE:
		return (double)d->disk_use;
	case GROWTH:
		return d->growth;
	case QUOTA:
		return d->quota ? (double)d->quota : (double)NAN;
	case BLOCKS:
		return blocks_ratio(&d->divergence);
	case IO_ERRORS:
		return s->errors.known ? (double)d->io_errors : (double)NAN;
	default:
		return (double)NAN;
	}
}

/* The samples of the client's data disks, with the label disk; that of the
 * system disk has no such label. */
static void print_data_disks(const struct status *s,
			     const struct status_row *row, size_t metric)
{
	for (size_t i = 0; i < row->n_disks; i++) {
		const struct status_disk *d = &row->disks[i];
		const double sample = disk_sample(s, d, metric);

		if (isnan(sample) || !d->disk->child)
			continue;
		printf("tgt_glue_%s{", client_metrics[metric].name);
		print_label("", "client", row->name);
		print_label(",", "disk", d->disk->name);
		printf("} %.15g\n", sample);
	}
}

static void print_clients(const struct status *s)
{
	for (size_t m = 0; m < CLIENT_METRICS; m++) {
		const struct metric *metric = &client_metrics[m];

		print_head(metric->name, metric->type, metric->help);
		for (size_t i = 0; i < s->fleet.n; i++) {
			const double sample = client_sample(s, &s->rows[i], m);

			if (!isnan(sample)) {
				printf("tgt_glue_%s{", metric->name);
				print_label("", "client", s->rows[i].name);
				printf("} %.15g\n", sample);
			}
			print_data_disks(s, &s->rows[i], m);
		}
	}
}

static void print_shards(const struct status *s)
{
	static const char *const names[][2] = {
		{ "shard_tgtd_up", "1 where the shard's tgtd answers." },
		{ "shard_clients", "Clients of the shard." },
		{ "shard_sessions", "Sessions logged in to the shard's tgtd." },
	};

	for (size_t m = 0; m < sizeof names / sizeof *names; m++) {
		print_head(names[m][0], "gauge", names[m][1]);
		for (size_t i = 0; i < s->fleet.n_shards; i++) {
			const struct shard_status *shard = &s->shards[i];
			const bool up = !shard->tgtd_error;
			const size_t samples[] = { up, shard->n_clients,
						   shard->n_sessions };

			if (status_shard_is_used(shard) && !shard->denied &&
			    (up || m < 2))
				printf("tgt_glue_%s{shard=\"%u\"} %zu\n",
				       names[m][0], shard->shard->number,
				       samples[m]);
		}
	}
}

/* The number of extra or of foreign targets (see struct status_row). */
static double count_targets(const struct status *s, bool foreign)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += !s->rows[i].client &&
		     (s->rows[i].foreign != NULL) == foreign;
	return (double)n;
}

void status_print_prometheus(const struct status *s)
{
	if (status_tgtd_is_known(s))
		print_gauge("tgtd_up", "1 where tgtd answers, every shard's.",
			    !s->tgtd_error);
	if (s->mount != MOUNT_DENIED)
		print_gauge("mounted", "1 where vhdfs is mounted, and answers.",
			    s->mount == MOUNT_ANSWERS);
	print_gauge(
		"fleet_conf_good",
		"0 where fleet.conf has mistakes: the last good one is shown.",
		!s->mistaken);
	if (status_agrees_is_known(s))
		print_gauge("agrees", "1 where all is as fleet.conf says.",
			    status_agrees(s));
	print_gauge("store_size_bytes", "Of the store's file system.",
		    (double)s->space.size);
	print_gauge("store_free_bytes", "Free in the store's file system.",
		    (double)s->space.free);
	print_gauge("store_min_free_bytes", "min-free of fleet.conf.",
		    (double)s->space.min_free);
	if (s->reserve_known)
		print_gauge("store_reserve_bytes",
			    "What the mount keeps free (reserve= of vhdfs).",
			    (double)s->reserve);
	if (s->deaths_known) {
		print_head("worker_deaths_total", "counter",
			   "Deaths of workers since the mount was made.");
		printf("tgt_glue_worker_deaths_total %" PRIu32 "\n",
		       s->deaths.count);
	}
	if (!isnan(s->days_until_full))
		print_gauge("store_days_until_full",
			    "Free space divided by what is used up in a day.",
			    s->days_until_full);
	print_gauge("clients", "Clients in fleet.conf.", (double)s->fleet.n);
	print_gauge("extra_targets", "Targets that fleet.conf does not name.",
		    count_targets(s, false));
	print_gauge("foreign_targets",
		    "Targets of other programs that export a client's disk.",
		    count_targets(s, true));
	print_images(s);
	print_shards(s);
	print_masters(s);
	print_clients(s);
	print_since(s);
}
