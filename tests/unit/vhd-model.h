/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VHD image beside a flat array, which is what it must read as. */
#ifndef VHDFS_TESTS_VHD_MODEL_H
#define VHDFS_TESTS_VHD_MODEL_H

#include "unit/vhd-tool.h"

struct beside {
	struct mem_file *file; /* or, where it is null, */
	const char *path;
	struct image *img;
	uint64_t size;
	uint8_t *disk;
	/* What lies below: not zero in the first half. Null for no parent. */
	uint8_t *parent;
};

/* Makes an image in m's file, or at its path, and opens it for writing. */
void beside_init(struct beside *m, enum image_type type, uint64_t size,
		 uint64_t block_size);
void beside_open(struct beside *m);
/* Closes the image. */
void beside_fini(struct beside *m);
/* Fails the test where image and array differ. */
void beside_compare(struct beside *m);
/* Both are written; a write that fails fails the test. */
void beside_write(struct beside *m, uint64_t off, size_t len, uint8_t tag);
/* ZERO_BELOW is passed on only where it is true. */
void beside_zero(struct beside *m, uint64_t off, uint64_t len, int flags);
/* Compare, close, check, open, compare again. */
void beside_reopen(struct beside *m);

#endif
