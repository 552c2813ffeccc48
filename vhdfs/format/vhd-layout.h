/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Structures of a VHD file on disk ("Virtual Hard Disk Image Format
 * Specification" 1.0).  All integers are big-endian; a sector is 512 bytes.
 *
 *   fixed         data | footer
 *   dynamic,      copy of the footer at 0 | dynamic header | block allocation
 *   differencing  table | [parent locators] | blocks | footer
 *
 * Only the footers have a fixed offset; the footer has the header's offset, the
 * header has the others.  A block is a bitmap, padded to whole sectors, and
 * then the data; a table entry is the sector number of the bitmap.
 */
#ifndef VHDFS_FORMAT_VHD_LAYOUT_H
#define VHDFS_FORMAT_VHD_LAYOUT_H

#include <stdint.h>

#include "base/bytes.h"

enum { VHD_SECTOR = 512 };

/* Footer: the last 512 bytes; 511 in files older than Virtual PC 2004. */
enum {
	FOOTER_SIZE = 512,
	FOOTER_SIZE_OLD = 511,
	FOOTER_COOKIE = 0,       /* 8: "conectix" */
	FOOTER_FEATURES = 8,     /* 4: bit 1 must be set */
	FOOTER_VERSION = 12,     /* 4: major and minor, 16 bits each */
	FOOTER_DATA_OFFSET = 16, /* 8: of the dynamic header; all ones: none */
	FOOTER_TIME = 24,        /* 4: seconds since 2000 */
	FOOTER_CREATOR = 28,     /* 4: program that wrote the file */
	FOOTER_CREATOR_VERSION = 32,
	FOOTER_CREATOR_OS = 36,
	FOOTER_ORIGINAL_SIZE = 40, /* 8: bytes, informational */
	FOOTER_CURRENT_SIZE = 48,  /* 8: bytes */
	FOOTER_GEOMETRY = 56,      /* 2 cylinders, 1 heads, 1 sectors */
	FOOTER_TYPE = 60,          /* 4: VHD_TYPE_ */
	FOOTER_CHECKSUM = 64,      /* 4: ~sum of all bytes but these */
	FOOTER_ID = 68,            /* 16: unique id, stored in children */
	FOOTER_SAVED_STATE = 84,   /* 1: not 0: must not be resized */
	/* XenServer's "hidden" flag; early versions changed it and left the old
	 * checksum. */
	FOOTER_HIDDEN = 85,
};

#define FOOTER_COOKIE_TEXT "conectix"
#define VHD_VERSION UINT32_C(0x00010000)
#define VHD_NO_OFFSET UINT64_MAX
#define VHD_FEATURES UINT32_C(2)

enum {
	VHD_TYPE_FIXED = 2,
	VHD_TYPE_DYNAMIC = 3,
	VHD_TYPE_DIFFERENCING = 4,
};

/* Dynamic header. */
enum {
	HEADER_SIZE = 1024,
	HEADER_COOKIE = 0,        /* 8: "cxsparse" */
	HEADER_DATA_OFFSET = 8,   /* 8: all ones */
	HEADER_TABLE_OFFSET = 16, /* 8: of the block allocation table */
	HEADER_VERSION = 24,      /* 4 */
	HEADER_ENTRIES = 28,      /* 4: of the table; enough for the disk */
	HEADER_BLOCK_SIZE = 32,   /* 4: of the data alone; a power of two */
	HEADER_CHECKSUM = 36,     /* 4: as the footer's */
	HEADER_PARENT_ID = 40,    /* 16: the parent's FOOTER_ID */
	HEADER_PARENT_TIME = 56,  /* 4: the parent file's modification time */
	HEADER_PARENT_NAME = 64,  /* 512: UTF-16BE */
	HEADER_PARENT_NAME_SIZE = 512,
	HEADER_LOCATORS = 576, /* 8 of 24 bytes */
};

#define HEADER_COOKIE_TEXT "cxsparse"

/* Parent locator entry. */
enum {
	LOCATOR_SLOTS = 8,
	LOCATOR_SIZE = 24,
	LOCATOR_CODE = 0,    /* 4: LOCATOR_W2RU and the like */
	LOCATOR_SPACE = 4,   /* 4: reserved: bytes, or sectors if < 512 */
	LOCATOR_LENGTH = 8,  /* 4: bytes */
	LOCATOR_OFFSET = 16, /* 8: in the file */
	/* Our bound: a longer path is damage. */
	LOCATOR_LENGTH_MAX = 64 * 1024,
};

#define LOCATOR_W2RU UINT32_C(0x57327275) /* relative, UTF-16LE */
#define LOCATOR_W2KU UINT32_C(0x57326b75) /* absolute, UTF-16LE */
#define LOCATOR_WI2R UINT32_C(0x57693272) /* relative, 8 bit; deprecated */
#define LOCATOR_WI2K UINT32_C(0x5769326b) /* absolute, 8 bit; deprecated */
#define LOCATOR_MACX UINT32_C(0x4d616358) /* file URL, UTF-8 */

/* Block allocation table. */
#define BAT_UNUSED UINT32_MAX
enum { BAT_ENTRY = 4, BAT_PAGE_ENTRIES = VHD_SECTOR / BAT_ENTRY };

/*
 * XenServer's batmap: a bit for each block that is stored as a whole.  This
 * header is in the first sector after the table, and has the map's offset.
 */
enum {
	BATMAP_COOKIE = 0,    /* 8: "tdbatmap" */
	BATMAP_OFFSET = 8,    /* 8: of the map */
	BATMAP_SECTORS = 16,  /* 4: of the map */
	BATMAP_CHECKSUM = 24, /* 4: ~sum of the map's bytes */
};
#define BATMAP_COOKIE_TEXT "tdbatmap"

/* 1 January 2000, Unix seconds. */
#define VHD_EPOCH INT64_C(946684800)

/* The largest disk: 0xff000000 sectors. */
#define VHD_SIZE_MAX GIB(2040)
/* The largest file: sector numbers have 32 bits. */
#define VHD_FILE_MAX TIB(2)

/*
 * The specification requires only a power of two.  Our bounds: a sector is the
 * smallest unit that is mapped, and no program makes blocks above 256 MiB.
 */
#define VHD_BLOCK_MIN ((uint64_t)VHD_SECTOR)
#define VHD_BLOCK_MAX MIB(256)
#define VHD_BLOCK_DEFAULT MIB(2)
/* As QEMU: a table of 2 GiB is damage. */
#define VHD_ENTRIES_MAX UINT32_C(0x1fffffff)

/* Windows aligns a block's data, and the end of a file, to this. */
#define VHD_ALIGN KIB(4)

#endif
