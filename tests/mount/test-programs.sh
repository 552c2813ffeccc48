#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Common programs on a view: cp, dd, qemu-img, losetup and others use it as a file.
. "${0%/*}/../lib.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/common.sh"

# store_of_system [OPTION...]: mounts a store with a child of a master that has a
# partition table and an ext4 file system with one file.
store_of_system() {
	requires mkfs.ext4 sfdisk
	empty_store
	mkdir "$scratch/tree"
	echo "hello from the master" >"$scratch/tree/hello"
	truncate -s 62M "$scratch/part"
	mkfs.ext4 -q -L system -U 6fa3dd2c-31d8-4ca1-a0c6-3cd1e1d95bd5 \
		-d "$scratch/tree" "$scratch/part"
	truncate -s 64M "$scratch/disk"
	echo 'label: gpt
start=2048, type=linux' | sfdisk -q "$scratch/disk"
	dd if="$scratch/part" of="$scratch/disk" bs=1M seek=1 conv=notrunc \
		status=none
	vhdfs-img convert "$scratch/disk" "$store/master.vhdx"
	vhdfs-img create --parent "$store/master.vhdx" "$store/pc.vhdx"
	child=$mnt/pc.vhdx.raw master=$mnt/master.vhdx.raw
	mount_store "$store" "$mnt" "$@"
}

test_cp_copies_a_view() {
	store_of_system
	cp "$child" "$scratch/copy"
	cmp "$scratch/copy" "$scratch/disk"
	cp -p "$child" "$scratch/copy-p"
	equal "mtime" "$(stat -c %y "$child")" \
		"$(stat -c %y "$scratch/copy-p")"
	cp -a "$mnt" "$scratch/tree-copy"
	cmp "$scratch/tree-copy/pc.vhdx.raw" "$scratch/disk"
	# The holes of the view are holes of the copy.
	cp --sparse=auto "$child" "$scratch/sparse"
	[ "$(stat -c %b "$scratch/sparse")" -lt $((60 << 11)) ] ||
		fail "expected a sparse copy, found: $(du "$scratch/sparse")"
}

test_dd_writes_to_a_view() {
	store_of_system
	dd if=/dev/urandom of="$scratch/new" bs=1M count=5 status=none
	dd if="$scratch/new" of="$child" bs=65519 conv=notrunc status=none
	dd if="$scratch/new" of="$child" bs=1M seek=50 conv=notrunc,fsync \
		oflag=direct status=none
	cmp -n $((5 << 20)) "$child" "$scratch/new"
	cmp -n $((5 << 20)) -i $((50 << 20)):0 "$child" "$scratch/new"
	dd if="$child" iflag=direct bs=1M skip=50 count=5 status=none |
		cmp - "$scratch/new"
	cmp "$master" "$scratch/disk"
}

test_file_fdisk_and_blkid_read_a_view() {
	requires file fdisk blkid
	store_of_system
	file -b "$child" | grep -q 'DOS/MBR boot sector' ||
		fail "file: expected a boot sector, found: $(file -b "$child")"
	fdisk -l "$child" | grep -q "${child}1 .*Linux" ||
		fail "fdisk: expected a partition, found: $(fdisk -l "$child")"
	blkid -p -O 1048576 "$child" | grep -q 'LABEL="system"' ||
		fail "blkid: expected the label 'system', found:" \
			"$(blkid -p -O 1048576 "$child")"
}

test_7z_lists_the_partitions_of_a_view() {
	local p7z
	p7z=$(command -v 7z || command -v 7zz) || skip "no 7z"
	store_of_system
	"$p7z" l "$child" >"$scratch/list"
	grep -q 'Type = GPT' "$scratch/list" ||
		fail "expected 'Type = GPT': $(cat "$scratch/list")"
}

test_qemu_img_reads_and_writes_a_view() {
	requires qemu-img
	store_of_system
	qemu-img info -f raw --output json "$child" |
		jq -e '.["virtual-size"] == 67108864' >/dev/null
	qemu-img compare -f raw -F raw "$child" "$scratch/disk"
	qemu-img convert -f raw -O qcow2 "$child" "$scratch/copy.qcow2"
	qemu-img compare "$scratch/copy.qcow2" "$scratch/disk"
	dd if=/dev/urandom of="$scratch/disk" bs=1M seek=40 count=3 \
		conv=notrunc status=none
	qemu-img convert -n -f raw -O raw "$scratch/disk" "$child"
	cmp "$child" "$scratch/disk"
	qemu-img map -f raw --output json "$child" | jq -e 'length >= 1' >/dev/null
}

test_qemu_io_zeroes_and_discards_ranges_of_a_view() {
	requires qemu-io
	store_of_system
	qemu-io -f raw -d unmap -c 'write -P 0x5a 3M 1M' -c 'write -z 3M 64k' \
		-c 'discard 3200k 64k' -c flush -c 'read -P 0 3M 64k' \
		-c 'read -P 0x5a 3300k 64k' "$child" >"$scratch/said"
	! grep -q 'failed' "$scratch/said" ||
		fail "expected no failure of qemu-io: $(cat "$scratch/said")"
	disk-io "$store/pc.vhdx" read $((3 << 20)) 65536 >"$scratch/zeros"
	cmp -n 65536 "$scratch/zeros" /dev/zero
}

test_loop_device_mounts_a_partition_of_a_view() {
	requires losetup
	store_of_system
	local dev
	dev=$(losetup -P --find --show "$child")
	at_exit "losetup -d $dev 2>/dev/null"
	equal "size" $((64 << 20)) "$(blockdev --getsize64 "$dev")"
	cmp "$dev" "$scratch/disk"
	losetup -d "$dev"
	mkdir "$scratch/in"
	mount -o loop,offset=1048576 "$child" "$scratch/in"
	at_exit "umount $scratch/in 2>/dev/null"
	equal "file" "hello from the master" "$(cat "$scratch/in/hello")"
	echo "hello from pc" >"$scratch/in/hello"
	umount "$scratch/in"
	mount -o loop,offset=1048576 "$child" "$scratch/in"
	equal "file" "hello from pc" "$(cat "$scratch/in/hello")"
	umount "$scratch/in"
	mount -o loop,offset=1048576,ro,noload "$master" "$scratch/in"
	equal "master" "hello from the master" "$(cat "$scratch/in/hello")"
	umount "$scratch/in"
}

test_loop_device_reads_a_view_of_a_read_only_mount() {
	requires losetup
	store_of_system -o ro
	mkdir "$scratch/in"
	mount -o loop,ro,noload,offset=1048576 "$child" "$scratch/in"
	at_exit "umount $scratch/in 2>/dev/null"
	equal "file" "hello from the master" "$(cat "$scratch/in/hello")"
	umount "$scratch/in"
}

test_du_prints_the_size_of_the_image_file() {
	store_of_system
	equal "du" "$(du -k "$store/pc.vhdx" | cut -f 1)" \
		"$(du -k "$child" | cut -f 1)"
	equal "du --apparent-size" 65536 \
		"$(du -k --apparent-size "$child" | cut -f 1)"
}

run_tests
