/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Difference between a client and its target in tgtd. */
#include "config.h"

#include "tgt-glue/reconcile/difference.h"

#include <string.h>

#include "tgt-glue/config/acl.h"
#include "tgt-glue/reconcile/targets-conf.h"

/* What tgtd reports of a CD-ROM differs: its store type is mmc, and it has no
 * size of sectors. */
static const char *lun_difference(struct arena *arena, const struct disk *disk,
				  const struct disk_state *state,
				  const struct tgtd_lun *lun)
{
	const bool cd = disk->kind == DISK_CDROM;
	const char *type = cd ? "mmc" : "rdwr";

	if (lun->cd != cd)
		return cd ? "expected a CD-ROM, found another device"
			  : "expected a disk, found a CD-ROM";
	if (!text_equal(lun->path, state->view))
		return arena_printf(arena, "expected %s, found %s", state->view,
				    lun->path ? lun->path : "none");
	if (!lun->online)
		return "expected online, found offline";
	if (lun->file == FILE_OTHER)
		return "expected the image that is at its path now, found another";
	if (lun->file == FILE_LOST)
		return "expected the disk in the mount, found one of a mount that is gone";
	if (lun->readonly != disk->readonly)
		return lun->readonly ? "expected writable, found read-only"
				     : "expected read-only, found writable";
	if (!text_equal(lun->bs_type, type))
		return arena_printf(arena, "expected store type %s, found %s",
				    type, lun->bs_type ? lun->bs_type : "none");
	if (!cd && lun->block_size != state->sector_size)
		return arena_printf(arena, "expected sectors of %u, found %u",
				    state->sector_size, lun->block_size);
	if (lun->thin != disk->thin)
		return lun->thin ? "expected no UNMAP, found it"
				 : "expected UNMAP, found none";
	if (!text_equal(lun->scsi_id, disk->scsi_id) ||
	    !text_equal(lun->scsi_sn, disk->scsi_sn))
		return "expected its own serial number, found another";
	return NULL;
}

/* Of the LUNs that the target has, and of the system disk. */
static const char *present_difference(struct arena *arena,
				      const struct clients *clients,
				      const struct client *client,
				      const struct tgtd_target *live)
{
	if ((uint32_t)live->tid != client->tid)
		return arena_printf(arena,
				    "target number: expected %u, found %d",
				    client->tid, live->tid);
	if (!tgtd_state_lun(live, SYSTEM_LUN))
		return "disk: expected LUN 1, found none";
	for (size_t i = 0; i < live->n_luns; i++) {
		const struct tgtd_lun *lun = &live->luns[i];
		const struct disk *disk = client_lun(client, lun->number);
		const char *why;

		if (!disk)
			return arena_printf(
				arena,
				"disk: expected the LUNs of fleet.conf, found LUN %u too",
				lun->number);
		why = lun_difference(arena, disk, clients_disk(clients, disk),
				     lun);
		if (why)
			return arena_printf(arena, "%s: %s",
					    disk_title(arena, disk), why);
	}
	return NULL;
}

bool difference_lacks(const struct disk *disk, const struct tgtd_target *live)
{
	return !tgtd_state_lun(live, disk->lun);
}

/* The LUNs that the target does not have, or null. */
static const char *missing_disks(struct arena *arena,
				 const struct client *client,
				 const struct tgtd_target *live)
{
	for (size_t i = 0; i < client->n_disks; i++)
		if (difference_lacks(&client->disks[i], live))
			return arena_printf(
				arena, "%s: expected LUN %u, found none",
				disk_title(arena, &client->disks[i]),
				client->disks[i].lun);
	return NULL;
}

const char *difference_of_disks(struct arena *arena,
				const struct clients *clients,
				const struct client *client,
				const struct tgtd_target *live)
{
	const char *why = present_difference(arena, clients, client, live);

	return why ? why : missing_disks(arena, client, live);
}

/* What tgtd does not report, of the LUNs that the target has. */
static const char *record_difference(struct arena *arena,
				     const struct clients *clients,
				     const struct client *client,
				     const struct tgtd_target *live,
				     const struct last_applied *last)
{
	if (!last_applied_has_parameters(
		    last, client->iqn,
		    targets_conf_parameters(clients, client)))
		return "disk: write cache and iSCSI parameters: expected those of fleet.conf, found no record that tgtd has them";
	for (size_t i = 0; i < client->n_disks; i++) {
		const struct disk *disk = &client->disks[i];

		if (!difference_lacks(disk, live) &&
		    !last_applied_has_store(last, client->iqn,
					    targets_conf_store(clients, disk)))
			return arena_printf(
				arena,
				"%s: write cache and iSCSI parameters: expected those of fleet.conf, found no record that tgtd has them",
				disk_title(arena, disk));
	}
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
	const char *why = present_difference(arena, clients, client, live);

	if (!why && last)
		why = record_difference(arena, clients, client, live, last);
	*ret_kind = WORK_REMAKE;
	if (why)
		return why;
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
	*ret_kind = WORK_DISKS;
	return missing_disks(arena, client, live);
}
