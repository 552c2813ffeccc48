/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the VHDX driver share.  Who may call what when is said in
 * image.h; an open image that is not writable never changes.
 */
#ifndef VHDFS_FORMAT_VHDX_INTERNAL_H
#define VHDFS_FORMAT_VHDX_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/guid.h"
#include "format/bits.h"
#include "format/image.h"
#include "format/table-cache.h"
#include "format/extent-set.h"
#include "format/vhdx-layout.h"

/* One of the two copies, as read. */
struct vhdx_header {
	uint8_t raw[VHDX_HEADER_SIZE];
	uint64_t sequence;
	struct guid log_guid;
	uint64_t log_off, log_len;
};

/* What one descriptor of the log puts where. */
struct vhdx_patch {
	uint64_t file_off;
	uint64_t len;      /* a page, or of any length where zero */
	uint64_t data_off; /* of the data sector in the log; zero: unused */
	uint8_t leading[8], trailing[4];
	bool zero;
	uint32_t order; /* later ones win */
};

/* What a log that was not replayed changes, ready for look-ups. */
struct vhdx_overlay {
	struct vhdx_patch *pages; /* by file_off, then order */
	size_t n_pages;
	struct vhdx_patch *zeros; /* by order */
	size_t n_zeros;
	size_t n_entries;   /* of the log that they came from */
	uint64_t file_size; /* the file is at least this large, replayed */
};

struct vhdx_region {
	struct guid guid;
	uint64_t off, len;
	bool required;
};

struct vhdx_meta {
	struct guid guid;
	uint32_t off, len, flags; /* off in the region */
};

/* Space given up: free once the change that gave it up is in the log. */
struct vhdx_freed {
	uint64_t off, len;
	uint64_t flush; /* the number of the flush that logs the change */
};

/* What a flush writes.  All that it needs is there before its first write. */
struct vhdx_flush {
	struct dirty_snapshot snapshot;
	size_t *order;      /* of the copies, as they are logged */
	uint8_t *entry;     /* room for the largest entry, and zeros after it */
	uint64_t log_room;  /* bytes of the log that had their space then */
	uint64_t file_size; /* when they were copied */
};

enum {
	/* So many bytes of the log are one run at most, and so many copies of
	 * pages are kept of it. */
	LOG_SEQUENCE_MAX = 64 * 1024,
	LOG_SEQUENCE_SNAPSHOTS = 4,
};

/* Entries at the log's end whose pages are not in their places yet, from the
 * oldest on. */
struct log_sequence {
	struct dirty_snapshot
		snapshots[LOG_SEQUENCE_SNAPSHOTS]; /* later ones count */
	size_t n;
	uint64_t gen; /* of the last */
};

struct vhdx {
	struct image img; /* first */

	/* Set while it is opened. */
	struct vhdx_header header; /* the current one */
	int slot;                  /* which copy that is: 0 or 1 */
	struct vhdx_overlay overlay;
	struct vhdx_region bat, metadata;
	struct vhdx_meta *items;
	size_t n_items;
	struct extent_set structures; /* all but blocks; settled */
	bool leave_allocated;
	bool made_by_qemu;
	uint64_t size_at_open; /* of the file */
	uint64_t chunk_ratio;  /* payload blocks a chunk */
	uint64_t n_blocks, n_entries;
	struct parent_ref parent; /* differencing only */

	struct table_cache tables; /* of the BAT and of bitmaps */

	/* Under image.lock. The file's size, at least; never shrinks. */
	uint64_t file_size;
	struct extent_set space; /* once space_loaded */
	bool space_loaded;
	struct vhdx_freed *freed;
	size_t n_freed, freed_room;
	uint64_t flushes;      /* begun with tables to log */
	uint64_t log_reserved; /* bytes at the log's start that have space */

	/* Under image.flush_lock. */
	struct vhdx_flush flushing;
	uint64_t log_sequence; /* of the next entry */
	/* Where the first entry that counts begins, the tail, and where the
	 * last one ends, in the log; 0, 0: there is none. */
	uint64_t log_tail, log_end;
	struct log_sequence active;
	atomic_uint_fast64_t flushes_logged;
};

static inline struct vhdx *vhdx_of(struct image *img)
{
	return (struct vhdx *)img;
}

struct guid vhdx_guid(const char *text);

/* vhdx.c: reads identifier, header, log, regions and metadata, all checked.
 * v is zeros but for img.io; on failure the caller still calls vhdx_unload. */
int vhdx_load(struct vhdx *v);
void vhdx_unload(struct vhdx *v);
/* Reads tables as they are once the log is replayed; zeros past the end. */
int vhdx_read_tables(struct vhdx *v, void *buf, size_t len, uint64_t file_off);

/* vhdx-header.c */
/* Is the copy in slot good? 1 or 0, or an error of reading. */
int vhdx_header_read(struct io *io, int slot, struct vhdx_header *ret);
int vhdx_headers_load(struct vhdx *v);
/* New guids are set where not null; a null log_guid is written as it is. */
struct vhdx_header_change {
	const struct guid *file_guid, *data_guid, *log_guid;
};
/* Before the first of some changes, a few at most: are there numbers left for
 * them?  -EOPNOTSUPP with words. */
int vhdx_header_has_numbers(struct vhdx *v);
/* Writes the copy that is not current, synced, which makes it current. */
int vhdx_header_update(struct vhdx *v, const struct vhdx_header_change *change);

/* vhdx-region.c */
/* Reads a copy, the log considered: 1 it is good, 0 not, or an error. */
int vhdx_region_read(struct vhdx *v, int slot, uint8_t *buf);
int vhdx_regions_load(struct vhdx *v);

/* vhdx-meta.c */
int vhdx_metadata_load(struct vhdx *v);
const struct vhdx_meta *vhdx_meta_find(const struct vhdx *v, const char *guid);
int vhdx_meta_read(struct vhdx *v, const struct vhdx_meta *item, void *buf);

/* vhdx-locator.c */
int vhdx_locator_parse(const struct io *io, const uint8_t *item, size_t len,
		       uint64_t file_off, struct parent_ref *ret);
/* The item for a child; *ret is the caller's to free. */
int vhdx_locator_make(const struct image_params *params, uint8_t **ret,
		      size_t *ret_len);

/* vhdx-log.c */
/* Reads the log that the current header names into v->overlay. */
int vhdx_log_load(struct vhdx *v);
/* Writes v->overlay to the file, marks the log as empty, drops the overlay. */
int vhdx_log_replay(struct vhdx *v);
/* Applies the overlay to what was read from the file. */
int vhdx_overlay_apply(struct vhdx *v, uint8_t *buf, size_t len,
		       uint64_t file_off);
void vhdx_overlay_fini(struct vhdx_overlay *overlay);

/* vhdx-log-write.c */
int vhdx_begin_writes(struct image *img);
int vhdx_flush_begin(struct image *img);
int vhdx_flush_finish(struct image *img);
void vhdx_flush_fini(struct vhdx_flush *flush);
/* Everything is flushed: marks the file as closed. */
int vhdx_end_writes(struct image *img);
/* Cuts off the file's unused end. */
int vhdx_trim(struct vhdx *v);
/* Are so many pages dirty that they should be flushed? */
bool vhdx_wants_flush(const struct vhdx *v);
/* For pages.room: the log has space for n_dirty pages; ctx is the vhdx. */
int vhdx_log_room(void *ctx, size_t n_dirty);

/* vhdx-writable.c */
/* Do the headers let the image be written? -EOPNOTSUPP with words. */
int vhdx_header_may_write(struct vhdx *v);
int vhdx_may_write(struct image *img);

/* vhdx-log-sequence.c: all under image.flush_lock. */
/* Can copies be added to it? */
bool log_sequence_accepts(const struct log_sequence *run,
			  const struct dirty_snapshot *snapshot);
/* What was logged, with the entry that goes on from the others; takes copies
 * over. */
void log_sequence_append(struct log_sequence *run,
			 struct dirty_snapshot *snapshot);
/* Writes all of it to its places, and forgets it; not synced. */
int log_sequence_checkpoint(struct vhdx *v);
void log_sequence_fini(struct log_sequence *run);

/* vhdx-truncation.c */
/* Does the file hold the block that the entry names, as far as it must? True of
 * an entry that names none. */
bool vhdx_is_in_file(const struct vhdx *v, uint64_t index, uint64_t entry);
/* The words of a block that it does not hold; -EBADMSG. */
int vhdx_fail_truncated(struct vhdx *v, uint64_t index, uint64_t entry);
/* All blocks, while the image is opened: 0, or -EBADMSG with words. */
int vhdx_check_truncation(struct vhdx *v);

/* vhdx-bat.c */
static inline uint64_t vhdx_payload_index(const struct vhdx *v, uint64_t block)
{
	return block + block / v->chunk_ratio;
}

static inline uint64_t vhdx_bitmap_index(const struct vhdx *v, uint64_t block)
{
	return block / v->chunk_ratio * (v->chunk_ratio + 1) + v->chunk_ratio;
}

/* Is entry number index of a sector bitmap? */
static inline bool vhdx_is_bitmap_index(const struct vhdx *v, uint64_t index)
{
	return index % (v->chunk_ratio + 1) == v->chunk_ratio;
}

/* -EBADMSG with words, where the entry is not what it may be. */
int vhdx_bat_validate(struct vhdx *v, uint64_t index, uint64_t entry);
int vhdx_bat_get(struct vhdx *v, uint64_t index, uint64_t *ret_entry);
/* The entry was read before, so that its page is there. */
int vhdx_bat_set(struct vhdx *v, uint64_t index, uint64_t entry);
/* Does the entry hold space in the file? How much? 0 where none. */
uint64_t vhdx_bat_space(const struct vhdx *v, uint64_t index, uint64_t entry);
/* Calls visit for every entry that is not 0, in order, until it fails. */
int vhdx_bat_scan(struct vhdx *v,
		  int (*visit)(struct vhdx *v, uint64_t index, uint64_t entry,
			       void *ctx),
		  void *ctx);

/* The bits of a block, in a bitmap block that is at bitmap_off. */
struct vhdx_bits {
	struct vhdx *v;
	uint64_t bitmap_off;
	uint64_t first; /* the number of the block's first sector in it */
};
/* The bitmap of the chunk that block is in; -EBADMSG where there is none. */
int vhdx_bits_of(struct vhdx *v, uint64_t block, struct vhdx_bits *ret);
/* The value at sector, and how many of at most n sectors share it. */
int vhdx_bits_run(const struct vhdx_bits *bits, uint64_t sector, uint64_t n,
		  bool *ret_value, uint64_t *ret_run);
int vhdx_bits_fill(const struct vhdx_bits *bits, uint64_t sector, uint64_t n,
		   bool value);

int vhdx_map(struct image *img, uint64_t off, uint64_t len, struct extent *ret);
bool vhdx_can_set_allocated(struct image *img, uint64_t off, uint64_t len);
void vhdx_set_allocated(struct image *img, uint64_t off, uint64_t len);

/* vhdx-space.c */
/* Finds out what is in use, once; -EBADMSG where blocks overlap. */
int vhdx_space_load(struct vhdx *v);
/* The words of two blocks that share space at off; -EBADMSG. */
int vhdx_fail_overlap(struct vhdx *v, uint64_t off);
/* len zero bytes of the file for a block; 1 MiB aligned. */
int vhdx_space_alloc(struct vhdx *v, uint64_t len, uint64_t *ret_off);
/* Gives back what was taken and never referred to. */
void vhdx_space_alloc_undo(struct vhdx *v, uint64_t off, uint64_t len);
/* Nothing in memory refers to it any more; on disk something may. */
void vhdx_space_free(struct vhdx *v, uint64_t off, uint64_t len);
/* The file has at least this size after. */
int vhdx_space_grow(struct vhdx *v, uint64_t size);
/* Where the used part of the file ends; 0 where that is not known. */
uint64_t vhdx_space_used_end(struct vhdx *v);

/* vhdx-write.c */
int vhdx_write(struct image *img, const void *buf, uint64_t off, size_t len);
int vhdx_zero(struct image *img, uint64_t off, uint64_t len, int flags);

/* vhdx-create.c */
int vhdx_params_complete(struct image_params *params);
int vhdx_create(struct io *io, const struct image_params *params);

/* vhdx-check.c */
int vhdx_check(struct io *io, struct check *check);

#endif
