/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In which order changes reach the disk.
 *
 * INVARIANTS
 *  I1  No table is changed in its place before an entry that holds the change
 *      is durable in the log.
 *  I2  The log forgets an entry only when its changes are durable in their
 *      places.
 *  I3  Nothing that an entry refers to (data of blocks, the file's size) is
 *      less durable than the entry.
 *  I4  In one entry, or in an earlier one, comes a bitmap before the BAT entry
 *      of a block that needs it.
 *
 * FULL DISKS.  Before a page of tables is changed (table_cache_mark_dirty), the
 * space is reserved that it takes in its place and in the log, and blocks take
 * theirs by being written: what has no room fails before anything refers to it,
 * and a flush needs none.
 *
 * THE LOG'S SPACE.  Entries that count together are a run: each lies in one
 * piece behind the one before it, over the sector of zeros that is after it.
 * A new run begins at the log's start where the last one leaves room there, and
 * behind the last one otherwise.  For this there is room as long as the last
 * one begins behind the first third of what is reserved, or ends before the
 * last third: no run goes on where neither would be so, and no entry with its
 * zeros is larger than a third, but for those of a log that is too small.  The
 * zeros are for readers, like QEMU, that take any whole entry of the same log
 * that follows the newest for a part of what is to be replayed, and then think
 * that there is no end to it.
 *
 * START, before the first change after an open; each step is synced.  Where one
 * fails the image has failed: a header on disk may name a log that the next
 * attempt would write over.
 *  S1  a header with a new FileWriteGuid
 *  S2  the log gets an empty entry with a new log guid: until S3 nobody looks
 *  S3  a header with the log guid and a new DataWriteGuid
 *  S4  the same in the other copy
 *  S5  what a process that died had changed in the tables, where it left any:
 *      a flush
 *
 * FLUSH.  Data was written to its place, in blocks of which the BAT on disk
 * says nothing yet, or in sectors that the bitmap on disk does not have yet.
 *  F1  the changed pages of BAT and bitmaps are copied: one moment's state
 *  F2  where they do not fit the run: its pages are written to their places
 *  F3  sync: the data and the file's size are durable (I3), and so is what F2
 *      wrote (I2)
 *  F4  an entry with the copies.  Its tail is that of the run, or itself after
 *      F2: the run is forgotten, and a new one begins
 *  F5  sync: the flush is durable; space that it gave up may be used
 * A crash before F5 leaves the state of the last flush, for an entry that is
 * not whole does not count and F4 overwrites none that does.
 *
 * What no run can hold goes in an entry of its own, and to its place after F5;
 * what does not fit the log's free space, in several, F2 to F5 for each of
 * them: bitmaps first and then the BAT from its end to its start, for the entry
 * of a chunk's bitmap comes after those of its blocks (I4).  Writes ask for a
 * flush before it comes to that (vhdx_wants_flush).
 *
 * STOP, after the last flush, when a descriptor of the view is closed and no
 * other writes; START comes again before the next change.  Each step is synced:
 *  C1  the run's pages, in their places;  C2 sync
 *  C3  a header without log guid;  C4 the same in the other copy
 *  C5  the file's unused end is cut off; not synced, for nobody needs it
 */
#include "config.h"

#include "format/vhdx-internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"

enum {
	/* After each entry. */
	LOG_ZEROS = VHDX_LOG_SECTOR,
	/* At most so many pages are kept dirty, 4 MiB of them. */
	DIRTY_MAX = 1024,
	/* So much of the log has its space at least; it grows by doubling. */
	LOG_RESERVE_MIN = 128 * 1024,
};

/* Which of the copies an entry is to hold, in order. */
struct batch {
	const size_t *pages;
	size_t n;
	bool begins; /* a run */
};

static uint64_t entry_size(size_t n)
{
	return round_up(VHDX_ENTRY_HEADER_SIZE + (uint64_t)n * VHDX_DESC_SIZE,
			VHDX_LOG_SECTOR) +
	       (uint64_t)n * VHDX_LOG_SECTOR;
}

/* How many pages an entry of at most size bytes can hold. */
static size_t pages_that_fit(uint64_t size)
{
	size_t n = size / VHDX_LOG_SECTOR;

	while (n && entry_size(n) > size)
		n--;
	return n;
}

bool vhdx_wants_flush(const struct vhdx *v)
{
	/* Two entries of this size, the last one and the next, fit. */
	uint64_t half = v->header.log_len / 2 - 16 * VHDX_LOG_SECTOR;

	return v->tables.n_dirty > min_u64(pages_that_fit(half), DIRTY_MAX);
}

static int checkpoint_sequence(struct vhdx *v)
{
	return log_sequence_checkpoint(&v->active, &v->tables);
}

/* Where a run begins with an entry of len bytes: see THE LOG'S SPACE. */
static uint64_t place_for(const struct vhdx *v, uint64_t len)
{
	return v->log_tail >= len + LOG_ZEROS ? 0 : v->log_end;
}

/* The largest to begin a run that there is a place for in what is reserved. */
static uint64_t largest_place(const struct vhdx *v, const struct vhdx_flush *f)
{
	return max_u64(v->log_tail, f->log_room - v->log_end) - LOG_ZEROS;
}

static void put_entry_header(struct vhdx *v, uint8_t *e, size_t len, size_t n,
			     uint64_t tail, uint64_t file_size)
{
	memcpy(e, VHDX_LOG_SIGNATURE, 4);
	put_le32(e + VHDX_ENTRY_LENGTH, len);
	put_le32(e + VHDX_ENTRY_TAIL, tail);
	put_le64(e + VHDX_ENTRY_SEQUENCE, v->log_sequence);
	put_le32(e + VHDX_ENTRY_COUNT, n);
	guid_to_le(e + VHDX_ENTRY_GUID, &v->header.log_guid);
	/* What is durable (I3), and rounded so that it is never too much. */
	put_le64(e + VHDX_ENTRY_FLUSHED, round_down(file_size, VHDX_MIB));
	put_le64(e + VHDX_ENTRY_LAST, round_up(file_size, VHDX_MIB));
}

/* Descriptor number i and its data sector. */
static void put_page(const struct vhdx *v, uint8_t *desc, uint8_t *sector,
		     const uint8_t *page, uint64_t file_off)
{
	memcpy(desc, VHDX_LOG_DESC, 4);
	memcpy(desc + VHDX_DESC_TRAILING, page + VHDX_PAGE - 4, 4);
	memcpy(desc + VHDX_DESC_LEADING, page, 8);
	put_le64(desc + VHDX_DESC_FILE_OFFSET, file_off);
	put_le64(desc + VHDX_DESC_SEQUENCE, v->log_sequence);
	memcpy(sector, page, VHDX_LOG_SECTOR);
	memcpy(sector, VHDX_LOG_DATA, 4);
	put_le32(sector + VHDX_DATA_SEQUENCE_HIGH, v->log_sequence >> 32);
	put_le32(sector + VHDX_DATA_SEQUENCE_LOW, (uint32_t)v->log_sequence);
}

/*
 * Writes an entry and syncs.  One that begins a run makes all before it
 * forgotten, which must be durable in its place.
 */
static int log_entry(struct vhdx *v, const struct vhdx_flush *f,
		     const struct batch *batch)
{
	const struct dirty_snapshot *snapshot = &f->snapshot;
	uint64_t len = entry_size(batch->n);
	uint64_t place = batch->begins ? place_for(v, len) : v->log_end;
	uint64_t tail = batch->begins ? place : v->log_tail;
	uint8_t *e = f->entry, *desc, *sector;
	int r;

	/* What is reserved follows from the log's length in the header. */
	if (place + len + LOG_ZEROS > f->log_room)
		return image_fail(
			&v->img,
			fail_found(-EBADMSG, v->img.io->name, "log",
				   v->header.log_off + place,
				   words("room for an entry of %" PRIu64
					 " bytes",
					 len),
				   "%" PRIu64 " bytes of log", f->log_room));
	memset(e, 0, len + LOG_ZEROS);
	put_entry_header(v, e, len, batch->n, tail, f->file_size);
	desc = e + VHDX_ENTRY_HEADER_SIZE;
	sector = e + len - batch->n * VHDX_LOG_SECTOR;
	for (size_t i = 0; i < batch->n; i++) {
		size_t p = batch->pages[i];

		put_page(v, desc + i * VHDX_DESC_SIZE,
			 sector + i * VHDX_LOG_SECTOR,
			 snapshot->data + p * snapshot->page_size,
			 snapshot->file_off[p]);
	}
	put_le32(e + VHDX_ENTRY_CRC, crc32c_but(e, len, VHDX_ENTRY_CRC));
	r = io_write(v->img.io, e, len + LOG_ZEROS,
		     v->header.log_off + place); /* F4 */
	if (r == 0)
		r = io_sync(v->img.io); /* F5 */
	if (r < 0)
		return r;
	v->log_tail = tail;
	v->log_end = place + len;
	v->log_sequence++;
	return 0;
}

static int log_empty_entry(struct vhdx *v, const struct vhdx_flush *f)
{
	return log_entry(v, f, &(struct batch){ .begins = true });
}

/* S2: under a log guid of which no header tells. */
static int begin_log(struct vhdx *v, const struct guid *log_guid)
{
	uint8_t entry[VHDX_LOG_SECTOR + LOG_ZEROS];
	struct vhdx_flush f = { .entry = entry,
				.file_size = v->file_size,
				.log_room = v->log_reserved };
	struct guid before = v->header.log_guid;
	int r;

	v->log_sequence = 1;
	v->log_tail = 0;
	v->log_end = 0;
	v->header.log_guid = *log_guid;
	r = log_empty_entry(v, &f);
	v->header.log_guid = before;
	return r;
}

static int open_log(struct vhdx *v)
{
	struct guid file_guid = guid_random(), data_guid = guid_random(),
		    log_guid = guid_random();
	struct vhdx_header_change first = { .file_guid = &file_guid };
	struct vhdx_header_change all = { &file_guid, &data_guid, &log_guid };
	int r = vhdx_header_update(v, &first); /* S1 */

	if (r == 0)
		r = begin_log(v, &log_guid); /* S2 */
	if (r == 0)
		r = vhdx_header_update(v, &all); /* S3 */
	if (r == 0)
		r = vhdx_header_update(v, &all); /* S4 */
	if (r < 0)
		return image_fail(&v->img, r);
	v->img.id = data_guid;
	return 0;
}

int vhdx_log_room(void *ctx, size_t n_dirty)
{
	struct vhdx *v = ctx;
	uint64_t need = 3 * (entry_size(n_dirty) + LOG_ZEROS);
	uint64_t room = max_u64(v->log_reserved, LOG_RESERVE_MIN);
	int r;

	if (need <= v->log_reserved || v->log_reserved == v->header.log_len)
		return 0;
	while (room < need)
		room *= 2;
	need = min_u64(room, v->header.log_len);
	r = io_reserve(v->img.io, v->header.log_off + v->log_reserved,
		       need - v->log_reserved);
	if (r == 0)
		v->log_reserved = need;
	return r;
}

/* What START writes is in the file already, but may share its space with a copy
 * of it. */
static int reserve_start(struct vhdx *v)
{
	int r;

	v->log_reserved = 0;
	r = vhdx_log_room(v, v->tables.n_dirty);
	/* What a process that died had changed may be more than it had to write
	 * at once; a full disk has room for what it had reserved. */
	for (size_t n = v->tables.n_dirty / 2; r == -ENOSPC && n; n /= 2)
		r = vhdx_log_room(v, n);
	for (int slot = 0; slot < 2 && r == 0; slot++)
		r = io_reserve(v->img.io, VHDX_HEADER_OFFSET(slot),
			       VHDX_HEADER_SIZE);
	return r;
}

static int flush_adopted(struct vhdx *v)
{
	int r = vhdx_flush_begin(&v->img);

	if (r <= 0)
		return r;
	r = vhdx_flush_finish(&v->img);
	return r < 0 ? image_fail(&v->img, r) : 0;
}

int vhdx_begin_writes(struct image *img)
{
	struct vhdx *v = vhdx_of(img);
	int r = vhdx_header_may_write(v);

	/* Blocks that overlap are found before one of them is changed. */
	if (r == 0)
		r = vhdx_space_load(v);
	if (r == 0)
		r = reserve_start(v);
	if (r == 0)
		r = open_log(v);
	return r < 0 ? r : flush_adopted(v); /* S5 */
}

static bool is_bat_page(const struct vhdx *v, uint64_t file_off)
{
	return file_off >= v->bat.off && file_off - v->bat.off < v->bat.len;
}

/* The order of I4: bitmaps, then the BAT backwards. Copies are ascending. */
static void order_copies(const struct vhdx *v,
			 const struct dirty_snapshot *snapshot, size_t *order)
{
	size_t n = 0;

	for (size_t i = 0; i < snapshot->n; i++)
		if (!is_bat_page(v, snapshot->file_off[i]))
			order[n++] = i;
	for (size_t i = snapshot->n; i--;)
		if (is_bat_page(v, snapshot->file_off[i]))
			order[n++] = i;
}

/* The most that an entry may take, with empty ones before and after it. */
static uint64_t entry_room(const struct vhdx_flush *f)
{
	return f->log_room - 2 * VHDX_LOG_SECTOR - 2 * LOG_ZEROS;
}

int vhdx_flush_begin(struct image *img)
{
	struct vhdx *v = vhdx_of(img);
	struct vhdx_flush *f = &v->flushing;
	size_t n = v->tables.n_dirty;
	int r;

	if (!n)
		return 0;
	f->log_room = v->log_reserved;
	f->order = calloc(n, sizeof *f->order);
	f->entry = malloc(min_u64(entry_size(n), entry_room(f)) + LOG_ZEROS);
	if (f->order && f->entry)
		r = table_cache_snapshot_dirty(&v->tables,
					       &f->snapshot); /* F1 */
	else
		r = fail(-ENOMEM, "%s: out of memory", img->io->name);
	if (r < 0) {
		vhdx_flush_fini(f);
		return r;
	}
	order_copies(v, &f->snapshot, f->order);
	f->file_size = v->file_size;
	v->flushes++;
	return 1;
}

/* For an entry that is in no run. */
static int write_in_place(struct vhdx *v, const struct dirty_snapshot *snapshot,
			  const struct batch *batch)
{
	int r = 0;

	if (batch->n == snapshot->n)
		return dirty_snapshot_write(snapshot, v->img.io);
	for (size_t i = 0; r == 0 && i < batch->n; i++) {
		size_t p = batch->pages[i];

		r = io_write(v->img.io,
			     snapshot->data + p * snapshot->page_size,
			     snapshot->page_size, snapshot->file_off[p]);
	}
	return r;
}

/* Does the run go on with an entry of all that is flushed? */
static bool run_goes_on(const struct vhdx *v, const struct vhdx_flush *f)
{
	uint64_t end = v->log_end + entry_size(f->snapshot.n);
	uint64_t third = f->log_room / 3;

	return v->active.n && log_sequence_accepts(&v->active, &f->snapshot) &&
	       end - v->log_tail <= LOG_SEQUENCE_MAX &&
	       end + LOG_ZEROS <= f->log_room &&
	       (v->log_tail >= third || end <= f->log_room - third);
}

/* F2 to F5 with all that is flushed, in a run. */
static int flush_in_run(struct vhdx *v, struct vhdx_flush *f)
{
	struct batch all = { .pages = f->order, .n = f->snapshot.n };
	int r = 0;

	all.begins = !run_goes_on(v, f);
	if (all.begins)
		r = checkpoint_sequence(v); /* F2 */
	if (r == 0)
		r = io_sync(v->img.io); /* F3 */
	if (r == 0)
		r = log_entry(v, f, &all);
	if (r == 0)
		log_sequence_append(&v->active, &f->snapshot);
	return r;
}

/* F2 to F5 and after, for as many of the pages as fit: how many those were. */
static ssize_t flush_batch(struct vhdx *v, const struct vhdx_flush *f,
			   struct batch batch)
{
	int r = checkpoint_sequence(v); /* F2 */

	if (r == 0)
		r = io_sync(v->img.io); /* F3 */
	/* Where the last entry is in the way, an empty one takes its place. */
	if (r == 0 && entry_size(batch.n) > largest_place(v, f))
		r = log_empty_entry(v, f);
	batch.n = min_u64(batch.n, pages_that_fit(min_u64(largest_place(v, f),
							  entry_room(f))));
	if (r == 0)
		r = log_entry(v, f, &batch);
	if (r == 0)
		r = write_in_place(v, &f->snapshot, &batch);
	return r < 0 ? r : (ssize_t)batch.n;
}

static int flush_in_batches(struct vhdx *v, const struct vhdx_flush *f)
{
	size_t done = 0;
	ssize_t n = 0;

	while (n >= 0 && done < f->snapshot.n) {
		n = flush_batch(v, f,
				(struct batch){ .pages = f->order + done,
						.n = f->snapshot.n - done,
						.begins = true });
		done += n > 0 ? n : 0;
	}
	if (n < 0)
		return (int)n;
	table_cache_checkpointed(&v->tables, f->snapshot.gen);
	return 0;
}

int vhdx_flush_finish(struct image *img)
{
	struct vhdx *v = vhdx_of(img);
	struct vhdx_flush *f = &v->flushing;
	uint64_t gen = f->snapshot.gen;
	int r = f->snapshot.n <= LOG_SEQUENCE_SNAPSHOTS &&
				entry_size(f->snapshot.n) <= largest_place(v, f)
			? flush_in_run(v, f)
			: flush_in_batches(v, f);

	vhdx_flush_fini(f);
	if (r < 0)
		return r;
	table_cache_logged(&v->tables, gen);
	atomic_fetch_add(&v->flushes_logged, 1);
	return 0;
}

void vhdx_flush_fini(struct vhdx_flush *flush)
{
	dirty_snapshot_fini(&flush->snapshot);
	free(flush->order);
	free(flush->entry);
	memset(flush, 0, sizeof *flush);
}

int vhdx_end_writes(struct image *img)
{
	struct vhdx *v = vhdx_of(img);
	struct guid none = { 0 };
	struct vhdx_header_change change = { .log_guid = &none };
	int r = checkpoint_sequence(v); /* C1 */

	if (r == 0)
		r = io_sync(img->io); /* C2 */
	if (r == 0)
		r = vhdx_header_update(v, &change); /* C3 */
	if (r == 0)
		r = vhdx_header_update(v, &change); /* C4 */
	return r;
}

int vhdx_trim(struct vhdx *v)
{
	uint64_t end, size;
	int r = io_size(v->img.io, &size);

	if (r < 0)
		return r;
	end = vhdx_space_used_end(v);
	return end && end < size ? io_resize(v->img.io, end) : 0; /* C5 */
}
