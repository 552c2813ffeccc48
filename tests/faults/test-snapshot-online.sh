#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A snapshot of an image that a client has open: the worker is killed, or a system call
# or an allocation of it fails, at each step.  No answered write is lost, the client's
# handle goes on, and the snapshot holds the disk of the moment before, or there is none.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"
. "${0%/*}/../contents.sh"

requires jq

# open_client ENDING: a store with a master and its child pc, mounted with faults.so,
# and a client that has its view open, and its disk in $scratch/model.
open_client() {
	e=$1 store=$scratch/store mnt=$scratch/mnt n_writes=0
	requires_faults
	requires_fuse
	mkdir "$store"
	make_model "$scratch/model" 16M
	vhdfs-img create --size 16M "$store/m.$e"
	put_random "$store/m.$e" "$scratch/model" 4
	vhdfs-img create --parent "$store/m.$e" "$store/pc.$e"
	view=$mnt/pc.$e.raw
	mount_with_faults
	start_client
}

# ask_client COMMAND...: sets $reply to the answer of the client.
ask_client() {
	echo "$*" >&"${CLIENT[1]}"
	read -r reply <&"${CLIENT[0]}" || fail "$what: $fault: no client"
}

# The client opens the view, and keeps it open.
start_client() {
	coproc CLIENT { exec file-io "$view" rw serve "$scratch/model"; }
	client=$CLIENT_PID
	read -r reply <&"${CLIENT[0]}"
	equal client serving "$reply"
}

end_client() {
	eval "exec ${CLIENT[1]}>&-"
	wait "$client" || fail "expected the client to end without an error"
}

# client_writes: some sectors, which are not flushed.
client_writes() {
	local i

	for i in 1 2 3; do
		random_below 4096
		ask_client write $((random * 4096)) 4096 $RANDOM
		[ "$reply" = ok ] || wrong "write: expected ok, found $reply"
	done
}

client_sees_its_disk() {
	ask_client compare
	[ "$reply" = ok ] ||
		wrong "expected the disk of the model, found: $reply"
}

# The names beside the image, but for the snapshots.
others() {
	find "$store" -mindepth 1 ! -name "m.$e" ! -name "pc.$e" ! -name 'pc@*'
}

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

# restart: ends the mount, checks the images, and begins with a fresh child.
restart() {
	end_client
	disarm
	unmount "$mnt"
	disk-io "$store/pc.$e" read 0 - | cmp - "$scratch/model" ||
		wrong "expected the disk of the model after the unmount"
	begin_again
}

# The same after a flush that failed, which the client learns of: writes may be lost.
restart_after_loss() {
	eval "exec ${CLIENT[1]}>&-"
	wait "$client" || true
	umount "$mnt"
	wait "${mount_pid[$mnt]}" || true
	begin_again
}

begin_again() {
	local image

	for image in "$store"/pc*; do
		vhdfs-img check "$image" >"$scratch/stdout" ||
			wrong "expected a sound image: $(cat "$scratch/stdout")"
	done
	rm -f "$store"/pc@* "$store/pc.$e"
	vhdfs-img create --parent "$store/m.$e" "$store/pc.$e"
	disk-io "$store/m.$e" read 0 - >"$scratch/model"
	mount_with_faults
	start_client
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

# no_writable_old_leaf: supervisor and worker have no snapshot open for writing.
no_writable_old_leaf() {
	local fd

	for fd in /proc/"${mount_pid[$mnt]}"/fd/*; do
		case $(readlink "$fd") in
		*/pc@*)
			grep -q '^flags:.*0$' "${fd/fd/fdinfo}" ||
				wrong "a snapshot is open for writing"
			;;
		esac
	done
}

test_worker_killed_at_each_step_of_a_vhdx_snapshot_loses_nothing() {
	kill_at_each_step vhdx
}

test_worker_killed_at_each_step_of_a_vhd_snapshot_loses_nothing() {
	kill_at_each_step vhd
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
	elif ! grep -q 'snapshot is complete' "$scratch/stderr"; then
		[ ! -e "$store/pc@s$1.$e" ] ||
			wrong "expected no snapshot: $(cat "$scratch/stderr")"
	fi
	ask_client fsync
	# The flush of the old leaf failed: an image whose tables could not be
	# written takes no more writes.
	if [[ $call =~ ^(write|sync|resize)$ ]] && [ "$reply" = EIO ]; then
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
