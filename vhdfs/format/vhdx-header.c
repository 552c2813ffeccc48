/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two headers ([MS-VHDX] 2.2.2).
 *
 * The current header is the valid one with the higher sequence number.  An
 * update writes the other copy with the next number and syncs it, so that a
 * crash leaves at least one valid header.
 */
#include "config.h"

#include "format/vhdx-internal.h"

#include "base/crc32c.h"

int vhdx_header_read(struct io *io, int slot, struct vhdx_header *ret)
{
	struct vhdx_header h;
	int r = io_read_padded(io, h.raw, sizeof h.raw,
			       VHDX_HEADER_OFFSET(slot));

	if (r < 0)
		return r;
	if (memcmp(h.raw, VHDX_HEADER_SIGNATURE, 4) != 0 ||
	    crc32c_but(h.raw, sizeof h.raw, VHDX_HEADER_CRC) !=
		    get_le32(h.raw + VHDX_HEADER_CRC))
		return 0;
	h.sequence = get_le64(h.raw + VHDX_HEADER_SEQUENCE);
	h.log_off = get_le64(h.raw + VHDX_HEADER_LOG_OFFSET);
	h.log_len = get_le32(h.raw + VHDX_HEADER_LOG_LENGTH);
	*ret = h;
	return 1;
}

/* Sets v->header and v->slot. */
static int choose_current(struct vhdx *v)
{
	struct vhdx_header h[2];
	int good[2];

	for (int slot = 0; slot < 2; slot++) {
		good[slot] = vhdx_header_read(v->img.io, slot, &h[slot]);
		if (good[slot] < 0)
			return good[slot];
	}
	if (!good[0] && !good[1])
		return fail_found(-EBADMSG, v->img.io->name, "headers",
				  VHDX_HEADER_OFFSET(0),
				  "a signature and a valid checksum",
				  "neither in both copies");
	/* disk2vhd writes two equal headers; either one may be used. */
	if (good[0] && good[1] && h[0].sequence == h[1].sequence &&
	    memcmp(h[0].raw, h[1].raw, sizeof h[0].raw) != 0)
		return fail_found(-EBADMSG, v->img.io->name, "headers",
				  VHDX_HEADER_OFFSET(0),
				  "different sequence numbers",
				  "two different headers with number %" PRIu64,
				  h[0].sequence);
	v->slot = !good[0] || (good[1] && h[1].sequence > h[0].sequence);
	v->header = h[v->slot];
	return 0;
}

int vhdx_fail_header(struct vhdx *v, unsigned field, int code, const char *what,
		     const char *expected, uint64_t found)
{
	return fail_found(code, v->img.io->name, format_arg("header: %s", what),
			  VHDX_HEADER_OFFSET(v->slot) + field, expected,
			  "%" PRIu64, found);
}

static int validate_log_range(struct vhdx *v)
{
	uint64_t off = v->header.log_off, len = v->header.log_len, file_size;
	int r;

	if (!is_aligned(len, MIB(1)) || len > VHDX_LOG_MAX)
		return vhdx_fail_header(
			v, VHDX_HEADER_LOG_LENGTH, -EBADMSG, "log length",
			"a multiple of 1 MiB, at most 1 GiB", len);
	if (!is_aligned(off, MIB(1)) || off < VHDX_AREA)
		return vhdx_fail_header(
			v, VHDX_HEADER_LOG_OFFSET, -EBADMSG, "log offset",
			"a multiple of 1 MiB, at least 1 MiB", off);
	r = io_size(v->img.io, &file_size);
	if (r == 0 && !range_within(off, len, file_size))
		return vhdx_fail_header(
			v, VHDX_HEADER_LOG_OFFSET, -EBADMSG, "log offset",
			format_arg("a log of %" PRIu64
				   " bytes inside the file of %" PRIu64,
				   len, file_size),
			off);
	return r;
}

bool vhdx_has_log(const struct vhdx *v)
{
	return !bytes_are_zero(v->header.raw + VHDX_HEADER_LOG_GUID,
			       sizeof(struct guid));
}

static int validate_current(struct vhdx *v)
{
	const uint8_t *raw = v->header.raw;
	uint16_t version = get_le16(raw + VHDX_HEADER_VERSION);
	uint16_t log_version = get_le16(raw + VHDX_HEADER_LOG_VERSION);
	bool logged = vhdx_has_log(v);

	if (version != 1)
		return vhdx_fail_header(v, VHDX_HEADER_VERSION, -EOPNOTSUPP,
					"version", "1", version);
	if (log_version != 0 && logged)
		return vhdx_fail_header(v, VHDX_HEADER_LOG_VERSION, -EOPNOTSUPP,
					"log version", "0", log_version);
	if (v->header.log_len)
		return validate_log_range(v);
	if (logged)
		return vhdx_fail_header(v, VHDX_HEADER_LOG_LENGTH, -EBADMSG,
					"log length",
					"a log, as the log guid is set", 0);
	return 0;
}

int vhdx_headers_load(struct vhdx *v)
{
	int r = choose_current(v);

	if (r == 0)
		r = validate_current(v);
	if (r < 0)
		return r;
	v->img.id = guid_from_le(v->header.raw + VHDX_HEADER_DATA_GUID);
	v->img.dirty = vhdx_has_log(v);
	return 0;
}

void vhdx_header_set_guid(struct vhdx *v, unsigned field,
			  const struct guid *guid)
{
	static const struct guid none;

	guid_to_le(v->header.raw + field, guid ? guid : &none);
}

int vhdx_header_has_numbers(struct vhdx *v)
{
	enum { NUMBERS = 16 };

	if (v->header.sequence <= UINT64_MAX - NUMBERS)
		return 0;
	return vhdx_fail_header(
		v, VHDX_HEADER_SEQUENCE, -EOPNOTSUPP, "sequence number",
		"one with unused numbers above it", v->header.sequence);
}

int vhdx_header_update(struct vhdx *v)
{
	struct vhdx_header h = v->header;
	int r;

	h.sequence++;
	put_le64(h.raw + VHDX_HEADER_SEQUENCE, h.sequence);
	put_le32(h.raw + VHDX_HEADER_CRC,
		 crc32c_but(h.raw, sizeof h.raw, VHDX_HEADER_CRC));
	r = io_write(v->img.io, h.raw, sizeof h.raw,
		     VHDX_HEADER_OFFSET(!v->slot));
	if (r == 0)
		r = io_sync(v->img.io);
	if (r < 0)
		return r;
	v->slot = !v->slot;
	v->header = h;
	return 0;
}

int vhdx_headers_update(struct vhdx *v)
{
	int r = vhdx_header_update(v);

	return r < 0 ? r : vhdx_header_update(v);
}
