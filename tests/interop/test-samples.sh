#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sample images of Windows and other makers, flattened: their size and hash are
# those of an independent reader.
. "${0%/*}/../lib.sh"

# sample NAME [PARENT]: expects the values of MANIFEST, and the image unchanged.
sample() {
	local name=$1 size hash before

	[ -z "${2:-}" ] || unpack_sample "$2"
	unpack_sample "$name"
	before=$(sha256_of "$scratch/$name")
	size=$(sample_manifest | grep "^$name	" | cut -f 2)
	hash=$(sample_manifest | grep "^$name	" | cut -f 3)
	vhdfs-img convert "$scratch/$name" "$scratch/out.raw"
	equal "$name: size" "$size" "$(size_of "$scratch/out.raw")"
	if [ "$hash" = - ]; then
		# Zeros only, some too large for a hash: no block is used.
		equal "$name: blocks" 0 "$(stat -c %b "$scratch/out.raw")"
	else
		equal "$name: hash" "$hash" "$(sha256_of "$scratch/out.raw")"
	fi
	equal "$name: the image itself" "$before" \
		"$(sha256_of "$scratch/$name")"
}

test_differencing_vhd_samples_are_read() {
	sample ntfs-differential.vhd ntfs-parent.vhd
}

test_differencing_vhdx_samples_are_read() {
	sample fat-differential.vhdx fat-parent.vhdx
}

# alone CHILD PARENT: the child shows its disk without the parent, also to QEMU.
alone() {
	local format=${1##*.}

	unpack_sample "$2"
	unpack_sample "$1"
	vhdfs-img convert "$scratch/$1" "$scratch/model.raw"
	vhdfs-img rebase --no-parent "$scratch/$1"
	rm "$scratch/$2"
	expect 0 vhdfs-img check "$scratch/$1"
	expect 0 vhdfs-img compare "$scratch/$1" "$scratch/model.raw"
	[ "$format" = vhdx ] || format=vpc
	qemu-img compare -f $format -F raw "$scratch/$1" "$scratch/model.raw"
	[ $format = vpc ] || qemu-img check -f vhdx "$scratch/$1"
	rm "$scratch/model.raw"
}

test_children_of_windows_lose_their_parent() {
	requires qemu-img
	alone ntfs-differential.vhd ntfs-parent.vhd
	alone fat-differential.vhdx fat-parent.vhdx
}

test_fixed_samples_are_read() {
	sample ntfs-parent.vhd
	rm "$scratch/out.raw"
	sample ntfs-fixed.vhd
	rm "$scratch/out.raw"
	sample fat-parent.vhdx
}

test_dynamic_vhd_samples_are_read() {
	sample ntfs-dynamic.vhd
	rm "$scratch/out.raw"
	sample ext2.vhd
}

test_dynamic_vhdx_samples_are_read() {
	sample ntfs-dynamic.vhdx
	rm "$scratch/out.raw"
	sample ext2.vhdx
}

test_sample_with_two_equal_headers_is_read() {
	sample test-disk2vhd.vhdx
}

test_log_is_replayed() {
	sample iotest-dirtylog-10G-4M.vhdx
}

test_sample_of_ten_gigabytes_is_read() {
	sample xfs5.vhdx
}

# As above, but read by a program through the mount: 20 GiB of zeros too.
test_ten_gigabytes_are_read_through_the_mount() {
	local name hash

	mkdir "$scratch/store"
	for name in iotest-dirtylog-10G-4M.vhdx xfs5.vhdx; do
		unpack_sample "$name" "$scratch/store"
	done
	mount_store "$scratch/store" "$scratch/mnt" -o ro
	for name in iotest-dirtylog-10G-4M.vhdx xfs5.vhdx; do
		hash=$(sample_manifest | grep "^$name	" | cut -f 3)
		equal "$name: hash" "$hash" \
			"$(sha256_of "$scratch/mnt/$name.raw")"
	done
}

test_empty_samples_of_many_makers_are_read() {
	local name

	for name in vbox.vhd xapi.vhd win8.1-1GB.vhd virtualpc-dynamic.vhd; do
		sample "$name"
		rm "$scratch/out.raw"
	done
}

# Every sample is in one of the tests above.
test_all_samples_are_used() {
	local name rest

	sample_manifest | while IFS=$'\t' read -r name rest; do
		grep -q "^	.*$name" "$0" || fail "expected a test of $name"
	done
}

# Conversion to each format and back gives the same disk.
test_samples_converted_to_each_format_are_the_same_disk() {
	local name hash format

	unpack_sample ntfs-parent.vhd
	unpack_sample fat-parent.vhdx
	for name in ntfs-differential.vhd fat-differential.vhdx; do
		unpack_sample "$name"
		hash=$(sample_manifest | grep "^$name	" | cut -f 3)
		for format in vhd vhdx; do
			vhdfs-img convert "$scratch/$name" \
				"$scratch/$name.$format"
			vhdfs-img convert "$scratch/$name.$format" \
				"$scratch/$name.$format.raw"
			equal "$name as $format" "$hash" \
				"$(sha256_of "$scratch/$name.$format.raw")"
		done
	done
}

run_tests
