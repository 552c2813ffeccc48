#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Truncated images: every program reports an incomplete copy, and makes no image
# of it that looks complete.  The result of a crash is not truncated: see
# tests/crash.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq

# cut_to IMAGE SIZE: copies the first SIZE bytes to $cut, $scratch/cut.ENDING.
cut_to() {
	cut=$scratch/cut.${1##*.}
	rm -f "$cut"
	cp --sparse=always "$1" "$cut"
	truncate -s "$2" "$cut"
}

# is_reported: check, info and convert report that $cut is truncated.
is_reported() {
	expect 3 vhdfs-img check "$cut"
	grep -q 'truncated' "$scratch/stdout" ||
		fail "expected 'truncated': $(cat "$scratch/stdout")"
	expect_error 1 "cut\.${cut##*.}: .*truncated; copy it again" \
		vhdfs-img info "$cut"
	expect_error 1 'truncated; copy it again' \
		vhdfs-img convert "$cut" "$scratch/out.raw"
	[ ! -e "$scratch/out.raw" ] || fail "expected no target"
}

# stays_damaged: --repair does not change $cut.
stays_damaged() {
	local before

	before=$(sha256_of "$cut")
	expect 3 vhdfs-img check --repair "$cut"
	equal "the image" "$before" "$(sha256_of "$cut")"
}

# Makes a dynamic image and a child in each format, with data in the last block.
make_images() {
	local format

	for format in vhd vhdx; do
		vhdfs-img create --size 64M "$scratch/d.$format"
		disk-io "$scratch/d.$format" write 0 5000000 1
		vhdfs-img create --parent "$scratch/d.$format" \
			"$scratch/c.$format"
		disk-io "$scratch/c.$format" write 3000000 3000000 2
	done
}

test_file_ending_inside_the_last_block_is_truncated() {
	local image size

	make_images
	for image in d.vhd c.vhd d.vhdx c.vhdx; do
		size=$(size_of "$scratch/$image")
		for lost in 8192 1000000 2000000; do
			cut_to "$scratch/$image" $((size - lost))
			is_reported
			stays_damaged
		done
	done
}

test_truncated_fixed_image_is_damaged() {
	local image

	for image in f.vhd f.vhdx; do
		vhdfs-img create --fixed --size 8M "$scratch/$image"
		disk-io "$scratch/$image" write 0 8388608 1
		cut_to "$scratch/$image" $((($(size_of "$scratch/$image")) - 100000))
		expect 3 vhdfs-img check "$cut"
		expect 1 vhdfs-img info "$cut"
		expect 1 vhdfs-img convert "$cut" "$scratch/out.raw"
		[ ! -e "$scratch/out.raw" ] || fail "expected no target"
		stays_damaged
	done
}

test_child_of_a_truncated_parent_is_not_made() {
	local format

	make_images
	for format in vhd vhdx; do
		cut_to "$scratch/d.$format" \
			$((($(size_of "$scratch/d.$format")) - 1000000))
		expect_error 1 'truncated; copy it again' vhdfs-img create \
			--parent "$cut" "$scratch/new.$format"
		[ ! -e "$scratch/new.$format" ] || fail "expected no child"
		[ -w "$cut" ] || fail "expected the parent's write bits"
	done
}

test_child_of_a_truncated_parent_is_damaged() {
	local format

	make_images
	for format in vhd vhdx; do
		chmod u+w "$scratch/d.$format"
		truncate -s -1000000 "$scratch/d.$format"
		expect 3 vhdfs-img check "$scratch/c.$format"
		has_line "c\.$format: parent: .*d\.$format: .*truncated" "$scratch/stdout"
		expect_error 1 "d\.$format: .*truncated; copy it again" \
			vhdfs-img info "$scratch/c.$format"
	done
}

# Images of Windows, cut at offsets before, in and after the tables.
test_truncated_samples_are_damaged() {
	local name size at step

	for name in fat-parent.vhdx fat-differential.vhdx ntfs-dynamic.vhdx \
		ext2.vhdx ntfs-dynamic.vhd ntfs-differential.vhd; do
		unpack_sample "$name"
		size=$(size_of "$scratch/$name")
		step=$((size / 7 / 1048576 * 1048576))
		[ "$step" -gt 0 ] || step=$((size / 7 / 4096 * 4096))
		for ((at = step; at < size; at += step)); do
			cut_to "$scratch/$name" "$at"
			expect 3 vhdfs-img check "$cut"
			expect 1 vhdfs-img info "$cut"
		done
		cut_to "$scratch/$name" $((size - 4096))
		expect 3 vhdfs-img check "$cut"
		expect 1 vhdfs-img info "$cut"
	done
}

# Without its footer only, a VHD has lost no data.
test_vhd_without_its_footer_is_repaired() {
	make_images
	cut_to "$scratch/d.vhd" $(($(size_of "$scratch/d.vhd") - 512))
	is_reported
	expect 0 vhdfs-img check --repair "$cut"
	expect 0 vhdfs-img check "$cut"
	disk-io "$cut" verify 0 5000000 1
}

# QEMU before 4.2 ended a fixed image at the end of the disk, inside a block.
test_fixed_vhdx_of_an_old_qemu_is_sound() {
	local image=$scratch/q.vhdx end

	requires qemu-img
	truncate -s 21M "$scratch/q.raw"
	head -c 1048576 /dev/urandom |
		dd of="$scratch/q.raw" bs=1M seek=20 conv=notrunc status=none
	qemu-img convert -O vhdx \
		-o subformat=fixed,block_size=8M,block_state_zero=off \
		"$scratch/q.raw" "$image"
	end=$(vhdfs-img map --json "$image" | jq '.[-1] | .offset + .length')
	truncate -s "$end" "$image"
	expect 0 vhdfs-img check "$image"
	vhdfs-img convert "$image" "$scratch/back.raw"
	cmp "$scratch/q.raw" "$scratch/back.raw"
	cut_to "$image" $((end - 4096))
	is_reported
}

run_tests
