#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The sample images, which other programs made, through a mount.
. "${0%/*}/../lib.sh"
. "${0%/*}/common.sh"

# unpack_samples NAME...: into the store.
unpack_samples() {
	local name

	for name; do
		unpack_sample "$name" "$store"
	done
}

unpack_all() {
	sample_manifest >"$scratch/manifest"
	# shellcheck disable=SC2046
	unpack_samples $(cut -f 1 "$scratch/manifest")
}

# hash_of VIEW HASH: prints the hash of the view.  If HASH is "-", the disk is all
# zeros and may be large: it is not read, but must be one hole.
hash_of() {
	if [ "$2" = - ]; then
		equal "data in $1" "hole 0 $(size_of "$1")" \
			"$(file-io "$1" ro holes)"
		echo -
	else
		sha256_of "$1"
	fi
}

# equals_qemu NAME SIZE: qemu reads the same from a copy of the image.  Both tell
# their holes: the data is compared, and of the holes a few places.
equals_qemu() {
	local off copy=$scratch/copy reference=$scratch/reference

	requires qemu-img
	cp --sparse=always "$store/$1" "$copy"
	# qemu opens a VHDX after a replay of its log.
	qemu-img check -q -f vhdx -r all "$copy"
	qemu-img convert -f vhdx -O raw "$copy" "$reference"
	qemu-img compare -q -f raw -F raw "$mnt/$1.raw" "$reference" ||
		fail "$1: qemu-img reads a different disk"
	for ((off = 0; off < $2; off += 1 << 29)); do
		cmp -i "$off" -n 65536 "$mnt/$1.raw" "$reference" ||
			fail "$1 differs at $off"
	done
	rm "$copy" "$reference"
}

# check_all LARGEST: the disks of at most so many bytes, and those that are all
# zeros.  All bytes of two disks of 10 GiB are read by tests/unit/test-vhdx-samples,
# and through a mount by tests/interop/test-samples.sh.
check_all() {
	local name size hash

	while IFS=$'\t' read -r name size hash _; do
		[ "$size" -le "$1" ] || [ "$hash" = - ] || continue
		equal "size of $name" "$size" "$(size_of "$mnt/$name.raw")"
		if [ "$size" -gt $((1 << 30)) ] && [ "$hash" != - ]; then
			equals_qemu "$name" "$size"
		else
			equal "hash of $name" "$hash" \
				"$(hash_of "$mnt/$name.raw" "$hash")"
		fi
	done <"$scratch/manifest"
}

test_samples_equal_their_manifest_on_a_read_only_mount() {
	empty_store
	unpack_all
	sha256sum "$store"/* >"$scratch/before"
	mount_store "$store" "$mnt" -o ro
	check_all $((1 << 40))
	unmount "$mnt"
	# A read-only mount replays a log in memory only.
	sha256sum --quiet -c "$scratch/before" ||
		fail "expected unchanged images after reading"
}

test_samples_equal_their_manifest_on_a_writable_mount() {
	empty_store
	unpack_all
	mount_store "$store" "$mnt"
	# Larger disks are read by the test before this one.
	check_all $((1 << 30))
}

test_children_name_their_parents() {
	empty_store
	unpack_samples {ntfs-parent,ntfs-differential}.vhd \
		{fat-parent,fat-differential}.vhdx
	mount_store "$store" "$mnt"
	equal "VHD" ntfs-parent.vhd \
		"$(attribute "$mnt/ntfs-differential.vhd.raw" parent)"
	equal "VHDX" fat-parent.vhdx \
		"$(attribute "$mnt/fat-differential.vhdx.raw" parent)"
	opens "$mnt/ntfs-parent.vhd.raw" rw EACCES
	opens "$mnt/fat-parent.vhdx.raw" rw EACCES
}

# The children are compared with a model, before and after a remount.
test_writes_to_children_do_not_change_their_parents() {
	empty_store
	local name parent
	for name in ntfs-differential.vhd fat-differential.vhdx; do
		parent=${name/differential/parent}
		unpack_sample "$name" "$store"
		unpack_sample "$parent" "$store"
	done
	sha256sum "$store"/*parent* >"$scratch/before"
	mount_store "$store" "$mnt"
	for name in ntfs-differential.vhd fat-differential.vhdx; do
		cp "$mnt/$name.raw" "$scratch/model"
		dd if=/dev/urandom of="$scratch/new" bs=1000 count=50 status=none
		for file in "$mnt/$name.raw" "$scratch/model"; do
			dd if="$scratch/new" of="$file" bs=1000 seek=1234 \
				conv=notrunc,fsync status=none
		done
		cmp "$mnt/$name.raw" "$scratch/model"
		mv "$scratch/model" "$scratch/$name.model"
	done
	unmount "$mnt"
	sha256sum --quiet -c "$scratch/before" ||
		fail "expected unchanged parents"
	mount_store "$store" "$mnt"
	for name in ntfs-differential.vhd fat-differential.vhdx; do
		cmp "$mnt/$name.raw" "$scratch/$name.model"
		vhdfs-img check "$store/$name" || true
	done
}

run_tests
