/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the VHDX driver share: the open image, and the functions of
 * each file.
 *
 * The files are listed in layers: a file calls only the files above it in this
 * header, which includes what all of them need.  image.h says which locks are
 * held when an operation is called.
 *
 * All functions that can fail return 0 or more on success and a negative errno
 * with a message (base/error.h) on failure; -EBADMSG means a damaged file,
 * -EOPNOTSUPP a valid one that this driver does not support.
 */
#ifndef VHDFS_FORMAT_VHDX_INTERNAL_H
#define VHDFS_FORMAT_VHDX_INTERNAL_H

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/guid.h"
#include "format/bitmap.h"
#include "format/extent-set.h"
#include "format/image.h"
#include "format/table-cache.h"
#include "format/vhdx-layout.h"
#include "format/vhdx-log-sequence.h"

/* The header, which is stored twice. */
struct vhdx_header {
	uint8_t raw[VHDX_HEADER_SIZE];
	uint64_t sequence;
	uint64_t log_off, log_len;
};

/* A descriptor of a log entry: the new content of a page, or a zeroed range. */
struct vhdx_patch {
	uint64_t file_off;
	uint64_t len;      /* of a page, or of the zeroed range */
	uint64_t data_off; /* of the data sector in the log; pages only */
	uint8_t leading[8], trailing[4];
	bool zero;
	uint32_t order; /* a higher one overrides a lower one */
};

/* The changes of a log that was not replayed. */
struct vhdx_overlay {
	struct vhdx_patch *pages; /* sorted by file_off, then order */
	size_t n_pages;
	struct vhdx_patch *zeros; /* sorted by order */
	size_t n_zeros;
	size_t n_entries;   /* of the active sequence */
	uint64_t file_size; /* after a replay, at least */
};

/* An entry of the region table. */
struct vhdx_region {
	struct guid guid;
	uint64_t off, len;
	bool required;
};

/* An entry of the metadata table. */
struct vhdx_meta {
	struct guid guid;
	uint32_t off, len, flags; /* off is relative to the region */
};

/* What vhdx_flush_finish writes, allocated by vhdx_flush_begin. */
struct vhdx_flush {
	struct dirty_snapshot snapshot;
	size_t *order;      /* in which the snapshot's pages are logged */
	uint8_t *entry;     /* for the largest entry and the zeros behind it */
	uint64_t log_room;  /* log_reserved at the snapshot */
	uint64_t file_size; /* at the snapshot */
};

struct vhdx {
	struct image img; /* first */

	/* Set by open and constant after it. */
	/* The current copy; a change is on disk after vhdx_header_update. */
	struct vhdx_header header;
	int slot; /* of the current copy: 0 or 1 */
	struct vhdx_overlay overlay;
	struct vhdx_region bat, metadata;
	struct vhdx_meta *items;
	size_t n_items;
	struct extent_set structures; /* all but blocks; sorted */
	bool leave_allocated;
	bool made_by_qemu;
	uint64_t size_at_open; /* of the file */
	uint64_t chunk_ratio;  /* payload blocks of a chunk */
	uint64_t n_blocks, n_entries;

	struct table_cache tables; /* pages of the BAT and of sector bitmaps */

	/* Under image.lock. */
	uint64_t file_size;      /* a lower bound of it; never shrinks */
	struct extent_set space; /* in use; valid if space_loaded */
	bool space_loaded;
	struct extent_set freed; /* blocks that the logged BAT may name */
	/* The same at the last flush_begin; they may be allocated again once
	 * freed_durable is set: that flush has logged the BAT. */
	struct extent_set flushed_freed;
	atomic_bool freed_durable;
	uint64_t log_reserved; /* bytes of the log with reserved disk space */

	/* Under image.flush_lock. */
	struct vhdx_flush flushing;
	uint64_t log_sequence; /* number of the next log entry */
	/* Offsets in the log: the start of the active sequence, and the end of
	 * its newest entry; 0, 0 before the first entry. */
	uint64_t log_tail, log_end;
	struct log_sequence active;
};

static inline struct vhdx *vhdx_of(struct image *img)
{
	return (struct vhdx *)img;
}

/* One of the constants of vhdx-layout.h. */
static inline struct guid vhdx_guid(const char *text)
{
	struct guid guid = { 0 };

	guid_parse(text, strlen(text), &guid);
	return guid;
}

/* The index in the BAT of a payload block's entry. */
static inline uint64_t vhdx_payload_index(const struct vhdx *v, uint64_t block)
{
	return block + block / v->chunk_ratio;
}

/* The index of the entry of the sector bitmap that covers the block. */
static inline uint64_t vhdx_bitmap_index(const struct vhdx *v, uint64_t block)
{
	return block / v->chunk_ratio * (v->chunk_ratio + 1) + v->chunk_ratio;
}

static inline bool vhdx_is_bitmap_index(const struct vhdx *v, uint64_t index)
{
	return index % (v->chunk_ratio + 1) == v->chunk_ratio;
}

/* --- vhdx-header.c: the two headers (2.2.2) */

/* Reads the copy in slot: 1 if its signature and checksum are right, else 0. */
int vhdx_header_read(struct io *io, int slot, struct vhdx_header *ret);
/* Fails with code: a field of the current header is not as expected. */
int vhdx_fail_header(struct vhdx *v, unsigned field, int code, const char *what,
		     const char *expected, uint64_t found);
/* Has the header a log guid, that is, a log to replay? */
bool vhdx_has_log(const struct vhdx *v);
/* Chooses and checks the current header. */
int vhdx_headers_load(struct vhdx *v);
/* Sets the guid at that offset of the header, in memory; null: zeros. */
void vhdx_header_set_guid(struct vhdx *v, unsigned field,
			  const struct guid *guid);
/* Before the first of up to 16 updates: -EOPNOTSUPP if the sequence numbers do
 * not suffice. */
int vhdx_header_has_numbers(struct vhdx *v);
/* Writes and syncs the copy that is not current, which makes it current. */
int vhdx_header_update(struct vhdx *v);
/* The same for both copies. */
int vhdx_headers_update(struct vhdx *v);

/* --- vhdx-log.c: reading the log (2.3) */

/* Reads the active sequence into v->overlay; v->header has a log guid. */
int vhdx_log_load(struct vhdx *v);
/* Writes v->overlay to the file, marks the log as empty, frees the overlay. */
int vhdx_log_replay(struct vhdx *v);
/* Reads structures as they are after a replay; zeros behind the file's end. */
int vhdx_read_tables(struct vhdx *v, void *buf, size_t len, uint64_t file_off);
void vhdx_overlay_fini(struct vhdx_overlay *overlay);

/* --- vhdx-region.c: the region table (2.2.3) */

/* Reads the copy in slot: 1 if its signature and checksum are right, else 0. */
int vhdx_region_read(struct vhdx *v, int slot, uint8_t *buf);
/* Sets v->bat, v->metadata and v->structures. */
int vhdx_regions_load(struct vhdx *v);

/* --- vhdx-locator.c: the parent locator (2.6.2.6) */

/* Parses an item of len bytes; ret is the caller's to parent_ref_fini. */
int vhdx_locator_parse(const struct io *io, const uint8_t *item, size_t len,
		       uint64_t file_off, struct parent_ref *ret);
/* Makes the item of a new child; *ret is the caller's to free. */
int vhdx_locator_make(const struct image_params *params, uint8_t **ret,
		      size_t *ret_len);

/* --- vhdx-meta.c: the metadata region (2.6) */

/* Sets v->items, the sizes and the type of v->img; checks the locator. */
int vhdx_metadata_load(struct vhdx *v);
/* See image_ops. */
int vhdx_parent(struct image *img, struct parent_ref *ret);
/* The system item with that guid, or null. */
const struct vhdx_meta *vhdx_meta_find(const struct vhdx *v, const char *guid);
/* Reads item->len bytes. */
int vhdx_meta_read(struct vhdx *v, const struct vhdx_meta *item, void *buf);

/* --- vhdx-truncation.c: blocks behind the file's end */

/* Does the file hold all that it must hold of the block that the BAT entry
 * names?  True for an entry that stores no block. */
bool vhdx_is_in_file(const struct vhdx *v, uint64_t index, uint64_t entry);
/* -EBADMSG with the message for such a block. */
int vhdx_fail_truncated(struct vhdx *v, uint64_t index, uint64_t entry);

/* --- vhdx-bat.c: the BAT (2.5) and the sector bitmaps (2.4) */

/* -EBADMSG for an entry that is invalid. */
int vhdx_bat_validate(struct vhdx *v, uint64_t index, uint64_t entry);
/* Reads an entry and validates it. */
int vhdx_bat_get(struct vhdx *v, uint64_t index, uint64_t *ret_entry);
/* Changes an entry in memory; cannot fail for I/O after vhdx_bat_get. */
int vhdx_bat_set(struct vhdx *v, uint64_t index, uint64_t entry);
/* The bytes of the file that the entry occupies; 0 if none. */
uint64_t vhdx_bat_space(const struct vhdx *v, uint64_t index, uint64_t entry);
/* Calls visit for each entry that is not 0, in order, until visit fails. */
int vhdx_bat_scan(struct vhdx *v,
		  int (*visit)(struct vhdx *v, uint64_t index, uint64_t entry,
			       void *ctx),
		  void *ctx);

/* The bits of a block; -EBADMSG if its chunk has no sector bitmap. */
int vhdx_bitmap_of(struct vhdx *v, uint64_t block, struct bitmap *ret);

/* Operations: see image.h. */
int vhdx_map(struct image *img, uint64_t off, uint64_t len, struct extent *ret);
int vhdx_bitmap(struct image *img, uint64_t off, uint64_t len,
		struct bitmap *ret);

/* --- vhdx-space.c: free space of the file; all under image.lock, exclusive */

/* Fills v->space from the BAT, once; -EBADMSG if blocks overlap. */
int vhdx_space_load(struct vhdx *v);
void vhdx_space_unload(struct vhdx *v);
/* Allocates len bytes, aligned to 1 MiB, that read as zeros. */
int vhdx_space_alloc(struct vhdx *v, uint64_t len, uint64_t *ret_off);
/* Frees at once what vhdx_space_alloc returned and no entry names. */
void vhdx_space_alloc_undo(struct vhdx *v, uint64_t off, uint64_t len);
/* Makes freed blocks available whose release is durable. */
int vhdx_space_reclaim(struct vhdx *v);
/* Frees a block that a BAT entry named, after the next flush. */
void vhdx_space_free(struct vhdx *v, uint64_t off, uint64_t len);
/* Zeros the range up to the file's end; keep: its space stays allocated. */
int vhdx_space_zero(struct vhdx *v, uint64_t off, uint64_t len, bool keep);
/* The end of the last range in use; 0 if unknown. */
uint64_t vhdx_space_used_end(struct vhdx *v);

/* --- vhdx-writable.c: images that can be read but not written */

/* -EOPNOTSUPP if the header forbids writing. */
int vhdx_header_may_write(struct vhdx *v);
int vhdx_may_write(struct image *img);

/* --- vhdx-log-write.c: the order of writes; vhdx-log-sequence.h is its part */

int vhdx_begin_writes(struct image *img);
int vhdx_flush_begin(struct image *img);
int vhdx_flush_finish(struct image *img);
void vhdx_flush_fini(struct vhdx_flush *flush);
/* Marks a flushed image as closed. */
int vhdx_end_writes(struct image *img);
/* Changes pages of 4 KiB outside of the tables, all or none of them (CHANGE).
 * No writes have begun, or they were ended. */
int vhdx_log_change(struct vhdx *v, const struct dirty_snapshot *pages);
/* Truncates the file behind the last range in use. */
int vhdx_trim(struct vhdx *v);
/* table_cache.room: reserves log space for n_dirty pages; ctx is the vhdx. */
int vhdx_log_room(void *ctx, size_t n_dirty);

/* --- vhdx-set-parent.c, vhdx-remove-parent.c; see image_ops */

int vhdx_set_parent(struct image *img, const struct image_params *params);
int vhdx_remove_parent(struct image *img);

/* Reads the pages that hold the two ranges of the file, which share none, for
 * vhdx_log_change; ret is the caller's to dirty_snapshot_fini after an error,
 * too. */
int vhdx_pages_read(struct vhdx *v, struct range a, struct range b,
		    struct dirty_snapshot *ret);

/* --- vhdx-write.c */

int vhdx_write(struct image *img, const void *buf, uint64_t off, size_t len);
int vhdx_zero(struct image *img, uint64_t off, uint64_t len, int flags);

/* --- vhdx-file.c: opening the structures */

/*
 * Reads and checks headers, log, region table and metadata, without a replay.
 * v is zeros but for img.io.  The caller calls vhdx_unload in any case.
 */
int vhdx_load(struct vhdx *v);
void vhdx_unload(struct vhdx *v);
/* -EBADMSG if the file lacks a block that its BAT names; sets made_by_qemu. */
int vhdx_check_truncation(struct vhdx *v);

/* --- vhdx-create.c */

int vhdx_params_complete(struct image_params *params);
int vhdx_create(struct io *io, const struct image_params *params);

/* --- vhdx-check.c */

int vhdx_check(struct io *io, struct check *check);

#endif
