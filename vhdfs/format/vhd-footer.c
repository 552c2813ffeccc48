/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHD footers: read both, check them, choose the valid one; checksum, geometry
 * and disk size. */
#include "config.h"

#include "format/vhd-internal.h"

uint32_t vhd_checksum(const uint8_t *p, size_t size, size_t hole)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		if (i < hole || i >= hole + 4)
			sum += p[i];
	return ~sum;
}

void vhd_footer_seal(uint8_t *footer)
{
	put_be32(footer + FOOTER_CHECKSUM,
		 vhd_checksum(footer, FOOTER_SIZE, FOOTER_CHECKSUM));
}

uint32_t vhd_time_of(int64_t unix_time)
{
	int64_t t = unix_time - VHD_EPOCH;

	return t < 0 || t > UINT32_MAX ? 0 : (uint32_t)t;
}

static uint32_t pack_geometry(uint32_t cylinders, uint32_t heads, uint32_t spt)
{
	return cylinders << 16 | heads << 8 | spt;
}

/* As in the specification's appendix: all divisions round down, so the product
 * is never more than size. */
uint32_t vhd_geometry(uint64_t size)
{
	uint32_t sectors = min_u64(size / VHD_SECTOR, 65535 * 16 * 255);
	uint32_t spt = 17, heads, tracks;

	if (sectors >= 65535 * 16 * 63)
		return pack_geometry(sectors / 255 / 16, 16, 255);
	tracks = sectors / spt;
	heads = max_u64(4, (tracks + 1023) / 1024);
	if (tracks >= heads * 1024 || heads > 16) {
		spt = 31;
		heads = 16;
		tracks = sectors / spt;
	}
	if (tracks >= heads * 1024) {
		spt = 63;
		heads = 16;
		tracks = sectors / spt;
	}
	return pack_geometry(tracks / heads, heads, spt);
}

/*
 * In images of Virtual PC and QEMU the disk's size is the product of the
 * geometry, which is less than the current size; in all others it is the
 * current size.  A geometry of zero, or at its maximum, is not used.
 */
uint64_t vhd_footer_size(const uint8_t *footer)
{
	uint64_t size = get_be64(footer + FOOTER_CURRENT_SIZE);
	const uint8_t *g = footer + FOOTER_GEOMETRY;
	uint64_t chs = (uint64_t)get_be16(g) * g[2] * g[3];

	if (memcmp(footer + FOOTER_CREATOR, "vpc ", 4) &&
	    memcmp(footer + FOOTER_CREATOR, "qemu", 4))
		return size;
	if (!chs || chs == UINT64_C(65535) * 16 * 255)
		return size;
	return chs * VHD_SECTOR;
}

static bool checksum_fits(const uint8_t *footer)
{
	uint32_t stored = get_be32(footer + FOOTER_CHECKSUM);
	uint32_t sum = vhd_checksum(footer, FOOTER_SIZE, FOOTER_CHECKSUM);

	return stored == sum || stored == sum + footer[FOOTER_HIDDEN];
}

int vhd_footer_intact(const struct io *io, const uint8_t *footer, uint64_t off)
{
	if (memcmp(footer, FOOTER_COOKIE_TEXT, 8))
		return fail_found(-EBADMSG, io->name, "footer", off,
				  "the cookie \"" FOOTER_COOKIE_TEXT "\"",
				  "%02x %02x %02x %02x ...", footer[0],
				  footer[1], footer[2], footer[3]);
	if (!checksum_fits(footer))
		return fail_found(-EBADMSG, io->name, "footer checksum",
				  off + FOOTER_CHECKSUM,
				  format_arg("0x%08" PRIx32,
					     vhd_checksum(footer, FOOTER_SIZE,
							  FOOTER_CHECKSUM)),
				  "0x%08" PRIx32,
				  get_be32(footer + FOOTER_CHECKSUM));
	return 0;
}

int vhd_footer_check(const struct io *io, const uint8_t *footer, uint64_t off)
{
	uint32_t version = get_be32(footer + FOOTER_VERSION);
	uint32_t type = get_be32(footer + FOOTER_TYPE);
	uint64_t current = get_be64(footer + FOOTER_CURRENT_SIZE);

	if (version >> 16 != VHD_VERSION >> 16)
		return fail_found(-EOPNOTSUPP, io->name, "footer version",
				  off + FOOTER_VERSION, "1.0",
				  "%" PRIu32 ".%" PRIu32, version >> 16,
				  version & 0xffff);
	if (type < VHD_TYPE_FIXED || type > VHD_TYPE_DIFFERENCING)
		return fail_found(-EBADMSG, io->name, "footer disk type",
				  off + FOOTER_TYPE,
				  "2 (fixed), 3 (dynamic) or 4 (differencing)",
				  "%" PRIu32, type);
	if (!current || current % VHD_SECTOR || current > VHD_SIZE_MAX)
		return fail_found(
			-EBADMSG, io->name, "footer current size",
			off + FOOTER_CURRENT_SIZE,
			"a multiple of 512, more than 0 and at most 2040 GiB",
			"%" PRIu64, current);
	return 0;
}

/* Reads the last len bytes; zeros if the file is shorter. */
static int read_last(struct io *io, struct vhd_footers *f, size_t len)
{
	memset(f->trailing, 0, FOOTER_SIZE);
	if (f->file_size < len)
		return 0;
	f->trailing_off = f->file_size - len;
	return io_read(io, f->trailing, len, f->trailing_off);
}

/* As vhd_footer_intact, without a message. */
static bool looks_intact(const uint8_t *footer)
{
	return !memcmp(footer, FOOTER_COOKIE_TEXT, 8) && checksum_fits(footer);
}

int vhd_footers_read(struct io *io, struct vhd_footers *ret)
{
	int r;

	memset(ret, 0, sizeof *ret);
	r = io_size(io, &ret->file_size);
	/* The usual size last, so that messages are about that one. */
	if (r == 0)
		r = read_last(io, ret, FOOTER_SIZE_OLD);
	if (r < 0)
		return r;
	ret->trailing_ok = looks_intact(ret->trailing);
	if (!ret->trailing_ok) {
		r = read_last(io, ret, FOOTER_SIZE);
		ret->trailing_ok = looks_intact(ret->trailing);
	}
	if (r == 0)
		r = io_read_padded(io, ret->leading, FOOTER_SIZE, 0);
	ret->leading_ok = r == 0 && looks_intact(ret->leading);
	return r;
}

int vhd_probe(struct io *io)
{
	static const uint64_t before_end[] = { FOOTER_SIZE, FOOTER_SIZE_OLD };
	char cookie[8];
	uint64_t size;
	int r = io_size(io, &size);

	if (r < 0)
		return r;
	if (size < FOOTER_SIZE)
		return 0;
	r = io_read(io, cookie, sizeof cookie, 0);
	for (int i = 0; i < 2 && r == 0; i++) {
		if (!memcmp(cookie, FOOTER_COOKIE_TEXT, sizeof cookie))
			return 1;
		r = io_read(io, cookie, sizeof cookie, size - before_end[i]);
	}
	if (r < 0)
		return r;
	return !memcmp(cookie, FOOTER_COOKIE_TEXT, sizeof cookie);
}

static bool has_header(const uint8_t *footer)
{
	uint32_t type = get_be32(footer + FOOTER_TYPE);

	return type == VHD_TYPE_DYNAMIC || type == VHD_TYPE_DIFFERENCING;
}

/*
 * Whether the type, version and size of a fixed image's footer fit the file.
 * Two of three (cookie, checksum, this) distinguish a damaged footer from data.
 */
bool vhd_footer_fits_fixed(const struct vhd_footers *f)
{
	const uint8_t *t = f->trailing;

	return get_be32(t + FOOTER_TYPE) == VHD_TYPE_FIXED &&
	       get_be32(t + FOOTER_VERSION) >> 16 == 1 &&
	       get_be64(t + FOOTER_CURRENT_SIZE) == f->trailing_off &&
	       f->file_size - f->trailing_off == FOOTER_SIZE;
}

/*
 * The trailing footer, if it is valid.  Else the copy at offset 0, if its type
 * has a copy and the damaged footer at the end is not that of a fixed image: in
 * a fixed image offset 0 is the guest's data, which may be a disk image.
 */
int vhd_footers_choose(const struct io *io, const struct vhd_footers *f,
		       const uint8_t **ret, uint64_t *ret_off)
{
	bool ends_fixed = vhd_footer_fits_fixed(f) ||
			  (!memcmp(f->trailing, FOOTER_COOKIE_TEXT, 8) &&
			   !has_header(f->trailing));

	if (f->trailing_ok) {
		*ret = f->trailing;
		*ret_off = f->trailing_off;
	} else if (f->leading_ok && has_header(f->leading) && !ends_fixed) {
		*ret = f->leading;
		*ret_off = 0;
	} else {
		return vhd_footer_intact(io, f->trailing, f->trailing_off);
	}
	return 0;
}
