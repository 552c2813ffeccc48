/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check and repair of a VHD.
 *
 * Repaired:
 *  - a footer, from its copy, and the copy, from the footer
 *  - a footer checksum, if all other fields fit the file
 *  - a table entry that refers to an offset beyond the file or inside a
 *    structure, if the file has its trailing footer: no data is lost with it
 *  - leaked space, unless the same run found an invalid entry: the space may be
 *    the block of that entry
 *
 * Reported, but no damage: a trailing footer that a crash has removed, and a
 * copy at offset 0 with another id, left by a crash between N2 and N3 of
 * vhd-writable.c.  Both are written by a repair.
 *
 * Not repaired:
 *  - a truncated file (vhd-truncation.c) with missing blocks: a table without
 *    them would hide the loss
 *  - the dynamic header, of which there is no copy; blocks that overlap; a
 *    block of which a part is missing: the data could only be guessed
 *
 * The file is synced before it is changed: a table that a crashed process wrote
 * may be in the page cache only, and the table on disk may refer to the space
 * that is freed here.
 */
#include "config.h"

#include "format/vhd-internal.h"

/* 2040 GiB in blocks of 512 KiB; 64 MiB of entries. */
enum { ENTRIES_MAX = 8 << 20 };

struct entry {
	uint32_t block, sector;
};

struct checker {
	struct check *check;
	struct io *io;
	struct vhd v; /* loaded, without image_init */
	struct vhd_footers f;
	struct entry *entries; /* the blocks that are in the file */
	size_t n, room;
	struct extent_set space; /* used by structures and blocks */
	/* An entry is invalid: space that seems leaked may be its block, so no
	 * space is freed. */
	bool bad_entries;
	bool repair; /* requested, and no block is missing */
	bool lost;   /* blocks are missing */
	bool truncated;
	struct error why; /* if truncated: the message */
};

static void checker_fini(struct checker *c)
{
	vhd_unload(&c->v);
	free(c->entries);
	extent_set_fini(&c->space);
}

static void report_leak(struct checker *c, uint64_t off, uint64_t bytes,
			bool repaired)
{
	check_report_leak(
		c->check, "unused space", off, bytes,
		"a block that the table refers to, or nothing",
		format_arg("%" PRIu64 " bytes that nothing refers to", bytes),
		repaired);
}

/*
 * Whether all fields of a fixed image's footer that locate its data fit the
 * file; then only other fields can be the cause of an invalid checksum.
 */
static bool is_plausible_fixed(const struct checker *c)
{
	const uint8_t *footer = c->f.trailing;

	return !memcmp(footer, FOOTER_COOKIE_TEXT, 8) &&
	       vhd_footer_fits_fixed(&c->f) &&
	       vhd_footer_check(c->io, footer, 0) == 0;
}

/* Computes the checksum of a footer and writes it. */
static int write_footer(struct checker *c, uint8_t *footer, uint64_t off)
{
	int r;

	vhd_footer_seal(footer);
	r = io_write(c->io, footer, FOOTER_SIZE, off);
	return r < 0 ? r : io_sync(c->io);
}

/* Neither footer is valid. */
static int check_bad_footers(struct checker *c)
{
	bool repair = c->repair && is_plausible_fixed(c);
	int r = 0;

	(void)vhd_footer_intact(c->io, c->f.trailing, c->f.trailing_off);
	check_report_last(c->check, repair);
	if (repair)
		r = write_footer(c, c->f.trailing, c->f.trailing_off);
	else if (!memcmp(c->f.leading, FOOTER_COOKIE_TEXT, 8) &&
		 vhd_footer_intact(c->io, c->f.leading, 0) < 0)
		check_report_last(c->check, false);
	return r;
}

/* XenServer's hidden flag was changed without updating the checksum. */
static int check_hidden_flag(struct checker *c)
{
	uint8_t *footer = c->f.trailing;
	uint32_t sum = vhd_checksum(footer, FOOTER_SIZE, FOOTER_CHECKSUM);
	uint32_t stored = get_be32(footer + FOOTER_CHECKSUM);
	char found[16], expected[16];

	if (!c->f.trailing_ok || stored == sum)
		return 0;
	snprintf(expected, sizeof expected, "0x%08" PRIx32, sum);
	snprintf(found, sizeof found, "0x%08" PRIx32, stored);
	check_report(c->check, "footer checksum",
		     c->f.trailing_off + FOOTER_CHECKSUM, expected, found,
		     c->repair);
	return c->repair ? write_footer(c, footer, c->f.trailing_off) : 0;
}

/* Whether the copy at offset 0 differs from the trailing footer only in what
 * vhd-writable.c (id) and vhd-set-parent.c (data offset, and the type of an
 * image that had a parent) change. */
static bool is_older(const struct checker *c)
{
	uint8_t copy[FOOTER_SIZE];

	memcpy(copy, c->f.leading, sizeof copy);
	memcpy(copy + FOOTER_ID, c->v.footer + FOOTER_ID, 16);
	memcpy(copy + FOOTER_DATA_OFFSET, c->v.footer + FOOTER_DATA_OFFSET, 8);
	if (c->v.img.type == IMAGE_DYNAMIC &&
	    get_be32(copy + FOOTER_TYPE) == VHD_TYPE_DIFFERENCING)
		put_be32(copy + FOOTER_TYPE, VHD_TYPE_DYNAMIC);
	vhd_footer_seal(copy);
	return c->f.leading_ok && !memcmp(copy, c->v.footer, FOOTER_SIZE_OLD);
}

static void report_older_copy(struct checker *c, bool repaired)
{
	check_printf(c->check->pending, "the copy of its footer %s",
		     repaired ? "was written"
			      : "is written when it is opened for writing");
	c->check->dirty = !repaired;
}

/* Checks the copy at offset 0 of an image whose trailing footer is valid. */
static int check_copy(struct checker *c)
{
	bool repair = c->repair;

	if (!c->f.trailing_ok || c->v.leading_same)
		return 0;
	if (is_older(c))
		report_older_copy(c, repair);
	else if (vhd_footer_intact(c->io, c->f.leading, 0) < 0)
		check_report_last(c->check, repair);
	else
		check_report(
			c->check, "footer copy", 0,
			format_arg("the same as the footer at offset %" PRIu64,
				   c->f.trailing_off),
			"another footer", repair);
	return repair ? write_footer(c, c->v.footer, 0) : 0;
}

static int add_entry(struct checker *c, uint32_t block, uint32_t sector)
{
	if (c->n == c->room) {
		size_t room = c->room ? 2 * c->room : 1024;
		struct entry *entries = c->entries;

		if (room > ENTRIES_MAX)
			return fail(-EFBIG,
				    "%s: has more than %d blocks, which is "
				    "the maximum that check supports",
				    c->io->name, ENTRIES_MAX);
		entries = realloc(entries, room * sizeof *entries);
		if (!entries)
			return fail(-ENOMEM, "%s: out of memory", c->io->name);
		c->entries = entries;
		c->room = room;
	}
	c->entries[c->n++] = (struct entry){ block, sector };
	return extent_set_add(&c->space, (uint64_t)sector * VHD_SECTOR,
			      c->v.block_len);
}

static int write_unused(struct checker *c, uint32_t block)
{
	uint8_t unused[BAT_ENTRY];

	put_be32(unused, BAT_UNUSED);
	return io_write(c->io, unused, sizeof unused,
			vhd_entry_off(&c->v, block));
}

/* An entry that vhd_entry_check has just refused. */
static int bad_entry(struct checker *c, uint32_t block, uint32_t sector)
{
	uint64_t off = (uint64_t)sector * VHD_SECTOR;

	c->bad_entries = true;
	/* Beyond the end, or inside a structure. */
	if (off >= c->v.footer_off || vhd_structure_in(&c->v, off, 1)) {
		check_report_last(c->check, c->repair);
		return c->repair ? write_unused(c, block) : 0;
	}
	check_report_last(c->check, false);
	return add_entry(c, block, sector);
}

static int check_entry(void *ctx, uint32_t block, uint32_t sector)
{
	struct checker *c = ctx;
	int r = vhd_entry_check(&c->v, block, sector);

	if (r == 0)
		return add_entry(c, block, sector);
	return block < c->v.n_blocks ? bad_entry(c, block, sector) : 0;
}

static int by_sector(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->sector > y->sector) - (x->sector < y->sector);
}

static void check_overlaps(struct checker *c)
{
	uint64_t sectors = c->v.block_len / VHD_SECTOR;

	if (c->n)
		qsort(c->entries, c->n, sizeof *c->entries, by_sector);
	for (size_t i = 1; i < c->n; i++) {
		const struct entry *a = &c->entries[i - 1];
		const struct entry *b = &c->entries[i];

		if (a->sector + sectors <= b->sector)
			continue;
		c->bad_entries = true;
		check_report(c->check, "block allocation table",
			     vhd_entry_off(&c->v, b->block),
			     "a block that overlaps no other",
			     format_arg("sector %" PRIu32
					", inside the block of entry %" PRIu32,
					b->sector, a->block),
			     false);
	}
}

/* The rest of the table's last sector: unused entries, or zeros (XenServer). */
static int check_padding(struct checker *c)
{
	uint64_t end = vhd_entry_off(&c->v, c->v.n_entries);
	size_t len = round_up(end, VHD_SECTOR) - end;
	uint8_t pad[VHD_SECTOR], unused[VHD_SECTOR];
	int r = io_read_padded(c->io, pad, len, end);

	memset(unused, 0xff, len);
	if (r < 0 || c->v.bat_off % VHD_SECTOR || !memcmp(pad, unused, len) ||
	    bytes_are_zero(pad, len))
		return r;
	check_report(c->check, "block allocation table padding", end,
		     "unused entries", "something else", c->repair);
	return c->repair ? io_write(c->io, unused, len, end) : 0;
}

/* The number of bytes of [from, to) that are allocated on disk.  Whole pages
 * only: smaller gaps, which alignment causes, cannot be freed. */
static int stored_bytes(struct checker *c, uint64_t from, uint64_t to,
			uint64_t *ret)
{
	uint64_t n, total = 0;
	bool data;

	from = round_up(from, VHD_ALIGN);
	to = min_u64(round_down(to, VHD_ALIGN), c->f.file_size);
	for (; from < to; from += n) {
		int r = io_extent(c->io, from, &data, &n);

		if (r < 0)
			return r;
		n = min_u64(n, to - from);
		total += data ? n : 0;
	}
	*ret = total;
	return 0;
}

static int check_gap(struct checker *c, uint64_t from, uint64_t to)
{
	bool repair = c->repair && !c->bad_entries;
	uint64_t bytes;
	int r;

	/* Too small for a leaked block. */
	if (to - from < c->v.block_len)
		return 0;
	r = stored_bytes(c, from, to, &bytes);
	if (r == 0 && bytes && repair)
		r = io_zero(c->io, from, to - from, false);
	if (r == 0 && bytes)
		report_leak(c, from, bytes, repair);
	return r;
}

static int check_gaps(struct checker *c)
{
	uint64_t at = 0;
	int r = vhd_space_structures(&c->v, &c->space);

	extent_set_sort(&c->space);
	for (size_t i = 0; i < c->space.n && r == 0; i++) {
		r = check_gap(c, at, c->space.used[i].off);
		at = c->space.used[i].end;
	}
	return r;
}

/* Whether a damaged footer is at the end of the file.  A crash leaves the data
 * of a block there, or zeros. */
static bool looks_like_footer(const struct checker *c)
{
	const uint8_t *footer = c->f.trailing;

	return !memcmp(footer, FOOTER_COOKIE_TEXT, 8) ||
	       !memcmp(footer + FOOTER_ID, c->v.footer + FOOTER_ID, 16);
}

/* The trailing footer is missing or damaged. */
static void report_trailing(struct checker *c, bool repaired)
{
	if (!c->truncated && !looks_like_footer(c)) {
		check_printf(c->check->pending, "its footer %s",
			     repaired ? "was written"
				      : "is written when it is opened for "
					"writing");
		c->check->dirty = !repaired;
		return;
	}
	if (c->truncated)
		error_set(&c->why);
	else
		(void)vhd_footer_intact(c->io, c->f.trailing,
					c->f.trailing_off);
	check_report_last(c->check, repaired);
}

/*
 * Checks that the footer is right behind the last block.  In a file with
 * invalid entries this frees no space, and writes a missing footer to the end
 * of the file.
 */
static int check_end(struct checker *c)
{
	uint64_t end = extent_set_end(&c->space), bytes = 0;
	uint64_t footer_off = vhd_footer_offset(end);
	bool repair = c->repair && !(c->bad_entries && c->f.trailing_ok);
	int r = stored_bytes(c, footer_off + FOOTER_SIZE, c->v.footer_off,
			     &bytes);

	if (r < 0 || (c->f.trailing_ok && !bytes))
		return r;
	if (c->bad_entries)
		footer_off = vhd_footer_offset(max_u64(end, c->f.file_size));
	if (repair)
		r = write_footer(c, c->v.footer, footer_off);
	if (repair && r == 0)
		r = io_resize(c->io, footer_off + FOOTER_SIZE);
	if (repair && r == 0)
		r = io_sync(c->io);
	if (r < 0)
		return r;
	if (!c->f.trailing_ok)
		report_trailing(c, repair);
	if (bytes)
		report_leak(c, end, bytes, repair && !c->bad_entries);
	return 0;
}

static int check_blocks(struct checker *c)
{
	int r = check_copy(c);

	if (r == 0 && c->repair)
		r = io_sync(c->io);
	if (r == 0)
		r = vhd_bat_scan(&c->v, check_entry, c);
	if (r < 0)
		return r;
	check_overlaps(c);
	r = check_padding(c);
	if (c->lost)
		return r;
	if (r == 0)
		r = check_gaps(c);
	if (r == 0)
		r = check_end(c);
	return r == 0 && c->repair ? io_sync(c->io) : r;
}

/* Detects a truncated file, before anything is repaired. */
static int check_truncation(struct checker *c)
{
	int r = vhd_check_truncation(&c->v, &c->lost);

	c->truncated = r == -EBADMSG;
	c->why = *error_last();
	c->repair = c->check->repair && !c->lost;
	return c->truncated ? 0 : r;
}

int vhd_check(struct io *io, struct check *check)
{
	_cleanup_(checker_fini) struct checker c = { .check = check,
						     .io = io,
						     .repair = check->repair };
	const uint8_t *footer;
	uint64_t off;
	int r = vhd_footers_read(io, &c.f);

	if (r < 0)
		return r;
	if (vhd_footers_choose(io, &c.f, &footer, &off) < 0)
		return check_bad_footers(&c);
	c.v.img.io = io;
	r = check_hidden_flag(&c);
	if (r < 0)
		return r;
	r = vhd_load(&c.v);
	if (r == -EBADMSG || r == -ELOOP) {
		check_report_last(check, false);
		return 0;
	}
	if (r < 0 || c.v.img.type == IMAGE_FIXED)
		return r;
	r = check_truncation(&c);
	return r < 0 ? r : check_blocks(&c);
}
