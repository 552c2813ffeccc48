/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the VHD driver share: vhd.c opens and maps, vhd-footer.c
 * and vhd-header.c read the structures, vhd-parent.c the parent's names,
 * vhd-writable.c, vhd-write.c and vhd-space.c change an image, vhd-check.c and
 * vhd-create.c are what they say.  Nobody else includes this.
 */
#ifndef VHDFS_FORMAT_VHD_INTERNAL_H
#define VHDFS_FORMAT_VHD_INTERNAL_H

#include <stdatomic.h>

#include "format/bits.h"
#include "format/image.h"
#include "format/table-cache.h"
#include "format/extent-set.h"
#include "format/vhd-layout.h"

/* The two footers of a file as they are, and which is to be trusted. */
struct vhd_footers {
	uint64_t file_size;
	uint64_t trailing_off; /* EOF - 512, or - 511 in an old file */
	bool trailing_ok;      /* cookie and checksum are right */
	bool leading_ok;
	uint8_t trailing[FOOTER_SIZE];
	uint8_t leading[FOOTER_SIZE];
};

/* What a flush writes, as it was when the flush began. */
struct vhd_flush {
	struct dirty_snapshot bitmaps;
	struct dirty_snapshot bat; /* file_off counts from the table's start */
	struct extent_set fresh;
	struct extent_set freed;
};

struct vhd {
	struct image img;
	uint8_t footer[FOOTER_SIZE]; /* the one that is trusted */
	bool leading_same;           /* the copy at 0 is the same */
	uint64_t file_size;
	/* Where the trailing footer is; file_size where there is none. Every
	 * block ends before. Under img.lock, as all that follows. */
	uint64_t footer_off;

	/* Dynamic and differencing images only. */
	uint8_t header[HEADER_SIZE];
	uint64_t header_off, bat_off;
	uint32_t n_entries; /* of the table */
	uint32_t n_blocks;  /* that the disk has; at most n_entries */
	uint32_t bitmap_size;
	uint64_t block_len;                         /* bitmap and data */
	uint64_t batmap_off, batmap_len;            /* 0: none */
	struct range structures[6 + LOCATOR_SLOTS]; /* no block may be there */
	unsigned n_structures;
	struct table_cache bat;     /* by offset from the table's start */
	struct table_cache bitmaps; /* by offset in the file */

	/* Writing. */
	bool space_loaded;       /* space was built: before the first change */
	struct extent_set space; /* structures and blocks */
	uint64_t search_from;    /* no block fits in free space below */
	struct extent_set fresh; /* bitmaps of blocks that no flush has seen */
	struct extent_set
		freed; /* blocks that the table on disk may still name */
	/* Under img.flush_lock, but for .freed: see freed_durable. */
	struct vhd_flush flushing;
	/* flushing.freed may be used again; img.lock then guards it. */
	atomic_bool freed_durable;
};

static inline struct vhd *vhd_of(struct image *img)
{
	return (struct vhd *)img;
}

/* Not fixed: it has tables, and a copy of its footer at 0. */
static inline bool vhd_has_blocks(const struct vhd *v)
{
	return v->img.block_size != 0;
}

/* vhd-footer.c */

/* ~sum of size bytes, four at hole taken as zero. */
uint32_t vhd_checksum(const uint8_t *p, size_t size, size_t hole);
/* Cylinders, heads and sectors as the footer has them, for a disk of size. */
uint32_t vhd_geometry(uint64_t size);
/* The size of the disk, by the rule for its creator. */
uint64_t vhd_footer_size(const uint8_t *footer);
/* Puts the checksum in its place. */
void vhd_footer_seal(uint8_t *footer);
/* Cookie and checksum: 0, or -EBADMSG with words. */
int vhd_footer_intact(const struct io *io, const uint8_t *footer, uint64_t off);
/* All else that can be said of a footer alone: 0, -EBADMSG, -EOPNOTSUPP. */
int vhd_footer_check(const struct io *io, const uint8_t *footer, uint64_t off);
int vhd_footers_read(struct io *io, struct vhd_footers *ret);
bool vhd_footer_fits_fixed(const struct vhd_footers *f);
/*
 * Which footer is to be trusted: *ret is one of f's, *ret_off where it is.
 * -EBADMSG with words where none is.
 */
int vhd_footers_choose(const struct io *io, const struct vhd_footers *f,
		       const uint8_t **ret, uint64_t *ret_off);

/* vhd-header.c */

struct vhd_locator {
	uint32_t code; /* 0: the slot is empty */
	uint32_t len;
	uint64_t off;
	uint64_t space; /* bytes; 0 where it is not known */
};

struct vhd_locator vhd_locator_get(const uint8_t *header, unsigned slot);
/* Reads and checks header, locators and batmap, and where the table is. */
int vhd_header_load(struct vhd *v);

/* vhd.c */

/*
 * Reads the structures into v, which is zeroed and has img.io: what open does,
 * without owning io.  vhd_unload frees, whether it succeeded or not.
 */
int vhd_load(struct vhd *v);
void vhd_unload(struct vhd *v);
/* 0, or -EBADMSG with words: the table's entry for that block is no place for
 * a block. entry is not BAT_UNUSED. */
int vhd_entry_check(const struct vhd *v, uint32_t block, uint32_t entry);
/* Where the block's bitmap is; 0 where the block is not stored. */
int vhd_bat_get(struct vhd *v, uint32_t block, uint64_t *ret_off);

/* vhd-truncation.c */
/* Is the footer at the end of the file there? */
bool vhd_has_trailing(const struct vhd *v);
/* The words of a block, at off, that the file lacks; -EBADMSG. */
int vhd_fail_truncated(const struct vhd *v, uint32_t block, uint64_t off);
/* While the image is opened: 0, or -EBADMSG with words, where the file was
 * truncated; *ret_lost: blocks are missing, and not only the footer. */
int vhd_check_truncation(struct vhd *v, bool *ret_lost);

/* vhd-parent.c */
int vhd_parent(struct image *img, struct parent_ref *ret);

/* vhd-space.c */

/* Where the footer belongs when the last block or structure ends at end. */
uint64_t vhd_footer_offset(uint64_t end);
/* Calls each for every entry of the table that is used, reading the file. */
int vhd_bat_scan(struct vhd *v,
		 int (*each)(void *ctx, uint32_t block, uint32_t entry),
		 void *ctx);
/* Marks all structures as used, blocks not. */
int vhd_space_structures(const struct vhd *v, struct extent_set *space);
/* Makes v->space, where that was not done. */
int vhd_space_load(struct vhd *v);
/* Frees it again, for it takes memory. */
void vhd_space_unload(struct vhd *v);
/* Gives blocks back whose release is durable. */
int vhd_space_reclaim(struct vhd *v);
/*
 * Room for a block, all zeros, the footer behind it: *ret_off.  Nothing refers
 * to it yet; vhd_space_alloc_undo undoes.
 */
struct vhd_allocation {
	uint64_t off;
	uint64_t old_file_size, old_footer_off;
};
int vhd_space_alloc(struct vhd *v, struct vhd_allocation *ret);
void vhd_space_alloc_undo(struct vhd *v, const struct vhd_allocation *room);
/* The block at off is not used any more, once that is durable. */
int vhd_space_free(struct vhd *v, uint64_t off);
/* Before a flush: makes the freed ranges what is to be cleared. */
void vhd_space_widen_freed(struct vhd *v);

/* vhd-writable.c */
/* A bitmap or footer could not be written: image_fail, unless there was no room
 * for it.  Returns r. */
int vhd_fail_metadata(struct vhd *v, int r);
int vhd_may_write(struct image *img);
int vhd_begin_writes(struct image *img);
int vhd_end_writes(struct image *img);

/* vhd-write.c */
int vhd_write(struct image *img, const void *buf, uint64_t off, size_t len);
bool vhd_can_set_allocated(struct image *img, uint64_t off, uint64_t len);
void vhd_set_allocated(struct image *img, uint64_t off, uint64_t len);
int vhd_zero(struct image *img, uint64_t off, uint64_t len, int flags);
int vhd_flush_begin(struct image *img);
int vhd_flush_finish(struct image *img);
/* Frees what writing needed. */
void vhd_write_fini(struct vhd *v);

/* vhd-check.c */
int vhd_check(struct io *io, struct check *check);

/* vhd-create.c */
int vhd_params_complete(struct image_params *params);
int vhd_create(struct io *io, const struct image_params *params);
/* Adds a footer to a raw disk; a last part that is no whole sector is padded
 * with zeros first. */
int vhd_append_footer(struct io *io);

#endif
