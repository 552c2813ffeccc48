#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Commands on an image that a client has open: the worker dies after each change of a
# name in the store, or before each rename.  The command succeeds, and no answered write is lost.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/online.sh"

requires jq

# Each of these runs its command on the image, with the snapshot s of it, whose disk is
# in $scratch/s, and the fault armed before; and sets the model to the disk that is
# expected.
run_snapshot() {
	vhdfs-img snapshot "$store/pc.$e" t
}

run_revert() {
	vhdfs-img revert --discard --in-use "$store/pc.$e" s || return
	# The client has the file open.
	cat "$scratch/s" >"$scratch/model"
}

run_delete() {
	vhdfs-img delete-snapshot "$store/pc.$e" s
}

# die_after_names ENDING COMMAND LEAST [rename]: until the worker makes fewer changes,
# which must be more than LEAST; rename: before each of these.
die_after_names() {
	local n kind=killed

	[ $# = 3 ] || kind="kill"

	open_client "$1"
	what="$2 of an open $1"
	for ((n = 1; ; n++)); do
		fault="$kind $n"
		client_writes
		vhdfs-img snapshot "$store/pc.$e" s
		cp "$scratch/model" "$scratch/s"
		client_writes
		arm $kind once $n "${4:--}"
		status=0
		"run_$2" >"$scratch/stdout" 2>"$scratch/stderr" || status=$?
		ask
		disarm
		[ "$status" = 0 ] ||
			wrong "expected success, found $status:" \
				"$(cat "$scratch/stderr")"
		client_sees_its_disk
		client_writes
		client_sees_its_disk
		[ ! -e "$store/pc@s.$e" ] ||
			cmp "$mnt/pc@s.$e.raw" "$scratch/s" ||
			wrong "expected the disk of the snapshot"
		no_writable_old_leaf
		[ -z "$(others)" ] || wrong "expected no other file: $(others)"
		restart
		[ "$fired" = 1 ] || break
	done
	remark "$2, $1: $((n - 1)) deaths"
	[ "$n" -gt "$3" ] || fail "expected $3 deaths, found $((n - 1))"
	end_client
	unmount "$mnt"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

test_worker_killed_after_each_change_of_names_of_a_snapshot_loses_nothing() {
	die_after_names vhdx snapshot 4
}

# Between the record of the move and the rename.
test_worker_killed_before_each_rename_of_a_snapshot_loses_nothing() {
	die_after_names vhdx snapshot 2 rename
}

test_worker_killed_before_each_rename_of_a_revert_loses_nothing() {
	die_after_names vhd revert 2 rename
}

test_worker_killed_after_each_change_of_names_of_a_revert_loses_nothing() {
	die_after_names vhd revert 4
}

test_worker_killed_after_each_change_of_names_of_a_removal_loses_nothing() {
	die_after_names vhdx delete 1
}

run_tests
