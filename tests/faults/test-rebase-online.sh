#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rebase of an image that a client has open, and removal of its snapshots: the worker or
# vhdfs-img is killed at each step.  No answered write is lost, the client's handle goes
# on, and every disk shows what it showed.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/online.sh"

requires jq

# Two masters that differ: m, and n.
second_master() {
	cp "$store/m.$e" "$store/n.$e"
	chmod u+w "$store/n.$e"
	disk-io "$store/n.$e" write 1000000 300000 $RANDOM write 9000000 5000 \
		$RANDOM
}

# run COMMAND...: sets $status.
run() {
	status=0
	"$@" >"$scratch/stdout" 2>"$scratch/stderr" || status=$?
	ask
}

# check_client: its disk is the model, and it can write.
check_client() {
	client_sees_its_disk
	client_writes
	client_sees_its_disk
}

parent() {
	vhdfs-img info --json "$store/pc.$e" | jq -r '.parent | sub(".*/"; "")'
}

# kill_worker_in_rebase ENDING: to and fro, until a rebase has fewer calls.
kill_worker_in_rebase() {
	local n=1 step=1 to=n

	open_client "$1"
	second_master
	what="rebase of an open $1"
	[ -n "$each_point" ] || step=11
	n=$((1 + RANDOM % step))
	while :; do
		fault="kill $n"
		client_writes
		arm kill once $n
		run vhdfs-img rebase --parent "$store/$to.$e" "$store/pc.$e"
		disarm
		[ "$fired" = 1 ] || break
		[ "$status" = 0 ] ||
			wrong "expected success after the worker's death, found" \
				"$status: $(cat "$scratch/stderr")"
		[ "$(parent)" = "$to.$e" ] ||
			wrong "expected the parent $to.$e, found $(parent)"
		check_client
		[ $to = n ] && to=m || to=n
		n=$((n + step))
		[ $((n / step % 8)) != 0 ] || restart
	done
	[ "$status" = 0 ] || fail "expected success without a fault"
	[ $n -gt 20 ] || fail "expected more than 20 calls, found $n"
	remark "$1: $((n / step)) deaths"
	restart
	end_client
	unmount "$mnt"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

test_worker_killed_at_each_step_of_a_vhdx_rebase_loses_nothing() {
	kill_worker_in_rebase vhdx
}

test_worker_killed_at_each_step_of_a_vhd_rebase_loses_nothing() {
	kill_worker_in_rebase vhd
}

# Two snapshots, and the disk of each in $scratch/s1 and $scratch/s2.
take_snapshots() {
	local i

	for i in 1 2; do
		client_writes
		cp "$scratch/model" "$scratch/s$i"
		vhdfs-img snapshot "$store/pc.$e" s$i
	done
	client_writes
}

# check_snapshots: those that exist show what they showed.
check_snapshots() {
	local i

	for i in 1 2; do
		[ ! -e "$store/pc@s$i.$e" ] ||
			cmp "$mnt/pc@s$i.$e.raw" "$scratch/s$i" ||
			wrong "expected the disk of the snapshot s$i"
	done
}

# kill_worker_in_delete ENDING NAME: deletes the snapshot NAME, until that has fewer
# calls.
kill_worker_in_delete() {
	local n=1 step=1

	open_client "$1"
	what="delete-snapshot of an open $1"
	[ -n "$each_point" ] || step=23
	n=$((1 + RANDOM % step))
	while :; do
		fault="kill $n"
		take_snapshots
		arm kill once $n
		run vhdfs-img delete-snapshot "$store/pc.$e" "$2"
		disarm
		[ "$status" = 0 ] ||
			wrong "expected success, found $status:" \
				"$(cat "$scratch/stderr")"
		[ ! -e "$store/pc@$2.$e" ] || wrong "expected no snapshot $2"
		check_snapshots
		check_client
		[ -z "$(others)" ] || wrong "expected no other file: $(others)"
		restart
		[ "$fired" = 1 ] || break
		n=$((n + step))
	done
	remark "$1, $2: $((n / step)) deaths"
	end_client
	unmount "$mnt"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

test_worker_killed_at_each_step_of_the_removal_of_a_vhdx_snapshot_loses_nothing() {
	kill_worker_in_delete vhdx s2
}

test_worker_killed_at_each_step_of_the_removal_of_a_vhd_snapshot_loses_nothing() {
	kill_worker_in_delete vhd s2
}

# kill_program_in_delete ENDING NAME: vhdfs-img is killed; the next one goes on.
kill_program_in_delete() {
	local n=1 step=1 image

	open_client "$1"
	what="delete-snapshot, killed, of an open $1"
	[ -n "$each_point" ] || step=37
	n=$((1 + RANDOM % step))
	while :; do
		fault="kill $n"
		take_snapshots
		arm kill once $n
		faulty_img delete-snapshot "$store/pc.$e" "$2"
		disarm
		check_snapshots
		client_sees_its_disk
		if [ "$fired" = 1 ]; then
			for image in "$store"/pc*; do
				readable "$image" ||
					wrong "expected a sound ${image##*/}"
			done
			run vhdfs-img delete-snapshot "$store/pc.$e" "$2"
			[ "$status" = 0 ] || has_gone "$2" ||
				wrong "expected success, found $status:" \
					"$(cat "$scratch/stderr")"
		fi
		has_gone "$2" || wrong "expected no snapshot $2"
		check_snapshots
		check_client
		[ -z "$(others)" ] || wrong "expected no other file: $(others)"
		[ "$fired" = 1 ] || break
		restart
		n=$((n + step))
	done
	remark "$1, $2: $((n / step)) deaths"
	restart
	end_client
	unmount "$mnt"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

has_gone() {
	[ ! -e "$store/pc@$1.$e" ]
}

# readable IMAGE: info of the image and its parents.
readable() {
	vhdfs-img info --chain "$1" >/dev/null
}

# faulty_img COMMAND...: vhdfs-img with the armed fault; the mount has none then.
faulty_img() {
	status=0
	{
		faulty vhdfs-img "$@" >"$scratch/stdout" 2>"$scratch/stderr" ||
			status=$?
	} 2>/dev/null
	ask
}

# mount_with_faults: here the mount has no faults, but vhdfs-img.
plain_mount() {
	mount_with_faults() {
		disarm
		mount_store "$store" "$mnt"
	}
}

test_removal_of_the_older_vhdx_snapshot_that_is_killed_can_be_run_again() {
	plain_mount
	kill_program_in_delete vhdx s1
}

test_removal_of_the_older_vhd_snapshot_that_is_killed_can_be_run_again() {
	plain_mount
	kill_program_in_delete vhd s1
}

run_tests
