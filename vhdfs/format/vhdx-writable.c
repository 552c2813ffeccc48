/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images that can be read but not written: those without a log, with a log of
 * an unknown version, with used-up sequence numbers, or with an invalid BAT
 * entry.  Allocating space beside an invalid entry could destroy the block that
 * the entry was meant to name.
 *
 * vhdx_may_write finds these images before they are offered for writing.
 */
#include "config.h"

#include "format/vhdx-internal.h"

int vhdx_header_may_write(struct vhdx *v)
{
	uint16_t version = get_le16(v->header.raw + VHDX_HEADER_LOG_VERSION);

	if (!v->header.log_len)
		return vhdx_fail_header(v, VHDX_HEADER_LOG_LENGTH, -EOPNOTSUPP,
					"log length",
					"a log, which writing needs", 0);
	if (version)
		return vhdx_fail_header(v, VHDX_HEADER_LOG_VERSION, -EOPNOTSUPP,
					"log version", "0, which writing needs",
					version);
	return vhdx_header_has_numbers(v);
}

int vhdx_may_write(struct image *img)
{
	struct vhdx *v = vhdx_of(img);
	bool loaded = v->space_loaded;
	int r = vhdx_header_may_write(v);

	if (r == 0)
		r = vhdx_space_load(v);
	/* Used by writes only. */
	if (!loaded)
		vhdx_space_unload(v);
	return r;
}
