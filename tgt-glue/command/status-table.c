/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status as a table of 79 columns, grouped by master.
 *
 * libsmartcols is not used: notes below a row span all columns and are wrapped,
 * a long name has a line of its own, and a group has a heading.  Its tables
 * have none of these.
 */
#include "config.h"

#include "tgt-glue/command/status-print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"

enum {
	WIDTH = 79,
	NAME_WIDTH = 15,    /* a longer name has a line of its own */
	SHARD_WIDTH = 3,    /* part of NAME_WIDTH, with several shards */
	ADDRESS_WIDTH = 15, /* IPv4; a longer address is below the row */
};

/* Prints text below a row, wrapped between words. */
static void print_note(const char *note)
{
	enum { INDENT = 4 };
	_cleanup_free_ char *line = printable_copy(note);
	const char *text = line ? line : "out of memory";
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column && column + 1 + n > WIDTH) {
			putchar('\n');
			column = 0;
		}
		printf("%*s%.*s", column ? 1 : INDENT, "", (int)n, text);
		column += n + (column ? 1 : INDENT);
		text += n;
		text += strspn(text, " ");
	}
	putchar('\n');
}

/* "2h13m", at most 6 characters; "?" where the beginning is unknown.  As
 * format_arg, and so are blocks_text, share_text and lun_word. */
static const char *age_text(const struct status *s, int64_t since)
{
	const int64_t n = s->now - since;

	if (!since)
		return "?";
	if (n < 60)
		return format_arg("%" PRId64 "s", n);
	if (n < 3600)
		return format_arg("%" PRId64 "m", n / 60);
	if (n < 86400)
		return format_arg("%" PRId64 "h%02" PRId64 "m", n / 3600,
				  n / 60 % 60);
	return format_arg("%" PRId64 "d%02" PRId64 "h", n / 86400,
			  n / 3600 % 24);
}

static const char *blocks_text(const struct divergence *divergence)
{
	return divergence->of ? format_arg("%.1f%%",
					   100.0 * (double)divergence->blocks /
						   (double)divergence->of)
			      : "?";
}

static const char *share_text(const struct status_row *row)
{
	return row->child == CHILD_MISSING || !row->client
		       ? "-"
		       : blocks_text(&row->divergence);
}

/* "LUN 2": whether the client's target has the disk. */
static const char *lun_word(const struct status_row *row,
			    const struct status_disk *d)
{
	if (d->exported)
		return format_arg("LUN %u", d->disk->lun);
	return row->shard->tgtd_error ? "unknown" : "missing";
}

static void print_quota(uint64_t disk_use, uint64_t quota)
{
	if (status_quota_is_short(disk_use, quota))
		print_note(format_arg("its image takes %s of its quota of %s",
				      size_text(disk_use), size_text(quota)));
}

static void print_errors(uint64_t n)
{
	if (n)
		print_note(format_arg(
			"%" PRIu64
			" failure%s of reads, writes or flushes of its disk since vhdfs began; `journalctl -t vhdfs' says why",
			n, n == 1 ? "" : "s"));
}

static void print_version(const char *version, const struct disk *disk)
{
	print_note(format_arg("it is on %s; fleet.conf wants %s", version,
			      disk->master));
}

/* Prints a line for each data disk, below its client's. */
static void print_data_disks(const struct status_row *row)
{
	for (size_t i = 0; i < row->n_disks; i++) {
		const struct status_disk *d = &row->disks[i];
		const bool missing = d->child == CHILD_MISSING;

		print_line(stdout, "    %-*s %-7s %6s %6s", NAME_WIDTH - 2,
			   d->disk->name, lun_word(row, d),
			   !d->disk->child ? "-"
			   : missing       ? "none"
					   : size_text(d->disk_use),
			   !d->disk->master || missing
				   ? "-"
				   : blocks_text(&d->divergence));
		if (d->child == CHILD_OTHER)
			print_note(d->child_why);
		print_errors(d->io_errors);
		print_quota(d->disk_use, d->quota);
		if (d->behind)
			print_version(d->version, d->disk);
	}
}

/* Prints the sessions that the row does not show: all but the first, and the
 * first where its address is too long. */
static void print_more_sessions(const struct status *s,
				const struct status_row *row)
{
	for (size_t i = 0; i < row->n_sessions; i++) {
		const struct tgtd_connection *c = row->sessions[i].connection;
		char text[400];

		if (!i && strlen(c->address) <= ADDRESS_WIDTH)
			continue;
		snprintf(text, sizeof text,
			 i ? "also from %s as %s, for %s" : "from %s as %s",
			 c->address, c->initiator,
			 age_text(s, row->sessions[i].since));
		print_note(text);
	}
}

static const char *image_word(const struct status_row *row)
{
	if (!row->client)
		return "-";
	return row->child == CHILD_MISSING ? "none" : size_text(row->disk_use);
}

static const char *login_word(const struct status_row *row)
{
	const char *address;

	if (!row->n_sessions)
		return row->shard->tgtd_error ? "?" : "-";
	address = row->sessions[0].connection->address;
	return strlen(address) > ADDRESS_WIDTH ? "(below)" : address;
}

/* Prints the name and, with several shards, the shard. */
static void print_name(const struct status *s, const struct status_row *row)
{
	const bool shards = s->fleet.n_shards > 1;
	const int width = shards ? NAME_WIDTH - SHARD_WIDTH : NAME_WIDTH;
	const bool long_name = strlen(row->name) > (size_t)width;

	if (long_name)
		print_line(stdout, "  %s", row->name);
	printf("  %-*s", width, long_name ? "" : row->name);
	if (shards)
		printf("%*u", SHARD_WIDTH, row->shard->shard->number);
}

static void print_row(const struct status *s, const struct status_row *row)
{
	const struct status_session *first =
		row->n_sessions ? row->sessions : NULL;

	print_name(s, row);
	printf(" %-7s %6s %6s  %-*s %6s %7s %7s\n", status_target_word(row),
	       image_word(row), share_text(row), ADDRESS_WIDTH, login_word(row),
	       first ? age_text(s, first->since) : "-",
	       first ? size_text(row->traffic.read_bytes) : "-",
	       first ? size_text(row->traffic.written_bytes) : "-");
	print_more_sessions(s, row);
	if (row->child == CHILD_OTHER)
		print_note(row->child_why);
	if (row->behind)
		print_version(row->version, row->client->disks);
	if (row->difference)
		print_note(row->difference);
	if (row->restart)
		print_note(
			"restart it: writes that were reported as done may be lost");
	print_errors(row->io_errors);
	print_quota(row->disk_use, row->quota);
	if (row->n_writers > 1)
		print_note(
			"several writers: expected one session on a writable disk");
	print_data_disks(row);
}

static bool same_master(const struct status_row *a, const struct status_row *b)
{
	if (!a->client || !b->client)
		return a->client == b->client;
	return !strcmp(a->client->disks->master_name,
		       b->client->disks->master_name);
}

/* Prints all rows with this row's master, if it is the first of them. */
static void print_group(const struct status *s, size_t first)
{
	const struct status_row *row = &s->rows[first];

	for (size_t i = 0; i < first; i++)
		if (same_master(&s->rows[i], row))
			return;
	print_line(stdout, "%s",
		   row->client ? row->client->disks->master_name
			       : "(not in fleet.conf)");
	for (size_t i = first; i < s->n; i++)
		if (same_master(&s->rows[i], row))
			print_row(s, &s->rows[i]);
}

/* A disk of a client, and how fast its image grows. */
struct grower {
	const struct disk *disk; /* null: none */
	double growth;
};

/* Takes the disk if it grows fastest of those that come behind before. */
static void consider(struct grower *found, const struct grower *before,
		     const struct disk *disk, double growth)
{
	/* A day's change of less than a MiB is no growth; equal ones are in
	 * the order of fleet.conf. */
	if (!(growth >= 1 << 20) ||
	    (before->disk &&
	     (growth > before->growth ||
	      (growth == before->growth && disk <= before->disk))))
		return;
	if (!found->disk || growth > found->growth)
		*found = (struct grower){ disk, growth };
}

static struct grower next_grower(const struct status *s, struct grower before)
{
	struct grower found = { NULL, 0 };

	for (size_t i = 0; i < s->fleet.n; i++) {
		const struct status_row *row = &s->rows[i];

		consider(&found, &before, row->client->disks, row->growth);
		for (size_t k = 0; k < row->n_disks; k++)
			consider(&found, &before, row->disks[k].disk,
				 row->disks[k].growth);
	}
	return found;
}

/* The disks whose images grow fastest, and the days until the store is full. */
static void print_growth(const struct status *s)
{
	enum { SHOWN = 3 };
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct grower next = next_grower(s, (struct grower){ NULL, 0 });

	for (int i = 0; next.disk && i < SHOWN;
	     i++, next = next_grower(s, next))
		print_line(stdout, "%s grows by %s a day",
			   disk_words(&arena, next.disk),
			   size_text((uint64_t)next.growth));
	if (!isnan(s->days_until_full))
		printf("the store is full in %.0f days at the pace of the last two days\n",
		       s->days_until_full);
}

static void print_restarts(const struct status *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->fleet.n; i++)
		n += s->rows[i].restart;
	if (n)
		printf("%zu client%s to be restarted\n", n, n == 1 ? "" : "s");
}

/* Clients with a refused login in the last day. */
static void print_refusals(const struct status *s)
{
	enum { DAY = 86400 };
	size_t n = 0;

	for (size_t i = 0; i < s->fleet.n; i++) {
		const struct refusal *r = s->rows[i].refusal;

		n += r && r->when > s->now - DAY;
	}
	if (n)
		printf("%zu client%s refused a login in the last day; `tgt-glue log' says why\n",
		       n, n == 1 ? " was" : "s were");
}

/* Clients of another version of their master than fleet.conf wants. */
static void print_behind(const struct status *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->fleet.n; i++)
		n += status_row_is_behind(&s->rows[i]);
	if (n)
		printf("%zu client%s on another version than fleet.conf wants; `tgt-glue versions MASTER' names them\n",
		       n, n == 1 ? " is" : "s are");
}

/* What the images are, below their sum. */
static void print_use(const struct image_use *use)
{
	static const char *const words[USE_KINDS] = {
		[USE_PRESENT] = "disks of the clients",
		[USE_OLD] = "put aside",
		[USE_KEPT] = "kept",
		[USE_SNAPSHOTS] = "snapshots",
		[USE_UNUSED] = "not in use",
		[USE_MASTERS] = "masters",
	};
	char text[200] = "";

	for (size_t i = 0; i < USE_KINDS; i++) {
		const size_t n = strlen(text);

		if (use->v[i])
			snprintf(text + n, sizeof text - n, "%s%s %s",
				 n ? ", " : "", words[i], size_text(use->v[i]));
	}
	if (*text)
		print_note(text);
}

/* True if each tgtd answers, though it may be that the answer is of no use. */
static bool all_answer(const struct status *s)
{
	for (size_t i = 0; i < s->fleet.n_shards; i++)
		if (!s->shards[i].answers &&
		    status_shard_is_used(&s->shards[i]))
			return false;
	return true;
}

/* Says what is wrong, or that nothing is.  wrong: rows that differ. */
static void print_verdict(const struct status *s, size_t wrong)
{
	if (s->mount == MOUNT_SILENT)
		puts("the mount does not answer: what tgtd has open is unknown");
	else if (s->mount_problem)
		puts("the mount is gone: tgtd can open no disk");
	if (s->denied)
		puts("no permission to read all: what is unknown may be in order");
	else if (s->tgtd_error)
		printf("%s %s: its sessions are unknown\n",
		       s->fleet.n_shards > 1 ? "a tgtd" : "tgtd",
		       all_answer(s) ? "gives no answer that can be used"
				     : "does not answer");
	else if (s->mistaken)
		printf("fleet.conf has mistakes: run `tgt-glue check'; %zu differ from the fleet that was applied last\n",
		       wrong);
	else if (wrong)
		printf("%zu not as fleet.conf says; `tgt-glue plan' shows what apply would do\n",
		       wrong);
	else if (status_agrees(s))
		puts("all is as fleet.conf says");
}

static void print_sum(const struct status *s)
{
	size_t logged_in = 0, wrong = 0;

	for (size_t i = 0; i < s->n; i++) {
		logged_in += s->rows[i].n_sessions > 0;
		wrong += !status_row_agrees(&s->rows[i]);
	}
	printf("%zu client%s, %zu logged in; images take %s, %s of %s are free\n",
	       s->fleet.n, s->fleet.n == 1 ? "" : "s", logged_in,
	       size_text(image_use_sum(&s->orphans.use)),
	       size_text(s->space.free), size_text(s->space.size));
	print_use(&s->orphans.use);
	if (s->orphans.n)
		printf("%zu image%s to no client, %s; `tgt-glue orphans' lists them\n",
		       s->orphans.n,
		       s->orphans.n == 1 ? " belongs" : "s belong",
		       size_text(s->orphans.size));
	print_verdict(s, wrong);
}

static void print_shard(const struct shard_status *shard)
{
	const struct strings *portals = &shard->shard->portals;

	printf("shard %u: %zu client%s, ", shard->shard->number,
	       shard->n_clients, shard->n_clients == 1 ? "" : "s");
	if (shard->tgtd_error)
		puts(shard->denied ? "no permission to ask its tgtd"
		     : shard->answers
			     ? "its tgtd gives no answer that can be used"
			     : "its tgtd does not answer");
	else
		printf("%zu session%s, at %s%s\n", shard->n_sessions,
		       shard->n_sessions == 1 ? "" : "s",
		       portals->n ? portals->v[0] : "every address",
		       portals->n > 1 ? " and others" : "");
}

static void print_shards(const struct status *s)
{
	for (size_t i = 0; s->fleet.n_shards > 1 && i < s->fleet.n_shards; i++)
		if (status_shard_is_used(&s->shards[i]))
			print_shard(&s->shards[i]);
}

void status_print_table(const struct status *s)
{
	const bool shards = s->fleet.n_shards > 1;

	printf("%-*s%s %-7s %6s %6s  %-*s %6s %7s %7s\n",
	       NAME_WIDTH + 2 - (shards ? SHARD_WIDTH : 0), "CLIENT",
	       shards ? " SH" : "", "TARGET", "DISK", "BLOCKS", ADDRESS_WIDTH,
	       "LOGGED IN", "FOR", "READ", "WRITTEN");
	for (size_t i = 0; i < s->n; i++)
		print_group(s, i);
	print_shards(s);
	print_growth(s);
	print_restarts(s);
	print_behind(s);
	print_refusals(s);
	print_sum(s);
}
