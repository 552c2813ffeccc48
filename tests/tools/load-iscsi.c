/* SPDX-License-Identifier: GPL-2.0-or-later */
/* load: a disk over iSCSI, with a session of its own. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#include "tools/load.h"

enum {
	TIMEOUT = 60,        /* seconds, for a command */
	WRITE_SAME_MAX = 64, /* sectors: tgtd writes them one by one */
};

struct iscsi_disk {
	struct disk disk; /* first */
	struct iscsi_context *iscsi;
	int lun;
	int block; /* bytes */
};

/* Frees the task.  tgtd has one error code for all errors of system calls. */
static int answer(struct scsi_task *task)
{
	int r = task && task->status == SCSI_STATUS_GOOD ? 0 : -EIO;

	if (task)
		scsi_free_scsi_task(task);
	return r;
}

static int iscsi_read(struct disk *disk, void *buf, uint64_t sec, uint32_t n)
{
	struct iscsi_disk *d = (struct iscsi_disk *)disk;
	struct scsi_task *task =
		iscsi_read16_sync(d->iscsi, d->lun, sec / disk->unit,
				  n * SECTOR, d->block, 0, 0, 0, 0, 0);

	if (task && task->status == SCSI_STATUS_GOOD) {
		if (task->datain.size != (int)(n * SECTOR)) {
			scsi_free_scsi_task(task);
			return -ENODATA;
		}
		memcpy(buf, task->datain.data, (size_t)n * SECTOR);
	}
	return answer(task);
}

static int iscsi_write(struct disk *disk, void *buf, uint64_t sec, uint32_t n)
{
	struct iscsi_disk *d = (struct iscsi_disk *)disk;
	int r = answer(iscsi_write16_sync(d->iscsi, d->lun, sec / disk->unit,
					  buf, n * SECTOR, d->block, 0, 0, 0, 0,
					  0));

	return r < 0 ? r : (int)n;
}

static int iscsi_zero(struct disk *disk, uint64_t sec, uint32_t n, bool punch)
{
	struct iscsi_disk *d = (struct iscsi_disk *)disk;
	struct unmap_list range = { sec / disk->unit, n / disk->unit };
	static unsigned char zeros[4096];

	if (punch || n > WRITE_SAME_MAX)
		return answer(
			iscsi_unmap_sync(d->iscsi, d->lun, 0, 0, &range, 1));
	return answer(iscsi_writesame16_sync(d->iscsi, d->lun, range.lba, zeros,
					     d->block, range.num, 0, 0, 0, 0));
}

static int iscsi_flush(struct disk *disk, bool data_only)
{
	struct iscsi_disk *d = (struct iscsi_disk *)disk;

	(void)data_only;
	return answer(
		iscsi_synchronizecache10_sync(d->iscsi, d->lun, 0, 0, 0, 0));
}

static void iscsi_close(struct disk *disk)
{
	struct iscsi_disk *d = (struct iscsi_disk *)disk;

	iscsi_logout_sync(d->iscsi);
	iscsi_destroy_context(d->iscsi);
	free(d);
}

static const struct disk_ops iscsi_ops = {
	.read = iscsi_read,
	.write = iscsi_write,
	.zero = iscsi_zero,
	.flush = iscsi_flush,
	.close = iscsi_close,
};

static void ask_size(struct iscsi_disk *d)
{
	struct scsi_task *task = iscsi_readcapacity16_sync(d->iscsi, d->lun);
	struct scsi_readcapacity16 *rc =
		task ? scsi_datain_unmarshall(task) : NULL;

	if (!rc) {
		fputs("load: READ CAPACITY: no answer\n", stderr);
		exit(2);
	}
	d->block = (int)rc->block_length;
	d->disk.unit = rc->block_length / SECTOR;
	d->disk.sectors = (rc->returned_lba + 1) * d->disk.unit;
	scsi_free_scsi_task(task);
}

struct disk *disk_open_iscsi(const char *text)
{
	struct iscsi_disk *d = calloc(1, sizeof *d);
	struct iscsi_url *url;

	if (!d)
		abort();
	d->disk.ops = &iscsi_ops;
	d->iscsi = iscsi_create_context("iqn.2026-01.lan.example:load");
	url = d->iscsi ? iscsi_parse_full_url(d->iscsi, text) : NULL;
	if (!url) {
		fprintf(stderr, "load: bad URL %s\n", text);
		exit(2);
	}
	iscsi_set_targetname(d->iscsi, url->target);
	iscsi_set_session_type(d->iscsi, ISCSI_SESSION_NORMAL);
	iscsi_set_noautoreconnect(d->iscsi, 1);
	iscsi_set_timeout(d->iscsi, TIMEOUT);
	d->lun = url->lun;
	if (iscsi_full_connect_sync(d->iscsi, url->portal, url->lun) != 0) {
		fprintf(stderr, "load: %s: %s\n", text,
			iscsi_get_error(d->iscsi));
		exit(2);
	}
	iscsi_destroy_url(url);
	ask_size(d);
	return &d->disk;
}
