/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VHDX image in memory for tests, and a model of its disk: a flat array.  The
 * parent of a child is a flat array, too.  Functions fail the test on errors.
 */
#ifndef VHDFS_TESTS_VHDX_TOOL_H
#define VHDFS_TESTS_VHDX_TOOL_H

#include "unit/unit.h"

#include "base/bytes.h"
#include "format/image.h"
#include "format/vhdx-layout.h"
#include "format/vhdx.h"
#include "unit/io-mem.h"

#define M MIB(1)

/* An image file, and the open image. */
struct vdisk {
	struct mem_file file;
	struct image *img; /* null while closed */
	uint64_t size;
	uint8_t *model;  /* the expected content of the disk */
	uint8_t *parent; /* a child's parent, or null */
};

/* Creates a closed image and a model of zeros. */
void vdisk_create(struct vdisk *d, const struct image_params *params);
/* The same for a child of a new parent with random content. */
void vdisk_create_child(struct vdisk *d, const struct image_params *params,
			uint64_t *seed);
void vdisk_fini(struct vdisk *d);

void vdisk_open(struct vdisk *d, bool writable);
void vdisk_close(struct vdisk *d);
/* Copies the file as a kill would leave it now, and the model, to a closed
 * image. */
void vdisk_kill_copy(struct vdisk *to, const struct vdisk *from);
/* Opening returns code, with text in the message. */
void vdisk_open_fails(struct vdisk *d, bool writable, int code,
		      const char *text);

/* Reads through the image, as a chain does. */
void vdisk_read(struct vdisk *d, void *buf, uint64_t off, uint64_t len);
/* Writes len equal bytes; whole sectors. */
void vdisk_write(struct vdisk *d, uint64_t off, uint64_t len, uint8_t byte);
/* Adds ZERO_BELOW where the parent has zeros. */
void vdisk_zero(struct vdisk *d, uint64_t off, uint64_t len, int flags);
void vdisk_flush(struct vdisk *d);
/* Flushes and checkpoints: the tables in the file are current. */
void vdisk_end_writes(struct vdisk *d);
/* The whole disk equals the model. */
void vdisk_compare(struct vdisk *d);
/* Closes, checks, opens for reading, compares, and closes. */
void vdisk_reopen_and_compare(struct vdisk *d);
/* Does count random writes, zeroings and flushes, some across blocks. */
void vdisk_exercise(struct vdisk *d, uint64_t *seed, unsigned count);

/* The result of a check. */
struct found {
	unsigned damages, leaks, repaired;
	uint64_t leaked;
	char first[256]; /* the first finding, as text */
	bool dirty;      /* of struct check, as the next line */
	char pending[96], remark[128];
};
struct found vdisk_check(struct vdisk *d, bool repair);
/* A check finds neither damage nor leak. */
void vdisk_expect_undamaged(struct vdisk *d);

/* Bytes of the closed or open file. */
uint64_t vdisk_get64(const struct vdisk *d, uint64_t off);
void vdisk_put64(struct vdisk *d, uint64_t off, uint64_t value);
void vdisk_put32(struct vdisk *d, uint64_t off, uint32_t value);
void vdisk_put16(struct vdisk *d, uint64_t off, uint16_t value);
/* Updates the checksum, at off + 4, of len bytes at off. */
void vdisk_sum(struct vdisk *d, uint64_t off, uint32_t len);
/* The slot of the current header. */
int vdisk_slot(const struct vdisk *d);
struct guid vdisk_header_guid(const struct vdisk *d, unsigned field);

/* Where vdisk_create places the structures. */
#define BAT_OFF (3 * M)
#define META_OFF (2 * M)
#define LOG_OFF (1 * M)

#endif
