/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small initiator over libiscsi, for tests in shell.
 *
 *     initiator [OPTION...] login URL  logs in and out; exit status 0, or 1
 *                                      and the reason
 *     initiator [OPTION...] hold URL   logs in, prints "ready" and stays until
 *                                      its standard input ends or its session
 *                                      is ended; a line "read LBA" or "write
 *                                      LBA" reads or writes one sector (of the
 *                                      letter w), and is answered
 *     initiator [OPTION...] scsi URL   sends common and rare commands, and
 *                                      prints each answer, for a comparison
 *                                      with the answers of another disk
 *
 * OPTION: -i NAME, -a ALIAS, of the initiator.
 *
 * URL is libiscsi's: iscsi://[USER%SECRET@]HOST:PORT/IQN/LUN, with
 * ?target_user=USER&target_password=SECRET for mutual CHAP.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

struct disk {
	struct iscsi_context *iscsi;
	int lun;
	int block; /* bytes */
};

static struct iscsi_context *log_in(const char *name, const char *alias,
				    const char *text, int *ret_lun)
{
	struct iscsi_context *iscsi = iscsi_create_context(name);
	struct iscsi_url *url =
		iscsi ? iscsi_parse_full_url(iscsi, text) : NULL;

	if (!url) {
		fprintf(stderr, "initiator: bad URL %s\n", text);
		exit(2);
	}
	if (alias)
		iscsi_set_alias(iscsi, alias);
	iscsi_set_targetname(iscsi, url->target);
	iscsi_set_session_type(iscsi, ISCSI_SESSION_NORMAL);
	iscsi_set_header_digest(iscsi, ISCSI_HEADER_DIGEST_NONE_CRC32C);
	iscsi_set_noautoreconnect(iscsi, 1);
	iscsi_set_timeout(iscsi, 30);
	*ret_lun = url->lun;
	if (iscsi_full_connect_sync(iscsi, url->portal, url->lun) != 0) {
		fprintf(stderr, "initiator: %s\n", iscsi_get_error(iscsi));
		exit(1);
	}
	iscsi_destroy_url(url);
	return iscsi;
}

static int log_out(struct iscsi_context *iscsi)
{
	int r = iscsi_logout_sync(iscsi);

	iscsi_destroy_context(iscsi);
	return r == 0 ? 0 : 1;
}

/* One line: the command, its status, its sense, and a sum of the bytes read. */
static void answer(const char *what, struct scsi_task *task)
{
	uint32_t sum = 0;

	if (!task) {
		printf("%s: no answer\n", what);
		return;
	}
	printf("%s: status %d", what, task->status);
	if (task->status == SCSI_STATUS_CHECK_CONDITION)
		printf(" sense %d/%04x", task->sense.key, task->sense.ascq);
	for (int i = 0; i < task->datain.size; i++)
		sum = sum * 31 + task->datain.data[i];
	if (task->datain.size && task->status == SCSI_STATUS_GOOD)
		printf(" read %d bytes, sum %08x", task->datain.size, sum);
	putchar('\n');
	scsi_free_scsi_task(task);
}

/* Reads one line of standard input, a byte at a time, because poll does not see
 * a buffer in this process.  false at the end of the input. */
static bool obey(const struct disk *d)
{
	unsigned char sector[4096];
	char line[64] = "", what[16];
	size_t n = 0;
	uint32_t lba;

	while (n < sizeof line - 1 && read(0, line + n, 1) == 1 &&
	       line[n] != '\n')
		n++;
	line[n] = '\0';
	memset(sector, 'w', sizeof sector);
	if (sscanf(line, "%15s %" SCNu32, what, &lba) != 2)
		return false;
	if (!strcmp(what, "write"))
		answer(line, iscsi_write10_sync(d->iscsi, d->lun, lba, sector,
						512, 512, 0, 0, 0, 0, 0));
	else
		answer(line, iscsi_read10_sync(d->iscsi, d->lun, lba, 512, 512,
					       0, 0, 0, 0, 0));
	fflush(stdout);
	return true;
}

/* Answers tgtd's pings until standard input or the session ends. */
static int hold(struct disk *d)
{
	struct iscsi_context *iscsi = d->iscsi;

	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = 0, .events = POLLIN },
			{ .fd = iscsi_get_fd(iscsi),
			  .events = (short)iscsi_which_events(iscsi) },
		};

		if (poll(fds, 2, -1) < 0)
			return 1;
		if (fds[0].revents && !obey(d))
			return log_out(iscsi);
		if (fds[1].revents & (POLLHUP | POLLERR) ||
		    iscsi_service(iscsi, fds[1].revents) < 0) {
			puts("cut off");
			fflush(stdout);
			iscsi_destroy_context(iscsi);
			return 0;
		}
	}
}

static void read_back(const struct disk *d, const char *what, uint32_t lba,
		      uint32_t blocks)
{
	answer(what, iscsi_read10_sync(d->iscsi, d->lun, lba, blocks * d->block,
				       d->block, 0, 0, 0, 0, 0));
}

static void ask_properties(struct disk *d)
{
	struct scsi_task *task = iscsi_readcapacity16_sync(d->iscsi, d->lun);
	struct scsi_readcapacity16 *rc =
		task ? scsi_datain_unmarshall(task) : NULL;

	if (!rc)
		exit(1);
	d->block = (int)rc->block_length;
	answer("read capacity", task);
	answer("test unit ready", iscsi_testunitready_sync(d->iscsi, d->lun));
	answer("inquiry", iscsi_inquiry_sync(d->iscsi, d->lun, 0, 0, 255));
	answer("block limits",
	       iscsi_inquiry_sync(d->iscsi, d->lun, 1, 0xb0, 255));
	answer("provisioning",
	       iscsi_inquiry_sync(d->iscsi, d->lun, 1, 0xb2, 255));
	answer("caching page",
	       iscsi_modesense6_sync(d->iscsi, d->lun, 0, 0, 8, 0, 255));
}

static void write_things(const struct disk *d, unsigned char *data)
{
	const int b = d->block;

	answer("write", iscsi_write10_sync(d->iscsi, d->lun, 64, data, 8 * b, b,
					   0, 0, 0, 0, 0));
	answer("write with FUA", iscsi_write10_sync(d->iscsi, d->lun, 72, data,
						    8 * b, b, 0, 0, 1, 0, 0));
	answer("write and verify",
	       iscsi_writeverify10_sync(d->iscsi, d->lun, 80, data, 8 * b, b, 0,
					0, 1, 0));
	read_back(d, "read what was written", 60, 32);
	answer("verify", iscsi_verify10_sync(d->iscsi, d->lun, data, 8 * b, 64,
					     0, 0, 1, b));
	answer("verify other data", iscsi_verify10_sync(d->iscsi, d->lun, data,
							8 * b, 65, 0, 0, 1, b));
	answer("orwrite", iscsi_orwrite_sync(d->iscsi, d->lun, 66, data, 2 * b,
					     b, 0, 0, 0, 0, 0));
	read_back(d, "read after orwrite", 60, 32);
	answer("write past the end",
	       iscsi_write10_sync(d->iscsi, d->lun, 0x7fffff00, data, b, b, 0,
				  0, 0, 0, 0));
	read_back(d, "read past the end", 0x7fffff00, 1);
}

static void flush_things(const struct disk *d)
{
	answer("synchronize cache",
	       iscsi_synchronizecache10_sync(d->iscsi, d->lun, 0, 0, 0, 0));
	answer("synchronize cache of a part",
	       iscsi_synchronizecache10_sync(d->iscsi, d->lun, 64, 8, 0, 0));
	answer("synchronize cache, immediate",
	       iscsi_synchronizecache10_sync(d->iscsi, d->lun, 0, 0, 0, 1));
	answer("synchronize cache (16)",
	       iscsi_synchronizecache16_sync(d->iscsi, d->lun, 0, 0, 0, 0));
	answer("pre-fetch",
	       iscsi_prefetch10_sync(d->iscsi, d->lun, 64, 8, 0, 0));
}

static void same_things(const struct disk *d, unsigned char *data)
{
	const int b = d->block;

	answer("write same (10)",
	       iscsi_writesame10_sync(d->iscsi, d->lun, 100, data, b, 16, 0, 0,
				      0, 0));
	answer("write same (16)",
	       iscsi_writesame16_sync(d->iscsi, d->lun, 120, data, b, 16, 0, 0,
				      0, 0));
	read_back(d, "read after write same", 96, 48);
	memset(data, 0, (size_t)b);
	answer("write same (10), zeros, UNMAP",
	       iscsi_writesame10_sync(d->iscsi, d->lun, 104, data, b, 4, 0, 1,
				      0, 0));
	answer("write same (16), zeros, UNMAP",
	       iscsi_writesame16_sync(d->iscsi, d->lun, 124, data, b, 4, 0, 1,
				      0, 0));
	answer("write same (16), zeros",
	       iscsi_writesame16_sync(d->iscsi, d->lun, 130, data, b, 2, 0, 0,
				      0, 0));
	read_back(d, "read after write same with UNMAP", 96, 48);
	answer("write same past the end",
	       iscsi_writesame16_sync(d->iscsi, d->lun, 0x7fffff00, data, b, 2,
				      0, 0, 0, 0));
}

static void unmap_things(const struct disk *d)
{
	struct unmap_list two[] = { { 68, 4 }, { 112, 4 } };
	struct unmap_list far[] = { { 0x7fffff00, 4 } };
	struct unmap_list wide[] = { { 8, 4096 } };
	struct scsi_task *task;

	answer("unmap", iscsi_unmap_sync(d->iscsi, d->lun, 0, 0, two, 2));
	read_back(d, "read after unmap", 60, 80);
	task = iscsi_unmap_sync(d->iscsi, d->lun, 0, 0, far, 1);
	/* tgtd 1.0.85 sends a stale code here: on one raw file now 21h, now
	 * 25h. */
	if (task)
		task->sense.ascq = 0;
	answer("unmap past the end", task);
	answer("unmap much", iscsi_unmap_sync(d->iscsi, d->lun, 0, 0, wide, 1));
	read_back(d, "read after unmapping much", 0, 128);
}

static void compare_things(const struct disk *d, unsigned char *data)
{
	const int b = d->block;

	answer("compare and write, other data",
	       iscsi_compareandwrite_sync(d->iscsi, d->lun, 64, data, 2 * b, b,
					  0, 0, 0, 0, 0));
	memset(data, 0, (size_t)b);
	answer("compare and write",
	       iscsi_compareandwrite_sync(d->iscsi, d->lun, 5000, data, 2 * b,
					  b, 0, 0, 0, 0, 0));
	read_back(d, "read after compare and write", 4999, 3);
}

static int scsi(struct iscsi_context *iscsi, int lun)
{
	struct disk d = { .iscsi = iscsi, .lun = lun };
	static unsigned char data[8 * 4096];

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * 7 + i / 251 + 1);
	ask_properties(&d);
	write_things(&d, data);
	flush_things(&d);
	unmap_things(&d);
	same_things(&d, data);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * 5 + 3);
	compare_things(&d, data);
	read_back(&d, "read from the beginning", 0, 256);
	return log_out(iscsi);
}

int main(int argc, char **argv)
{
	const char *name = "iqn.2026-01.lan.example:initiator", *alias = NULL;
	struct disk disk = { 0 };
	int option;

	while ((option = getopt(argc, argv, "i:a:")) != -1)
		if (option == 'i')
			name = optarg;
		else if (option == 'a')
			alias = optarg;
		else
			optind = argc;
	argv += optind - 1;
	argc -= optind - 1;
	if (argc != 3) {
		fputs("usage: initiator [-i NAME] [-a ALIAS] login|hold|scsi URL\n",
		      stderr);
		return 2;
	}
	disk.iscsi = log_in(name, alias, argv[2], &disk.lun);
	if (!strcmp(argv[1], "hold"))
		return hold(&disk);
	if (!strcmp(argv[1], "scsi"))
		return scsi(disk.iscsi, disk.lun);
	return log_out(disk.iscsi);
}
