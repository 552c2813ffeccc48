/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "base/crc32c.h"

#include <isa-l/crc.h>

/* isa-l neither inverts at the start nor at the end, and writes to nothing. */
static uint32_t step(uint32_t crc, const void *buf, size_t len)
{
	return crc32_iscsi((unsigned char *)buf, (int)len, crc);
}

uint32_t crc32c(const void *buf, size_t len)
{
	return ~step(~UINT32_C(0), buf, len);
}

uint32_t crc32c_but(const void *buf, size_t len, size_t hole)
{
	static const uint8_t zero[4];
	const uint8_t *b = buf;
	uint32_t crc = step(~UINT32_C(0), b, hole);

	crc = step(crc, zero, sizeof zero);
	return ~step(crc, b + hole + 4, len - hole - 4);
}
