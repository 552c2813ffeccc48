/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading and replaying the log ([MS-VHDX] 2.3).
 *
 * The log is a ring of 4 KiB sectors.  An entry consists of whole sectors: a
 * header with descriptors, more descriptors, and a data sector for each page
 * that the entry changes.  The ring also holds old entries.
 *
 * A sequence is a chain of valid entries, each behind the one before it and
 * with the next sequence number, whose last entry, the head, names one of them
 * as the tail.  The active sequence is the one with the highest number at its
 * head; its entries from the tail to the head are replayed.
 *
 * Their changes are kept as patches of the file's pages, the overlay.  An image
 * opened for reading applies it to each table that it reads; vhdx_log_replay
 * writes it to the file.  Data sectors are read from the log when they are
 * needed, so that a log of 1 GiB takes little memory.
 */
#include "config.h"

#include "format/vhdx-internal.h"

#include "base/crc32c.h"

/* The most zero descriptors that are accepted.  Each other descriptor has a
 * data sector in the log, so this bounds the memory and the time for any log.
 */
enum { ZEROS_MAX = 1 << 14 };

/* The valid entry that begins at a sector. */
struct entry {
	uint64_t sequence; /* 0: no valid entry begins here */
	uint32_t len, tail;
	uint32_t n_desc;
	uint64_t flushed, last;
	bool follows; /* an entry with the number before it ends here */
};

/* The search for the active sequence. */
struct search {
	struct vhdx *v;
	uint64_t off, len;     /* of the log in the file */
	struct entry *entries; /* by sector */
	uint64_t budget;       /* bytes that may still be checksummed */
};

static int fail_log(struct vhdx *v, uint64_t at, const char *expected,
		    const char *found)
{
	return fail_found(-EBADMSG, v->img.io->name, "log", at, expected, "%s",
			  found);
}

/* Reads len bytes at offset at of the ring. */
static int ring_read(struct vhdx *v, uint8_t *buf, size_t len, uint64_t at)
{
	uint64_t log_len = v->header.log_len;
	size_t first = min_u64(len, log_len - at);
	int r = io_read(v->img.io, buf, first, v->header.log_off + at);

	if (r == 0 && first < len)
		r = io_read(v->img.io, buf + first, len - first,
			    v->header.log_off);
	return r;
}

static uint64_t desc_area(uint32_t n_desc)
{
	return round_up(VHDX_ENTRY_HEADER_SIZE +
				(uint64_t)n_desc * VHDX_DESC_SIZE,
			VHDX_LOG_SECTOR);
}

/* Parses an entry's header; false if it cannot be one of this log. */
static bool parse_entry_header(const struct search *s, const uint8_t *h,
			       struct entry *ret)
{
	struct entry e = {
		.sequence = get_le64(h + VHDX_ENTRY_SEQUENCE),
		.len = get_le32(h + VHDX_ENTRY_LENGTH),
		.tail = get_le32(h + VHDX_ENTRY_TAIL),
		.n_desc = get_le32(h + VHDX_ENTRY_COUNT),
		.flushed = get_le64(h + VHDX_ENTRY_FLUSHED),
		.last = get_le64(h + VHDX_ENTRY_LAST),
	};

	if (memcmp(h, VHDX_LOG_SIGNATURE, 4) != 0 ||
	    memcmp(h + VHDX_ENTRY_GUID, s->v->header.raw + VHDX_HEADER_LOG_GUID,
		   16) != 0)
		return false;
	if (!e.sequence || !e.len || !is_aligned(e.len, VHDX_LOG_SECTOR) ||
	    e.len > s->len || desc_area(e.n_desc) > e.len)
		return false;
	if (!is_aligned(e.tail, VHDX_LOG_SECTOR) || e.tail >= s->len)
		return false;
	*ret = e;
	return true;
}

static int read_sector(const struct search *s, uint64_t at, uint64_t i,
		       uint8_t sector[VHDX_LOG_SECTOR])
{
	return ring_read(s->v, sector, VHDX_LOG_SECTOR,
			 (at + i * VHDX_LOG_SECTOR) % s->len);
}

/* Are the descriptors of one sector, from d on, of this entry?  Counts those
 * with data. */
static bool descs_are_valid(const struct entry *e, const uint8_t *sector,
			    size_t d, uint32_t *left, uint64_t *n_data)
{
	for (; *left && d < VHDX_LOG_SECTOR; d += VHDX_DESC_SIZE, --*left) {
		bool zero = !memcmp(sector + d, VHDX_LOG_ZERO, 4);

		if (get_le64(sector + d + VHDX_DESC_SEQUENCE) != e->sequence ||
		    (!zero && memcmp(sector + d, VHDX_LOG_DESC, 4)))
			return false;
		*n_data += !zero;
	}
	return true;
}

/* Is the data sector of this entry? */
static bool data_is_valid(const struct entry *e, const uint8_t *sector)
{
	return !memcmp(sector, VHDX_LOG_DATA, 4) &&
	       get_le32(sector + VHDX_DATA_SEQUENCE_HIGH) ==
		       e->sequence >> 32 &&
	       get_le32(sector + VHDX_DATA_SEQUENCE_LOW) ==
		       (uint32_t)e->sequence;
}

/* 1 or 0.  Reads a sector at a time, as the header may claim a large entry. */
static int entry_is_valid(const struct search *s, uint64_t at,
			  const struct entry *e, uint32_t crc)
{
	uint64_t n_descs = desc_area(e->n_desc) / VHDX_LOG_SECTOR, n_data = 0;
	uint32_t sum = CRC32C_START, left = e->n_desc;
	uint8_t sector[VHDX_LOG_SECTOR];

	for (uint64_t i = 0; i < e->len / VHDX_LOG_SECTOR; i++) {
		int r = read_sector(s, at, i, sector);
		size_t d = i ? 0 : VHDX_ENTRY_HEADER_SIZE;

		if (r < 0)
			return r;
		if (!i)
			put_le32(sector + VHDX_ENTRY_CRC, 0);
		sum = crc32c_add(sum, sector, sizeof sector);
		if (i < n_descs ? !descs_are_valid(e, sector, d, &left, &n_data)
				: !data_is_valid(e, sector))
			return 0;
	}
	return (n_descs + n_data) * VHDX_LOG_SECTOR == e->len &&
	       crc32c_end(sum) == crc;
}

/* Stores the entry that begins at the sector at, if it is valid. */
static int scan_sector(struct search *s, uint64_t at)
{
	struct entry e;
	uint8_t h[VHDX_ENTRY_HEADER_SIZE];
	int r = ring_read(s->v, h, sizeof h, at);

	if (r < 0 || !parse_entry_header(s, h, &e))
		return r;
	/* Valid entries do not overlap.  A file with many overlapping headers
	 * was made to waste time. */
	if (e.len > s->budget)
		return fail_log(s->v, s->off + at,
				"entries that do not overlap",
				"many that overlap");
	s->budget -= e.len;
	r = entry_is_valid(s, at, &e, get_le32(h + VHDX_ENTRY_CRC));
	if (r > 0)
		s->entries[at / VHDX_LOG_SECTOR] = e;
	return r < 0 ? r : 0;
}

static struct entry *entry_at(const struct search *s, uint64_t at)
{
	return &s->entries[at / VHDX_LOG_SECTOR];
}

static uint64_t after(const struct search *s, uint64_t at)
{
	return (at + entry_at(s, at)->len) % s->len;
}

static bool has_next(const struct search *s, uint64_t at)
{
	return entry_at(s, after(s, at))->sequence ==
	       entry_at(s, at)->sequence + 1;
}

/* Follows the entries from start to the head.  True for a sequence: one of them
 * is the head's tail. */
static bool is_sequence(const struct search *s, uint64_t start,
			uint64_t *ret_head)
{
	uint64_t at = start, sum = entry_at(s, at)->len, tail;

	while (has_next(s, at)) {
		sum += entry_at(s, after(s, at))->len;
		if (sum > s->len)
			return false;
		at = after(s, at);
	}
	*ret_head = at;
	tail = entry_at(s, at)->tail;
	for (uint64_t p = start;; p = after(s, p)) {
		if (p == tail)
			return true;
		if (p == at)
			return false;
	}
}

/* The head of the active sequence. */
static int find_head(struct search *s, uint64_t *ret_head)
{
	uint64_t best = 0, best_sequence = 0, head;

	for (uint64_t at = 0; at < s->len; at += VHDX_LOG_SECTOR)
		if (entry_at(s, at)->sequence && has_next(s, at))
			entry_at(s, after(s, at))->follows = true;
	for (uint64_t at = 0; at < s->len; at += VHDX_LOG_SECTOR) {
		const struct entry *e = entry_at(s, at);

		if (e->sequence && !e->follows && is_sequence(s, at, &head) &&
		    entry_at(s, head)->sequence > best_sequence) {
			best = head;
			best_sequence = entry_at(s, head)->sequence;
		}
	}
	if (!best_sequence)
		return fail_log(
			s->v, s->off,
			"entries to replay, as the header has a log guid",
			"no valid sequence of entries");
	*ret_head = best;
	return 0;
}

/* May a log entry change this range? */
static int validate_target(struct search *s, uint64_t at, uint64_t off,
			   uint64_t len)
{
	if (!is_aligned(off | len, VHDX_PAGE) || off < VHDX_LOG_TARGET_MIN ||
	    !range_within(off, len, INT64_MAX) ||
	    ranges_overlap(off, len, s->off, s->len))
		return fail_log(
			s->v, s->off + at,
			"changes of whole pages at 192 KiB or above",
			format_arg("%" PRIu64 " bytes at %" PRIu64, len, off));
	return 0;
}

static int add_patch(struct search *s, struct vhdx_patch **list, size_t *n,
		     const struct vhdx_patch *patch)
{
	struct vhdx_patch *grown = *list;

	/* Grows by doubling, at powers of two. */
	if (!(*n & (*n - 1))) {
		grown = realloc(grown, (*n ? 2 * *n : 1) * sizeof *grown);
		if (!grown)
			return fail(-ENOMEM, "%s: out of memory",
				    s->v->img.io->name);
	}
	*list = grown;
	grown[(*n)++] = *patch;
	return 0;
}

static int add_desc(struct search *s, uint64_t at, const uint8_t *d,
		    uint64_t data_at)
{
	struct vhdx_overlay *o = &s->v->overlay;
	struct vhdx_patch p = {
		.file_off = get_le64(d + VHDX_DESC_FILE_OFFSET),
		.len = VHDX_PAGE,
		.data_off = data_at % s->len,
		.zero = memcmp(d, VHDX_LOG_ZERO, 4) == 0,
		.order = o->n_pages + o->n_zeros,
	};
	int r;

	if (p.zero)
		p.len = get_le64(d + VHDX_DESC_ZERO_LENGTH);
	memcpy(p.leading, d + VHDX_DESC_LEADING, sizeof p.leading);
	memcpy(p.trailing, d + VHDX_DESC_TRAILING, sizeof p.trailing);
	r = validate_target(s, at, p.file_off, p.len);
	if (r < 0)
		return r;
	if (p.zero && o->n_zeros == ZEROS_MAX)
		return fail_log(
			s->v, s->off + at,
			format_arg("at most %d zero descriptors", ZEROS_MAX),
			"more");
	o->file_size = max_u64(o->file_size, p.file_off + p.len);
	return p.zero ? add_patch(s, &o->zeros, &o->n_zeros, &p)
		      : add_patch(s, &o->pages, &o->n_pages, &p);
}

/* Adds the descriptors of one sector of the entry, from d on. */
static int add_descs(struct search *s, uint64_t at, const uint8_t *sector,
		     size_t d, uint32_t *left, uint64_t *data_at)
{
	int r = 0;

	for (; r == 0 && *left && d < VHDX_LOG_SECTOR; d += VHDX_DESC_SIZE) {
		r = add_desc(s, at, sector + d, *data_at);
		if (memcmp(sector + d, VHDX_LOG_ZERO, 4) != 0)
			*data_at += VHDX_LOG_SECTOR;
		--*left;
	}
	return r;
}

static int add_entry(struct search *s, uint64_t at)
{
	const struct entry *e = entry_at(s, at);
	uint64_t data_at = at + desc_area(e->n_desc);
	uint32_t left = e->n_desc;
	uint8_t sector[VHDX_LOG_SECTOR];
	int r = 0;

	for (uint64_t i = 0; r == 0 && left; i++) {
		r = read_sector(s, at, i, sector);
		if (r == 0)
			r = add_descs(s, at, sector,
				      i ? 0 : VHDX_ENTRY_HEADER_SIZE, &left,
				      &data_at);
	}
	s->v->overlay.n_entries++;
	return r;
}

static int by_file_off(const void *a, const void *b)
{
	const struct vhdx_patch *x = a, *y = b;

	if (x->file_off != y->file_off)
		return x->file_off < y->file_off ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

/* Adds the entries from the head's tail to the head. */
static int add_sequence(struct search *s, uint64_t head)
{
	struct vhdx_overlay *o = &s->v->overlay;
	const struct entry *last = entry_at(s, head);
	uint64_t file_size;
	int r = io_size(s->v->img.io, &file_size);

	if (r == 0 && file_size < last->flushed)
		return fail_found(-EBADMSG, s->v->img.io->name, "file",
				  file_size,
				  format_arg("at least %" PRIu64
					     " bytes, as the log says",
					     last->flushed),
				  "its end");
	if (r == 0 && last->last > INT64_MAX)
		return fail_log(s->v, s->off + head, "a file size below 2^63",
				format_arg("%" PRIu64 " bytes", last->last));
	o->file_size = max_u64(file_size, last->last);
	for (uint64_t at = last->tail; r == 0; at = after(s, at)) {
		r = add_entry(s, at);
		if (at == head)
			break;
	}
	if (o->n_pages)
		qsort(o->pages, o->n_pages, sizeof *o->pages, by_file_off);
	return r;
}

int vhdx_log_load(struct vhdx *v)
{
	struct search s = {
		.v = v,
		.off = v->header.log_off,
		.len = v->header.log_len,
		.budget = 4 * v->header.log_len,
	};
	_cleanup_free_ struct entry *entries =
		calloc(s.len / VHDX_LOG_SECTOR, sizeof *entries);
	uint64_t head = 0;
	int r = 0;

	if (!entries)
		return fail(-ENOMEM, "%s: out of memory", v->img.io->name);
	s.entries = entries;
	for (uint64_t at = 0; r == 0 && at < s.len; at += VHDX_LOG_SECTOR)
		r = scan_sector(&s, at);
	if (r == 0)
		r = find_head(&s, &head);
	return r < 0 ? r : add_sequence(&s, head);
}

void vhdx_overlay_fini(struct vhdx_overlay *overlay)
{
	free(overlay->pages);
	free(overlay->zeros);
	memset(overlay, 0, sizeof *overlay);
}

/* Reads the patch's new content of the page. */
static int patch_read(struct vhdx *v, const struct vhdx_patch *p,
		      uint8_t page[VHDX_PAGE])
{
	int r = ring_read(v, page, VHDX_PAGE, p->data_off);

	memcpy(page, p->leading, sizeof p->leading);
	memcpy(page + VHDX_PAGE - sizeof p->trailing, p->trailing,
	       sizeof p->trailing);
	return r;
}

/* The newest patch with data of the page at file_off, or null. */
static const struct vhdx_patch *find_patch(const struct vhdx_overlay *o,
					   uint64_t file_off)
{
	size_t lo = 0, hi = o->n_pages;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (o->pages[mid].file_off <= file_off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && o->pages[lo - 1].file_off == file_off ? &o->pages[lo - 1]
							   : NULL;
}

static bool is_zeroed_after(const struct vhdx_overlay *o, uint64_t file_off,
			    const struct vhdx_patch *page)
{
	for (size_t i = o->n_zeros; i--;) {
		const struct vhdx_patch *z = &o->zeros[i];

		if (page && z->order < page->order)
			return false;
		if (file_off >= z->file_off && file_off - z->file_off < z->len)
			return true;
	}
	return false;
}

/* Applies the overlay to bytes that were read from the file. */
static int overlay_apply(struct vhdx *v, uint8_t *buf, size_t len,
			 uint64_t file_off)
{
	const struct vhdx_overlay *o = &v->overlay;
	uint64_t page_off = round_down(file_off, VHDX_PAGE);
	int r = 0;

	if (!o->n_pages && !o->n_zeros)
		return 0;
	for (; r == 0 && page_off < file_off + len; page_off += VHDX_PAGE) {
		const struct vhdx_patch *p = find_patch(o, page_off);
		uint64_t from = max_u64(page_off, file_off);
		size_t n = min_u64(page_off + VHDX_PAGE, file_off + len) - from;
		uint8_t page[VHDX_PAGE] = { 0 };

		if (!is_zeroed_after(o, page_off, p)) {
			if (!p)
				continue;
			r = patch_read(v, p, page);
		}
		memcpy(buf + (from - file_off), page + (from - page_off), n);
	}
	return r;
}

int vhdx_read_tables(struct vhdx *v, void *buf, size_t len, uint64_t file_off)
{
	int r = io_read_padded(v->img.io, buf, len, file_off);

	return r < 0 ? r : overlay_apply(v, buf, len, file_off);
}

/* Writes the newest patch of each page; zeros if a zero descriptor is newer. */
static int replay_pages(struct vhdx *v)
{
	const struct vhdx_overlay *o = &v->overlay;
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->n_pages; i++) {
		const struct vhdx_patch *p = &o->pages[i];
		uint8_t page[VHDX_PAGE] = { 0 };

		/* The next patch of the same page is newer. */
		if (i + 1 < o->n_pages && p[1].file_off == p->file_off)
			continue;
		if (!is_zeroed_after(o, p->file_off, p))
			r = patch_read(v, p, page);
		if (r == 0)
			r = io_write(v->img.io, page, sizeof page, p->file_off);
	}
	return r;
}

/*
 * ORDER of a replay; each step is synced:
 *  R1  a header with a new FileWriteGuid
 *  R2  the file extended to the log's LastFileOffset; the patches, in place
 *  R3  a header without log guid, in both copies
 * A crash between two steps leaves a log that is replayed again, with the same
 * result.
 */
int vhdx_log_replay(struct vhdx *v)
{
	struct guid file_guid = guid_random();
	const struct vhdx_overlay *o = &v->overlay;
	uint64_t file_size;
	int r = vhdx_header_has_numbers(v);

	vhdx_header_set_guid(v, VHDX_HEADER_FILE_GUID, &file_guid);
	if (r == 0)
		r = vhdx_header_update(v); /* R1 */
	if (r == 0)
		r = io_size(v->img.io, &file_size);
	if (r == 0 && file_size < o->file_size)
		r = io_resize(v->img.io, o->file_size); /* R2 */
	for (size_t i = 0; r == 0 && i < o->n_zeros; i++)
		if (o->zeros[i].len)
			r = io_zero(v->img.io, o->zeros[i].file_off,
				    o->zeros[i].len, false);
	if (r == 0)
		r = replay_pages(v);
	if (r == 0)
		r = io_sync(v->img.io);
	if (r < 0)
		return r;
	vhdx_header_set_guid(v, VHDX_HEADER_LOG_GUID, NULL);
	r = vhdx_headers_update(v); /* R3 */
	if (r < 0)
		return r;
	v->file_size = max_u64(file_size, o->file_size);
	vhdx_overlay_fini(&v->overlay);
	v->img.dirty = false;
	return 0;
}
