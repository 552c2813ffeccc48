#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The sample images, which other programs made, through a mount.
. "${0%/*}/../lib.sh"
. "${0%/*}/common.sh"

# Unpacks all samples into the store, and sets $scratch/manifest.
unpack_all() {
	local name

	sample_manifest >"$scratch/manifest"
	while IFS=$'\t' read -r name _; do
		unpack_sample "$name" "$store"
	done <"$scratch/manifest"
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

# check_all LARGEST: expects that the disks of at most LARGEST bytes, and those that
# are all zeros, have the size of the manifest, and the former its hash.
check_all() {
	local name size hash

	while IFS=$'\t' read -r name size hash _; do
		[ "$size" -le "$1" ] || [ "$hash" = - ] || continue
		equal "size of $name" "$size" "$(size_of "$mnt/$name.raw")"
		[ "$size" -le "${1:-$size}" ] || continue
		equal "hash of $name" "$hash" \
			"$(hash_of "$mnt/$name.raw" "$hash")"
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
	# The test before this one has read the two disks of 10 GiB.
	check_all $((1 << 30))
}

test_children_name_their_parents() {
	empty_store
	unpack_all
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
