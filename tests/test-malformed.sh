#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The checklist of malformed images: each kind of damage, and the program and the
# name of the test for it.  Each listed test asserts the error, and the part of the
# message that names the damaged structure and its offset.  The tests in this file
# only check that each listed test exists.
. "${0%/*}/lib.sh"

# missing_tests: reads lines "ITEM: PROGRAM: NAME[; NAME...]", and prints the items
# whose program or test does not exist.
missing_tests() {
	local item program names name

	while IFS=: read -r item program names; do
		program=${program# }
		grep -q "tests/unit/$program " "$top_srcdir/tests/local.mk" ||
			echo "$item: no program $program"
		while read -r name; do
			# A test is a row of a table, or a function.
			tr -d '\n\t' <"$top_srcdir/tests/unit/$program.c" |
				grep -qF -e "\"$name\"" \
					-e "static void ${name// /_}(" ||
				echo "$item: no test $name in $program"
		done < <(tr ';' '\n' <<<"$names" | sed 's/^ *//')
	done
}

nothing_is_missing() {
	local missing
	missing=$(missing_tests)
	[ -z "$missing" ] || fail "expected a test for each item, found:
$missing"
}

test_each_item_of_the_vhdx_checklist_has_a_test() {
	nothing_is_missing <<-'EOF'
	empty file: test-vhdx-bad: an empty file
	short file: test-vhdx-bad: a short file
	bad file identifier: test-vhdx-bad: a bad file identifier
	both headers bad: test-vhdx-bad: both headers bad; two headers of one number
	version: test-vhdx-bad: version not 1
	log version with a log: test-vhdx-bad: log version not 0 with a log
	log length: test-vhdx-bad: log length unaligned; log huge
	log offset: test-vhdx-bad: log offset unaligned; log among the headers; log past the end
	log guid without a log: test-vhdx-bad: log guid without a log
	no valid log entries: test-vhdx-bad: log without entries
	no valid log entries: test-vhdx-replay: log without a valid entry is refused
	file shorter than the log says: test-vhdx-replay: truncated file is refused
	log descriptor outside tables: test-vhdx-replay: log entries for headers and log are refused
	both region tables bad: test-vhdx-bad: both region tables bad
	region count: test-vhdx-bad: region count above 2047
	region twice: test-vhdx-bad: a region twice
	regions overlap: test-vhdx-bad: regions that overlap; a region over the log
	region unaligned: test-vhdx-bad: a region's offset unaligned; a region's length unaligned
	region's place: test-vhdx-bad: a region among the headers; an empty region; a region behind the largest file offset
	required region unknown: test-vhdx-bad: an unknown region that is required
	BAT region missing: test-vhdx-bad: no BAT region; no BAT region, none required; BAT region past the end
	metadata region missing: test-vhdx-bad: no metadata region; metadata region past the end
	BAT region too small: test-vhdx-bad: BAT region too small
	metadata signature: test-vhdx-bad: metadata signature
	metadata count: test-vhdx-bad: metadata count
	metadata reserved: test-vhdx-bad: metadata reserved field; metadata reserved bytes
	metadata guid twice: test-vhdx-bad: a metadata item twice
	metadata guid null: test-vhdx-bad: a metadata item of null guid
	metadata items overlap: test-vhdx-bad: metadata items that overlap
	metadata offset: test-vhdx-bad: a metadata item in the table; a metadata item past the region; a metadata item far away; an empty metadata item with an offset
	metadata item above 1 MiB: test-vhdx-bad: a metadata item above 1 MiB
	metadata flags: test-vhdx-bad: a metadata item with unknown flags; a metadata item with reserved bytes
	user's item required: test-vhdx-bad: a user's metadata item required
	required item unknown: test-vhdx-bad: an unknown metadata item required
	mandatory item missing: test-vhdx-bad: file parameters missing; disk size missing; logical sector size missing; physical sector size missing; disk id missing
	file parameters: test-vhdx-bad: file parameters of a wrong length; file parameters with reserved bits
	block size: test-vhdx-bad: block size 0; block size no power of two; block size below 1 MiB; block size above 256 MiB
	sector sizes: test-vhdx-bad: logical sector size; physical sector size
	items of the disk not marked so: test-vhdx-bad: logical sector size not the disk's; physical sector size not the disk's; disk size not the disk's
	disk size: test-vhdx-bad: disk size 0; disk size unaligned; disk size above 64 TiB
	BAT state: test-vhdx-bad: BAT state 4; BAT state 7 without a parent
	BAT reserved bits: test-vhdx-bad: BAT entry with reserved bits
	BAT offset: test-vhdx-bad: BAT entry below 1 MiB; BAT entry past the end; BAT entry far behind the end
	BAT entry over another thing: test-vhdx-bad: BAT entry over the log; BAT entry over the BAT; BAT entry over the metadata; BAT entry over an unknown region
	BAT entries that share a block: test-vhdx-odd: read only image has a reason
	partial block without bitmap: test-vhdx-bad: a partial block without a bitmap; a bitmap of a wrong state; a bitmap over the BAT; a bitmap past the end
	locator missing: test-vhdx-bad: parent locator missing
	locator too small: test-vhdx-bad: parent locator too small
	locator type: test-vhdx-bad: parent locator of another type
	locator count: test-vhdx-bad: parent locator without pairs; parent locator of 257 pairs; parent locator with more pairs than room
	locator offsets: test-vhdx-bad: parent locator: key outside; parent locator: key wraps; parent locator: value outside
	locator lengths: test-vhdx-bad: parent locator: key of odd length; parent locator: value of odd length; parent locator: empty key
	locator text: test-vhdx-bad: parent locator: embedded NUL; parent locator: no UTF-16
	locator keys: test-vhdx-bad: parent locator: key twice; parent locator: no linkage; parent locator: linkage no guid
	linkage mismatch: test-chain-bad: parent with another identity is refused
	parent cycle: test-chain-bad: cycle of parents is refused; image that is its own parent is refused
	parent of another size: test-chain-parents: parent of another disk size is accepted
	parent of another sector size: test-chain-bad: parent with another sector size is refused
	interrupted conversion: test-vhdx-bad: an interrupted conversion
	EOF
}

test_each_item_of_the_vhd_checklist_has_a_test() {
	nothing_is_missing <<-'EOF'
	empty and short files: test-vhd-bad: empty and short files are refused
	cookie, both footers: test-vhd-bad: file with two bad cookies is refused
	checksum, both footers: test-vhd-bad: file with two bad checksums is refused
	cookie or checksum, one footer: test-vhd-bad: one valid footer of two is enough; damaged footer of a fixed image is refused
	cookie or checksum, mended: test-vhd-check: damaged trailing footer is repaired; damaged or different footer copy is repaired
	footer of 511 bytes: test-vhd-bad: damaged footer of 511 bytes is refused
	footer of 511 bytes, good: test-vhd: footer of 511 bytes is accepted
	type, version, data offset, size: test-vhd-bad: each bad field of the footer is refused
	data offset in data: test-vhd-bad: header inside a block is refused
	fixed disk larger than the file: test-vhd-bad: fixed image larger than its file is refused
	header cookie and checksum: test-vhd-bad: bad header is refused
	block size, entries, table offset: test-vhd-bad: each bad field of the header is refused
	entries as many as 32 bits can say: test-bounds-vhd: vhd with too many entries is refused within limits
	entry at header, table, footer, past the end: test-vhd-bad: each bad table entry fails when it is used
	entries at each other: test-vhd-bad: image with overlapping blocks is not written
	locator length, space and offset: test-vhd-bad: each bad locator is refused; locator longer than its space is refused
	parent identity: test-chain-bad: parent with another identity is refused
	parent of another size: test-chain-parents: parent of another disk size is accepted
	parent cycle: test-chain-bad: cycle of parents is refused
	parent itself: test-vhd-bad: raw parent and own id as parent are refused
	batmap: test-vhd-bad: batmap beyond the file is refused
	EOF
}

run_tests
