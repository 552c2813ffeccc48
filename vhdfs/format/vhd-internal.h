/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * struct vhd, and the functions that the files of the VHD driver call of each
 * other; for these files and for tests.  A file calls functions of the files
 * before it in this list, and none of those after it:
 *
 *   vhd-footer      footers: read, check, choose
 *   vhd-header      dynamic header, locators, batmap
 *   vhd-bat         block allocation table
 *   vhd-file        all structures of a file: load and free
 *   vhd-parent      reference to the parent
 *   vhd-locator     making such a reference
 *   vhd-space       allocation of blocks
 *   vhd-truncation  truncated files
 *   vhd-write       write, zero, flush
 *   vhd-writable    the first change after an open
 *   vhd-set-parent  change and removal of the parent reference
 *   vhd-check, vhd-create
 *   vhd             image_ops: open, close, map
 *
 * It includes the headers that all of them need.
 *
 * Errors are -errno with a message; offsets and lengths are in bytes.
 */
#ifndef VHDFS_FORMAT_VHD_INTERNAL_H
#define VHDFS_FORMAT_VHD_INTERNAL_H

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/guid.h"
#include "format/bitmap.h"
#include "format/image.h"
#include "format/table-cache.h"
#include "format/extent-set.h"
#include "format/vhd-layout.h"

/* Pages of 512 bytes. */
enum { VHD_DIRTY_MAX = 4096 };

/* Both footers of a file, and whether each is valid. */
struct vhd_footers {
	uint64_t file_size;
	uint64_t trailing_off; /* EOF - 512, or - 511 in an old file */
	bool trailing_ok;      /* cookie and checksum are valid */
	bool leading_ok;
	uint8_t trailing[FOOTER_SIZE];
	uint8_t leading[FOOTER_SIZE];
};

/* Copies that a flush writes, made when the flush began. */
struct vhd_flush {
	struct dirty_snapshot bitmaps;
	struct dirty_snapshot bat; /* file_off is relative to the table */
	struct extent_set fresh;
	struct extent_set freed;
};

struct vhd {
	struct image img;
	uint8_t footer[FOOTER_SIZE]; /* the valid one */
	bool leading_same;           /* the copy at offset 0 equals it */
	uint64_t file_size;
	/* Offset of the trailing footer, or file_size if it is missing.  Every
	 * block ends before it.  Under img.lock, as all members below. */
	uint64_t footer_off;

	/* Dynamic and differencing images only. */
	uint8_t header[HEADER_SIZE];
	uint64_t header_off, bat_off;
	uint32_t n_entries; /* of the table */
	uint32_t n_blocks;  /* of the disk; at most n_entries */
	uint32_t bitmap_size;
	uint64_t block_len;              /* bitmap and data */
	uint64_t batmap_off, batmap_len; /* 0: none */
	/* Space behind the table that no structure has is free, as in an image
	 * of XenServer: see vhd-set-parent.c. */
	bool exact_table;
	struct range structures[6 + LOCATOR_SLOTS]; /* blocks are elsewhere */
	unsigned n_structures;
	struct table_cache bat;     /* by offset in the table */
	struct table_cache bitmaps; /* by offset in the file */

	/* Writing. */
	bool space_loaded;       /* space is valid */
	struct extent_set space; /* used by structures and blocks */
	uint64_t search_from;    /* no free space below fits a block */
	struct extent_set fresh; /* bitmaps of blocks allocated since the last
				    flush began */
	struct extent_set
		freed; /* blocks that the table on disk may refer to */
	/* Under img.flush_lock, except .freed: see freed_durable. */
	struct vhd_flush flushing;
	/* The blocks of flushing.freed are available again; from then on it is
	 * under img.lock. */
	atomic_bool freed_durable;
};

static inline struct vhd *vhd_of(struct image *img)
{
	return (struct vhd *)img;
}

/* The sector bitmap of the block at block_off. */
static inline struct bitmap vhd_bitmap_at(struct vhd *v, uint64_t block_off)
{
	return (struct bitmap){ &v->bitmaps, block_off, 0, true };
}

/* Offset in the file of the block's entry in the table. */
static inline uint64_t vhd_entry_off(const struct vhd *v, uint64_t block)
{
	return v->bat_off + block * BAT_ENTRY;
}

/* Not fixed: the image has a table, and a copy of its footer at offset 0. */
static inline bool vhd_has_blocks(const struct vhd *v)
{
	return v->img.block_size != 0;
}

/* vhd-footer.c */

/* ~sum of size bytes, with the four bytes at hole taken as zero. */
uint32_t vhd_checksum(const uint8_t *p, size_t size, size_t hole);
/* Cylinders, heads and sectors of a disk of size bytes, packed as in the
 * footer. */
uint32_t vhd_geometry(uint64_t size);
/* Size of the disk in bytes; depends on the program that made the image. */
uint64_t vhd_footer_size(const uint8_t *footer);
/* Computes the checksum and stores it. */
void vhd_footer_seal(uint8_t *footer);
/* Unix seconds as seconds since 2000; 0 if that is negative or exceeds 32 bits.
 */
uint32_t vhd_time_of(int64_t unix_time);
/* Cookie and checksum: 0, or -EBADMSG with a message. */
int vhd_footer_intact(const struct io *io, const uint8_t *footer, uint64_t off);
/* All other fields of one footer: 0, -EBADMSG or -EOPNOTSUPP with a message. */
int vhd_footer_check(const struct io *io, const uint8_t *footer, uint64_t off);
int vhd_footers_read(struct io *io, struct vhd_footers *ret);
bool vhd_footer_fits_fixed(const struct vhd_footers *f);
/*
 * Chooses the valid footer: *ret is one of f's, *ret_off its offset in the
 * file.  -EBADMSG with a message if neither is valid.
 */
int vhd_footers_choose(const struct io *io, const struct vhd_footers *f,
		       const uint8_t **ret, uint64_t *ret_off);
/* 1 if the cookie is at an offset where a footer may be, 0 if not, or an error
 * of reading. */
int vhd_probe(struct io *io);

/* vhd-header.c */

struct vhd_locator {
	uint32_t code; /* 0: the slot is empty */
	uint32_t len;
	uint64_t off;
	uint64_t space; /* bytes */
	bool space_known;
};

struct vhd_locator vhd_locator_get(const uint8_t *header, unsigned slot);
/* Reads and checks header, locators and batmap, and the table's offset. */
int vhd_header_load(struct vhd *v);

/* Computes the checksum and stores it. */
void vhd_header_seal(uint8_t *header);

/* vhd-bat.c: the block allocation table */

int vhd_bat_init(struct vhd *v);
/* Whether there is a valid footer at the end of the file. */
bool vhd_has_trailing(const struct vhd *v);
/* The first structure that overlaps the range, or null. */
const struct range *vhd_structure_in(const struct vhd *v, uint64_t off,
				     uint64_t len);
/* -EBADMSG with a message: the block at off lies beyond the end of the file. */
int vhd_fail_truncated(const struct vhd *v, uint32_t block, uint64_t off);
/* 0, or -EBADMSG with a message if the entry of that block is no valid offset.
 * entry is not BAT_UNUSED. */
int vhd_entry_check(const struct vhd *v, uint32_t block, uint32_t entry);
/* Offset of the block's bitmap; 0: the block is not allocated. */
int vhd_bat_get(struct vhd *v, uint32_t block, uint64_t *ret_off);
/* Sets the entry in memory. */
int vhd_bat_set(struct vhd *v, uint32_t block, uint32_t entry);
/* Reads the table from the file and calls each for every entry that is not
 * BAT_UNUSED, until it returns an error. */
int vhd_bat_scan(struct vhd *v,
		 int (*each)(void *ctx, uint32_t block, uint32_t entry),
		 void *ctx);

/* vhd-file.c */

/*
 * Reads the structures into v, which is zeroed except for img.io.  The caller
 * keeps io, and calls vhd_unload whether vhd_load succeeded or not.
 */
int vhd_load(struct vhd *v);
void vhd_unload(struct vhd *v);
/* After a failed write of a bitmap or footer: image_fail, except for a lack of
 * space.  Returns r. */
int vhd_fail_metadata(struct vhd *v, int r);

/* vhd-parent.c */

int vhd_parent(struct image *img, struct parent_ref *ret);

/* vhd-locator.c: making a parent reference */

/* A path in UTF-16LE, and its place in the file. */
struct vhd_path {
	uint8_t *text;
	size_t len; /* bytes */
	uint64_t off, space;
};

struct vhd_parent_paths {
	struct vhd_path absolute, relative; /* W2ku, W2ru */
};

/*
 * Puts the identity, time stamp and name of params' parent into the header, and
 * makes the texts of the locators, which have no place yet.  Call
 * vhd_parent_paths_fini after a failure, too.
 */
int vhd_parent_encode(uint8_t *header, const struct image_params *params,
		      struct vhd_parent_paths *ret);
/* Puts both locators, and no others, into the header. */
void vhd_locators_put(uint8_t *header, const struct vhd_parent_paths *paths);
/* Writes the texts to their places. */
int vhd_parent_paths_write(struct io *io, const struct vhd_parent_paths *paths);
void vhd_parent_paths_fini(struct vhd_parent_paths *paths);

/* vhd-space.c: allocation of blocks */

/* Offset of the footer when the last block or structure ends at end. */
uint64_t vhd_footer_offset(uint64_t end);
/* Adds all structures, without the blocks, to space. */
int vhd_space_structures(const struct vhd *v, struct extent_set *space);
/* Builds v->space from the table, unless it exists. */
int vhd_space_load(struct vhd *v);
void vhd_space_unload(struct vhd *v);
/* Makes freed blocks available whose release is durable. */
int vhd_space_reclaim(struct vhd *v);

/* A block that was allocated, and the state of the file before. */
struct vhd_allocation {
	uint64_t off;
	uint64_t old_file_size, old_footer_off;
};
/* Allocates a block of zeros, and moves the footer behind it if needed.
 * Nothing refers to the block yet; vhd_space_alloc_undo undoes it. */
int vhd_space_alloc(struct vhd *v, struct vhd_allocation *ret);
void vhd_space_alloc_undo(struct vhd *v, const struct vhd_allocation *room);
/* Frees the block at off; it is available again once that is durable. */
int vhd_space_free(struct vhd *v, uint64_t off);
/* To be called before a flush: extends the freed ranges to whole pages. */
void vhd_space_widen_freed(struct vhd *v);

/* vhd-truncation.c */

/* 0, or -EBADMSG with a message if the file was truncated.  *ret_lost: blocks
 * are missing, and not only the footer. */
int vhd_check_truncation(struct vhd *v, bool *ret_lost);

/* vhd-write.c; see image_ops */

int vhd_write(struct image *img, const void *buf, uint64_t off, size_t len);
int vhd_zero(struct image *img, uint64_t off, uint64_t len, int flags);
int vhd_flush_begin(struct image *img);
int vhd_flush_finish(struct image *img);

/* vhd-writable.c; see image_ops */

int vhd_may_write(struct image *img);
int vhd_begin_writes(struct image *img);
int vhd_settle(struct image *img);
/* Writes the trailing footer and its copy at offset 0 where they are missing or
 * differ; synced. */
int vhd_footers_restore(struct vhd *v);
/* Writes v->footer over the trailing one; synced. */
int vhd_footer_rewrite(struct vhd *v);
/* Writes v->footer to offset 0, where it is used when the file grows and a
 * crash loses the trailing one; synced. */
int vhd_footer_copy(struct vhd *v);

/* vhd-set-parent.c; see image_ops */

int vhd_set_parent(struct image *img, const struct image_params *params);
int vhd_remove_parent(struct image *img);

/* vhd-check.c; see image_ops */

int vhd_check(struct io *io, struct check *check);

/* vhd-create.c; see image_ops */

int vhd_params_complete(struct image_params *params);
int vhd_create(struct io *io, const struct image_params *params);
/* Pads a raw disk with zeros to whole sectors, appends a footer, and syncs.
 * -EINVAL for an empty file or one that is a VHD, -EFBIG above 2040 GiB. */
int vhd_append_footer(struct io *io);

#endif
