#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img check --repair: it loses no data, and does not interpret the guest's
# data as structures of an image.
. "${0%/*}/../lib.sh"

PATH=$top_builddir/tests/tools:$PATH

# byte_of FILE OFFSET: prints a byte as a decimal number.
byte_of() {
	dd if="$1" bs=1 skip="$2" count=1 status=none | od -An -tu1 | tr -d ' '
}

# damage FILE OFFSET BYTES: overwrites; BYTES is a format of printf.
damage() {
	# shellcheck disable=SC2059
	printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# Makes a VHDX child with blocks of 1 MiB, of which the first two are written,
# of a parent with other data.  The BAT is at 3 MiB, blocks begin at 4 MiB.
make_child() {
	cd "$scratch"
	vhdfs-img create --size 8M --block-size 1M m.vhdx
	disk-io m.vhdx write 0 3145728 1
	vhdfs-img create --parent m.vhdx --block-size 1M c.vhdx
	disk-io c.vhdx write 0 2097152 2
}

# Such an entry cannot be distinguished from an entry of a truncated file.
test_entry_past_the_end_of_a_vhdx_is_kept() {
	make_child
	# Bit 40 of the offset: past the end of the file.
	damage c.vhdx $((3145728 + 5)) '\001'
	cp c.vhdx before.vhdx
	expect 3 vhdfs-img check --repair c.vhdx
	cmp before.vhdx c.vhdx || fail "expected no byte to be changed"
}

test_block_without_its_vhd_entry_is_kept() {
	cd "$scratch"
	vhdfs-img create --size 8M m.vhd
	disk-io m.vhd write 0 6291456 1
	cp m.vhd before.vhd
	# The entry of the last of three blocks points past the end.
	damage m.vhd $((1536 + 8)) '\x7f\xff\xff\xff'
	expect 0 vhdfs-img check --repair m.vhd
	cmp -n $((6 << 20)) -i $((8192)) before.vhd m.vhd ||
		fail "expected all blocks to be unchanged"
}

test_overlapping_blocks_are_all_kept() {
	cd "$scratch"
	vhdfs-img create --size 8M m.vhd
	disk-io m.vhd write 0 6291456 1
	dd if=m.vhd of=m.vhd bs=1 skip=1536 seek=1540 count=4 conv=notrunc \
		status=none
	cp m.vhd before.vhd
	expect 3 vhdfs-img check --repair m.vhd
	cmp before.vhd m.vhd || fail "expected no byte to be changed"
}

test_trimmed_block_with_a_bad_offset_hides_the_parent() {
	make_child
	# State 3 (unmapped), with an offset past the end.
	damage c.vhdx 3145728 '\003\000\000\000\000\001\000\000'
	expect 0 vhdfs-img check --repair c.vhdx
	equal "state" 3 "$(byte_of c.vhdx 3145728)"
	equal "first byte of the disk" 0 \
		"$(vhdfs-img convert c.vhdx c.raw && byte_of c.raw 0)"
}

test_offset_of_a_block_without_data_is_cleared() {
	cd "$scratch"
	vhdfs-img create --size 8M --block-size 1M z.vhdx
	# State 2 (zero) with the offset 4 MiB: Hyper-V refuses it.
	damage z.vhdx 3145728 '\002\000\100\000\000\000\000\000'
	expect 3 vhdfs-img check z.vhdx
	expect 0 vhdfs-img check --repair z.vhdx
	expect 0 vhdfs-img check z.vhdx
}

test_repair_writes_both_headers() {
	cd "$scratch"
	vhdfs-img create --size 8M h.vhdx
	damage h.vhdx 65540 'xxxx'
	expect 0 vhdfs-img check --repair h.vhdx
	# Equal except checksum and sequence number.
	cmp -n 4080 -i $((65536 + 16)):$((131072 + 16)) h.vhdx h.vhdx ||
		fail "expected both headers to be the same"
}

test_vhdx_signature_in_a_fixed_vhd_is_ignored() {
	cd "$scratch"
	vhdfs-img create --size 8M secret.vhdx
	vhdfs-img create --parent secret.vhdx inner.vhdx
	vhdfs-img create --size 8M --fixed guest.vhd
	disk-io guest.vhd load 0 inner.vhdx
	vhdfs-img info --json guest.vhd >info
	equal "format" vhd "$(jq -r .format info)"
	equal "type" fixed "$(jq -r .type info)"
	expect 0 vhdfs-img check guest.vhd
	vhdfs-img convert guest.vhd out.raw
	cmp -n "$(size_of inner.vhdx)" out.raw inner.vhdx ||
		fail "expected the data of the guest"
}

test_footer_in_the_guests_data_is_ignored() {
	cd "$scratch"
	vhdfs-img create --size 8M --fixed f.vhd
	vhdfs-img create --size 2M d.vhd
	disk-io f.vhd load 0 d.vhd write 4000000 3000000 9
	# One wrong byte in the cookie of the footer.
	damage f.vhd $((8 << 20)) 'X'
	cp f.vhd before.vhd
	vhdfs-img check --repair f.vhd >out 2>&1 || true
	equal "size" "$(size_of before.vhd)" "$(size_of f.vhd)"
	cmp -n $((8 << 20)) before.vhd f.vhd || fail "expected the guest's data"
}

test_overlap_is_found_before_the_first_write() {
	cd "$scratch"
	vhdfs-img create --size 8M --block-size 1M o.vhdx
	disk-io o.vhdx write 0 2097152 1
	dd if=o.vhdx of=o.vhdx bs=1 skip=3145728 seek=3145736 count=8 \
		conv=notrunc status=none
	cp o.vhdx before.vhdx
	! disk-io o.vhdx zero 0 512 || fail "expected the write to be refused"
	cmp before.vhdx o.vhdx || fail "expected no byte to be changed"
}

test_parent_path_that_cannot_be_encoded_is_refused() {
	cd "$scratch"
	for e in vhd vhdx; do
		vhdfs-img create --size 8M "a\\b.$e"
		expect_error 1 'expected a path without \\ for the parent of a ' \
			vhdfs-img create --parent "a\\b.$e" "c.$e"
		[ -w "a\\b.$e" ] && [ ! -e "c.$e" ] ||
			fail "expected nothing to be changed"
		stat -c %A "a\\b.$e" | grep -q '^-rw' ||
			fail "expected the parent to keep its write bits"
	done
}

run_tests
