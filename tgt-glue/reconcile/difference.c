/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Difference between a client and its target in tgtd. */
#include "config.h"

#include "tgt-glue/reconcile/difference.h"

#include <string.h>

#include "tgt-glue/config/acl.h"
#include "tgt-glue/reconcile/targets-conf.h"

const char *difference_of_disks(struct arena *arena,
				const struct clients *clients,
				const struct client *client,
				const struct tgtd_target *live)
{
	const struct disk *disk = client->disks;
	const struct disk_state *state = clients_disk(clients, disk);
	const struct tgtd_lun *lun = tgtd_state_lun(live, SYSTEM_LUN);

	if ((uint32_t)live->tid != client->tid)
		return arena_printf(arena,
				    "target number: expected %u, found %d",
				    client->tid, live->tid);
	if (!lun)
		return "disk: expected LUN 1, found none";
	if (live->n_luns > 1)
		return "disk: expected LUN 1 alone, found others";
	if (!text_equal(lun->path, state->view))
		return arena_printf(arena, "disk: expected %s, found %s",
				    state->view,
				    lun->path ? lun->path : "none");
	if (!lun->online)
		return "disk: expected online, found offline";
	if (lun->file == FILE_OTHER)
		return "disk: expected the image that is at its path now, found another";
	if (lun->file == FILE_LOST)
		return "disk: expected a file that answers, found one whose mount is gone";
	if (lun->readonly != disk->readonly)
		return lun->readonly
			       ? "disk: expected writable, found read-only"
			       : "disk: expected read-only, found writable";
	if (!text_equal(lun->bs_type, "rdwr"))
		return arena_printf(arena,
				    "disk: expected store type rdwr, found %s",
				    lun->bs_type ? lun->bs_type : "none");
	if (lun->block_size != state->sector_size)
		return arena_printf(arena,
				    "disk: expected sectors of %u, found %u",
				    state->sector_size, lun->block_size);
	if (lun->thin != disk->thin)
		return lun->thin ? "disk: expected no UNMAP, found it"
				 : "disk: expected UNMAP, found none";
	if (!text_equal(lun->scsi_id, disk->scsi_id) ||
	    !text_equal(lun->scsi_sn, disk->scsi_sn))
		return "disk: expected its own serial number, found another";
	return NULL;
}

/* True if the target has exactly the client's users. */
static bool has_users(const struct client *client,
		      const struct tgtd_target *live)
{
	if (live->accounts.n != (client->user ? 1 : 0) ||
	    (client->user && !strings_have(&live->accounts, client->user)))
		return false;
	return text_equal(live->outgoing, client->mutual_user);
}

/* "a, b", or "none". */
static const char *list_words(struct arena *arena, const struct strings *list)
{
	const char *text = list->n ? list->v[0] : "none";

	for (size_t i = 1; i < list->n; i++)
		text = arena_printf(arena, "%s, %s", text, list->v[i]);
	return text;
}

static const char *users_difference(struct arena *arena,
				    const struct client *client,
				    const struct tgtd_target *live)
{
	return arena_printf(
		arena, "users: expected %s, mutual %s; found %s, mutual %s",
		client->user ? client->user : "none",
		client->mutual_user ? client->mutual_user : "none",
		list_words(arena, &live->accounts),
		live->outgoing ? live->outgoing : "none");
}

static bool has_access(struct arena *arena, const struct client *client,
		       const struct tgtd_target *live)
{
	struct strings wanted = acl_entries(arena, client);

	for (size_t i = 0; i < wanted.n; i++)
		if (!strings_have(&live->acl, wanted.v[i]))
			return false;
	return live->acl.n == wanted.n;
}

static const char *access_difference(struct arena *arena,
				     const struct client *client,
				     const struct tgtd_target *live)
{
	const struct strings wanted = acl_entries(arena, client);

	return arena_printf(arena, "access: expected %s, found %s",
			    list_words(arena, &wanted),
			    list_words(arena, &live->acl));
}

const char *difference_of_target(struct arena *arena,
				 const struct clients *clients,
				 const struct client *client,
				 const struct tgtd_target *live,
				 const struct last_applied *last,
				 enum work_kind *ret_kind)
{
	const char *why = difference_of_disks(arena, clients, client, live);

	*ret_kind = WORK_REMAKE;
	if (why)
		return why;
	if (last &&
	    !last_applied_same_disk(last, client->iqn,
				    targets_conf_block(clients, client)))
		return "disk: write cache and iSCSI parameters: expected those of fleet.conf, found no record that tgtd has them";
	*ret_kind = WORK_ACCOUNTS;
	if (!has_users(client, live))
		return users_difference(arena, client, live);
	if (last &&
	    (!last_applied_has_secret(last, client->user, client->secret) ||
	     !last_applied_has_secret(last, client->mutual_user,
				      client->mutual_secret)))
		return "secret: expected that of fleet.conf, found no record that tgtd has it";
	*ret_kind = WORK_ACCESS;
	if (!has_access(arena, client, live))
		return access_difference(arena, client, live);
	return NULL;
}
