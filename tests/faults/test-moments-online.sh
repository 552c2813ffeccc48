#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Commands on an image that a client has open: what happens at one moment of them, and
# after them.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/online.sh"

requires jq

has_fired() {
	ask
	[ "$fired" = 1 ]
}

# pause_at CALL N COMMAND...: starts the command; it is at the moment behind the N-th
# such call then.
pause_at() {
	arm paused once "$2" "$1"
	"${@:3}" >"$scratch/stdout" 2>"$scratch/stderr" &
	paused_pid=$!
	wait_until 30 has_fired
}

# go_on: the paused command ends; sets $status.
go_on() {
	disarm
	status=0
	wait "$paused_pid" || status=$?
}

end_test() {
	end_client
	unmount "$mnt"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

# The old leaf is flushed while clients write, and again when they wait.
writes_during_a_snapshot_are_in_it() {
	open_client "$1"
	what="snapshot of an open $1" fault=paused
	client_writes
	pause_at link 1 vhdfs-img snapshot "$store/pc.$e" s
	client_writes
	client_writes
	cp "$scratch/model" "$scratch/before"
	go_on
	equal status 0 "$status"
	client_sees_its_disk
	cmp "$mnt/pc@s.$e.raw" "$scratch/before"
	client_writes
	client_sees_its_disk
	end_test
	disk-io "$store/pc.$e" read 0 - | cmp - "$scratch/model"
	disk-io "$store/pc@s.$e" read 0 - | cmp - "$scratch/before"
}

test_writes_after_the_flush_of_a_vhdx_snapshot_are_in_it() {
	writes_during_a_snapshot_are_in_it vhdx
}

test_writes_after_the_flush_of_a_vhd_snapshot_are_in_it() {
	writes_during_a_snapshot_are_in_it vhd
}

# A move that has ended does not count any more when a worker dies.
test_image_that_was_put_aside_is_written_over_a_death_of_the_worker() {
	local aside

	open_client vhdx
	what="revert of an open vhdx"
	vhdfs-img snapshot "$store/pc.$e" s
	cp "$scratch/model" "$scratch/s"
	client_writes
	vhdfs-img revert --in-use "$store/pc.$e" s >"$scratch/out"
	cat "$scratch/s" >"$scratch/model"
	aside=$store/$(sed 's/.* is in //' "$scratch/out")
	mv "$aside" "$store/other.$e"
	exec {other}<>"$mnt/other.$e.raw"
	kill -KILL "$(pgrep -P "${mount_pid[$mnt]}")"
	client_sees_its_disk
	printf abc >&"$other"
	sync -d "/proc/self/fd/$other"
	exec {other}>&-
	equal "what was written" abc "$(head -c 3 "$mnt/other.$e.raw")"
	client_writes
	client_sees_its_disk
	end_test
}

# An image that was made meanwhile is a child that the program does not know.
test_snapshot_that_gets_a_child_during_its_removal_stays() {
	mount_with_faults() {
		disarm
		mount_store "$store" "$mnt"
	}
	open_client vhdx
	what="removal of a snapshot of an open vhdx" fault=paused
	vhdfs-img snapshot "$store/pc.$e" s1
	cp "$scratch/model" "$scratch/s1"
	client_writes
	vhdfs-img snapshot "$store/pc.$e" s2
	client_writes
	pause_at rename 1 faulty vhdfs-img delete-snapshot "$store/pc.$e" s1
	vhdfs-img create --parent "$store/pc@s1.$e" "$store/new.$e"
	go_on
	equal status 1 "$status"
	has_line "pc@s1.$e: is the parent of new.$e" "$scratch/stderr"
	cmp "$mnt/new.$e.raw" "$scratch/s1"
	client_sees_its_disk
	client_writes
	client_sees_its_disk
	end_test
}

run_tests
