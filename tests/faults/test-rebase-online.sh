#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rebase of an image that a client has open, and removal of its snapshots: the worker or
# vhdfs-img is killed, or the file system becomes full, at each step.  No answered write
# is lost, the client's handle goes on, and every disk shows what it showed.
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

has_parent() {
	local parent

	parent=$(parent_of "$store/pc.$e")
	[ "$parent" = "$1" ] || wrong "expected the parent $1, found $parent"
}

# kill_worker_in_rebase ENDING LEAST CALL: until a rebase has fewer calls; expects more
# than LEAST.  CALL: at calls of this type only, if it is not empty.  Each begins with a
# fresh child: what was copied stays, and another rebase would copy nothing.
kill_worker_in_rebase() {
	local n=1 step=1

	open_client "$1"
	second_master
	what="rebase of an open $1"
	[ -n "$each_point$3" ] || step=11
	n=$((1 + RANDOM % step))
	while :; do
		fault="kill $n"
		client_writes
		arm kill once $n "$3"
		run vhdfs-img rebase --parent "$store/n.$e" "$store/pc.$e"
		disarm
		[ "$fired" = 1 ] || break
		[ "$status" = 0 ] ||
			wrong "expected success after the worker's death, found" \
				"$status: $(cat "$scratch/stderr")"
		has_parent "n.$e"
		check_client
		reports_no_loss
		n=$((n + step))
		restart
	done
	[ "$status" = 0 ] || fail "expected success without a fault"
	[ "$n" -gt "$2" ] || fail "expected more than $2 calls, found $n"
	remark "$1: $((n / step)) deaths"
	restart
	end_client
	unmount "$mnt"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

test_worker_killed_at_each_step_of_a_vhdx_rebase_loses_nothing() {
	kill_worker_in_rebase vhdx 20 ""
}

test_worker_killed_at_each_step_of_a_vhd_rebase_loses_nothing() {
	kill_worker_in_rebase vhd 20 ""
}

# Most calls compare the disks; the change of the parent is at the end.
test_worker_killed_at_each_sync_of_a_vhdx_rebase_loses_nothing() {
	kill_worker_in_rebase vhdx 5 sync
}

test_worker_killed_at_each_sync_of_a_vhd_rebase_loses_nothing() {
	kill_worker_in_rebase vhd 5 sync
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

# Two commands of which the file system becomes full.  begin_... sets $command.
begin_rebase() {
	client_writes
	command=(rebase --parent "$store/n.$e" "$store/pc.$e")
}

begin_removal() {
	take_snapshots
	command=(delete-snapshot "$store/pc.$e" "$removed")
}

# end_... GONE: the command has ended well when it was run again; GONE, if not empty: the
# first run had removed the snapshot.
end_rebase() {
	[ "$status" = 0 ] ||
		wrong "expected success, found: $(cat "$scratch/stderr")"
	has_parent "n.$e"
	# What was copied stays: another rebase would copy nothing.
	restart
}

end_removal() {
	[ "$status" = 0 ] || [ -n "$1" ] ||
		wrong "expected success, found: $(cat "$scratch/stderr")"
	has_gone "$removed" || wrong "expected no snapshot $removed"
	check_snapshots
	restart
	vhdfs-img info "$store/pc.$e" >/dev/null
}

# write_in_place: to bytes that the image has, which takes no space; and a flush.
write_in_place() {
	ask_client write 8192 4096 $RANDOM
	[ "$reply" != ok ] || ask_client fsync
}

# full_at COMMAND KIND:FORM N: the calls of the mount and of vhdfs-img fail.
full_at() {
	local gone

	"begin_$1"
	write_in_place
	cp "$scratch/model" "$scratch/flushed"
	arm "${2%:*}" "${2#*:}" "$3"
	faulty_img "${command[@]}"
	calls=$seen fault+=", $call"
	[ "$status" = 0 ] || failures=$((failures + 1))
	gone=
	[ "$1" = rebase ] || ! has_gone "$removed" || gone=yes
	[ "$2" = space:ever ] || disarm
	write_in_place
	# A sync that fails, which it does not for lack of space.
	if [ "$2" != space:ever ] && has_failed; then
		restart_after_loss "$scratch/flushed"
		return
	fi
	[ "$reply" = ok ] || wrong "write in place: expected ok, found $reply"
	client_sees_its_disk
	disarm
	[ "$1" = rebase ] || check_snapshots
	run vhdfs-img "${command[@]}"
	check_client
	[ -z "$(others ! -name "n.$e")" ] ||
		wrong "expected no other file: $(others ! -name "n.$e")"
	"end_$1" "$gone"
}

# full_at_each_step ENDING COMMAND
full_at_each_step() {
	local kind n total failures=0

	open_client "$1"
	second_master
	what="$2 of an open $1"
	for kind in ENOSPC:once space:ever; do
		fault="$kind without a fault"
		full_at "$2" "$kind" 1000000
		total=$calls
		choose_points "$total"
		for n in "${ats[@]}"; do
			fault="$kind $n of $total"
			full_at "$2" "$kind" "$n"
		done
	done
	remark "$what: $failures failures"
	[ "$failures" -gt 0 ] || fail "expected failures of $what"
	end_client
	unmount "$mnt"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

test_full_disk_at_each_step_of_a_vhdx_rebase_leaves_the_disk() {
	full_at_each_step vhdx rebase
}

test_full_disk_at_each_step_of_a_vhd_rebase_leaves_the_disk() {
	full_at_each_step vhd rebase
}

test_full_disk_at_each_step_of_the_removal_of_a_vhdx_snapshot_leaves_the_disks() {
	removed=s2
	full_at_each_step vhdx removal
}

test_full_disk_at_each_step_of_the_removal_of_the_older_vhd_snapshot_leaves_the_disks() {
	removed=s1
	full_at_each_step vhd removal
}

run_sample "${VHDFS_SAMPLE:+5}" "$@"
run_tests
