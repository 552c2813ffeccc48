/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images to be spoiled: valid ones, which the library makes once, and their
 * parts that a fuzzer should change.
 *
 * AN INPUT is records of 12 bytes.  The first selects the family of images;
 * each other one changes one of its files, or is an operation on the disk
 * afterwards, in their order (see fuzz.h).  So an input is small, and the rest
 * of the image stays valid; checksums are corrected after the changes, unless
 * the first record says which are not.
 */
#ifndef VHDFS_TESTS_FUZZ_IMAGE_H
#define VHDFS_TESTS_FUZZ_IMAGE_H

#include "unit/sparse.h"

/* The bytes of a record: where, how, two of an offset, eight of a value; all
 * little-endian. */
enum { RECORD_SIZE = 12 };

struct record {
	uint8_t where; /* bits 6 and 7: which file, or 3: an operation */
	uint8_t how;
	uint16_t off;
	uint64_t value;
};

/* The kind of a part of an image, as a set of bits. */
enum part_kind {
	PART_FOOTER = 1,
	PART_VHD_HEADER = 2, /* and its locators */
	PART_VHD_TABLE = 4,  /* and bitmaps */
	PART_VHDX_HEADER = 8,
	PART_LOG = 16,
	PART_REGION = 32,
	PART_META = 64,
	PART_LOCATOR = 128,
	PART_VHDX_TABLE = 256, /* and bitmaps */
	PART_FILE = 512,       /* any byte, and the size */
	PART_VHD = 7 | PART_FILE,
	PART_VHDX = 504 | PART_FILE,
	PART_ALL = 1023,
};

/* A leaf, its parent and its grandparent. */
enum { FAMILY_FILES = 3, FAMILIES = 4, PARTS_MAX = 40 };

struct part {
	enum part_kind kind;
	uint64_t off, len;
	uint64_t twin; /* the second copy, or 0 */
};

struct family_image {
	const char *path;
	struct sparse file;
	struct part parts[PARTS_MAX];
	unsigned n_parts;
};

struct image_family {
	bool vhdx;
	struct family_image images[FAMILY_FILES]; /* 0: the leaf */
};

/* Number which: 0 and 1 are VHD, 2 and 3 VHDX; made when first asked for. */
const struct image_family *image_family(unsigned which);

/* Makes the change of a record, in one of the parts of those kinds. */
void image_patch(const struct family_image *image, struct sparse *file,
		 const struct record *record, unsigned kinds);

/* The checksums that image_seal does not correct. */
enum { SEAL_NOT_FIRST = 1, SEAL_NOT_SECOND = 2, SEAL_NOT_REST = 4 };
void image_seal(bool vhdx, struct sparse *file, unsigned not_these);

#endif
