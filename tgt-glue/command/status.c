/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The model of status: reads the tgtds and the store into rows. */
#include "config.h"

#include "tgt-glue/command/status.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/quota.h"
#include "tgt-glue/command/watch-lock.h"
#include "tgt-glue/reconcile/boot-resets.h"
#include "tgt-glue/reconcile/exports.h"
#include "tgt-glue/reconcile/mount-reserve.h"
#include "tgt-glue/reconcile/plan.h"

static void read_shard(struct status *s, struct shard_status *shard)
{
	struct arena *arena = &s->arena;
	int r = tgtd_open(shard->shard->control_port, &shard->tgtd);

	shard->off = r == -ECONNREFUSED || r == -ENOENT;
	shard->answers = r == 0;
	if (r == 0)
		r = tgtd_state_read(&shard->tgtd, &shard->state);
	if (r == 0)
		r = last_applied_load(shard->shard, &shard->tgtd, &shard->last);
	if (r == 0)
		r = opened_load(shard->shard, shard->last.instance,
				&shard->opened);
	/* A failure means that it is unknown, not that the command fails. */
	if (r == 0)
		(void)exports_inspect(&s->fleet, &shard->last, &shard->state);
	if (r == 0)
		opened_set_lost(&shard->opened, &shard->state);
	if (r == 0)
		r = traffic_read(&shard->tgtd, arena, &shard->traffics);
	/* A failure means that no session's beginning is known. */
	(void)sessions_load(shard->shard, &shard->sessions);
	shard->denied = r == -EACCES;
	s->denied = s->denied || shard->denied;
	if (r < 0 && shard->shard->number)
		error_advise("it is the %s", shard->shard->tgtd);
	if (shard->off)
		error_advise("`%s\' starts it", shard_start(shard->shard));
	else if (!shard->answers && !shard->denied)
		error_advise("see its log (journalctl -u %s)",
			     shard->shard->number
				     ? format_arg("vhdfs-tgtd@%u",
						  shard->shard->number)
				     : "tgt");
	if (r < 0)
		shard->tgtd_error = arena_strdup(arena, error_text());
}

/* Finds the clients whose disks another target or tgtd exports for writing. */
static void read_blocked(struct status *s)
{
	const size_t n = s->fleet.n_shards;
	struct exporter *list = arena_alloc(&s->arena, n * sizeof *list);

	for (size_t i = 0; i < n; i++)
		list[i] = (struct exporter){
			.shard = s->shards[i].shard,
			.answers = !s->shards[i].tgtd_error,
			.off = s->shards[i].off,
			.live = &s->shards[i].state,
		};
	exports_block(&s->clients, list, n, NULL);
}

bool status_shard_is_used(const struct shard_status *shard)
{
	return !shard->shard->retired || !shard->tgtd_error;
}

const char *status_shard_problem(const struct shard_status *shard)
{
	return shard->denied ? NULL : shard->tgtd_error;
}

static void read_shards(struct status *s)
{
	const struct fleet *fleet = &s->fleet;

	s->shards = arena_alloc(&s->arena, fleet->n_shards * sizeof *s->shards);
	for (size_t i = 0; i < fleet->n_shards; i++) {
		struct shard_status *shard = &s->shards[i];

		shard->shard = &fleet->shards[i];
		read_shard(s, shard);
		if (!status_shard_is_used(shard))
			continue;
		if (!s->tgtd_error)
			s->tgtd_error = shard->tgtd_error;
		if (!s->tgtd_problem)
			s->tgtd_problem = status_shard_problem(shard);
	}
	read_blocked(s);
}

/* The number of sessions that can write.  A session may have several
 * connections. */
static size_t count_writers(const struct status_row *row)
{
	bool writable = false;
	size_t n = 0;

	for (size_t i = 0; i < row->target->n_luns; i++)
		writable = writable || !row->target->luns[i].readonly;
	if (!writable)
		return 0;
	for (size_t i = 0; i < row->n_sessions; i++) {
		size_t k = 0;

		while (row->sessions[k].connection->sid !=
		       row->sessions[i].connection->sid)
			k++;
		n += k == i;
	}
	return n;
}

static size_t count_initiators(const struct status_row *row)
{
	size_t n = 0;

	for (size_t i = 0; i < row->n_sessions; i++) {
		const char *name = row->sessions[i].connection->initiator;
		size_t k = 0;

		while (strcmp(row->sessions[k].connection->initiator, name))
			k++;
		n += k == i;
	}
	return n;
}

static void add_traffic(struct traffic *sum, const struct traffic *t)
{
	sum->read_bytes += t->read_bytes;
	sum->read_commands += t->read_commands;
	sum->written_bytes += t->written_bytes;
	sum->write_commands += t->write_commands;
	sum->errors += t->errors;
}

static void read_sessions(struct status *s, struct status_row *row)
{
	const struct tgtd_target *t = row->target;
	const struct timespec started = row->shard->tgtd.started;

	if (!t)
		return;
	row->n_sessions = t->n_connections;
	row->sessions = arena_alloc(&s->arena, (t->n_connections + 1) *
						       sizeof *row->sessions);
	for (size_t i = 0; i < t->n_connections; i++) {
		struct status_session *session = &row->sessions[i];
		const struct session *known;

		session->connection = &t->connections[i];
		known = sessions_find(&row->shard->sessions, t->name,
				      session->connection);
		/* One that began before tgtd started is of an earlier tgtd. */
		if (known && known->since >= started.tv_sec &&
		    known->since <= s->now)
			session->since = known->since;
		session->traffic = traffic_of(&row->shard->traffics, t->tid,
					      session->connection->sid);
		if (session->traffic)
			add_traffic(&row->traffic, session->traffic);
	}
	row->n_writers = count_writers(row);
	row->n_initiators = count_initiators(row);
}

/* Finds the client's target on its home shard, otherwise on another one. */
static void find_target(struct status *s, struct status_row *row)
{
	const struct client *client = row->client;

	row->shard = &s->shards[client->home - s->fleet.shards];
	row->target = tgtd_state_target(&row->shard->state, client->iqn);
	for (size_t i = 0; !row->target && i < s->fleet.n_shards; i++) {
		row->target =
			tgtd_state_target(&s->shards[i].state, client->iqn);
		if (row->target)
			row->shard = &s->shards[i];
	}
}

static const char *difference(struct status *s, const struct status_row *row)
{
	struct arena *arena = &s->arena;
	enum work_kind kind;

	if (row->shard->shard != row->client->home)
		return arena_printf(arena, "shard: expected %u, found %u",
				    row->client->home->number,
				    row->shard->shard->number);
	return difference_of_target(arena, &s->clients, row->client,
				    row->target, &row->shard->last, &kind);
}

/* What the disk's own image takes, and its quota.  False: there is none. */
static bool read_use(const struct status *s, const struct disk *disk,
		     struct stat *ret, uint64_t *ret_quota)
{
	_cleanup_close_ int fd = disk->child
					 ? root_dir_openat(&s->fleet.rootdir,
							   disk->image, O_PATH)
					 : -1;

	*ret_quota = 0;
	if (fd < 0 || fstat(fd, ret) < 0)
		return false;
	if (quota_read(fd, disk->image, ret_quota) < 0)
		*ret_quota = 0;
	return true;
}

/* hint: of samples_growth. */
static void read_data_disks(struct status *s, struct status_row *row,
			    size_t *hint)
{
	const struct client *client = row->client;

	row->n_disks = client->n_disks - 1;
	row->disks =
		arena_alloc(&s->arena, (row->n_disks + 1) * sizeof *row->disks);
	for (size_t i = 0; i < row->n_disks; i++) {
		const struct disk *disk = &client->disks[i + 1];
		const struct disk_state *state =
			clients_disk(&s->clients, disk);
		struct stat st;

		row->disks[i] = (struct status_disk){
			.disk = disk,
			.exported = row->target &&
				    tgtd_state_lun(row->target, disk->lun),
			.child = state->image,
			.child_why = state->image_why,
			.denied = state->image_denied,
			.version = state->version,
			.behind = state->behind,
			.io_errors = view_errors_of(&s->errors, disk->image),
			.growth = NAN,
		};
		if (read_use(s, disk, &st, &row->disks[i].quota)) {
			row->disks[i].disk_use = (uint64_t)st.st_blocks * 512;
			row->disks[i].growth = samples_growth(
				&s->samples, disk->child, &st, s->now, hint);
		}
		row->denied = row->denied || state->image_denied;
		if (disk->master)
			row->disks[i].divergence =
				divergence_of(&s->fleet, disk);
	}
}

/* hint: of samples_growth. */
static void read_space(struct status *s, struct status_row *row, size_t *hint)
{
	const struct disk *disk = row->client->disks;
	struct stat st;

	row->growth = NAN;
	if (!read_use(s, disk, &st, &row->quota))
		return;
	row->disk_use = (uint64_t)st.st_blocks * 512;
	row->growth =
		samples_growth(&s->samples, disk->child, &st, s->now, hint);
}

static void read_client(struct status *s, struct status_row *row, size_t *hint)
{
	const struct client *client = row->client;
	const struct client_state *state = clients_state(&s->clients, client);
	const struct disk *disk = client->disks;
	const struct disk_state *image = clients_disk(&s->clients, disk);

	row->child = image->image;
	row->child_why = image->image_why;
	row->io_errors = view_errors_of(&s->errors, disk->image);
	row->child_denied = row->denied = image->image_denied;
	row->version = image->version;
	row->behind = image->behind;
	read_space(s, row, hint);
	row->divergence = divergence_of(&s->fleet, disk);
	find_target(s, row);
	read_data_disks(s, row, hint);
	if (row->target)
		row->difference = difference(s, row);
	row->restart = opened_to_restart(&row->shard->opened, client->iqn,
					 row->target);
	if (state->blocked)
		row->difference = state->blocked;
	if (strings_have(&s->due, client->name))
		row->difference = arena_printf(
			&s->arena,
			"not admitted until its disk is reset (reset = boot): `tgt-glue reset %s' does it, or says why it cannot",
			client->name);
	read_sessions(s, row);
	row->denied = row->denied || row->shard->denied;
	s->denied = s->denied || row->denied;
	row->refusal = noticed_refusal(&s->noticed, client->name);
}

/* A client's disk that the target exports, preferably one for writing; or
 * null. */
static const struct tgtd_lun *exported(const struct tgtd_target *t)
{
	const struct tgtd_lun *found = NULL;

	for (size_t i = 0; i < t->n_luns; i++)
		if (t->luns[i].disk && (!found || found->readonly))
			found = &t->luns[i];
	return found;
}

static const char *explain_export(struct status *s,
				  const struct status_row *row)
{
	const struct tgtd_lun *lun = exported(row->target);

	if (!lun)
		return NULL;
	return arena_printf(&s->arena, "%s exports client %s's disk %s %s",
			    row->target->name, lun->disk->client->name,
			    lun->path,
			    lun->readonly ? "read-only" : "for writing");
}

/* Adds the extra and the foreign targets of the shard. */
static void read_extra(struct status *s, struct shard_status *shard)
{
	for (size_t i = 0; i < shard->state.n; i++) {
		const struct tgtd_target *t = &shard->state.targets[i];
		struct status_row *row = &s->rows[s->n];

		if (fleet_client_by_iqn(&s->fleet, t->name) ||
		    (!t->ours && !exported(t)))
			continue;
		row->name = t->ours ? exports_name(t) : t->name;
		row->shard = shard;
		row->target = t;
		row->foreign = t->ours ? NULL : exported(t);
		row->difference = explain_export(s, row);
		read_sessions(s, row);
		s->n++;
	}
}

static void read_rows(struct status *s)
{
	size_t n = s->fleet.n, hint = 0;

	for (size_t i = 0; i < s->fleet.n_shards; i++)
		n += s->shards[i].state.n;
	s->rows = arena_alloc(&s->arena, (n + 1) * sizeof *s->rows);
	for (; s->n < s->fleet.n; s->n++) {
		s->rows[s->n].client = &s->fleet.clients[s->n];
		s->rows[s->n].name = s->fleet.clients[s->n].name;
		read_client(s, &s->rows[s->n], &hint);
	}
	for (size_t i = 0; i < s->fleet.n_shards; i++)
		read_extra(s, &s->shards[i]);
	for (size_t i = 0; i < s->n; i++) {
		const struct status_row *row = &s->rows[i];

		row->shard->n_clients += !row->foreign;
		row->shard->n_sessions += row->foreign ? 0 : row->n_sessions;
	}
}

const char *status_target_word(const struct status_row *row)
{
	if (row->shard->tgtd_error)
		return "unknown";
	if (!row->client)
		return row->foreign ? "foreign" : "extra";
	if (!row->target)
		return "missing";
	return row->difference ? "differs" : "ok";
}

bool status_quota_is_short(uint64_t disk_use, uint64_t quota)
{
	return quota && disk_use > quota / 10 * 9;
}

const char *status_initiators(struct status *s, const struct status_row *row)
{
	const char *text = "";

	for (size_t i = 0; i < row->n_sessions; i++) {
		const struct tgtd_connection *c = row->sessions[i].connection;

		text = arena_printf(&s->arena, "%s%s%s from %s", text,
				    i ? ", " : "", c->initiator, c->address);
	}
	return text;
}

bool status_row_is_behind(const struct status_row *row)
{
	for (size_t i = 0; i < row->n_disks; i++)
		if (row->disks[i].behind)
			return true;
	return row->behind;
}

bool status_row_agrees(const struct status_row *row)
{
	/* A foreign target that only reads does no harm. */
	if (row->foreign && row->foreign->readonly)
		return true;
	for (size_t i = 0; i < row->n_disks; i++)
		if (row->disks[i].child != CHILD_READY)
			return false;
	return !row->shard->tgtd_error && row->client && row->target &&
	       !row->difference && row->child == CHILD_READY;
}

bool status_tgtd_is_known(const struct status *s)
{
	return !s->tgtd_error || s->tgtd_problem;
}

bool status_agrees_is_known(const struct status *s)
{
	return !s->denied || s->mistaken || s->mount_problem || s->tgtd_problem;
}

bool status_agrees(const struct status *s)
{
	if (s->mistaken)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (!status_row_agrees(&s->rows[i]))
			return false;
	return !s->tgtd_error && s->mount == MOUNT_ANSWERS;
}

/* What the mount tells of itself; unknown where it does not answer. */
static void read_mount(struct status *s, struct mount_probe *probe)
{
	s->mount = mount_probe_ask(probe, &s->fleet);
	s->mount_problem = mount_problem(&s->arena, &s->fleet, s->mount);
	s->denied = s->mount == MOUNT_DENIED;
	s->fleet.mount_silent = s->mount == MOUNT_SILENT;
	if (s->mount != MOUNT_ANSWERS)
		return;
	s->reserve_known = mount_reserve_read(&s->fleet, &s->reserve);
	view_errors_read(&s->arena, &s->fleet, &s->errors);
	s->deaths_known = worker_deaths_read(s->fleet.mount, &s->deaths);
}

void status_read(struct status *s, struct mount_probe *probe)
{
	/* First: what follows sends requests to the mount. */
	read_mount(s, probe);
	clients_init(&s->clients, &s->fleet, &s->arena);
	client_images_inspect(&s->clients);
	read_shards(s);
	/* A failure means that it is unknown. */
	(void)boot_resets_load(&s->fleet, &s->arena, &s->due);
	s->orphans_unknown =
		orphans_read(&s->arena, &s->fleet, &s->orphans) == -EACCES;
	image_use_add_masters(&s->orphans.use, &s->fleet);
	/* The fleet that was applied last may lack clients. */
	if (s->mistaken)
		s->orphans.n = s->orphans.size = 0;
	free_space_read(&s->fleet, &s->space);
	/* A failure means that no pace is known. */
	(void)samples_load(&s->fleet, &s->samples);
	s->days_until_full =
		samples_days_until_full(&s->samples, s->space.free, s->now);
	(void)noticed_load(&s->fleet, &s->noticed);
	s->watch = watch_runs(&s->fleet);
	s->watch_unknown = watch_is_unknown(&s->fleet);
	s->denied = s->denied || s->orphans_unknown || s->watch_unknown;
	read_rows(s);
}

void status_fini(struct status *s)
{
	for (size_t i = 0; s->shards && i < s->fleet.n_shards; i++) {
		sessions_fini(&s->shards[i].sessions);
		opened_fini(&s->shards[i].opened);
		last_applied_fini(&s->shards[i].last);
		tgtd_state_fini(&s->shards[i].state);
	}
	noticed_fini(&s->noticed);
	samples_fini(&s->samples);
	fleet_fini(&s->fleet);
	arena_fini(&s->arena);
}
