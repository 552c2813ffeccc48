#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The nbdkit plugin: reads, extents, and images that can only be read.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "$top_srcdir/tests/nbdkit/common.sh"

copy_is_the_model() {
	random_chain "$1"
	with_disk 'nbdcopy "$uri" '"$scratch/out.raw" \
		-r store="$store" image="$image"
	cmp "$scratch/out.raw" "$scratch/model"
}

test_nbdcopy_copies_a_chain() {
	for_each_format copy_is_the_model
}

test_qemu_img_compares_a_chain() {
	random_chain vhdx
	vhdfs-img convert --format raw "$store/$image" "$scratch/out.raw"
	with_disk 'qemu-img compare -f raw -F raw "$uri" '"$scratch/out.raw" \
		-r store="$store" image="$image"
}

# Joins adjacent lines "LENGTH KIND" of one kind.
join_extents() {
	awk '
		$2 == kind { length_ += $1; next }
		NR > 1 { print length_, kind }
		{ length_ = $1; kind = $2 }
		END { print length_, kind }'
}

map_is_the_same() {
	random_chain "$1"
	vhdfs-img map --json "$store/$image" |
		jq -r '.[] | "\(.length) \(if .zero then 3 else 0 end)"' |
		join_extents >"$scratch/expected"
	with_disk 'nbdinfo --map --json "$uri"' -r store="$store" \
		image="$image" | jq -r '.[] | "\(.length) \(.type)"' |
		join_extents >"$scratch/found"
	[ "$(wc -l <"$scratch/found")" -gt 4 ] ||
		fail "expected more than four extents"
	diff -u "$scratch/expected" "$scratch/found"
}

test_extents_are_those_of_vhdfs_img_map() {
	for_each_format map_is_the_same
}

test_unaligned_reads_return_the_disk() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	with_disk "qemu-io -f raw -c 'write -P 7 1000 3001' \
		-c 'read -P 0 999 1' -c 'read -P 7 1000 3001' \
		-c 'read -P 0 4001 1'"' "$uri"' "$scratch/d.vhdx" |
		tee "$scratch/out"
	! grep -i -e verif -e fail "$scratch/out"
}

test_parameter_parents_names_a_directory_to_search() {
	mkdir "$scratch/masters" "$scratch/store"
	vhdfs-img create --size 8M "$scratch/masters/m.vhdx"
	disk-io "$scratch/masters/m.vhdx" write 0 100000 1
	vhdfs-img create --parent "$scratch/masters/m.vhdx" \
		"$scratch/store/c.vhdx"
	refused 'c\.vhdx: its parent .* lies outside .*; store=DIR names' \
		with_disk true "$scratch/store/c.vhdx"
	with_disk 'nbdcopy "$uri" '"$scratch/out.raw" -r \
		"$scratch/store/c.vhdx" parents="$scratch/masters"
	disk-io "$scratch/out.raw" verify 0 100000 1
}

test_cache_is_emulated() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	with_disk 'nbdinfo --can cache "$uri"' "$scratch/d.vhdx"
}

# The store is on a read-only file system.
test_image_on_a_read_only_file_system_is_read_only() {
	requires_root
	mkdir "$scratch/store"
	vhdfs-img create --size 8M "$scratch/store/d.vhdx"
	disk-io "$scratch/store/d.vhdx" write 0 100000 1
	mount --bind "$scratch/store" "$scratch/store"
	mount -o remount,ro,bind "$scratch/store"
	with_disk 'nbdinfo --is read-only "$uri" &&
		nbdcopy "$uri" '"$scratch/out.raw" -r "$scratch/store/d.vhdx"
	disk-io "$scratch/out.raw" verify 0 100000 1
	refused "d\.vhdx: is on a read-only file system.*; .nbdkit -r' serves it for reading" \
		with_disk 'nbdinfo "$uri"' "$scratch/store/d.vhdx"
}

test_reading_changes_no_file() {
	local before

	random_chain vhd
	before=$(sha256sum "$store"/*/*)
	with_disk 'nbdcopy "$uri" null:' -r store="$store" image="$image"
	equal "images" "$before" "$(sha256sum "$store"/*/*)"
}

# Two servers and a mount read one image at the same time.
test_readers_share_an_image() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	serve -r "$scratch/d.vhdx"
	hold "$scratch/d.vhdx" "verify 0 0 0"
	with_disk "nbdcopy $uri - | cmp -n 100000 - /dev/zero"' &&
		nbdcopy "$uri" null:' -r "$scratch/d.vhdx"
	release
	stop_serving
}

run_tests
