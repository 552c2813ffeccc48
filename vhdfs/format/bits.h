/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bitmap bytes in memory: bits are set with an atomic OR while other threads
 * read them or set others, under a shared lock (image_ops.set_allocated).
 *
 * A set bit is a release: a thread that loads it also sees the writes before
 * it.  Clearing bits is not atomic and needs the exclusive lock.
 */
#ifndef VHDFS_FORMAT_BITS_H
#define VHDFS_FORMAT_BITS_H

#include <endian.h>
#include <stdint.h>

static inline uint8_t bits_load(const uint8_t *byte)
{
	return __atomic_load_n(byte, __ATOMIC_ACQUIRE);
}

/* Loads 8 aligned bytes, little-endian. */
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
