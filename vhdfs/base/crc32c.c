/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "base/crc32c.h"

#include <isa-l/crc.h>

/* isa-l does not invert the checksum at the start or at the end.  Its parameter
 * lacks the const, but it only reads. */
uint32_t crc32c_add(uint32_t sum, const void *buf, size_t len)
{
	return crc32_iscsi((unsigned char *)buf, (int)len, sum);
}

uint32_t crc32c_end(uint32_t sum)
{
	return ~sum;
}

uint32_t crc32c(const void *buf, size_t len)
{
	return crc32c_end(crc32c_add(CRC32C_START, buf, len));
}

uint32_t crc32c_but(const void *buf, size_t len, size_t hole)
{
	static const uint8_t zero[4];
	const uint8_t *b = buf;
	uint32_t sum = crc32c_add(CRC32C_START, b, hole);

	sum = crc32c_add(sum, zero, sizeof zero);
	return crc32c_end(crc32c_add(sum, b + hole + 4, len - hole - 4));
}
