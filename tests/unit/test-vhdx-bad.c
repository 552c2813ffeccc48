/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Malformed images: each is refused with the right errno and a message that
 * names the structure and its offset, for reading and for writing, and the file
 * is not changed.  An invalid BAT entry is reported when it is used.
 * tests/test-malformed.sh lists the tests for all kinds of damage.
 */
#include "config.h"

#include "unit/vhdx-spoil.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct bad {
	const char *name;
	void (*spoil)(struct vdisk *d);
	int code;
	const char *structure; /* in the message, as the next two */
	uint64_t off;          /* in the file */
	const char *text;
	bool child;
	bool on_use; /* the open succeeds, use of the first block fails */
};

SPOIL(empty, mem_file_resize(&d->file, 0))
SPOIL(short_file, mem_file_resize(&d->file, 1000))
SPOIL(bad_identifier, vdisk_put64(d, 0, 0))
SPOIL(both_headers, vdisk_put32(d, VHDX_HEADER_OFFSET(0) + 100, 1);
      vdisk_put32(d, VHDX_HEADER_OFFSET(1) + 100, 1))
SPOIL(headers_of_one_number,
      vdisk_put64(d, VHDX_HEADER_OFFSET(0) + VHDX_HEADER_SEQUENCE, 2);
      vdisk_put32(d, VHDX_HEADER_OFFSET(0) + 100, 1); spoil_sum_headers(d))
SPOIL(version, spoil_header16(d, VHDX_HEADER_VERSION, 2))
SPOIL(log_version, spoil_header16(d, VHDX_HEADER_LOG_VERSION, 1);
      spoil_header64(d, VHDX_HEADER_LOG_GUID, 1))
SPOIL(log_length_unaligned, spoil_header32(d, VHDX_HEADER_LOG_LENGTH, M + 4096))
SPOIL(log_offset_unaligned, spoil_header64(d, VHDX_HEADER_LOG_OFFSET, M + 4096))
SPOIL(log_in_headers, spoil_header64(d, VHDX_HEADER_LOG_OFFSET, 0))
SPOIL(log_past_end, spoil_header64(d, VHDX_HEADER_LOG_OFFSET, 400 * M))
SPOIL(log_huge, spoil_header32(d, VHDX_HEADER_LOG_LENGTH, UINT32_MAX - M + 1))
SPOIL(log_guid_without_log, spoil_header32(d, VHDX_HEADER_LOG_LENGTH, 0);
      spoil_header64(d, VHDX_HEADER_LOG_GUID, 1))
SPOIL(log_without_entries, spoil_header64(d, VHDX_HEADER_LOG_GUID, 1))
SPOIL(both_regions, vdisk_put32(d, VHDX_REGION_TABLE_OFFSET(0) + 100, 1);
      vdisk_put32(d, VHDX_REGION_TABLE_OFFSET(1) + 100, 1))
SPOIL(region_count, spoil_region32(d, VHDX_REGION_COUNT, 2048))
SPOIL(region_twice, uint8_t guid[16];
      mem_file_peek(&d->file, guid, 16,
		    VHDX_REGION_TABLE_OFFSET(0) + spoil_region_field(0, 0));
      spoil_add_region(d, 10 * M, M, 0);
      spoil_region_bytes(d, spoil_region_field(2, 0), guid, 16))
SPOIL(regions_overlap, spoil_add_region(d, 2 * M, 4 * M, 0))
SPOIL(region_over_log, spoil_add_region(d, M, M, 0))
SPOIL(region_offset_unaligned, spoil_add_region(d, 10 * M + 4096, M, 0))
SPOIL(region_length_unaligned, spoil_add_region(d, 10 * M, M + 512, 0))
SPOIL(region_in_headers, spoil_add_region(d, 0, M, 0))
SPOIL(region_empty, spoil_add_region(d, 10 * M, 0, 0))
SPOIL(region_far, spoil_add_region(d, -M, M, 0))
SPOIL(region_required, spoil_add_region(d, 10 * M, M, 1))
SPOIL(no_bat, spoil_region32(d, spoil_region_field(0, 0), 1))
SPOIL(no_bat_asked_for, spoil_region32(d, spoil_region_field(0, 0), 1);
      spoil_region32(d, spoil_region_field(0, VHDX_REGION_ENTRY_FLAGS), 0))
SPOIL(metadata_past_end,
      spoil_region64(d, spoil_region_field(1, VHDX_REGION_ENTRY_OFFSET),
		     100 * M))
SPOIL(no_metadata, spoil_region32(d, spoil_region_field(1, 0), 1);
      spoil_region32(d, spoil_region_field(1, VHDX_REGION_ENTRY_FLAGS), 0))
SPOIL(bat_past_end,
      spoil_region64(d, spoil_region_field(0, VHDX_REGION_ENTRY_OFFSET),
		     100 * M))
SPOIL(bat_small, vdisk_put64(d, spoil_item_off(d, ITEM_SIZE), TIB(1)))
SPOIL(meta_signature, vdisk_put64(d, META_OFF, 0))
SPOIL(meta_count, vdisk_put16(d, META_OFF + VHDX_META_COUNT, 2048))
SPOIL(meta_reserved, vdisk_put16(d, META_OFF + VHDX_META_RESERVED, 1))
SPOIL(meta_reserved2, vdisk_put32(d, META_OFF + VHDX_META_RESERVED2 + 16, 1))
SPOIL(item_twice, spoil_add_item(d, VHDX_GUID_DISK_SIZE, 80000, 8, 6))
SPOIL(item_null,
      spoil_add_item(d, "00000000-0000-0000-0000-000000000000", 80000, 8, 0))
SPOIL(items_overlap, spoil_add_item(d, UNKNOWN_ITEM, 65536 + 12, 8, 0))
SPOIL(item_in_table, spoil_add_item(d, UNKNOWN_ITEM, 65528, 8, 0))
SPOIL(item_past_region, spoil_add_item(d, UNKNOWN_ITEM, M - 4, 8, 0))
SPOIL(item_far, spoil_add_item(d, UNKNOWN_ITEM, UINT32_MAX, 8, 0))
SPOIL(item_large, spoil_add_item(d, UNKNOWN_ITEM, 80000, M + 1, 0))
SPOIL(item_empty_somewhere, spoil_add_item(d, UNKNOWN_ITEM, 80000, 0, 0))
SPOIL(item_flags, spoil_add_item(d, UNKNOWN_ITEM, 80000, 8, 8))
SPOIL(item_reserved, spoil_add_item(d, UNKNOWN_ITEM, 80000, 8, 0);
      vdisk_put32(d, spoil_meta_field(5, VHDX_META_ENTRY_RESERVED), 1))
SPOIL(item_of_user_required, spoil_add_item(d, UNKNOWN_ITEM, 80000, 8, 5))
SPOIL(item_required, spoil_add_item(d, UNKNOWN_ITEM, 80000, 8, 4))
SPOIL(incomplete, spoil_add_item(d, VHDX_GUID_INCOMPLETE, 80000, 8, 4))
SPOIL(parameters_length,
      vdisk_put32(d, spoil_meta_field(ITEM_PARAMETERS, VHDX_META_ENTRY_LENGTH),
		  4))
#define MISSING(name, item)                                                    \
	SPOIL(name, vdisk_put32(d, spoil_meta_field(item, 0), 1); vdisk_put32( \
		      d, spoil_meta_field(item, VHDX_META_ENTRY_FLAGS), 0))
MISSING(size_missing, ITEM_SIZE)
MISSING(lss_missing, ITEM_LSS)
MISSING(pss_missing, ITEM_PSS)
MISSING(id_missing, ITEM_ID)
SPOIL(size_not_disk,
      vdisk_put32(d, spoil_meta_field(ITEM_SIZE, VHDX_META_ENTRY_FLAGS), 4))
SPOIL(parameters_missing,
      vdisk_put32(d, spoil_meta_field(ITEM_PARAMETERS, 0), 1);
      vdisk_put32(d, spoil_meta_field(ITEM_PARAMETERS, VHDX_META_ENTRY_FLAGS),
		  0))
SPOIL(parameters_reserved,
      vdisk_put32(d, spoil_item_off(d, ITEM_PARAMETERS) + 4, 4))
SPOIL(block_zero, vdisk_put32(d, spoil_item_off(d, ITEM_PARAMETERS), 0))
SPOIL(block_odd, vdisk_put32(d, spoil_item_off(d, ITEM_PARAMETERS), 3 * M))
SPOIL(block_small, vdisk_put32(d, spoil_item_off(d, ITEM_PARAMETERS), M / 2))
SPOIL(block_large, vdisk_put32(d, spoil_item_off(d, ITEM_PARAMETERS), 512 * M))
SPOIL(lss_bad, vdisk_put32(d, spoil_item_off(d, ITEM_LSS), 1024))
SPOIL(pss_bad, vdisk_put32(d, spoil_item_off(d, ITEM_PSS), 0))
SPOIL(lss_not_disk,
      vdisk_put32(d, spoil_meta_field(ITEM_LSS, VHDX_META_ENTRY_FLAGS), 4))
SPOIL(pss_not_disk,
      vdisk_put32(d, spoil_meta_field(ITEM_PSS, VHDX_META_ENTRY_FLAGS), 4))
SPOIL(size_zero, vdisk_put64(d, spoil_item_off(d, ITEM_SIZE), 0))
SPOIL(size_odd, vdisk_put64(d, spoil_item_off(d, ITEM_SIZE), M + 1))
SPOIL(size_large, vdisk_put64(d, spoil_item_off(d, ITEM_SIZE), TIB(64) + 512))

static void entry(struct vdisk *d, uint64_t value)
{
	vdisk_put64(d, BAT_OFF, value);
}

SPOIL(state_4, entry(d, (4 * M) | 4))
SPOIL(state_7, entry(d, (4 * M) | VHDX_PARTIAL))
SPOIL(bat_reserved, entry(d, (4 * M) | 0x1000 | VHDX_PRESENT))
SPOIL(bat_low, entry(d, VHDX_PRESENT))
SPOIL(bat_entry_past_end, entry(d, (900 * M) | VHDX_PRESENT))
SPOIL(bat_entry_over_end, entry(d, (7 * M) | VHDX_PRESENT);
      mem_file_resize(&d->file, 8 * M - 4096))
SPOIL(bat_anchor_past_end, entry(d, (900 * M) | VHDX_UNMAPPED))
SPOIL(bat_over_log, entry(d, M | VHDX_PRESENT))
SPOIL(bat_over_bat, entry(d, BAT_OFF | VHDX_PRESENT))
SPOIL(bat_over_metadata, entry(d, META_OFF | VHDX_PRESENT))
SPOIL(bat_over_region, spoil_add_region(d, 6 * M, M, 0);
      entry(d, (6 * M) | VHDX_PRESENT))
SPOIL(bitmap_over_bat, entry(d, (4 * M) | VHDX_PARTIAL);
      vdisk_put64(d, BAT_OFF + 8 * 4096, BAT_OFF | VHDX_PRESENT))
SPOIL(bitmap_past_end, entry(d, (4 * M) | VHDX_PARTIAL);
      vdisk_put64(d, BAT_OFF + 8 * 4096, (900 * M) | VHDX_PRESENT))
SPOIL(bat_far, entry(d, -M | VHDX_PRESENT))
SPOIL(no_bitmap, entry(d, (4 * M) | VHDX_PARTIAL))
SPOIL(bitmap_state, entry(d, (4 * M) | VHDX_PARTIAL);
      vdisk_put64(d, BAT_OFF + 8 * 4096, (5 * M) | VHDX_ZERO))

static uint64_t locator(struct vdisk *d)
{
	return spoil_item_off(d, ITEM_LOCATOR);
}

SPOIL(locator_missing, vdisk_put32(d, spoil_meta_field(ITEM_LOCATOR, 0), 1);
      vdisk_put32(d, spoil_meta_field(ITEM_LOCATOR, VHDX_META_ENTRY_FLAGS), 0))
SPOIL(locator_small,
      vdisk_put32(d, spoil_meta_field(ITEM_LOCATOR, VHDX_META_ENTRY_LENGTH),
		  19))
SPOIL(locator_type, vdisk_put32(d, locator(d), 1))
SPOIL(locator_count_0, vdisk_put16(d, locator(d) + VHDX_LOCATOR_COUNT, 0))
SPOIL(locator_count_257, vdisk_put16(d, locator(d) + VHDX_LOCATOR_COUNT, 257))
SPOIL(locator_count_out, vdisk_put16(d, locator(d) + VHDX_LOCATOR_COUNT, 256))
SPOIL(locator_key_far, vdisk_put32(d, locator(d) + 20, 60000))
SPOIL(locator_key_wraps, vdisk_put32(d, locator(d) + 20, UINT32_MAX))
SPOIL(locator_value_far, vdisk_put32(d, locator(d) + 24, 60000))
SPOIL(locator_key_odd, vdisk_put16(d, locator(d) + 28, 27))
SPOIL(locator_value_odd, vdisk_put16(d, locator(d) + 30, 1))
SPOIL(locator_key_empty, vdisk_put16(d, locator(d) + 28, 0))
SPOIL(locator_nul, vdisk_put16(d, locator(d) + 80 + 4, 0))
SPOIL(locator_surrogate, vdisk_put16(d, locator(d) + 80 + 4, 0xd800))
SPOIL(locator_key_twice, uint8_t raw[12];
      mem_file_peek(&d->file, raw, 12, locator(d) + 20);
      mem_file_poke(&d->file, raw, 12, locator(d) + 32))
SPOIL(locator_no_linkage, vdisk_put16(d, locator(d) + 80, 'q'))
SPOIL(locator_linkage_bad, vdisk_put16(d, locator(d) + 80 + 28 + 4, 'q'))

#define BAD(...)                  \
	{                         \
		__VA_ARGS__, 0, 0 \
	}
#define BAD_USE(...)              \
	{                         \
		__VA_ARGS__, 0, 1 \
	}
#define BAD_CHILD(...)            \
	{                         \
		__VA_ARGS__, 1, 0 \
	}
#define BAD_CHILD_USE(...)        \
	{                         \
		__VA_ARGS__, 1, 1 \
	}

/* The offsets in messages are those of the second header, which is current, and
 * of the first region table, which is used. */
#define HEADER(field) (VHDX_HEADER_OFFSET(1) + (field))
#define REGIONS VHDX_REGION_TABLE_OFFSET(0)
#define REGION(i) (REGIONS + VHDX_REGION_FIRST + (i)*VHDX_REGION_ENTRY)
#define META_ENTRY(i) (META_OFF + VHDX_META_FIRST + (i)*VHDX_META_ENTRY)
#define META_ITEMS (META_OFF + VHDX_META_TABLE_SIZE)
#define LOCATOR (META_ITEMS + 48)

static const struct bad bads[] = {
	BAD("an empty file", empty, -EBADMSG, "file", 0, "signature"),
	BAD("a bad file identifier", bad_identifier, -EBADMSG, "file", 0,
	    "signature"),
	BAD("a short file", short_file, -EBADMSG, "headers",
	    VHDX_HEADER_OFFSET(0), "headers at offset 65536"),
	BAD("both headers bad", both_headers, -EBADMSG, "headers",
	    VHDX_HEADER_OFFSET(0), "headers"),
	BAD("two headers of one number", headers_of_one_number, -EBADMSG,
	    "headers", VHDX_HEADER_OFFSET(0), "different sequence numbers"),
	BAD("version not 1", version, -EOPNOTSUPP, "header: version",
	    HEADER(VHDX_HEADER_VERSION), "version"),
	BAD("log version not 0 with a log", log_version, -EOPNOTSUPP,
	    "header: log version", HEADER(VHDX_HEADER_LOG_VERSION),
	    "log version"),
	BAD("log length unaligned", log_length_unaligned, -EBADMSG,
	    "header: log length", HEADER(VHDX_HEADER_LOG_LENGTH), "log length"),
	BAD("log offset unaligned", log_offset_unaligned, -EBADMSG,
	    "header: log offset", HEADER(VHDX_HEADER_LOG_OFFSET), "log offset"),
	BAD("log among the headers", log_in_headers, -EBADMSG,
	    "header: log offset", HEADER(VHDX_HEADER_LOG_OFFSET), "log offset"),
	BAD("log past the end", log_past_end, -EBADMSG, "header: log offset",
	    HEADER(VHDX_HEADER_LOG_OFFSET), "log offset"),
	BAD("log huge", log_huge, -EBADMSG, "header: log length",
	    HEADER(VHDX_HEADER_LOG_LENGTH), "log length"),
	BAD("log guid without a log", log_guid_without_log, -EBADMSG,
	    "header: log length", HEADER(VHDX_HEADER_LOG_LENGTH), "log length"),
	BAD("log without entries", log_without_entries, -EBADMSG, "log",
	    LOG_OFF, "log"),
	BAD("both region tables bad", both_regions, -EBADMSG, "region tables",
	    REGIONS, "region tables"),
	BAD("region count above 2047", region_count, -EBADMSG,
	    "region table: entry count", REGIONS + VHDX_REGION_COUNT,
	    "entry count"),
	BAD("a region twice", region_twice, -EBADMSG, "region table", REGION(2),
	    "each region once"),
	BAD("regions that overlap", regions_overlap, -EBADMSG, "region table",
	    REGION(2), "overlaps neither"),
	BAD("a region over the log", region_over_log, -EBADMSG, "region table",
	    REGION(2), "overlaps neither"),
	BAD("a region's offset unaligned", region_offset_unaligned, -EBADMSG,
	    "region table", REGION(2), "whole MiB"),
	BAD("a region's length unaligned", region_length_unaligned, -EBADMSG,
	    "region table", REGION(2), "whole MiB"),
	BAD("a region among the headers", region_in_headers, -EBADMSG,
	    "region table", REGION(2), "whole MiB"),
	BAD("an empty region", region_empty, -EBADMSG, "region table",
	    REGION(2), "whole MiB"),
	BAD("a region behind the largest file offset", region_far, -EBADMSG,
	    "region table", REGION(2), "below the largest file offset"),
	BAD("an unknown region that is required", region_required, -EOPNOTSUPP,
	    "region table", REGION(2), "required region"),
	BAD("no BAT region", no_bat, -EOPNOTSUPP, "region table", REGION(0),
	    "required region"),
	BAD("no BAT region, none required", no_bat_asked_for, -EBADMSG,
	    "region table", REGIONS, "no BAT region"),
	BAD("metadata region past the end", metadata_past_end, -EBADMSG,
	    "region table", REGION(1), "inside the file"),
	BAD("no metadata region", no_metadata, -EBADMSG, "region table",
	    REGIONS, "no metadata region"),
	BAD("BAT region past the end", bat_past_end, -EBADMSG, "region table",
	    REGION(0), "inside the file"),
	BAD("BAT region too small", bat_small, -EBADMSG, "BAT region", BAT_OFF,
	    "BAT region"),
	BAD("metadata signature", meta_signature, -EBADMSG, "metadata table",
	    META_OFF, "metadata table"),
	BAD("metadata count", meta_count, -EBADMSG,
	    "metadata table: entry count", META_OFF + VHDX_META_COUNT,
	    "entry count"),
	BAD("metadata reserved field", meta_reserved, -EBADMSG,
	    "metadata table: reserved bytes", META_OFF, "reserved bytes"),
	BAD("metadata reserved bytes", meta_reserved2, -EBADMSG,
	    "metadata table: reserved bytes", META_OFF, "reserved bytes"),
	BAD("a metadata item twice", item_twice, -EBADMSG, "metadata item",
	    META_ENTRY(5), "each item once"),
	BAD("a metadata item of null guid", item_null, -EBADMSG,
	    "metadata item", META_ENTRY(5), "null guid"),
	BAD("metadata items that overlap", items_overlap, -EBADMSG,
	    "metadata items", META_ITEMS + 16, "two that overlap"),
	BAD("a metadata item in the table", item_in_table, -EBADMSG,
	    "metadata item", META_ENTRY(5), "behind the table"),
	BAD("a metadata item past the region", item_past_region, -EBADMSG,
	    "metadata item", META_ENTRY(5), "inside the region"),
	BAD("a metadata item far away", item_far, -EBADMSG, "metadata item",
	    META_ENTRY(5), "inside the region"),
	BAD("a metadata item above 1 MiB", item_large, -EBADMSG,
	    "metadata item", META_ENTRY(5), "at most 1 MiB"),
	BAD("an empty metadata item with an offset", item_empty_somewhere,
	    -EBADMSG, "metadata item", META_ENTRY(5), "offset 0"),
	BAD("a metadata item with unknown flags", item_flags, -EBADMSG,
	    "metadata item", META_ENTRY(5), "reserved bits"),
	BAD("a metadata item with reserved bytes", item_reserved, -EBADMSG,
	    "metadata item", META_ENTRY(5), "reserved bits"),
	BAD("a user's metadata item required", item_of_user_required, -EBADMSG,
	    "metadata item", META_ENTRY(5), "user item"),
	BAD("an unknown metadata item required", item_required, -EOPNOTSUPP,
	    "metadata item", META_ENTRY(5), "that vhdfs knows"),
	BAD("an interrupted conversion", incomplete, -EOPNOTSUPP,
	    "metadata item", META_ENTRY(5), "incomplete conversion"),
	BAD("file parameters of a wrong length", parameters_length, -EBADMSG,
	    "metadata item", META_ENTRY(0), "file parameters"),
	BAD("file parameters missing", parameters_missing, -EBADMSG,
	    "metadata table", META_OFF, "file parameters"),
	BAD("disk size missing", size_missing, -EBADMSG, "metadata table",
	    META_OFF, "the item virtual disk size"),
	BAD("logical sector size missing", lss_missing, -EBADMSG,
	    "metadata table", META_OFF, "the item logical sector size"),
	BAD("physical sector size missing", pss_missing, -EBADMSG,
	    "metadata table", META_OFF, "the item physical sector size"),
	BAD("disk id missing", id_missing, -EBADMSG, "metadata table", META_OFF,
	    "the item virtual disk id"),
	BAD("disk size not the disk's", size_not_disk, -EBADMSG,
	    "metadata item", META_ENTRY(1), "IsVirtualDisk"),
	BAD("file parameters with reserved bits", parameters_reserved, -EBADMSG,
	    "file parameters", META_ITEMS, "reserved bits"),
	BAD("block size 0", block_zero, -EBADMSG, "block size", META_ITEMS,
	    "block size"),
	BAD("block size no power of two", block_odd, -EBADMSG, "block size",
	    META_ITEMS, "block size"),
	BAD("block size below 1 MiB", block_small, -EBADMSG, "block size",
	    META_ITEMS, "block size"),
	BAD("block size above 256 MiB", block_large, -EBADMSG, "block size",
	    META_ITEMS, "block size"),
	BAD("logical sector size", lss_bad, -EBADMSG, "logical sector size",
	    META_ITEMS + 16, "logical sector size"),
	BAD("physical sector size", pss_bad, -EBADMSG, "physical sector size",
	    META_ITEMS + 24, "physical sector size"),
	BAD("logical sector size not the disk's", lss_not_disk, -EBADMSG,
	    "metadata item", META_ENTRY(2), "IsVirtualDisk"),
	BAD("physical sector size not the disk's", pss_not_disk, -EBADMSG,
	    "metadata item", META_ENTRY(3), "IsVirtualDisk"),
	BAD("disk size 0", size_zero, -EBADMSG, "virtual disk size",
	    META_ITEMS + 8, "virtual disk size"),
	BAD("disk size unaligned", size_odd, -EBADMSG, "virtual disk size",
	    META_ITEMS + 8, "virtual disk size"),
	BAD("disk size above 64 TiB", size_large, -EBADMSG, "virtual disk size",
	    META_ITEMS + 8, "virtual disk size"),
	BAD_USE("BAT state 4", state_4, -EBADMSG, "BAT entry 0", BAT_OFF,
		"state 4"),
	BAD_USE("BAT state 7 without a parent", state_7, -EBADMSG,
		"BAT entry 0", BAT_OFF, "state 7"),
	BAD_USE("BAT entry with reserved bits", bat_reserved, -EBADMSG,
		"BAT entry 0", BAT_OFF, "reserved bits"),
	BAD_USE("BAT entry below 1 MiB", bat_low, -EBADMSG, "BAT entry 0",
		BAT_OFF, "1 MiB or above"),
	BAD("BAT entry past the end", bat_entry_past_end, -EBADMSG,
	    "BAT entry 0", BAT_OFF, "inside the file"),
	BAD("BAT entry over the end", bat_entry_over_end, -EBADMSG,
	    "BAT entry 0", BAT_OFF, "the file was truncated; copy it again"),
	BAD_USE("BAT entry past the end of what is not stored",
		bat_anchor_past_end, -EBADMSG, "BAT entry 0", BAT_OFF,
		"inside the file"),
	BAD_USE("BAT entry over the log", bat_over_log, -EBADMSG, "BAT entry 0",
		BAT_OFF, "overlaps neither the log"),
	BAD_USE("BAT entry over the BAT", bat_over_bat, -EBADMSG, "BAT entry 0",
		BAT_OFF, "overlaps neither the log"),
	BAD_USE("BAT entry over the metadata", bat_over_metadata, -EBADMSG,
		"BAT entry 0", BAT_OFF, "overlaps neither the log"),
	BAD_USE("BAT entry over an unknown region", bat_over_region, -EBADMSG,
		"BAT entry 0", BAT_OFF, "overlaps neither the log"),
	BAD("BAT entry far behind the end", bat_far, -EBADMSG, "BAT entry 0",
	    BAT_OFF, "inside the file"),
	BAD_CHILD_USE("a bitmap over the BAT", bitmap_over_bat, -EBADMSG,
		      "BAT entry 4096", BAT_OFF + 8 * 4096,
		      "overlaps neither the log"),
	BAD_CHILD("a bitmap past the end", bitmap_past_end, -EBADMSG,
		  "BAT entry 4096", BAT_OFF + 8 * 4096, "inside the file"),
	BAD_CHILD_USE("a partial block without a bitmap", no_bitmap, -EBADMSG,
		      "BAT entry 4096", BAT_OFF + 8 * 4096, "a sector bitmap"),
	BAD_CHILD_USE("a bitmap of a wrong state", bitmap_state, -EBADMSG,
		      "BAT entry 4096", BAT_OFF + 8 * 4096, "state 2"),
	BAD_CHILD("parent locator missing", locator_missing, -EBADMSG,
		  "metadata table", META_OFF, "a parent locator"),
	BAD_CHILD("parent locator too small", locator_small, -EBADMSG,
		  "parent locator", LOCATOR, "at least 20 bytes"),
	BAD_CHILD("parent locator of another type", locator_type, -EOPNOTSUPP,
		  "parent locator: type", LOCATOR, "type"),
	BAD_CHILD("parent locator without pairs", locator_count_0, -EBADMSG,
		  "parent locator", LOCATOR + 18, "1 to 256 pairs"),
	BAD_CHILD("parent locator of 257 pairs", locator_count_257, -EBADMSG,
		  "parent locator", LOCATOR + 18, "1 to 256 pairs"),
	BAD_CHILD("parent locator with more pairs than room", locator_count_out,
		  -EBADMSG, "parent locator", LOCATOR + 18,
		  "pairs inside the item"),
	BAD_CHILD("parent locator: key outside", locator_key_far, -EBADMSG,
		  "parent locator", LOCATOR + 20, "inside the item"),
	BAD_CHILD("parent locator: key wraps", locator_key_wraps, -EBADMSG,
		  "parent locator", LOCATOR + 20, "inside the item"),
	BAD_CHILD("parent locator: value outside", locator_value_far, -EBADMSG,
		  "parent locator", LOCATOR + 20, "inside the item"),
	BAD_CHILD("parent locator: key of odd length", locator_key_odd,
		  -EBADMSG, "parent locator", LOCATOR + 20,
		  "whole UTF-16 units"),
	BAD_CHILD("parent locator: value of odd length", locator_value_odd,
		  -EBADMSG, "parent locator", LOCATOR + 20,
		  "whole UTF-16 units"),
	BAD_CHILD("parent locator: empty key", locator_key_empty, -EBADMSG,
		  "parent locator", LOCATOR + 20, "whole UTF-16 units"),
	BAD_CHILD("parent locator: embedded NUL", locator_nul, -EBADMSG,
		  "parent locator", LOCATOR + 84, "without NUL"),
	BAD_CHILD("parent locator: no UTF-16", locator_surrogate, -EBADMSG,
		  "parent locator", LOCATOR + 80, "UTF-16"),
	BAD_CHILD("parent locator: key twice", locator_key_twice, -EBADMSG,
		  "parent locator", LOCATOR + 32, "each key once"),
	BAD_CHILD("parent locator: no linkage", locator_no_linkage, -EBADMSG,
		  "parent locator", LOCATOR, "parent_linkage"),
	BAD_CHILD("parent locator: linkage no guid", locator_linkage_bad,
		  -EBADMSG, "parent locator", LOCATOR,
		  "a guid as parent_linkage"),
};

enum { BADS = sizeof bads / sizeof bads[0] };

static void make(struct vdisk *d, bool child)
{
	const struct image_params params = { .type = IMAGE_DYNAMIC,
					     .size = 8 * M,
					     .block_size = M };
	uint64_t seed = 1;

	if (child)
		vdisk_create_child(d, &params, &seed);
	else
		vdisk_create(d, &params);
	mem_file_resize(&d->file, 8 * M);
}

static void expect_message(const struct bad *bad)
{
	const struct error *e = error_last();

	if (!strncmp(e->structure, bad->structure, strlen(bad->structure)) &&
	    e->offset == bad->off && strstr(e->text, bad->text))
		return;
	print_error("expected %s at %" PRIu64 " and \"%s\", found: %s\n",
		    bad->structure, bad->off, bad->text, e->text);
	_fail(__FILE__, __LINE__);
}

static void expect_use_fails(struct vdisk *d, const struct bad *bad)
{
	uint8_t buf[512] = { 0 };
	struct extent e;

	for (int writable = 0; writable < 2; writable++) {
		vdisk_open(d, writable);
		assert_errno(image_map(d->img, 0, 512, &e), bad->code);
		expect_message(bad);
		/* Other blocks can still be used. */
		assert_ok(image_map(d->img, M, 512, &e));
		if (writable)
			assert_errno(image_write(d->img, buf, 0, 512),
				     bad->code);
		vdisk_close(d);
	}
}

static void is_refused(void **state)
{
	const struct bad *bad = *state;
	struct vdisk d;

	make(&d, bad->child);
	bad->spoil(&d);
	mem_file_reset_counters(&d.file);
	if (bad->on_use) {
		expect_use_fails(&d, bad);
	} else {
		vdisk_open_fails(&d, false, bad->code, "");
		expect_message(bad);
		vdisk_open_fails(&d, true, bad->code, "");
		expect_message(bad);
		assert_int_equal(
			d.file.n_pwrite + d.file.n_resize + d.file.n_punch, 0);
	}
	vdisk_fini(&d);
}

int main(void)
{
	struct CMUnitTest tests[BADS];

	for (unsigned i = 0; i < BADS; i++)
		tests[i] = (struct CMUnitTest){ .name = bads[i].name,
						.test_func = is_refused,
						.initial_state =
							(void *)&bads[i] };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
