/* SPDX-License-Identifier: GPL-2.0-or-later */
/* load: a disk that is a file. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/load.h"

static int file_read(struct disk *disk, void *buf, uint64_t sec, uint32_t n)
{
	size_t len = (size_t)n * SECTOR;
	ssize_t r = pread(disk->fd, buf, len, (off_t)(sec * SECTOR));

	if (r < 0)
		return -errno;
	/* A read before the end of the disk is never short. */
	return (size_t)r == len ? 0 : -ENODATA;
}

static int file_write(struct disk *disk, void *buf, uint64_t sec, uint32_t n)
{
	ssize_t r = pwrite(disk->fd, buf, (size_t)n * SECTOR,
			   (off_t)(sec * SECTOR));

	return r < 0 ? -errno : (int)(r / SECTOR);
}

static int file_zero(struct disk *disk, uint64_t sec, uint32_t n, bool punch)
{
	int mode = punch ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
	int r = fallocate(disk->fd, mode | FALLOC_FL_KEEP_SIZE,
			  (off_t)(sec * SECTOR), (off_t)n * SECTOR);

	return r < 0 ? -errno : 0;
}

static int file_flush(struct disk *disk, bool data_only)
{
	int r = data_only ? fdatasync(disk->fd) : fsync(disk->fd);

	return r < 0 ? -errno : 0;
}

static void file_close(struct disk *disk)
{
	close(disk->fd);
	free(disk);
}

static const struct disk_ops file_ops = {
	.read = file_read,
	.write = file_write,
	.zero = file_zero,
	.flush = file_flush,
	.close = file_close,
};

struct disk *disk_open(const char *where, int flags)
{
	struct disk *disk;
	off_t size;

	if (!strncmp(where, "iscsi://", 8))
		return disk_open_iscsi(where);
	disk = calloc(1, sizeof *disk);
	if (!disk)
		abort();
	disk->ops = &file_ops;
	disk->unit = 1;
	disk->fd = open(where, flags | O_CLOEXEC);
	size = disk->fd < 0 ? -1 : lseek(disk->fd, 0, SEEK_END);
	if (size < 0) {
		fprintf(stderr, "load: %s: %s\n", where,
			strerrorname_np(errno));
		exit(2);
	}
	disk->sectors = (uint64_t)size / SECTOR;
	return disk;
}

#ifndef WITH_ISCSI
struct disk *disk_open_iscsi(const char *url)
{
	fprintf(stderr, "load: %s: built without libiscsi\n", url);
	exit(2);
}
#endif
