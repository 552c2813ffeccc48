#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs never writes, replaces or removes a parent.  Changes of its file by other
# programs do not affect children that are open.
. "${0%/*}/../lib.sh"
. "${0%/*}/../mount/common.sh"
. "${0%/*}/common.sh"

# The second mount shows the master's directory alone, and so does not know the
# child.
store_of_two_directories() {
	empty_store
	mkdir "$store/masters" "$store/clients"
	vhdfs-img create --size 64M --block-size 1M "$store/masters/m.$ending"
	disk-io "$store/masters/m.$ending" write 0 100000 1
	vhdfs-img create --parent "$store/masters/m.$ending" \
		"$store/clients/pc.$ending"
	chmod 644 "$store/masters/m.$ending"
	mount_store "$store" "$mnt"
	mount_store "$store/masters" "$scratch/alone"
	master=$mnt/masters/m.$ending.raw child=$mnt/clients/pc.$ending.raw
	alone=$scratch/alone/m.$ending.raw
}

parent_of_an_open_child() {
	local how

	store_of_two_directories
	for how in ro rw; do
		hold_view "$child" "$how"
		opens "$alone" rw EBUSY
		opens "$alone" ro ""
		opens "$master" rw EACCES
		release_view
	done
	grep -q "m.$ending: .*in use by vhdfs (process ${mount_pid[$mnt]})" \
		"$scratch/alone.log" ||
		fail "expected the holder in the log, found: $(cat "$scratch/alone.log")"
}

test_parent_that_is_open_through_a_child_is_not_written_in_another_mount() {
	with_each_format parent_of_an_open_child
}

child_of_a_written_parent() {
	store_of_two_directories
	wait_until 5 file-io "$alone" ro
	hold_view "$alone" rw
	opens "$child" ro EBUSY
	opens "$child" rw EBUSY
	grep -q "masters/m.$ending: .*in use by vhdfs (process ${mount_pid[$scratch/alone]})" \
		"$mnt.log" ||
		fail "expected the holder of the parent in the log, found: $(cat "$mnt.log")"
	expect_error 1 "in use by vhdfs" vhdfs-img create --parent \
		"$store/clients/pc.$ending" "$store/clients/b.$ending"
	release_view
	wait_until 5 file-io "$child" rw
}

test_child_whose_parent_another_mount_writes_is_in_use() {
	with_each_format child_of_a_written_parent
}

# Either the writer opens the image or the child is created, never both.
writer_or_child() {
	local i leaf created opened

	store_of_pair "$ending"
	mount_store "$store" "$mnt"
	for ((i = 0; i < 10; i++)); do
		leaf=clients/leaf$i.$ending
		vhdfs-img create --parent "$store/master.$ending" "$store/$leaf"
		vhdfs-img create --parent "$store/$leaf" \
			"$store/child$i.$ending" 2>"$scratch/stderr" &
		pid=$!
		hold_as file-io "$mnt/$leaf.raw" rw write 0 hello hold
		created=yes
		wait "$pid" || created=no
		wait_until 10 test -s "$scratch/as.out"
		opened=$(cat "$scratch/as.out")
		let_go || true
		case $created,$opened in
		yes,EBUSY | yes,EACCES) ;;
		no,holding) grep -q 'in use by vhdfs' "$scratch/stderr" ;;
		*)
			fail "round $i: expected one of both, found" \
				"child: $created, writer: $opened"
			;;
		esac
	done
}

test_image_becomes_a_parent_or_is_written_and_never_both() {
	with_each_format writer_or_child
}

# An image that is open for reading can become a parent.
test_image_open_for_reading_becomes_a_parent_and_is_not_written_after() {
	local ending=vhdx
	store_of_pair
	mount_store "$store" "$mnt"
	hold_view "$child" ro
	vhdfs-img create --parent "$store/clients/pc.vhdx" "$store/b.vhdx"
	opens "$child" rw EACCES
	release_view
	opens "$child" rw EACCES
	cmp "$mnt/b.vhdx.raw" "$master"
}

nothing_writes_a_parent() {
	local how

	store_of_pair "$ending"
	sha256sum "$store/master.$ending" >"$scratch/before"
	mount_store "$store" "$mnt"
	hold_view "$child" rw
	truncate -s 64M "$scratch/a.raw"
	for how in "create --size 64M" "create --parent $store/clients/pc.$ending" \
		"convert $scratch/a.raw"; do
		# shellcheck disable=SC2086
		expect_error 1 'exists; it is not overwritten|in use' \
			vhdfs-img $how "$store/master.$ending"
	done
	expect_error 1 'in use by vhdfs' vhdfs-img check --repair \
		"$store/master.$ending"
	expect_error 1 'in use by vhdfs|expected a raw disk' \
		vhdfs-img convert --in-place "$store/master.$ending"
	for how in "rm -f $master" "mv $child $master" "mv $master $child" \
		"truncate -s 0 $master" "chmod 644 $master"; do
		# shellcheck disable=SC2086
		expect 1 $how
	done
	opens "$master" rw EACCES
	release_view
	# The same when it is not open: a repair keeps its identity.
	unmount "$mnt"
	expect 0 vhdfs-img check --repair "$store/master.$ending"
	sha256sum --quiet -c "$scratch/before" ||
		fail "expected the parent unchanged"
}

test_nothing_of_vhdfs_writes_replaces_or_removes_a_parent() {
	with_each_format nothing_writes_a_parent
}

# reads_on HOW COMMAND...: the command changes the master's file while the child
# is open: the reader continues with the old file, and the next open reports the
# error.
reads_on() {
	local how=$1 says=$2

	shift 2
	store_of_pair "$ending"
	vhdfs-img create --parent "$store/master.$ending" "$store/b.$ending"
	mount_store "$store" "$mnt"
	cat "$child" >"$scratch/whole"
	exec {fd}<>"$child"
	"$@"
	# Not from the page cache: reads of a view open for writing are direct.
	cat <&"$fd" | cmp - "$scratch/whole" ||
		fail "$how: expected the reader to see the old bytes"
	# A child that was not open, then the open child again.
	opens "$mnt/b.$ending.raw" ro EIO
	answers "" "$child" rw write 9000000 hello fsync
	exec {fd}>&-
	wait_until 5 test ! -s "$child"
	opens "$child" ro EIO
	attribute "$child" error >"$scratch/error"
	grep -q "$says" "$scratch/error" ||
		fail "$how: unexpected message: $(cat "$scratch/error")"
	grep -q "$says" "$mnt.log" ||
		fail "$how: unexpected log: $(cat "$mnt.log")"
	# Everything can be read again when the master is back.
	"$undo"
	wait_until 5 file-io "$child" rw
	equal "contents" hello "$(file-io "$child" ro read 9000000 5)"
	unmount "$mnt"
	rm -rf "${store:?}"
}

# The functions below move the old master to $scratch/old.
move_back() {
	mv -T "$scratch/old" "$store/master.$ending"
}

delete_master() {
	ln "$store/master.$ending" "$scratch/old"
	rm "$store/master.$ending"
}

rename_master() {
	mkdir -p "$store/other"
	mv "$store/master.$ending" "$store/other/renamed.$ending"
	ln "$store/other/renamed.$ending" "$scratch/old"
}

replace_master() {
	ln "$store/master.$ending" "$scratch/old"
	vhdfs-img create --size 64M "$scratch/new.$ending"
	mv "$scratch/new.$ending" "$store/master.$ending"
}

replace_master_by_a_directory() {
	mv "$store/master.$ending" "$scratch/old"
	mkdir "$store/master.$ending"
}

move_back_over_a_directory() {
	rmdir "$store/master.$ending"
	move_back
}

replace_master_by_garbage() {
	ln "$store/master.$ending" "$scratch/old"
	head -c 100000 /dev/urandom >"$scratch/new"
	mv "$scratch/new" "$store/master.$ending"
}

test_open_child_can_be_read_after_its_parent_is_deleted() {
	local undo=move_back ending
	for ending in vhd vhdx; do
		reads_on deleted "clients/pc.$ending: its parent .*master.$ending is missing" \
			delete_master
	done
}

test_open_child_can_be_read_after_its_parent_is_renamed() {
	local undo=move_back ending
	for ending in vhd vhdx; do
		reads_on renamed "clients/pc.$ending: its parent .*master.$ending is missing" \
			rename_master
	done
}

test_open_child_can_be_read_after_its_parent_is_replaced() {
	local undo=move_back ending
	for ending in vhd vhdx; do
		reads_on replaced "clients/pc.$ending: .*expected a parent with the identifier" \
			replace_master
	done
}

test_open_child_can_be_read_after_a_directory_replaces_its_parent() {
	local undo=move_back_over_a_directory ending
	for ending in vhd vhdx; do
		reads_on directory "master.$ending: not a regular file" \
			replace_master_by_a_directory
	done
}

test_open_child_can_be_read_after_garbage_replaces_its_parent() {
	local undo=move_back ending
	for ending in vhd vhdx; do
		reads_on garbage "master.$ending: .*expected a VHD or VHDX image" \
			replace_master_by_garbage
	done
}

run_tests
