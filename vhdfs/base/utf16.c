/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conversion between UTF-8 and UTF-16, with libunistring. */
#include "config.h"

#include "base/utf16.h"

#include <errno.h>
#include <stdlib.h>
#include <unistr.h>

#include "base/bytes.h"
#include "base/cleanup.h"

static int decode(const void *p, size_t len, uint16_t (*get)(const void *),
		  char **ret_utf8)
{
	_cleanup_free_ uint16_t *units = NULL;
	size_t n = len / 2, out_len;
	uint8_t *utf8;

	if (len % 2)
		return -EBADMSG;
	units = calloc(n + 1, sizeof *units);
	if (!units)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		units[i] = get((const uint8_t *)p + 2 * i);
	/* The NUL that calloc set is converted, too, and ends the string. */
	errno = 0;
	utf8 = u16_to_u8(units, u16_strlen(units) + 1, NULL, &out_len);
	if (!utf8)
		return errno == ENOMEM ? -ENOMEM : -EBADMSG;
	*ret_utf8 = (char *)utf8;
	return 0;
}

static int encode(const char *utf8, void (*put)(void *, uint16_t),
		  uint8_t **ret, size_t *ret_len)
{
	_cleanup_free_ uint16_t *units = NULL;
	size_t n;
	uint8_t *out;

	errno = 0;
	/* Includes the NUL, so that the empty string is not a special case. */
	units = u8_to_u16((const uint8_t *)utf8, strlen(utf8) + 1, NULL, &n);
	if (!units)
		return errno == ENOMEM ? -ENOMEM : -EINVAL;
	out = malloc(2 * n);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		put(out + 2 * i, units[i]);
	*ret = out;
	*ret_len = 2 * (n - 1);
	return 0;
}

int utf16le_decode(const void *p, size_t len, char **ret_utf8)
{
	return decode(p, len, get_le16, ret_utf8);
}

int utf16be_decode(const void *p, size_t len, char **ret_utf8)
{
	return decode(p, len, get_be16, ret_utf8);
}

int utf16le_encode(const char *utf8, uint8_t **ret, size_t *ret_len)
{
	return encode(utf8, put_le16, ret, ret_len);
}

int utf16be_encode(const char *utf8, uint8_t **ret, size_t *ret_len)
{
	return encode(utf8, put_be16, ret, ret_len);
}
