/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Truncation: does the file hold every block that its BAT names?
 *
 * A copy that stopped early lacks blocks, which would read as zeros.  So an
 * open reads the BAT once and compares the end of each block with the file's
 * size; an image that lacks one is not opened, for reading or as a parent.
 *
 * WHAT THE FILE MUST HOLD: every payload block that is stored, in full or in
 * part (states 6 and 7), and every sector bitmap, whole.  A block has its full
 * size in the file ([MS-VHDX] 2.4), the part behind the disk's end included.
 * Windows, vhdfs and QEMU since 4.2 write it so.  Of the disk's last block the
 * part behind the disk's end may be missing in two cases, and nothing of the
 * disk is lost then:
 *   - the image is fixed and made by QEMU: before 4.2 such a file ended where
 *     the disk ends;
 *   - the file ends exactly where the disk ends, and not at a multiple of 1
 * MiB, where copies stop by chance. The other states (0 to 3, 5) store nothing.
 *
 * WHAT A CRASH LEAVES is never taken for truncation:
 *   - vhdfs extends the file when it takes space for a block; step F3 of a
 * flush (vhdx-log-write.c) syncs the size before F4 logs the BAT entry, and the
 *     entry gets to its place later still (F2, C1).  C5 cuts off only what no
 *     entry in the BAT names any more, and C2 made that BAT durable.  So a BAT
 *     entry on disk, in the log or in its place, names a block inside the
 *     durable size.
 *   - An entry of the log has FlushedFileOffset, a size that was durable when
 *     it was written.  A file that is smaller was truncated: vhdx_log_load
 *     refuses it.  vhdfs rounds the size down to 1 MiB, which leaves no block
 *     out, so a dirty image of vhdfs is measured there.
 *   - Windows logs a BAT entry with LastFileOffset, the size that the file is
 *     to have, before that size is durable; FlushedFileOffset follows with a
 *     later entry.  After a crash of Windows the file may end before the block,
 *     whose data was never flushed, and the replay extends the file.  So an
 *     image with a log to replay is measured by LastFileOffset
 *     (overlay.file_size).
 *   - QEMU flushes the file before it writes an entry, and its entries have the
 *     file's size in both fields.
 * An image that was closed has no log: its file holds all that its BAT names.
 */
#include "config.h"

#include "format/vhdx-internal.h"

#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"
#include "base/error.h"

/* The part of the disk's last block that lies on the disk. */
static uint64_t last_part(const struct vhdx *v)
{
	return v->img.size - (v->n_blocks - 1) * v->img.block_size;
}

/* May the file end where the disk's last block, which begins at off, has its
 * last byte of the disk? */
static bool may_end_with_disk(const struct vhdx *v, uint64_t off)
{
	uint64_t end = off + last_part(v);

	return (v->made_by_qemu && v->leave_allocated) ||
	       (v->size_at_open == end && !is_aligned(end, VHDX_MIB));
}

/* How many bytes of a stored block must be in the file. */
static uint64_t needed(const struct vhdx *v, uint64_t index, uint64_t off)
{
	if (vhdx_is_bitmap_index(v, index))
		return VHDX_BITMAP_SIZE;
	if (index == vhdx_payload_index(v, v->n_blocks - 1) &&
	    may_end_with_disk(v, off))
		return last_part(v);
	return v->img.block_size;
}

bool vhdx_is_in_file(const struct vhdx *v, uint64_t index, uint64_t entry)
{
	uint64_t off = VHDX_BAT_OFFSET(entry);
	uint64_t size = v->file_size;

	if (VHDX_BAT_STATE(entry) < VHDX_PRESENT)
		return true;
	if (off < size && size - off >= v->img.block_size)
		return true;
	return off < size && size - off >= needed(v, index, off);
}

int vhdx_fail_truncated(struct vhdx *v, uint64_t index, uint64_t entry)
{
	int r = fail_found(
		-EBADMSG, v->img.io->name, words("BAT entry %" PRIu64, index),
		v->bat.off + index * VHDX_BAT_ENTRY,
		words("a block inside the file of %" PRIu64 " bytes",
		      v->file_size),
		"%" PRIu64 " bytes at %" PRIu64 ": the file was truncated",
		needed(v, index, VHDX_BAT_OFFSET(entry)),
		VHDX_BAT_OFFSET(entry));

	error_advise("copy it again from where it is whole");
	return r;
}
