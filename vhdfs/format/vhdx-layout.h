/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The on-disk format of VHDX ([MS-VHDX]): offsets, lengths, bits, limits.
 * Section numbers are those of [MS-VHDX].  Integers are little-endian, also the
 * first three fields of a guid.
 *
 *      0        file identifier, never rewritten
 *     64 KiB    header 1          128 KiB  header 2
 *    192 KiB    region table 1    256 KiB  region table 2
 *      1 MiB    log, metadata region, block allocation table (BAT), payload
 *               blocks and sector-bitmap blocks, in any order, each at a
 *               multiple of 1 MiB
 */
#ifndef VHDFS_FORMAT_VHDX_LAYOUT_H
#define VHDFS_FORMAT_VHDX_LAYOUT_H

#include <stdint.h>

#include "base/bytes.h"

/* The unit of the log. */
enum { VHDX_PAGE = 4096 };

/* The structures below this offset have fixed places. */
#define VHDX_AREA MIB(1)

/* File identifier (2.2.1): "vhdxfile", then the creator, 256 UTF-16 units. */
#define VHDX_FILE_SIGNATURE "vhdxfile"
enum {
	VHDX_SIGNATURE_SIZE = 8,
	VHDX_CREATOR = 8,
	VHDX_IDENTIFIER_SIZE = 64 * 1024,
};

/* Header (2.2.2): two copies of 4 KiB; CRC-32C over the 4 KiB. */
#define VHDX_HEADER_SIGNATURE "head"
enum {
	VHDX_HEADER_SIZE = 4096,
	VHDX_HEADER_CRC = 4,          /* u32 */
	VHDX_HEADER_SEQUENCE = 8,     /* u64 */
	VHDX_HEADER_FILE_GUID = 16,   /* new with each open that writes */
	VHDX_HEADER_DATA_GUID = 32,   /* new with each change of the disk */
	VHDX_HEADER_LOG_GUID = 48,    /* null: nothing to replay */
	VHDX_HEADER_LOG_VERSION = 64, /* u16, 0 */
	VHDX_HEADER_VERSION = 66,     /* u16, 1 */
	VHDX_HEADER_LOG_LENGTH = 68,  /* u32, multiple of 1 MiB */
	VHDX_HEADER_LOG_OFFSET = 72,  /* u64, multiple of 1 MiB */
};
#define VHDX_HEADER_OFFSET(slot) ((slot) ? KIB(128) : KIB(64))

/* Region table (2.2.3): two copies of 64 KiB; CRC-32C over the 64 KiB. */
#define VHDX_REGION_SIGNATURE "regi"
enum {
	VHDX_REGION_SIZE = 64 * 1024,
	VHDX_REGION_CRC = 4,    /* u32 */
	VHDX_REGION_COUNT = 8,  /* u32 */
	VHDX_REGION_FIRST = 16, /* entries of 32 bytes */
	VHDX_REGION_MAX = 2047,
	VHDX_REGION_ENTRY = 32,
	VHDX_REGION_ENTRY_OFFSET = 16, /* u64, multiple of 1 MiB */
	VHDX_REGION_ENTRY_LENGTH = 24, /* u32, multiple of 1 MiB */
	VHDX_REGION_ENTRY_FLAGS = 28,  /* u32 */
	VHDX_REGION_REQUIRED = 1,
};
#define VHDX_REGION_TABLE_OFFSET(slot) ((slot) ? KIB(256) : KIB(192))
#define VHDX_GUID_BAT "2dc27766-f623-4200-9d64-115e9bfd4a08"
#define VHDX_GUID_METADATA "8b7ca206-4790-4b9a-b8fe-575f050f886e"

/* Log (2.3): a ring of 4 KiB sectors; CRC-32C over each entry. */
#define VHDX_LOG_SIGNATURE "loge"
#define VHDX_LOG_ZERO "zero"
#define VHDX_LOG_DESC "desc"
#define VHDX_LOG_DATA "data"
#define VHDX_LOG_MAX GIB(1) /* of vhdfs: larger is invalid */
/* Log entries must not change the identifier and the headers below. */
#define VHDX_LOG_TARGET_MIN KIB(192)
enum {
	VHDX_LOG_SECTOR = 4096,
	VHDX_ENTRY_HEADER_SIZE = 64,
	VHDX_ENTRY_CRC = 4,    /* u32 */
	VHDX_ENTRY_LENGTH = 8, /* u32 */
	VHDX_ENTRY_TAIL =
		12, /* u32: offset in the log of the sequence's start */
	VHDX_ENTRY_SEQUENCE = 16, /* u64, above 0 */
	VHDX_ENTRY_COUNT = 24,    /* u32: descriptors */
	VHDX_ENTRY_GUID = 32,     /* the header's LogGuid */
	VHDX_ENTRY_FLUSHED = 48,  /* u64: a size of the file that is durable */
	VHDX_ENTRY_LAST = 56,     /* u64: the size after a replay, at least */
	VHDX_DESC_SIZE = 32,
	VHDX_DESC_TRAILING = 4,        /* desc: last 4 bytes of the page */
	VHDX_DESC_LEADING = 8,         /* desc: first 8 bytes of the page */
	VHDX_DESC_ZERO_LENGTH = 8,     /* zero: u64 */
	VHDX_DESC_FILE_OFFSET = 16,    /* u64 */
	VHDX_DESC_SEQUENCE = 24,       /* u64 */
	VHDX_DATA_SEQUENCE_HIGH = 4,   /* u32 */
	VHDX_DATA_FIRST = 8,           /* bytes 8 to 4091 of the page */
	VHDX_DATA_SEQUENCE_LOW = 4092, /* u32 */
};

/* Metadata table (2.6.1): 64 KiB at the region's start, then the items. */
#define VHDX_META_SIGNATURE "metadata"
enum {
	VHDX_META_TABLE_SIZE = 64 * 1024,
	VHDX_META_RESERVED = 8,   /* u16, 0 */
	VHDX_META_COUNT = 10,     /* u16 */
	VHDX_META_RESERVED2 = 12, /* 20 bytes, 0 */
	VHDX_META_FIRST = 32,     /* entries of 32 bytes */
	VHDX_META_MAX = 2047,
	VHDX_META_ENTRY = 32,
	VHDX_META_ENTRY_OFFSET = 16,   /* u32, in the region */
	VHDX_META_ENTRY_LENGTH = 20,   /* u32 */
	VHDX_META_ENTRY_FLAGS = 24,    /* u32 */
	VHDX_META_ENTRY_RESERVED = 28, /* u32, 0 */
	VHDX_META_IS_USER = 1,
	VHDX_META_IS_DISK = 2, /* of the virtual disk: children copy it */
	VHDX_META_IS_REQUIRED = 4,
};
#define VHDX_META_ITEM_MAX MIB(1)
#define VHDX_GUID_FILE_PARAMETERS "caa16737-fa36-4d43-b3b6-33f0aa44e76b"
#define VHDX_GUID_DISK_SIZE "2fa54224-cd1b-4876-b211-5dbed83bf4b8"
#define VHDX_GUID_DISK_ID "beca12ab-b2e6-4523-93ef-c309e000c746"
#define VHDX_GUID_LOGICAL_SECTOR "8141bf1d-a96f-4709-ba47-f233a8faab5f"
#define VHDX_GUID_PHYSICAL_SECTOR "cda348c7-445d-4471-9cc9-e9885251c556"
#define VHDX_GUID_PARENT_LOCATOR "a8d35f2d-b30b-454d-abf7-d3d84834ab0c"
/* Not in [MS-VHDX]: the mark of an interrupted conversion. */
#define VHDX_GUID_INCOMPLETE "71cc85f0-1b69-4e28-9558-c3bf83ae75d3"

/* File parameters (2.6.2.1): u32 block size, u32 flags. */
enum {
	VHDX_PARAMETERS_SIZE = 8,
	VHDX_LEAVE_ALLOCATED = 1, /* a fixed image */
	VHDX_HAS_PARENT = 2,
};
#define VHDX_BLOCK_MIN MIB(1)
#define VHDX_BLOCK_MAX MIB(256)
#define VHDX_DISK_MAX TIB(64)

/* Parent locator (2.6.2.6): header, entries, then UTF-16LE without NUL. */
#define VHDX_GUID_LOCATOR_VHDX "b04aefb7-d19e-4a81-b789-25b8e9445913"
enum {
	VHDX_LOCATOR_RESERVED = 16, /* u16 */
	VHDX_LOCATOR_COUNT = 18,    /* u16 */
	VHDX_LOCATOR_FIRST = 20,
	VHDX_LOCATOR_ENTRY = 12,
	VHDX_LOCATOR_KEY = 0,           /* u32, from the item's start */
	VHDX_LOCATOR_VALUE = 4,         /* u32 */
	VHDX_LOCATOR_KEY_LENGTH = 8,    /* u16, bytes */
	VHDX_LOCATOR_VALUE_LENGTH = 10, /* u16, bytes */
	VHDX_LOCATOR_MAX = 256,
};

/*
 * BAT (2.5): u64 entries.  A chunk is the 2^23 sectors that one sector bitmap
 * covers; the bitmap's entry follows the entries of the chunk's payload blocks.
 * Bits 0 to 2 of an entry are the state; the entry without its low 20 bits is
 * the offset in bytes.
 */
enum {
	VHDX_BAT_ENTRY = 8,
	VHDX_BAT_PER_PAGE = VHDX_PAGE / VHDX_BAT_ENTRY,
};
#define VHDX_BAT_STATE(entry) ((entry)&7)
#define VHDX_BAT_RESERVED(entry) ((entry)&0xffff8)
#define VHDX_BAT_OFFSET(entry) ((entry) & ~UINT64_C(0xfffff))
enum vhdx_state {
	VHDX_NOT_PRESENT = 0,
	VHDX_UNDEFINED = 1,
	VHDX_ZERO = 2,
	VHDX_UNMAPPED = 3,
	VHDX_UNMAPPED_DRAFT = 5, /* UNMAPPED of the 0.95 draft: read, never
				    written */
	VHDX_PRESENT = 6,        /* also of a sector bitmap */
	VHDX_PARTIAL = 7, /* children only: bitmap bits mark the sectors */
};
#define VHDX_CHUNK_SECTORS (UINT64_C(1) << 23)
/* One bit for each sector, the lowest bit of a byte first. */
#define VHDX_BITMAP_SIZE (VHDX_CHUNK_SECTORS / 8)

#endif
