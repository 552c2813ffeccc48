/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fills the table of a VHDX with allocated blocks that are holes on disk.
 *
 *     fill-table FILE VIRTUAL-SIZE BLOCK-SIZE SECTOR-SIZE
 *
 * FILE is an empty dynamic VHDX; its blocks become a hole at its end, as large
 * as the disk, so that the file system must accept a file of that size (tmpfs
 * does).
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"

enum {
	MIB = 1 << 20,
	REGION_TABLE = 192 << 10, /* the first of two */
	REGION_HEADER = 16,
	REGION_ENTRY = 32,
	REGIONS_MAX = 2047,
	ENTRY_PRESENT = 6,     /* PAYLOAD_BLOCK_FULLY_PRESENT */
	BITMAP_BITS = 1 << 23, /* sectors of one bitmap block */
};

/* 2DC27766-F623-4200-9D64-115E9BFD4A08 */
static const uint8_t bat_guid[16] = {
	0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42,
	0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08,
};

/* The offset of the table in bytes. */
static uint64_t find_table(int fd, const char *path)
{
	static uint8_t table[64 << 10];

	if (pread(fd, table, sizeof table, REGION_TABLE) != sizeof table)
		err(1, "%s", path);
	for (unsigned i = 0; i < REGIONS_MAX; i++) {
		const uint8_t *entry =
			table + REGION_HEADER + (size_t)i * REGION_ENTRY;

		if (!memcmp(entry, bat_guid, sizeof bat_guid))
			return get_le64(entry + 16);
	}
	errx(1, "%s: region table: expected a BAT, found none", path);
}

/* Writes entries for that many blocks, and the bitmap entries between them. */
static void fill(int fd, uint64_t table, uint64_t blocks, uint64_t block_size,
		 uint64_t ratio, uint64_t end)
{
	uint64_t n = blocks + (blocks - 1) / ratio;
	uint8_t *entries = calloc(n, 8);

	if (!entries)
		err(1, "memory");
	for (uint64_t i = 0; i < n; i++) {
		if ((i + 1) % (ratio + 1) == 0)
			continue;
		put_le64(entries + 8 * i, end | ENTRY_PRESENT);
		end += block_size;
	}
	if (pwrite(fd, entries, 8 * n, (off_t)table) != (ssize_t)(8 * n) ||
	    ftruncate(fd, (off_t)end) < 0)
		err(1, "the table cannot be written");
	free(entries);
}

int main(int argc, char **argv)
{
	uint64_t size, block, sector, end;
	struct stat st;
	int fd;

	if (argc != 5) {
		fputs("usage: fill-table FILE VIRTUAL-SIZE BLOCK-SIZE "
		      "SECTOR-SIZE\n",
		      stderr);
		return 2;
	}
	size = strtoull(argv[2], NULL, 10);
	block = strtoull(argv[3], NULL, 10);
	sector = strtoull(argv[4], NULL, 10);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "%s", argv[1]);
	if (!block || !sector)
		errx(2, "expected a size of blocks and of sectors");
	end = ((uint64_t)st.st_size + MIB - 1) / MIB * MIB;
	fill(fd, find_table(fd, argv[1]), (size + block - 1) / block, block,
	     BITMAP_BITS * sector / block, end);
	return 0;
}
