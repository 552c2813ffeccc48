#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A snapshot of an image that a client has open: the worker is killed, or a system call
# or an allocation of it fails, at each step.  No answered write is lost, the client's
# handle goes on, and the snapshot holds the disk of the moment before, or there is none.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/online.sh"

requires jq

# check_snapshot N: it holds the disk as it was before.
check_snapshot() {
	cmp "$mnt/pc@s$1.$e.raw" "$scratch/before" ||
		wrong "expected the disk of the moment before in the snapshot"
	[ "$(stat -c %a "$store/pc@s$1.$e")" = 444 ] ||
		wrong "expected a snapshot without write permission"
}

# snapshot N: takes it, and sets $status.
snapshot() {
	cp "$scratch/model" "$scratch/before"
	status=0
	vhdfs-img snapshot "$store/pc.$e" "s$1" 2>"$scratch/stderr" || status=$?
	ask
}

# kill_at_each_step ENDING: until a snapshot has fewer calls.
kill_at_each_step() {
	local n=1 step=1

	open_client "$1"
	what="snapshot of an open $1"
	[ -n "$each_point" ] || step=5
	# Not always the same ones.
	n=$((1 + RANDOM % step))
	fault=
	while :; do
		fault="kill $n"
		client_writes
		arm kill once $n
		snapshot $n
		disarm
		[ "$fired" = 1 ] || break
		[ "$status" = 0 ] ||
			wrong "expected success after the worker's death, found" \
				"$status: $(cat "$scratch/stderr")"
		check_snapshot $n
		client_sees_its_disk
		client_writes
		client_sees_its_disk
		[ -z "$(others)" ] || wrong "expected no other file: $(others)"
		no_writable_old_leaf
		reports_no_loss
		n=$((n + step))
		[ $((n % 8)) != 0 ] || restart
	done
	[ "$status" = 0 ] || fail "expected success without a fault"
	[ $n -gt 20 ] || fail "expected more than 20 calls, found $n"
	remark "$1: $((n / step)) deaths"
	restart
	end_client
	unmount "$mnt"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

test_worker_killed_at_each_step_of_a_vhdx_snapshot_loses_nothing() {
	kill_at_each_step vhdx
}

test_worker_killed_at_each_step_of_a_vhd_snapshot_loses_nothing() {
	kill_at_each_step vhd
}

# kill_in_revert ENDING: the client goes on with the disk of the snapshot.
kill_in_revert() {
	local n=1 step=1

	open_client "$1"
	what="revert of an open $1"
	[ -n "$each_point" ] || step=13
	n=$((1 + RANDOM % step))
	while :; do
		fault="kill $n"
		client_writes
		cp "$scratch/model" "$scratch/before"
		vhdfs-img snapshot "$store/pc.$e" s
		client_writes
		arm kill once $n
		status=0
		vhdfs-img revert --in-use --discard "$store/pc.$e" s \
			2>"$scratch/stderr" || status=$?
		ask
		disarm
		[ "$status" = 0 ] ||
			wrong "expected success, found $status:" \
				"$(cat "$scratch/stderr")"
		# The client has the file open.
		cat "$scratch/before" >"$scratch/model"
		client_sees_its_disk
		client_writes
		client_sees_its_disk
		[ -z "$(others)" ] || wrong "expected no other file: $(others)"
		restart
		[ "$fired" = 1 ] || break
		n=$((n + step))
	done
	[ $n -gt 20 ] || fail "expected more than 20 calls, found $n"
	remark "$1: $((n / step)) deaths"
	end_client
	unmount "$mnt"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

test_worker_killed_at_each_step_of_a_vhdx_revert_loses_nothing() {
	kill_in_revert vhdx
}

test_worker_killed_at_each_step_of_a_vhd_revert_loses_nothing() {
	kill_in_revert vhd
}

# fail_at_each_step ENDING: each call fails once; the snapshot is made, or not at all.
fail_at_each_step() {
	local n kind

	open_client "$1"
	what="snapshot of an open $1"
	for kind in EIO ENOSPC ENOMEM; do
		client_writes
		arm $kind once 1000000
		snapshot "$kind"
		disarm
		total=$seen
		choose_points "$total"
		for n in "${ats[@]}"; do
			fault="$kind $n of $total"
			client_writes
			arm $kind once "$n"
			snapshot "$kind$n"
			disarm
			[ "$fired" = 1 ] || continue
			after_failure "$kind$n"
			# A chain has at most 256 parents.
			[ $((n % 50)) != 0 ] || restart
		done
		restart
	done
	end_client
	unmount "$mnt"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

# after_failure NAME: the image goes on, or has failed as an image whose sync fails.
after_failure() {
	if [ "$status" = 0 ]; then
		check_snapshot "$1"
	elif ! grep -q 'change is complete' "$scratch/stderr"; then
		[ ! -e "$store/pc@s$1.$e" ] ||
			wrong "expected no snapshot: $(cat "$scratch/stderr")"
	fi
	ask_client fsync
	# The flush of the old leaf failed.
	if has_failed; then
		restart_after_loss
		return
	fi
	[ "$reply" = ok ] || wrong "fsync: expected ok, found $reply"
	client_sees_its_disk
	client_writes
	client_sees_its_disk
	# The next one cleans what a failure left.
	snapshot "again$1"
	[ "$status" = 0 ] ||
		wrong "expected success later: $(cat "$scratch/stderr")"
	[ -z "$(others)" ] || wrong "expected no other file: $(others)"
}

test_failure_at_each_step_of_a_vhdx_snapshot_leaves_the_disk() {
	fail_at_each_step vhdx
}

test_failure_at_each_step_of_a_vhd_snapshot_leaves_the_disk() {
	fail_at_each_step vhd
}

run_tests
