/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CRC-32C (Castagnoli) as VHDX uses it, over isa-l. */
#ifndef VHDFS_BASE_CRC32C_H
#define VHDFS_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of len bytes. len is at most 1 GiB. */
uint32_t crc32c(const void *buf, size_t len);

/* Of bytes that come in pieces: CRC32C_START, crc32c_add for each, crc32c_end.
 */
#define CRC32C_START UINT32_MAX
uint32_t crc32c_add(uint32_t sum, const void *buf, size_t len);
uint32_t crc32c_end(uint32_t sum);

/* Of len bytes, with the four at hole taken as zero (the checksum's own). */
uint32_t crc32c_but(const void *buf, size_t len, size_t hole);

#endif
