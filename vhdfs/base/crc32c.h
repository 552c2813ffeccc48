/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CRC-32C (Castagnoli polynomial), the checksum of VHDX structures
 * ([MS-VHDX] 2.2 and 2.3).
 *
 * All functions are pure and may be called from any thread.
 */
#ifndef VHDFS_BASE_CRC32C_H
#define VHDFS_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Checksum of len bytes; len is at most 1 GiB. */
uint32_t crc32c(const void *buf, size_t len);

/*
 * Checksum of data that arrives in pieces: begin with CRC32C_START, pass each
 * piece to crc32c_add, and pass the result to crc32c_end.
 */
#define CRC32C_START UINT32_MAX
uint32_t crc32c_add(uint32_t sum, const void *buf, size_t len);
uint32_t crc32c_end(uint32_t sum);

/* As crc32c_add, without isa-l; crc32c_add uses it where isa-l is missing. */
uint32_t crc32c_add_by_table(uint32_t sum, const void *buf, size_t len);

/*
 * Checksum of a structure of len bytes that contains its own checksum: the four
 * bytes at offset hole are taken as zero.
 */
uint32_t crc32c_but(const void *buf, size_t len, size_t hole);

#endif
