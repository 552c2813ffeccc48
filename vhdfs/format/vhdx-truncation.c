/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Truncation: does the file hold each block that its BAT names?
 *
 * Blocks behind the end of a truncated copy would read as zeros.  An open
 * therefore compares the end of each block with the file's size, and refuses an
 * image that lacks a block, also as a parent.
 *
 * WHAT THE FILE MUST HOLD: each payload block in state 6 (fully present) or 7
 * (partially present) and each sector bitmap, in full size ([MS-VHDX] 2.4).
 * That includes the part of the disk's last block that is behind the disk's
 * end: Windows, vhdfs and QEMU since 4.2 write it so.  That part may be missing
 * in two cases, without a loss of data:
 *   - the image is fixed and made by QEMU: before 4.2 such a file ended at the
 *     disk's end;
 *   - the file ends exactly at the disk's end, which is not a multiple of
 *     1 MiB; interrupted copies end at multiples of 1 MiB.
 * States 0 to 3 and 5 store no data.
 *
 * WHAT A CRASH LEAVES is never reported as truncation:
 *   - vhdfs extends the file when it allocates a block.  Step F3 of a flush
 *     (vhdx-log-write.c) syncs the new size before F4 logs the BAT entry, and
 *     the entry is checkpointed after that (F2, C1).  C5 cuts off only blocks
 *     that no entry of the BAT names, and C2 has made that BAT durable.  So
 *     each BAT entry on disk, logged or in place, names a block inside the
 *     durable size.
 *   - A log entry has a FlushedFileOffset, a size that was durable when the
 *     entry was written.  vhdx_log_load refuses a smaller file.  vhdfs rounds
 *     the size down to 1 MiB, which excludes no block, so a dirty image of
 *     vhdfs is checked there.
 *   - Windows logs a BAT entry with LastFileOffset, the size that the file will
 *     have, before that size is durable; a later entry has the matching
 *     FlushedFileOffset.  After a crash of Windows the file may end before the
 *     block, whose data was never flushed; a replay extends the file.  An image
 *     with a log to replay is therefore compared with LastFileOffset
 *     (overlay.file_size).
 *   - QEMU flushes the file before it writes an entry, and stores the file's
 *     size in both fields.
 * A closed image has no log: its file holds each block that its BAT names.
 */
#include "config.h"

#include "format/vhdx-internal.h"

/* The length of the last block's part that is on the disk. */
static uint64_t last_block_len(const struct vhdx *v)
{
	return v->img.size - (v->n_blocks - 1) * v->img.block_size;
}

/* May the file end at the disk's end, inside the last block, which begins at
 * off? */
static bool may_end_with_disk(const struct vhdx *v, uint64_t off)
{
	uint64_t end = off + last_block_len(v);

	return (v->made_by_qemu && v->leave_allocated) ||
	       (v->size_at_open == end && !is_aligned(end, MIB(1)));
}

/* The bytes of a stored block that the file must hold. */
static uint64_t required_len(const struct vhdx *v, uint64_t index, uint64_t off)
{
	if (vhdx_is_bitmap_index(v, index))
		return VHDX_BITMAP_SIZE;
	if (index == vhdx_payload_index(v, v->n_blocks - 1) &&
	    may_end_with_disk(v, off))
		return last_block_len(v);
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
	return off < size && size - off >= required_len(v, index, off);
}

int vhdx_fail_truncated(struct vhdx *v, uint64_t index, uint64_t entry)
{
	int r = fail_found(
		-EBADMSG, v->img.io->name,
		format_arg("BAT entry %" PRIu64, index),
		v->bat.off + index * VHDX_BAT_ENTRY,
		format_arg("a block inside the file of %" PRIu64 " bytes",
			   v->file_size),
		"%" PRIu64 " bytes at %" PRIu64 ": the file was truncated",
		required_len(v, index, VHDX_BAT_OFFSET(entry)),
		VHDX_BAT_OFFSET(entry));

	error_advise("copy it again from a complete copy");
	return r;
}
