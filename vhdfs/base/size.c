/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes in bytes as text. */
#include "config.h"

#include "base/size.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char units[] = "KMGTPE";
enum { UNITS_PARSED = 4 }; /* no disk is larger */

int size_parse(const char *text, uint64_t *ret)
{
	uint64_t size = 0;
	const char *unit;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++)
		if (__builtin_mul_overflow(size, 10, &size) ||
		    __builtin_add_overflow(size, *text - '0', &size))
			return -EINVAL;
	if (!*text) {
		*ret = size;
		return 0;
	}
	unit = memchr(units, toupper((unsigned char)*text), UNITS_PARSED);
	if (!unit || text[1])
		return -EINVAL;
	for (; unit >= units; unit--)
		if (__builtin_mul_overflow(size, 1024, &size))
			return -EINVAL;
	*ret = size;
	return 0;
}

const char *size_format(uint64_t size, char *buf, size_t buf_size)
{
	double shown = (double)size;
	int unit = -1;

	for (; shown >= 1024 && units[unit + 1]; unit++)
		shown /= 1024;
	if (unit < 0)
		snprintf(buf, buf_size, "%" PRIu64 " bytes", size);
	else
		snprintf(buf, buf_size, "%.4g %ciB (%" PRIu64 " bytes)", shown,
			 units[unit], size);
	return buf;
}
