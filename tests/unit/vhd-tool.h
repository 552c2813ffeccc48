/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Helpers for tests of the VHD driver: images in memory, changes of their
 * structures, check. */
#ifndef VHDFS_TESTS_VHD_TOOL_H
#define VHDFS_TESTS_VHD_TOOL_H

#include "format/image.h"
#include "format/vhd-internal.h"
#include "format/vhd.h"
#include "unit/io-mem.h"

/* Fails the test with a message. */
#define vhd_fail_test(...) (print_error(__VA_ARGS__), _fail(__FILE__, __LINE__))

/* Setup and teardown: *state is a struct mem_file. */
int vhd_file_setup(void **state);
int vhd_file_teardown(void **state);

/* Makes a VHD in file; block_size 0 is the default. */
void vhd_make(struct mem_file *file, enum image_type type, uint64_t size,
	      uint64_t block_size);
/* Opens the image, or fails the test. */
struct image *vhd_open_file(struct mem_file *file, bool writable);
/* Opens and closes the image; returns the result of the open. */
int vhd_try_open(struct mem_file *file, bool writable);

/* Reads the merged disk; parent: the parent's data, null: zeros. */
void vhd_read_disk(struct image *img, const uint8_t *parent, uint8_t *buf,
		   uint64_t off, size_t len);

/* Sets size bytes at off of the footers (both, if there are two), or of the
 * header, to value, and updates the checksum. */
void vhd_set_footer(struct mem_file *file, unsigned off, unsigned size,
		    uint64_t value);
void vhd_set_header(struct mem_file *file, unsigned off, unsigned size,
		    uint64_t value);
uint64_t vhd_table_off(const struct mem_file *file);
uint32_t vhd_get_entry(const struct mem_file *file, uint32_t block);
void vhd_set_entry(struct mem_file *file, uint32_t block, uint32_t entry);

/* A pattern that differs from sector to sector and from tag to tag. */
void vhd_fill(uint8_t *buf, size_t len, uint64_t off, uint8_t tag);

/* The findings of check, one per line: "STRUCTURE at N: expected X, found Y",
 * with ", leaked" or ", repaired" appended. */
struct vhd_found {
	struct check check; /* first */
	unsigned n, leaks, repaired;
	char text[4096];
};
/* Runs check; 0 or its error. */
int vhd_run_check(struct mem_file *file, bool repair, struct vhd_found *ret);
/* Fails the test if check has a finding. */
void vhd_assert_clean(struct mem_file *file);

#endif
