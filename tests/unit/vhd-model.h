/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VHD image, and a flat array with the contents that it must have. */
#ifndef VHDFS_TESTS_VHD_MODEL_H
#define VHDFS_TESTS_VHD_MODEL_H

#include "unit/vhd-tool.h"

struct vhd_model {
	struct mem_file *file; /* null: the image is at path */
	const char *path;
	struct image *img;
	uint64_t size;
	uint8_t *disk;
	/* The parent's data: not zero in the first half.  Null: no parent. */
	uint8_t *parent;
};

/* Makes an image in m's file, or at its path, and opens it for writing. */
void vhd_model_init(struct vhd_model *m, enum image_type type, uint64_t size,
		    uint64_t block_size);
void vhd_model_open(struct vhd_model *m);
/* Closes the image. */
void vhd_model_fini(struct vhd_model *m);
/* Fails the test if image and array differ. */
void vhd_model_compare(struct vhd_model *m);
/* Writes to both; the test fails if the write does. */
void vhd_model_write(struct vhd_model *m, uint64_t off, size_t len,
		     uint8_t tag);
/* ZERO_BELOW is passed on only if the parent's data is zeros. */
void vhd_model_zero(struct vhd_model *m, uint64_t off, uint64_t len, int flags);
/* Compare, close, check, open, compare again. */
void vhd_model_reopen(struct vhd_model *m);

#endif
