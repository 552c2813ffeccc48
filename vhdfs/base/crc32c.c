/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CRC-32C: with isa-l, which uses the processor's instructions, or with a table
 * on architectures for which isa-l does not exist.
 */
#include "config.h"

#include "base/crc32c.h"

#ifdef HAVE_ISAL
#include <isa-l/crc.h>
#endif

/*
 * The checksum of one byte, for the table: the XOR of the checksums of its
 * bits.  The polynomial 0x1edc6f41 is bit-reversed: 0x82f63b78.
 */
#define BIT(byte, i, sum) (((byte) >> (i)) & 1 ? UINT32_C(sum) : 0)
#define BYTE(b)                                          \
	(BIT(b, 0, 0xf26b8303) ^ BIT(b, 1, 0xe13b70f7) ^ \
	 BIT(b, 2, 0xc79a971f) ^ BIT(b, 3, 0x8ad958cf) ^ \
	 BIT(b, 4, 0x105ec76f) ^ BIT(b, 5, 0x20bd8ede) ^ \
	 BIT(b, 6, 0x417b1dbc) ^ BIT(b, 7, 0x82f63b78))
#define BYTES_4(b) BYTE(b), BYTE((b) + 1), BYTE((b) + 2), BYTE((b) + 3)
#define BYTES_16(b) \
	BYTES_4(b), BYTES_4((b) + 4), BYTES_4((b) + 8), BYTES_4((b) + 12)
#define BYTES_64(b) \
	BYTES_16(b), BYTES_16((b) + 16), BYTES_16((b) + 32), BYTES_16((b) + 48)

static const uint32_t table[256] = { BYTES_64(0), BYTES_64(64), BYTES_64(128),
				     BYTES_64(192) };

uint32_t crc32c_add_by_table(uint32_t sum, const void *buf, size_t len)
{
	const uint8_t *b = buf;

	for (size_t i = 0; i < len; i++)
		sum = sum >> 8 ^ table[(sum ^ b[i]) & 0xff];
	return sum;
}

/* isa-l does not invert the checksum at the start or at the end.  Its parameter
 * lacks the const, but it only reads. */
uint32_t crc32c_add(uint32_t sum, const void *buf, size_t len)
{
#ifdef HAVE_ISAL
	return crc32_iscsi((unsigned char *)buf, (int)len, sum);
#else
	return crc32c_add_by_table(sum, buf, len);
#endif
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
