/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checking an image, and repairs that need no guess about data:
 *
 *   an invalid header or region table with a valid copy: rewritten
 *   a BAT entry with reserved bits: the bits are cleared
 *   a BAT entry of a block that is not stored, with an invalid offset: the
 *     offset is cleared
 *   leaked space: freed, if nothing else is damaged and no entry was cleared,
 *     whose block the space may be
 *
 * Other damage is only reported: invalid states, blocks that overlap each other
 * or a table, missing sector bitmaps, metadata.  A file that lacks a block that
 * its BAT names was truncated (vhdx-truncation.c) and is not changed at all: a
 * BAT without that entry would hide the loss.
 *
 * Two things are reported but no damage: a log that was not replayed, which a
 * crash leaves (a repair replays it), and blocks in state 5 of the 0.95 draft.
 *
 * A repair keeps the DataWriteGuid, as the disk's readable content is the same.
 */
#include "config.h"

#include "format/vhdx-internal.h"

enum {
	/* Bytes that are read at once of leaked space. */
	READ_PIECE = 1024 * 1024,
	/* More dirty pages of the BAT are written. */
	REPAIRED_MAX = 512,
};

struct checker {
	struct vhdx v; /* loaded, without image_init */
	struct check *check;
	bool truncated;
	bool repair;      /* allowed, and the file is not truncated */
	bool touched;     /* the FileWriteGuid is new */
	bool unrepaired;  /* the BAT still has damage, or lost an offset */
	uint64_t n_draft; /* blocks in state 5 */
};

static void checker_fini(struct checker *c)
{
	vhdx_unload(&c->v);
}

/* Reports the last error, not repaired, if r means damage; returns any other r.
 */
static int report_failure(struct checker *c, int r)
{
	if (r != -EBADMSG)
		return r;
	check_report_last(c->check, false);
	return 0;
}

/* Before the first change of the file: a new FileWriteGuid. */
static int touch(struct checker *c)
{
	struct guid file_guid = guid_random();
	int r;

	if (c->touched)
		return 0;
	r = vhdx_header_has_numbers(&c->v);
	vhdx_header_set_guid(&c->v, VHDX_HEADER_FILE_GUID, &file_guid);
	/* Both copies are current afterwards (2.2.2.1). */
	if (r == 0)
		r = vhdx_headers_update(&c->v);
	c->touched = r == 0;
	return r;
}

static int check_identifier(struct checker *c)
{
	char signature[VHDX_SIGNATURE_SIZE];
	int r = io_read_padded(c->v.img.io, signature, sizeof signature, 0);

	if (r == 0 &&
	    memcmp(signature, VHDX_FILE_SIGNATURE, sizeof signature) != 0)
		check_report(c->check, "file identifier", 0,
			     "the signature \"vhdxfile\"", "other bytes",
			     false);
	return r;
}

/* Both headers; one of them is valid. */
static int check_headers(struct checker *c)
{
	struct vhdx_header h;

	for (int slot = 0; slot < 2; slot++) {
		int r = vhdx_header_read(c->v.img.io, slot, &h);

		if (r > 0)
			continue;
		/* Updates the headers, the invalid copy first. */
		if (r == 0 && c->repair)
			r = touch(c);
		if (r < 0)
			return r;
		check_report(c->check, slot ? "header 2" : "header 1",
			     VHDX_HEADER_OFFSET(slot),
			     "a signature and a valid checksum", "not both",
			     c->repair);
	}
	return 0;
}

static int check_log(struct checker *c)
{
	size_t n = c->v.overlay.n_entries;
	int r;

	if (!c->v.img.dirty)
		return 0;
	if (c->repair) {
		r = vhdx_log_replay(&c->v);
		if (r < 0)
			return r;
		c->touched = true;
	}
	check_printf(c->check->pending, "%zu log entries %s", n,
		     c->repair ? "were replayed"
			       : "are replayed when it is opened");
	c->check->dirty = !c->repair;
	return 0;
}

static int repair_region_table(struct checker *c, int slot, const uint8_t *good)
{
	int r = touch(c);

	if (r == 0)
		r = io_write(c->v.img.io, good, VHDX_REGION_SIZE,
			     VHDX_REGION_TABLE_OFFSET(slot));
	return r < 0 ? r : io_sync(c->v.img.io);
}

/* Both region tables; one of them is valid. */
static int check_region_tables(struct checker *c)
{
	_cleanup_free_ uint8_t *tables = malloc(2 * VHDX_REGION_SIZE);
	int good[2], bad, r = 0;

	if (!tables)
		return fail(-ENOMEM, "%s: out of memory", c->v.img.io->name);
	for (int i = 0; i < 2; i++) {
		good[i] = vhdx_region_read(&c->v, i,
					   tables + i * VHDX_REGION_SIZE);
		if (good[i] < 0)
			return good[i];
	}
	if (good[0] && good[1] &&
	    memcmp(tables, tables + VHDX_REGION_SIZE, VHDX_REGION_SIZE) == 0)
		return 0;
	/* Of two valid tables that differ, opens use the first. */
	bad = good[0] != 0;
	if (c->repair)
		r = repair_region_table(c, bad,
					tables + !bad * VHDX_REGION_SIZE);
	if (r == 0)
		check_report(c->check,
			     bad ? "region table 2" : "region table 1",
			     VHDX_REGION_TABLE_OFFSET(bad),
			     "the same table as in the other copy",
			     good[bad] ? "another table" : "a wrong checksum",
			     c->repair);
	return r;
}

/* The repaired value of an invalid entry; entry itself if there is none. */
static uint64_t repaired_entry(struct vhdx *v, uint64_t index, uint64_t entry)
{
	uint64_t clean = entry & ~VHDX_BAT_RESERVED(entry);

	if (vhdx_bat_validate(v, index, clean) == 0)
		return clean;
	if (vhdx_is_bitmap_index(v, index) ||
	    VHDX_BAT_STATE(clean) >= VHDX_PRESENT ||
	    !vhdx_bat_space(v, index, clean) ||
	    VHDX_BAT_OFFSET(clean) < v->file_size)
		return entry;
	/* The state stays: it may hide the parent. */
	return VHDX_BAT_STATE(clean);
}

/* Reports and repairs an invalid entry; sets *entry to its effective value. */
static int repair_entry(struct checker *c, uint64_t index, uint64_t *entry)
{
	struct error why = *error_last();
	uint64_t value = repaired_entry(&c->v, index, *entry);
	bool repaired = c->repair && value != *entry;
	int r = repaired ? vhdx_bat_set(&c->v, index, value) : 0;

	if (r < 0)
		return r;
	error_set(&why);
	/* The block of an entry that lost its offset may look leaked. */
	c->unrepaired |=
		!repaired || VHDX_BAT_OFFSET(value) != VHDX_BAT_OFFSET(*entry);
	/* An entry without a repair uses no space in the map. */
	*entry = value != *entry ? value : VHDX_NOT_PRESENT;
	check_report_last(c->check, repaired);
	return 0;
}

/* An offset in the entry of a block that is not stored and keeps no space:
 * Hyper-V refuses such an image. */
static int check_no_offset(struct checker *c, uint64_t index, uint64_t *entry)
{
	uint64_t off = VHDX_BAT_OFFSET(*entry);
	int r;

	if (!off || vhdx_bat_space(&c->v, index, *entry))
		return 0;
	*entry = VHDX_BAT_STATE(*entry);
	r = c->repair ? vhdx_bat_set(&c->v, index, *entry) : 0;
	if (r == 0)
		check_report(c->check, format_arg("BAT entry %" PRIu64, index),
			     c->v.bat.off + index * VHDX_BAT_ENTRY,
			     "no offset for a block that is not stored",
			     format_arg("%" PRIu64, off), c->repair);
	return r;
}

static int write_bat(struct checker *c)
{
	struct dirty_snapshot snapshot = { 0 };
	int r;

	if (!c->v.tables.n_dirty)
		return 0;
	r = table_cache_snapshot_dirty(&c->v.tables, &snapshot);
	if (r == 0)
		r = touch(c);
	if (r == 0)
		r = dirty_snapshot_write(&snapshot, c->v.img.io);
	if (r == 0)
		table_cache_written(&c->v.tables, snapshot.gen);
	dirty_snapshot_fini(&snapshot);
	if (r < 0)
		return r;
	return io_sync(c->v.img.io);
}

/* Bounds the pages in memory. */
static int bound_pages(struct checker *c)
{
	int r = c->v.tables.n_dirty > REPAIRED_MAX ? write_bat(c) : 0;

	if (r == 0 && table_cache_over_limit(&c->v.tables))
		table_cache_evict(&c->v.tables);
	return r;
}

static int check_entry(struct vhdx *v, uint64_t index, uint64_t entry,
		       void *ctx)
{
	struct checker *c = ctx;
	struct bitmap bitmap;
	int r = vhdx_bat_validate(v, index, entry);

	if (r < 0)
		r = repair_entry(c, index, &entry);
	c->n_draft += VHDX_BAT_STATE(entry) == VHDX_UNMAPPED_DRAFT;
	if (r == 0)
		r = check_no_offset(c, index, &entry);
	if (r == 0 && VHDX_BAT_STATE(entry) == VHDX_PARTIAL &&
	    !vhdx_is_bitmap_index(v, index)) {
		r = vhdx_bitmap_of(v, index - index / (v->chunk_ratio + 1),
				   &bitmap);
		c->unrepaired |= r < 0;
		r = report_failure(c, r);
	}
	if (r == 0)
		r = bound_pages(c);
	return r < 0 ? r
		     : extent_set_append(&v->space, VHDX_BAT_OFFSET(entry),
					 vhdx_bat_space(v, index, entry));
}

static void report_overlap(void *ctx, uint64_t off, uint64_t len)
{
	struct checker *c = ctx;

	c->unrepaired = true;
	check_report(
		c->check, "block", off, "one BAT entry for each block",
		format_arg("two entries that share %" PRIu64 " bytes", len),
		false);
}

static int check_bat(struct checker *c)
{
	int r;

	c->v.space.overlap = report_overlap;
	c->v.space.ctx = c;
	r = vhdx_bat_scan(&c->v, check_entry, c);
	if (r == 0)
		r = extent_set_add_all(&c->v.space, &c->v.structures);
	if (r < 0)
		return r;
	extent_set_sort(&c->v.space);
	c->v.space.overlap = NULL;
	if (c->n_draft)
		check_printf(c->check->remark,
			     "%" PRIu64 " blocks are in state 5 of the 0.95 "
			     "draft, which is read as unmapped (3)",
			     c->n_draft);
	return write_bat(c);
}

static void report_leak(struct checker *c, uint64_t off, uint64_t len,
			bool repaired)
{
	check_report_leak(c->check, "file", off, len, "no leaked space",
			  format_arg("%" PRIu64 " bytes", len), repaired);
}

/* Does the range, at most READ_PIECE long, hold other bytes than zeros?  1 or
 * 0. */
static int holds_data(struct checker *c, uint8_t *buf, uint64_t off, size_t len)
{
	int r = io_read_padded(c->v.img.io, buf, len, off);

	return r < 0 ? r : !bytes_are_zero(buf, len);
}

/* The bytes from off to end, in units of READ_PIECE, that hold data. */
static int count_data(struct checker *c, uint64_t off, uint64_t end,
		      uint64_t *ret_sum)
{
	_cleanup_free_ uint8_t *buf = malloc(READ_PIECE);
	uint64_t sum = 0;
	int r = buf ? 0 : -ENOMEM;

	if (r < 0)
		return fail(r, "%s: out of memory", c->v.img.io->name);
	while (off < end) {
		uint64_t n;
		bool data;

		r = io_extent(c->v.img.io, off, &data, &n);
		if (r < 0)
			return r;
		n = min_u64(n, end - off);
		if (data) {
			n = min_u64(n, READ_PIECE);
			r = holds_data(c, buf, off, n);
			if (r < 0)
				return r;
			sum += r ? n : 0;
		}
		off += n;
	}
	*ret_sum = sum;
	return 0;
}

static bool may_free_leaks(const struct checker *c)
{
	return c->repair && !c->unrepaired;
}

/* A gap between used ranges; holes of the file in it are no leak. */
static int check_gap(struct checker *c, uint64_t off, uint64_t end)
{
	uint64_t lost = 0;
	int r = count_data(c, off, end, &lost);

	if (r < 0 || !lost)
		return r;
	if (may_free_leaks(c)) {
		r = touch(c);
		if (r == 0)
			r = io_zero(c->v.img.io, off, end - off, false);
		if (r < 0)
			return r;
	}
	report_leak(c, off, lost, may_free_leaks(c));
	return 0;
}

/* The end of the file behind all used ranges, left by an interrupted append. */
static int check_end(struct checker *c, uint64_t used_end, uint64_t size)
{
	int r = 0;

	if (used_end >= size)
		return 0;
	if (may_free_leaks(c)) {
		r = touch(c);
		if (r == 0)
			r = io_resize(c->v.img.io, used_end);
	}
	if (r == 0)
		report_leak(c, used_end, size - used_end, may_free_leaks(c));
	return r;
}

static int check_leaks(struct checker *c)
{
	const struct extent_set *space = &c->v.space;
	uint64_t size, at = 0;
	int r = io_size(c->v.img.io, &size);

	for (size_t i = 0; r == 0 && i < space->n; i++) {
		uint64_t end = min_u64(space->used[i].off, size);

		if (at < end)
			r = check_gap(c, at, end);
		at = space->used[i].end;
	}
	if (r == 0)
		r = check_end(c, at, size);
	return r < 0 || !c->touched ? r : io_sync(c->v.img.io);
}

/* Reports the damage for which vhdx_load returned r. */
static int check_unloadable(struct checker *c, int r)
{
	/* With one valid header, the other one can be repaired. */
	bool headers = c->v.header.raw[0];
	struct error why = *error_last();

	if (r == -EBADMSG && headers) {
		r = check_headers(c);
		if (r < 0)
			return r;
		error_set(&why);
		r = -EBADMSG;
	}
	return report_failure(c, r);
}

int vhdx_check(struct io *io, struct check *check)
{
	_cleanup_(checker_fini) struct checker c = { .check = check,
						     .repair = check->repair };
	int r;

	c.v.img.io = io;
	r = check_identifier(&c);
	if (r < 0)
		return r;
	r = vhdx_load(&c.v);
	if (r < 0)
		return check_unloadable(&c, r);
	r = vhdx_check_truncation(&c.v);
	if (r < 0 && r != -EBADMSG)
		return r;
	/* The BAT entries are reported by check_bat. */
	c.truncated = r < 0;
	c.repair = check->repair && !c.truncated;
	r = check_headers(&c);
	if (r == 0)
		r = check_log(&c);
	if (r == 0)
		r = check_region_tables(&c);
	if (r == 0)
		r = check_bat(&c);
	if (r == 0 && !c.truncated)
		r = check_leaks(&c);
	return r;
}
