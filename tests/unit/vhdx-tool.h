/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VHDX images in memory for tests: one image alone, compared with a flat
 * array; a child's parent is an array too.  What fails, fails the test.
 */
#ifndef VHDFS_TESTS_VHDX_TOOL_H
#define VHDFS_TESTS_VHDX_TOOL_H

#include "unit/unit.h"

#include "base/bytes.h"
#include "format/image.h"
#include "format/vhdx-layout.h"
#include "format/vhdx.h"
#include "unit/io-mem.h"

#define M VHDX_MIB

/* An image in its file, open or not. */
struct vdisk {
	struct mem_file file;
	struct image *img; /* null while it is closed */
	uint64_t size;
	uint8_t *model;  /* what the disk has to be */
	uint8_t *parent; /* what shows through a child; null: no parent */
};

/* Makes the image, and a model of zeros. Leaves it closed. */
void vdisk_create(struct vdisk *d, const struct image_params *params);
/* The same as the child of a parent that is made for it, filled at random. */
void vdisk_create_child(struct vdisk *d, const struct image_params *params,
			uint64_t *seed);
void vdisk_fini(struct vdisk *d);

void vdisk_open(struct vdisk *d, bool writable);
void vdisk_close(struct vdisk *d);
/* What a kill leaves: the file as it is now. to is not open, and has the
 * same model. */
void vdisk_kill_copy(struct vdisk *to, const struct vdisk *from);
/* Opening answers code, and its words have text in them. */
void vdisk_open_fails(struct vdisk *d, bool writable, int code,
		      const char *text);

/* Through the image, as a chain would. */
void vdisk_read(struct vdisk *d, void *buf, uint64_t off, uint64_t len);
/* Bytes of a kind: off and len are whole sectors. */
void vdisk_write(struct vdisk *d, uint64_t off, uint64_t len, uint8_t byte);
/* ZERO_BELOW is added where it is true. */
void vdisk_zero(struct vdisk *d, uint64_t off, uint64_t len, int flags);
void vdisk_flush(struct vdisk *d);
/* Flushes, and the file's tables are as the disk's. */
void vdisk_stop(struct vdisk *d);
/* All of the disk is the model's. */
void vdisk_compare(struct vdisk *d);
/* Closes, checks, opens for reading, compares, and closes. */
void vdisk_reopen_and_compare(struct vdisk *d);
/* count random writes, zeros, flushes, each in one block or over several. */
void vdisk_exercise(struct vdisk *d, uint64_t *seed, unsigned count);

/* What a check found. */
struct found {
	unsigned damages, leaks, repaired;
	uint64_t leaked;
	char first[256]; /* the first one's structure, expected and found */
	bool dirty;      /* as struct check has them */
	char pending[96], remark[128];
};
struct found vdisk_check(struct vdisk *d, bool repair);
/* Neither damage nor leak. */
void vdisk_is_sound(struct vdisk *d);

/* Bytes of the closed or open file. */
uint64_t vdisk_get64(const struct vdisk *d, uint64_t off);
void vdisk_put64(struct vdisk *d, uint64_t off, uint64_t value);
void vdisk_put32(struct vdisk *d, uint64_t off, uint32_t value);
void vdisk_put16(struct vdisk *d, uint64_t off, uint16_t value);
/* Puts the right checksum into len bytes at off (the sum is at off + 4). */
void vdisk_sum(struct vdisk *d, uint64_t off, uint32_t len);
/* The current header's copy, 0 or 1. */
int vdisk_slot(const struct vdisk *d);
struct guid vdisk_header_guid(const struct vdisk *d, unsigned field);

/* Where vdisk_create puts things. */
#define BAT_OFF (3 * M)
#define META_OFF (2 * M)
#define LOG_OFF (1 * M)

#endif
