#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The file system below the store runs full under load: the write gets the
# error, the images have no errors, and writes succeed again when there is
# space.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/kill.sh"
. "${0%/*}/small-fs.sh"

tests_of_the_long_run=4

# The free space when the load begins: a page more each time, so that the space
# ends for data, for a bitmap or a table, or for several of them.
room_left() {
	local pages=$((rounds - 1))

	[ $((RANDOM % 3)) != 0 ] || pages=$((RANDOM % 1024))
	echo $((pages * 4096))
}

# Each load got ENOSPC and no other error.
check_enospc() {
	local client was_full=0

	for client in $clients; do
		grep -q 'ended by its own end' "$scratch/runs/$client" ||
			fail "client $client: expected no error but ENOSPC, found: $(cat "$scratch/runs/$client")"
		grep -q ' 0 times full' "$scratch/runs/$client" || was_full=1
	done
	[ $was_full = 1 ] || fail "expected ENOSPC for at least one client"
}

times_full() {
	cat "$scratch/runs/"* | grep -o '[0-9]* times full'
}

# With free space no load gets ENOSPC.
write_with_room() {
	local before after

	before=$(times_full)
	load_all 0 true -s 0.4
	after=$(times_full)
	equal "answers of ENOSPC with room" "$before" "$after"
	verify_all exact
}

# Space is freed while vhdfs runs, after it was unmounted, or after it was
# killed on a full disk.
full_round() {
	fill_fs $(($(room_left) + ${reserve:-0}))
	load_all 0 true -s 2 -f 40
	check_enospc
	verify_all exact
	case $((RANDOM % 3)) in
	0)
		unmount "$mnt"
		check_images replayed
		mount_store "$store" "$mnt" "${mount_options[@]}"
		verify_all exact
		;;
	1)
		load_all 3 "kill -9 ${mount_pid[$mnt]}" -s 20
		remove_killed_mount
		check_images
		make_room
		mount_store "$store" "$mnt" "${mount_options[@]}"
		verify_all flush
		;;
	esac
	[ ! -f "$fs/ballast" ] || make_room
	write_with_room
}

fills() {
	local full=0

	while more "$1" $tests_of_the_long_run; do
		# Images that have all blocks need no more space.
		[ $((rounds % 6)) != 1 ] || fresh_clients
		full_round
		full=$((full + 1))
	done
	unmount "$mnt"
	check_images replayed
	kills=$full report_kills "times full"
}

fresh_clients() {
	local client

	[ -z "${mount_pid[$mnt]:-}" ] || unmount "$mnt"
	rm -rf "${store:?}" "${scratch:?}/records"/* "$scratch/runs"/*
	make_clients "${format[@]}"
}

test_vhd_continues_on_ext4_after_enospc() {
	begin
	make_fs ext4
	mount_options=(-o reserve=0)
	format=(vhd --block-size 512K)
	fills 5
}

test_vhdx_continues_on_ext4_after_enospc() {
	begin
	make_fs ext4
	mount_options=(-o reserve=0)
	format=(vhdx --block-size 1M)
	fills 5
}

test_vhd_continues_on_xfs_after_enospc() {
	begin
	make_fs xfs
	mount_options=(-o reserve=0)
	format=(vhd)
	fills 3
}

test_vhdx_continues_on_xfs_after_enospc() {
	begin
	make_fs xfs
	mount_options=(-o reserve=0)
	format=(vhdx)
	fills 3
}

# On btrfs a flush copies on write, into the reserve: a hundredth of the file
# system and 4 MiB, which the ballast leaves free and the guests cannot use.
test_vhd_continues_on_btrfs_after_enospc() {
	begin
	make_fs btrfs
	reserve=$((7 << 20))
	format=(vhd --block-size 512K)
	fills 2
}

test_vhdx_continues_on_btrfs_after_enospc() {
	begin
	make_fs btrfs
	reserve=$((7 << 20))
	format=(vhdx --block-size 1M)
	fills 2
}

# Without a reserve a flush may get ENOSPC; the mount logs a warning when it
# starts.
test_mount_logs_its_reserve() {
	begin
	make_fs btrfs
	mkdir "$store"
	mount_store "$store" "$mnt"
	grep -q "btrfs copies on write, so a flush needs room: .* less than 2 MiB " \
		"$mnt.log" ||
		fail "expected a line about the reserve, found: $(cat "$mnt.log")"
	unmount "$mnt"
	mount_store "$store" "$mnt" -o reserve=0
	grep -q 'btrfs .* reserve=0 keeps none' "$mnt.log" ||
		fail "expected a line about reserve=0, found: $(cat "$mnt.log")"
	unmount "$mnt"
	mount_store "$store" "$mnt" -o reserve=77M
	grep -q 'less than 77 MiB ' "$mnt.log" ||
		fail "expected the configured reserve, found: $(cat "$mnt.log")"
	unmount "$mnt"
	expect_error 2 "reserve=: expected a size .* found 'much'" \
		vhdfs "$store" "$mnt" -f -o reserve=much
}

# shared IMAGE FROM TO: prints the extents between these bytes that a copy
# shares.
shared() {
	filefrag -e -v "$1" | awk -F'[: .]+' -v from=$(($2 / 4096)) \
		-v to=$(($3 / 4096)) '/shared/ && $3 < to && $4 >= from'
}

# An extent shared with a copy of the image has no space of its own: the log,
# and a page of the table before its first change, get new extents.
test_tables_of_a_copied_image_get_extents_of_their_own() {
	local writes=() i

	begin
	make_fs xfs
	mkdir -p "$store"
	vhdfs-img create --size 64M --block-size 1M "$store/a.vhdx"
	for ((i = 0; i < 32; i++)); do
		writes+=(write $((i << 20)) 4096 1 flush)
	done
	disk-io "$store/a.vhdx" "${writes[@]}"
	cp --reflink=always "$store/a.vhdx" "$fs/copy"
	sync
	[ -n "$(shared "$store/a.vhdx" 1048576 2097152)" ] ||
		fail "expected the copy to share the log"
	disk-io "$store/a.vhdx" write 33554432 4096 1
	[ -z "$(shared "$store/a.vhdx" 1048576 2097152)" ] ||
		fail "expected a log of its own, found: $(filefrag -e -v \
			"$store/a.vhdx")"
	vhdfs-img check "$store/a.vhdx"
	disk-io "$store/a.vhdx" verify 0 4096 1
}

run_tests
