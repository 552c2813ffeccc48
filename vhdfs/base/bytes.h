/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Byte buffers: loads and stores of little- and big-endian integers, rounding
 * and range checks.
 *
 * On-disk structures are read and written with these functions.  A pointer to
 * a buffer is never cast to a pointer to a structure, so alignment and the
 * host's byte order do not matter.
 */
#ifndef VHDFS_BASE_BYTES_H
#define VHDFS_BASE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)
#define TIB(n) ((uint64_t)(n) << 40)

#define BYTES_GETPUT(name, type, from, to)             \
	static inline type get_##name(const void *p)   \
	{                                              \
		type v;                                \
		memcpy(&v, p, sizeof v);               \
		return from(v);                        \
	}                                              \
	static inline void put_##name(void *p, type v) \
	{                                              \
		v = to(v);                             \
		memcpy(p, &v, sizeof v);               \
	}

BYTES_GETPUT(le16, uint16_t, le16toh, htole16)
BYTES_GETPUT(le32, uint32_t, le32toh, htole32)
BYTES_GETPUT(le64, uint64_t, le64toh, htole64)
BYTES_GETPUT(be16, uint16_t, be16toh, htobe16)
BYTES_GETPUT(be32, uint32_t, be32toh, htobe32)
BYTES_GETPUT(be64, uint64_t, be64toh, htobe64)
#undef BYTES_GETPUT

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline bool is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* In the next three functions align is a power of two. */
static inline bool is_aligned(uint64_t v, uint64_t align)
{
	return !(v & (align - 1));
}

static inline uint64_t round_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

static inline uint64_t round_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline uint64_t div_up(uint64_t v, uint64_t by)
{
	return v / by + (v % by != 0);
}

/* True if [off, off + len) does not overflow and ends at or before end. */
static inline bool range_within(uint64_t off, uint64_t len, uint64_t end)
{
	return off <= end && len <= end - off;
}

/* True if the two half-open ranges share a byte.  Neither may overflow. */
static inline bool ranges_overlap(uint64_t a, uint64_t alen, uint64_t b,
				  uint64_t blen)
{
	return alen && blen && a < b + blen && b < a + alen;
}

/* True if all len bytes are zero; true for len 0. */
static inline bool bytes_are_zero(const void *p, size_t len)
{
	const unsigned char *b = p;

	return !len || (!b[0] && !memcmp(b, b + 1, len - 1));
}

#endif
