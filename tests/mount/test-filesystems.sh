#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# File systems on a view, through a loop device: a file system is created, filled,
# unmounted and checked, before and after a remount of the store.
. "${0%/*}/../lib.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/common.sh"

# store_of_used_master ENDING: creates a master that holds other data, and a child.
store_of_used_master() {
	empty_store
	ending=$1
	requires losetup
	vhdfs-img create --size 512M "$store/master.$ending"
	disk-io "$store/master.$ending" write 0 20000000 3 \
		write 200000000 20000000 4
	vhdfs-img create --parent "$store/master.$ending" "$store/pc.$ending"
	sha256sum "$store/master.$ending" >"$scratch/parent"
	view=$mnt/pc.$ending.raw
	mkdir "$scratch/in"
}

# make_tree DIRECTORY: creates a tree of files with a large and many small files.
make_tree() {
	local i

	mkdir -p "$1/small"
	dd if=/dev/urandom of="$1/large" bs=1M count=20 status=none
	for ((i = 0; i < 300; i++)); do
		head -c $((i * 37)) /dev/urandom >"$1/small/$i"
	done
}

attach() {
	dev=$(losetup --find --show "$view")
	at_exit umount_and_detach
}

# Detaches the loop devices of the view; another test may have $dev by now.
umount_and_detach() {
	local name

	umount "$scratch/in" 2>/dev/null
	losetup -n -O NAME -j "$view" | while read -r name; do
		losetup -d "$name"
	done
}

detach() {
	umount "$scratch/in"
	losetup -d "$dev"
	# ntfs-3g still runs for a moment after umount has returned.
	wait_until 60 not_attached
}

not_attached() {
	! losetup -n -O NAME -j "$view" | grep -q .
}

# with_file_system ENDING MAKE MOUNT CHECK TRIM: tests a file system on a child.  The
# commands get the device, the mount point, or the view as further operands.
with_file_system() {
	store_of_used_master "$1"
	make_tree "$scratch/tree"
	mount_store "$store" "$mnt"
	attach
	$2 "$dev"
	$3 "$dev" "$scratch/in"
	cp -r "$scratch/tree" "$scratch/in/first"
	detach
	$4 "$view"

	unmount "$mnt"
	vhdfs-img check "$store/pc.$ending"
	mount_store "$store" "$mnt"
	$4 "$view"
	attach
	$3 "$dev" "$scratch/in"
	diff -r "$scratch/tree" "$scratch/in/first"
	cp -r "$scratch/tree" "$scratch/in/second"
	rm -r "$scratch/in/first"
	$5 "$scratch/in"
	detach
	$4 "$view"

	attach
	$3 "$dev" "$scratch/in"
	diff -r "$scratch/tree" "$scratch/in/second"
	detach
	unmount "$mnt"
	vhdfs-img check "$store/pc.$ending"
	sha256sum --quiet -c "$scratch/parent" ||
		fail "expected an unchanged parent"
}

mount_ntfs() {
	ntfs-3g "$@"
}

test_ext4_on_a_vhdx_child_keeps_its_files() {
	requires mkfs.ext4
	with_file_system vhdx "mkfs.ext4 -q" mount "e2fsck -fn" fstrim
}

test_ext4_on_a_vhd_child_keeps_its_files() {
	requires mkfs.ext4
	with_file_system vhd "mkfs.ext4 -q" mount "e2fsck -fn" fstrim
}

test_xfs_on_a_vhdx_child_keeps_its_files() {
	requires mkfs.xfs
	with_file_system vhdx "mkfs.xfs -q -f" mount "xfs_repair -n -f" \
		fstrim
}

# NTFS is not trimmed: ntfs-3g discards up to seven used clusters at the end of the
# volume, on a flat file, too.
test_ntfs_on_a_vhdx_child_keeps_its_files() {
	requires mkntfs ntfs-3g ntfsfix
	with_file_system vhdx "mkntfs -q -Q -F" mount_ntfs "ntfsfix -n" true
}

test_ntfs_on_a_vhd_child_keeps_its_files() {
	requires mkntfs ntfs-3g ntfsfix
	with_file_system vhd "mkntfs -q -Q -F" mount_ntfs "ntfsfix -n" true
}

run_tests
