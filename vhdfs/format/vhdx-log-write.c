/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order in which changes of the tables reach the disk.
 *
 * INVARIANTS
 *  I1  A table is changed in its place only after a log entry with the change
 *      is durable.
 *  I2  An entry leaves the active sequence only after its pages are durable in
 *      their places.
 *  I3  What an entry refers to (the data of blocks, the file's size) is durable
 *      before the entry.
 *  I4  A sector bitmap is logged in the same entry as the BAT entry of a block
 *      that needs it, or in an earlier one.
 *
 * FULL DISKS.  Before a page is changed (table_cache_mark_dirty), disk space is
 * reserved for it in its place and in the log; blocks get theirs by being
 * written.  A full disk therefore fails a change before anything refers to it,
 * and a flush needs no new space.
 *
 * THE LOG'S SPACE.  The entries of the active sequence are contiguous; each
 * begins on the sector of zeros behind the one before it.  A new sequence
 * begins at the log's start if the active one leaves room there, else behind
 * the active one.  One of the two always has room, because an entry with its
 * zeros takes at most a third of the reserved space (but in a log that is too
 * small), and a sequence is extended only if it begins behind the first third
 * or still ends before the last third.  The zeros are for readers, like QEMU,
 * that take any valid entry of the same log behind the newest one as part of
 * the sequence, and then find no end of it.
 *
 * START, before the first change after an open; each step is synced.  A failed
 * step fails the image: a header on disk may name a log that the next attempt
 * would overwrite.
 *  S1  a header with a new FileWriteGuid
 *  S2  an empty entry with a new log guid, which no header names before S3
 *  S3  a header with the log guid and a new DataWriteGuid
 *  S4  the same in the other copy
 *  S5  a flush of the pages that a crashed process had left dirty, if any
 *
 * FLUSH.  Data was written before: to blocks that the BAT on disk does not name
 * yet, and to sectors whose bits on disk are not set yet.
 *  F1  copy the dirty pages: a snapshot of one moment
 *  F2  if they do not fit the active sequence: checkpoint it, that is, write
 *      its pages to their places
 *  F3  sync: the data, the file's size (I3) and the pages of F2 (I2) are
 *      durable
 *  F4  write an entry with the copies.  Its tail is that of the active
 *      sequence, or after F2 the entry itself: a new sequence begins
 *  F5  sync: the flush is durable; space that it freed may be allocated
 * A crash before F5 leaves the state of the last flush: an incomplete entry is
 * invalid, and F4 overwrites no entry of the active sequence.
 *
 * More pages than a sequence holds are logged in an entry of their own, and
 * written to their places after F5.  More pages than the log has room for are
 * logged in several entries, with F2 to F5 for each: bitmaps first, then the
 * BAT from its end to its start, as the entry of a chunk's bitmap follows those
 * of its blocks (I4).  image.dirty_max causes a flush before that is necessary.
 *
 * CHANGE of metadata pages, while no changes of tables are under way (neither
 * START nor STOP without the other).  Each step is synced.
 *  M1  a header with a new FileWriteGuid
 *  M2  an entry with the pages and a new log guid, which no header names yet
 *  M3  a header with the log guid: from here on the change is durable
 *  M4  the pages in their places
 *  M5  a header without log guid;  M6 the same in the other copy
 *
 * STOP, after the last flush, when a descriptor of the view is closed and no
 * other one writes; the next change begins with START.  Each step is synced:
 *  C1  checkpoint the active sequence;  C2 sync
 *  C3  a header without log guid;  C4 the same in the other copy
 *  C5  cut off the file's unused end; not synced, as no structure needs it
 */
#include "config.h"

#include "format/vhdx-internal.h"

#include "base/crc32c.h"

enum {
	/* Behind each entry. */
	LOG_ZEROS = VHDX_LOG_SECTOR,
	/* More dirty pages (4 MiB) ask for a flush. */
	DIRTY_MAX = 1024,
	/* The least disk space that is reserved for the log; it is doubled. */
	LOG_RESERVE_MIN = 128 * 1024,
};

/* The snapshot's pages that one entry holds, in order. */
struct batch {
	const size_t *pages; /* indices */
	size_t n;
	bool begins; /* a new sequence */
};

static uint64_t entry_size(size_t n)
{
	return round_up(VHDX_ENTRY_HEADER_SIZE + (uint64_t)n * VHDX_DESC_SIZE,
			VHDX_LOG_SECTOR) +
	       (uint64_t)n * VHDX_LOG_SECTOR;
}

/* The number of pages that an entry of size bytes holds. */
static size_t pages_that_fit(uint64_t size)
{
	size_t n = size / VHDX_LOG_SECTOR;

	while (n && entry_size(n) > size)
		n--;
	return n;
}

/* image.dirty_max: the log has room for two such entries, the newest and the
 * next. */
static size_t dirty_max(const struct vhdx *v)
{
	uint64_t half = v->header.log_len / 2 - 16 * VHDX_LOG_SECTOR;

	return min_u64(pages_that_fit(half), DIRTY_MAX);
}

static int checkpoint_sequence(struct vhdx *v)
{
	return log_sequence_checkpoint(&v->active, &v->tables);
}

/* The offset of a sequence that begins with an entry of len bytes: see THE
 * LOG'S SPACE. */
static uint64_t sequence_start(const struct vhdx *v, uint64_t len)
{
	return v->log_tail >= len + LOG_ZEROS ? 0 : v->log_end;
}

/* The length of the largest entry that can begin a sequence in the reserved
 * space. */
static uint64_t max_first_entry(const struct vhdx *v,
				const struct vhdx_flush *f)
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
	memcpy(e + VHDX_ENTRY_GUID, v->header.raw + VHDX_HEADER_LOG_GUID, 16);
	/* Durable (I3); rounded down, as it must not be more than that. */
	put_le64(e + VHDX_ENTRY_FLUSHED, round_down(file_size, MIB(1)));
	put_le64(e + VHDX_ENTRY_LAST, round_up(file_size, MIB(1)));
}

/* A page's descriptor and its data sector. */
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

/* Writes an entry and syncs.  An entry that begins a sequence drops the one
 * before, whose pages must be durable in their places (I2). */
static int log_entry(struct vhdx *v, const struct vhdx_flush *f,
		     const struct batch *batch)
{
	const struct dirty_snapshot *snapshot = &f->snapshot;
	uint64_t len = entry_size(batch->n);
	uint64_t place = batch->begins ? sequence_start(v, len) : v->log_end;
	uint64_t tail = batch->begins ? place : v->log_tail;
	uint8_t *e = f->entry, *desc, *sector;
	int r;

	/* Cannot happen unless the header's log length is too small. */
	if (place + len + LOG_ZEROS > f->log_room)
		return image_fail(
			&v->img,
			fail_found(-EBADMSG, v->img.io->name, "log",
				   v->header.log_off + place,
				   format_arg("room for an entry of %" PRIu64
					      " bytes",
					      len),
				   "a log of %" PRIu64 " bytes", f->log_room));
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

/* S2, M2: the first entry of a log whose guid no header on disk names. */
static int begin_log(struct vhdx *v, const struct vhdx_flush *f, size_t n)
{
	struct batch batch = { .pages = f->order, .n = n, .begins = true };

	v->log_sequence = 1;
	v->log_tail = 0;
	v->log_end = 0;
	return log_entry(v, f, &batch);
}

static int open_log(struct vhdx *v)
{
	struct guid file_guid = guid_random(), log_guid = guid_random();
	struct guid data_guid = v->img.keeps_id ? v->img.id : guid_random();
	uint8_t entry[VHDX_LOG_SECTOR + LOG_ZEROS];
	struct vhdx_flush f = { .entry = entry,
				.file_size = v->file_size,
				.log_room = v->log_reserved };
	int r;

	vhdx_header_set_guid(v, VHDX_HEADER_FILE_GUID, &file_guid);
	r = vhdx_header_update(v); /* S1 */
	vhdx_header_set_guid(v, VHDX_HEADER_LOG_GUID, &log_guid);
	vhdx_header_set_guid(v, VHDX_HEADER_DATA_GUID, &data_guid);
	if (r == 0)
		r = begin_log(v, &f, 0); /* S2 */
	if (r == 0)
		r = vhdx_headers_update(v); /* S3, S4 */
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

/* Reserves the space that START writes to: on a file system with shared extents
 * overwriting takes new space. */
static int reserve_start(struct vhdx *v)
{
	int r;

	v->log_reserved = 0;
	r = vhdx_log_room(v, v->tables.n_dirty);
	/* A crashed process may have left more pages dirty than one flush of it
	 * had; on a full disk, less log suffices, with more entries. */
	for (size_t n = v->tables.n_dirty / 2; r == -ENOSPC && n; n /= 2)
		r = vhdx_log_room(v, n);
	for (int slot = 0; slot < 2 && r == 0; slot++)
		r = io_reserve(v->img.io, VHDX_HEADER_OFFSET(slot),
			       VHDX_HEADER_SIZE);
	return r;
}

int vhdx_begin_writes(struct image *img)
{
	struct vhdx *v = vhdx_of(img);
	int r = vhdx_header_may_write(v);

	/* Overlapping blocks are found before one of them is changed. */
	if (r == 0)
		r = vhdx_space_load(v);
	if (r == 0)
		r = reserve_start(v);
	if (r == 0)
		r = open_log(v);
	if (r < 0)
		return r;
	img->dirty_max = dirty_max(v);
	return image_flush_tables(img); /* S5 */
}

static bool is_bat_page(const struct vhdx *v, uint64_t file_off)
{
	return file_off >= v->bat.off && file_off - v->bat.off < v->bat.len;
}

/* The order of I4: bitmaps, then the BAT backwards.  The snapshot is sorted by
 * file_off. */
static void order_pages(const struct vhdx *v,
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

/* The length of the largest entry, between two empty ones. */
static uint64_t max_entry(const struct vhdx_flush *f)
{
	return f->log_room - 2 * VHDX_LOG_SECTOR - 2 * LOG_ZEROS;
}

int vhdx_flush_begin(struct image *img)
{
	struct vhdx *v = vhdx_of(img);
	struct vhdx_flush *f = &v->flushing;
	size_t n = v->tables.n_dirty;
	int r;

	r = vhdx_space_reclaim(v);
	if (r < 0 || !n)
		return r;
	f->log_room = v->log_reserved;
	f->order = calloc(n, sizeof *f->order);
	f->entry = malloc(min_u64(entry_size(n), max_entry(f)) + LOG_ZEROS);
	if (f->order && f->entry)
		r = table_cache_snapshot_dirty(&v->tables,
					       &f->snapshot); /* F1 */
	else
		r = fail(-ENOMEM, "%s: out of memory", img->io->name);
	if (r < 0) {
		vhdx_flush_fini(f);
		return r;
	}
	order_pages(v, &f->snapshot, f->order);
	f->file_size = v->file_size;
	extent_set_sort(&v->freed);
	v->flushed_freed = v->freed;
	memset(&v->freed, 0, sizeof v->freed);
	return 1;
}

/* Checkpoints the pages of an entry that is not kept in v->active. */
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

/* Can an entry with the snapshot extend the active sequence? */
static bool extends_sequence(const struct vhdx *v, const struct vhdx_flush *f)
{
	uint64_t end = v->log_end + entry_size(f->snapshot.n);
	uint64_t third = f->log_room / 3;

	return v->active.n && log_sequence_accepts(&v->active, &f->snapshot) &&
	       end - v->log_tail <= LOG_SEQUENCE_MAX &&
	       end + LOG_ZEROS <= f->log_room &&
	       (v->log_tail >= third || end <= f->log_room - third);
}

/* F2 to F5 for a snapshot that fits a sequence. */
static int flush_to_sequence(struct vhdx *v, struct vhdx_flush *f)
{
	struct batch all = { .pages = f->order, .n = f->snapshot.n };
	int r = 0;

	all.begins = !extends_sequence(v, f);
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

/* F2 to F5 and the checkpoint, for as many pages as fit: returns their number.
 */
static ssize_t flush_batch(struct vhdx *v, const struct vhdx_flush *f,
			   struct batch batch)
{
	int r = checkpoint_sequence(v); /* F2 */

	if (r == 0)
		r = io_sync(v->img.io); /* F3 */
	/* If the newest entry is in the way, an empty one replaces it. */
	if (r == 0 && entry_size(batch.n) > max_first_entry(v, f))
		r = log_empty_entry(v, f);
	batch.n = min_u64(batch.n, pages_that_fit(min_u64(max_first_entry(v, f),
							  max_entry(f))));
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
				entry_size(f->snapshot.n) <=
					max_first_entry(v, f)
			? flush_to_sequence(v, f)
			: flush_in_batches(v, f);

	vhdx_flush_fini(f);
	if (r < 0)
		return r;
	table_cache_logged(&v->tables, gen);
	atomic_store(&v->freed_durable, true);
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
	int r = checkpoint_sequence(v); /* C1 */

	if (r == 0)
		r = io_sync(img->io); /* C2 */
	if (r < 0)
		return r;
	vhdx_header_set_guid(v, VHDX_HEADER_LOG_GUID, NULL);
	return vhdx_headers_update(v); /* C3, C4 */
}

/* Space for all that CHANGE writes: behind M3 it cannot fail for lack of it. */
static int reserve_change(struct vhdx *v, const struct dirty_snapshot *pages)
{
	int r;

	v->log_reserved = 0;
	r = vhdx_log_room(v, pages->n);
	for (size_t i = 0; r == 0 && i < pages->n; i++)
		r = io_reserve(v->img.io, pages->file_off[i], VHDX_PAGE);
	for (int slot = 0; slot < 2 && r == 0; slot++)
		r = io_reserve(v->img.io, VHDX_HEADER_OFFSET(slot),
			       VHDX_HEADER_SIZE);
	return r;
}

static int log_change(struct vhdx *v, const struct vhdx_flush *f)
{
	struct guid file_guid = guid_random(), log_guid = guid_random();
	int r;

	vhdx_header_set_guid(v, VHDX_HEADER_FILE_GUID, &file_guid);
	r = vhdx_header_update(v); /* M1 */
	vhdx_header_set_guid(v, VHDX_HEADER_LOG_GUID, &log_guid);
	if (r == 0)
		r = begin_log(v, f, f->snapshot.n); /* M2 */
	if (r == 0)
		r = vhdx_header_update(v); /* M3 */
	if (r == 0)
		r = dirty_snapshot_write(&f->snapshot, v->img.io); /* M4 */
	if (r == 0)
		r = io_sync(v->img.io);
	vhdx_header_set_guid(v, VHDX_HEADER_LOG_GUID, NULL);
	if (r == 0)
		r = vhdx_headers_update(v); /* M5, M6 */
	return r < 0 ? image_fail(&v->img, r) : 0;
}

int vhdx_log_change(struct vhdx *v, const struct dirty_snapshot *pages)
{
	_cleanup_free_ uint8_t *entry =
		malloc(entry_size(pages->n) + LOG_ZEROS);
	_cleanup_free_ size_t *order = calloc(pages->n, sizeof *order);
	int r = reserve_change(v, pages);

	if (r < 0)
		return r;
	if (!entry || !order)
		return fail(-ENOMEM, "%s: out of memory", v->img.io->name);
	for (size_t i = 0; i < pages->n; i++)
		order[i] = i;
	return log_change(v,
			  &(struct vhdx_flush){ .snapshot = *pages,
						.order = order,
						.entry = entry,
						.file_size = v->file_size,
						.log_room = v->log_reserved });
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
