/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes of a bitmap in memory: set by some while others read them and set
 * others, under a lock that all of them share (image_ops.set_allocated).  Who
 * sees a bit set sees what was done before it was set.
 */
#ifndef VHDFS_FORMAT_BITS_H
#define VHDFS_FORMAT_BITS_H

#include <endian.h>
#include <stdint.h>

static inline uint8_t bits_load(const uint8_t *byte)
{
	return __atomic_load_n(byte, __ATOMIC_ACQUIRE);
}

/* Eight bytes, aligned, the first the least. */
static inline uint64_t bits_load_le64(const uint8_t *bytes)
{
	const void *at = bytes;

	return le64toh(__atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE));
}

static inline void bits_set(uint8_t *byte, uint8_t mask)
{
	__atomic_fetch_or(byte, mask, __ATOMIC_RELEASE);
}

#endif
