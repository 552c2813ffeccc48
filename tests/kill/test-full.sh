#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The file system below the store runs full under load: that write is told so,
# the images stay sound, and writing goes on once there is room.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/kill.sh"
. "${0%/*}/small-fs.sh"

tests_of_the_long_run=4

# How much is left when the load begins: a page more each time, so that what
# finds no room is now data, now a bitmap or a table, or much.
room_left() {
	local pages=$((rounds - 1))

	[ $((RANDOM % 3)) != 0 ] || pages=$((RANDOM % 1024))
	echo $((pages * 4096))
}

# The load was told that the disk is full, and of nothing else.
check_told() {
	local client told=0

	for client in $clients; do
		grep -q 'ended by its own end' "$scratch/runs/$client" ||
			fail "expected no error but ENOSPC"
		grep -q ' 0 times full' "$scratch/runs/$client" || told=1
	done
	[ $told = 1 ] || fail "nobody was told that the disk is full"
}

times_full() {
	cat "$scratch/runs/"* | grep -o '[0-9]* times full'
}

# There is room: nobody is told otherwise.
write_with_room() {
	local before after

	before=$(times_full)
	load_all 0 true -s 0.4
	after=$(times_full)
	equal "answers of ENOSPC with room" "$before" "$after"
	verify_all exact
}

# Room is made below a vhdfs that goes on, one that was unmounted, or one that
# was killed while the disk was full.
full_round() {
	fill_fs $(($(room_left) + ${reserve:-0}))
	load_all 0 true -s 2 -f 40
	check_told
	verify_all exact
	case $((RANDOM % 3)) in
	0)
		unmount "$mnt"
		check_images replayed
		mount_store "$store" "$mnt"
		verify_all exact
		;;
	1)
		load_all 3 "kill -9 ${mount_pid[$mnt]}" -s 20
		bury
		check_images
		make_room
		mount_store "$store" "$mnt"
		verify_all settle
		;;
	esac
	[ ! -f "$fs/ballast" ] || make_room
	write_with_room
}

fills() {
	local full=0

	while more "$1" $tests_of_the_long_run; do
		# Images that hold everything already need no room.
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

test_vhd_on_ext4() {
	begin
	make_fs ext4
	format=(vhd --block-size 512K)
	fills 5
}

test_vhdx_on_ext4() {
	begin
	make_fs ext4
	format=(vhdx --block-size 1M)
	fills 5
}

test_vhd_on_xfs() {
	begin
	make_fs xfs
	format=(vhd)
	fills 3
}

test_vhdx_on_xfs() {
	begin
	make_fs xfs
	format=(vhdx)
	fills 3
}

# Where a flush copies on write, its room is the reserve: a twentieth of the file
# system, which the ballast leaves free and the guests cannot take.
test_vhd_on_btrfs() {
	begin
	make_fs btrfs
	reserve=$((11 << 20))
	format=(vhd --block-size 512K)
	fills 2
}

test_vhdx_on_btrfs() {
	begin
	make_fs btrfs
	reserve=$((11 << 20))
	format=(vhdx --block-size 1M)
	fills 2
}

# With no reserve the flush finds no room; the mount says so when it starts.
test_reserve_is_said() {
	begin
	make_fs btrfs
	mkdir "$store"
	mount_store "$store" "$mnt"
	grep -q "btrfs copies on write, so a flush needs room: .* less than 10 MiB " \
		"$mnt.log" || fail "expected a line on the reserve: $(cat "$mnt.log")"
	unmount "$mnt"
	mount_store "$store" "$mnt" -o reserve=0
	grep -q 'btrfs .* reserve=0 keeps none' "$mnt.log" ||
		fail "expected a line on reserve=0: $(cat "$mnt.log")"
	unmount "$mnt"
	mount_store "$store" "$mnt" -o reserve=77M
	grep -q 'less than 77 MiB ' "$mnt.log" ||
		fail "expected the reserve that was asked for: $(cat "$mnt.log")"
	unmount "$mnt"
	expect_error 2 "reserve=: expected a size .* found 'much'" \
		vhdfs "$store" "$mnt" -f -o reserve=much
}

# shared IMAGE FROM TO: the extents between these bytes that a copy shares.
shared() {
	filefrag -e -v "$1" | awk -F'[: .]+' -v from=$(($2 / 4096)) \
		-v to=$(($3 / 4096)) '/shared/ && $3 < to && $4 >= from'
}

# What a copy of an image shares is no room to write to: the log, and a page of
# the table before it is changed, get room of their own.
test_room_beside_a_copy() {
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
