#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Several mounts of one store: one writer at a time, many readers.
. "${0%/*}/../lib.sh"
. "${0%/*}/../mount/common.sh"
. "${0%/*}/common.sh"

times=25
[ -z "${VHDFS_LONG:-}" ] || times=$((VHDFS_LONG * 400))

three_mounts() {
	store_of_pair "$ending"
	mount_store "$store" "$mnt"
	mount_store "$store" "$scratch/second"
	mount_store "$store" "$scratch/third"
	pc=clients/pc.$ending.raw
	second=$scratch/second/$pc third=$scratch/third/$pc
}

race_of_three() {
	three_mounts
	outcomes "opens by three mounts" "EBUSY EBUSY open" \
		once "$times" "$child" "$second" "$third"
	equal "how often" "$times EBUSY EBUSY open" "$(cat "$scratch/outcomes")"
}

test_one_mount_of_three_wins_a_race_for_writing() {
	with_each_format race_of_three
}

# One mount reads an image's tables while the other changes them.
look_at_a_busy_image() {
	three_mounts
	start_racer filling fill "$child"
	outcomes "its size in another mount" "67108864 bytes" look 1 "$second"
	outcomes "opening it for reading" EBUSY read 1 "$second"
	outcomes "opening it for writing" EBUSY write 1 "$second"
	end_racer
	wait_until 5 file-io "$second" rw
	cmp "$child" "$second"
}

test_image_written_by_another_mount_is_in_use_and_not_damaged() {
	with_each_format look_at_a_busy_image
}

readers_meet_writers() {
	three_mounts
	hold_view "$child" ro
	exec {fd}<"$second"
	# Each mount has a reader: neither may write, and both readers continue.
	outcomes "writers in both" "EBUSY EBUSY" once 5 "$child" "$second"
	head -c 100000 <&"$fd" | cmp - <(head -c 100000 "$third")
	opens "$child" ro ""
	exec {fd}<&-
	release_view
	wait_until 5 file-io "$second" rw
}

test_readers_in_two_mounts_continue_when_writers_are_refused() {
	with_each_format readers_meet_writers
}

# Attempts of other mounts to write do not disturb the reader of an image.
test_reader_continues_while_other_mounts_try_to_write() {
	local ending=vhdx
	three_mounts
	exec {fd}<"$child"
	outcomes "writers" "EBUSY EBUSY" once 10 "$second" "$third"
	head -c 100000 <&"$fd" | cmp - <(head -c 100000 "$third")
	exec {fd}<&-
}

# The reader's mount and another one open the image for writing concurrently.
test_reader_survives_a_race_for_its_image() {
	local ending=vhdx i
	three_mounts
	exec {fd}<"$child"
	for ((i = 0; i < 10; i++)); do
		outcomes "with a reader in the first" "EBUSY open" \
			once 3 "$child" "$second"
		grep -q " EBUSY open" "$scratch/outcomes"
		dd iflag=skip_bytes,count_bytes skip=$((i << 20)) count=512 \
			status=none <&"$fd" >"$scratch/piece" ||
			fail "round $i: expected the reader to continue, found an error"
	done
	exec {fd}<&-
}

killed_holder() {
	three_mounts
	hold_view "$child" rw write 5000000 before fsync
	opens "$second" rw EBUSY
	kill -KILL "${mount_pid[$mnt]}"
	wait "${mount_pid[$mnt]}" || true
	unset "mount_pid[$mnt]"
	# The locks are released when the process has ended.
	answers "" "$second" rw write 6000000 second fsync
	umount -l "$mnt"
	mount_store "$store" "$mnt"
	opens "$child" rw ""
	answers "" "$child" rw write 7000000 first fsync
	equal "contents" "before second first" \
		"$(file-io "$third" ro read 5000000 6) $(file-io "$third" ro \
			read 6000000 6) $(file-io "$third" ro read 7000000 5)"
	kill "$view_pid" 2>/dev/null || true
	wait "$view_pid" || true
	vhdfs-img check "$store/clients/pc.$ending"
}

test_nothing_is_locked_when_the_holder_was_killed() {
	with_each_format killed_holder
}

# A mount that reads the master through one child does not exclude the others.
test_children_of_one_master_are_written_in_different_mounts() {
	local ending=vhdx
	three_mounts
	vhdfs-img create --parent "$store/master.vhdx" "$store/clients/b.vhdx"
	hold_view "$child" rw write 0 hello
	answers "" "$scratch/second/clients/b.vhdx.raw" rw write 0 other fsync
	opens "$scratch/third/master.vhdx.raw" ro ""
	release_view
	equal "contents" "hello other" "$(head -c 5 "$child") $(head -c 5 \
		"$mnt/clients/b.vhdx.raw")"
}

run_tests
