/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images that can be read but not written: those without a log, with a log of
 * an unknown version, with used-up sequence numbers, or with an invalid BAT
 * entry.  Allocating space beside an invalid entry could destroy the block that
 * the entry was meant to name.
 *
 * vhdx_may_write finds these images before they are offered for writing, with
 * one bit for each MiB of the file; vhdx_begin_writes finds the same with the
 * map of used space.
 */
#include "config.h"

#include "format/vhdx-internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"

/* 16 MiB of bits.  In a larger file, overlapping blocks are found only by the
 * first write. */
#define SLOTS_MAX (UINT64_C(1) << 27)

/* The MiB of the file that blocks use. */
struct slots {
	uint8_t *used; /* bits */
	uint64_t n;
};

static int fail_header(struct vhdx *v, const char *what, unsigned field,
		       const char *expected, uint64_t found)
{
	return fail_found(-EOPNOTSUPP, v->img.io->name,
			  format_arg("header: %s", what),
			  VHDX_HEADER_OFFSET(v->slot) + field, expected,
			  "%" PRIu64, found);
}

int vhdx_header_may_write(struct vhdx *v)
{
	uint16_t version = get_le16(v->header.raw + VHDX_HEADER_LOG_VERSION);

	if (!v->header.log_len)
		return fail_header(v, "log length", VHDX_HEADER_LOG_LENGTH,
				   "a log, which writing needs", 0);
	if (version)
		return fail_header(v, "log version", VHDX_HEADER_LOG_VERSION,
				   "0, which writing needs", version);
	return vhdx_header_has_numbers(v);
}

/* Validates an entry and sets the bits of its block, which must be clear. */
static int mark_used(struct vhdx *v, uint64_t index, uint64_t entry, void *ctx)
{
	struct slots *slots = ctx;
	uint64_t at = VHDX_BAT_OFFSET(entry) / VHDX_MIB;
	uint64_t end = at + vhdx_bat_space(v, index, entry) / VHDX_MIB;
	int r = vhdx_bat_validate(v, index, entry);

	if (r < 0)
		return r;
	for (; at < min_u64(end, slots->n); at++) {
		uint8_t bit = 1 << at % 8;

		if (slots->used[at / 8] & bit)
			return vhdx_fail_overlap(v, at * VHDX_MIB);
		slots->used[at / 8] |= bit;
	}
	return 0;
}

int vhdx_may_write(struct image *img)
{
	struct vhdx *v = vhdx_of(img);
	uint64_t n = div_up(v->file_size, VHDX_MIB);
	struct slots slots = { .n = n <= SLOTS_MAX ? n : 0 };
	int r = vhdx_header_may_write(v);

	if (r < 0)
		return r;
	slots.used = calloc(1, slots.n / 8 + 1);
	if (!slots.used)
		return fail(-ENOMEM, "%s: out of memory", img->io->name);
	r = vhdx_bat_scan(v, mark_used, &slots);
	free(slots.used);
	return r;
}
