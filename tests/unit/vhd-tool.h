/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the VHD driver share: images in memory, and an oracle. */
#ifndef VHDFS_TESTS_VHD_TOOL_H
#define VHDFS_TESTS_VHD_TOOL_H

#include "format/image.h"
#include "format/vhd-internal.h"
#include "format/vhd.h"
#include "unit/io-mem.h"

/* Fails the test with words. */
#define vhd_complain(...) (print_error(__VA_ARGS__), _fail(__FILE__, __LINE__))

/* Setup and teardown: *state is a struct mem_file. */
int vhd_file_setup(void **state);
int vhd_file_teardown(void **state);

/* Makes a VHD in file; block_size 0 is the default. */
void vhd_make(struct mem_file *file, enum image_type type, uint64_t size,
	      uint64_t block_size);
/* Opens it, or fails the test. */
struct image *vhd_open_file(struct mem_file *file, bool writable);
/* What opening it answers; an image that opens is closed again. */
int vhd_try_open(struct mem_file *file, bool writable);

/* The disk, where it asks the parent what parent has (null: zeros). */
void vhd_read_disk(struct image *img, const uint8_t *parent, uint8_t *buf,
		   uint64_t off, size_t len);

/* Changes size bytes at off of the footers (both, where there are two), or of
 * the header, and computes the checksum anew. */
void vhd_set_footer(struct mem_file *file, unsigned off, unsigned size,
		    uint64_t value);
void vhd_set_header(struct mem_file *file, unsigned off, unsigned size,
		    uint64_t value);
uint64_t vhd_table_off(const struct mem_file *file);
uint32_t vhd_get_entry(const struct mem_file *file, uint32_t block);
void vhd_set_entry(struct mem_file *file, uint32_t block, uint32_t entry);

/* A pattern that differs from sector to sector and from tag to tag. */
void vhd_fill(uint8_t *buf, size_t len, uint64_t off, uint8_t tag);

/* What check found, a line each: "STRUCTURE at N: expected X, found Y", with
 * ", leaked" and ", repaired" behind. */
struct vhd_found {
	struct check check; /* first */
	unsigned n, leaks, repaired;
	char text[4096];
};
/* Runs check; 0 or its error. */
int vhd_run_check(struct mem_file *file, bool repair, struct vhd_found *ret);
/* Fails the test where check finds anything. */
void vhd_assert_clean(struct mem_file *file);

#endif
