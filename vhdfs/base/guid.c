/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GUIDs, with libuuid. */
#include "config.h"

#include "base/guid.h"

#include <errno.h>
#include <string.h>
#include <uuid/uuid.h>

struct guid guid_random(void)
{
	struct guid g;

	uuid_generate_random(g.b);
	return g;
}

bool guid_equal(const struct guid *a, const struct guid *b)
{
	return !memcmp(a->b, b->b, sizeof a->b);
}

bool guid_is_null(const struct guid *g)
{
	return uuid_is_null(g->b);
}

struct guid guid_from_be(const void *p)
{
	struct guid g;

	memcpy(g.b, p, sizeof g.b);
	return g;
}

void guid_to_be(void *p, const struct guid *g)
{
	memcpy(p, g->b, sizeof g->b);
}

/* Reverses the bytes of the first three fields.  Its own inverse. */
static void swap_fields(uint8_t *out, const uint8_t *in)
{
	static const uint8_t order[16] = { 3, 2, 1,  0,  5,  4,  7,  6,
					   8, 9, 10, 11, 12, 13, 14, 15 };

	for (int i = 0; i < 16; i++)
		out[i] = in[order[i]];
}

struct guid guid_from_le(const void *p)
{
	struct guid g;

	swap_fields(g.b, p);
	return g;
}

void guid_to_le(void *p, const struct guid *g)
{
	swap_fields(p, g->b);
}

const char *guid_format(const struct guid *g, char text[GUID_TEXT_SIZE])
{
	uuid_unparse_lower(g->b, text);
	return text;
}

int guid_parse(const char *text, size_t len, struct guid *ret)
{
	char bare[GUID_TEXT_SIZE] = "";
	uuid_t u;

	if (len == 38 && text[0] == '{' && text[37] == '}') {
		text++;
		len = 36;
	}
	if (len != 36)
		return -EINVAL;
	memcpy(bare, text, len);
	if (uuid_parse(bare, u) < 0)
		return -EINVAL;
	memcpy(ret->b, u, sizeof ret->b);
	return 0;
}
