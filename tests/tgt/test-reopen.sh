#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Reopen: the mount ended and started again, and tgtd opens its files again.
. "${0%/*}/../lib.sh"
. "${0%/*}/../supervise/supervise.sh"
. "${0%/*}/../supervise/descriptor-store.sh"
. "${0%/*}/tgt.sh"

did_nothing() {
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
}

tid_of() {
	adm --op show --mode target |
		sed -n "s/^Target \([0-9]*\): $iqn_prefix:$1\$/\1/p"
}

# lun CLIENT PARAMETER=VALUE: changes the LUN by hand, with tgtadm.
lun() {
	adm --op update --mode logicalunit --tid "$(tid_of "$1")" --lun 1 \
		--params "$2"
}

# Prints tgtd's descriptors of the client's file.
descriptor() {
	local fd

	for fd in "/proc/$tgtd_pid/fd"/*; do
		[[ $(readlink "$fd") != */clients/$1.vhdx.raw ]] || echo "$fd"
	done
}

test_session_continues_after_vhdfs_was_stopped_and_started() {
	requires_initiator
	apply_fleet pc1 pc2
	everything >"$scratch/before"
	hold_session pc1
	works write 7
	stop_mount "$scratch/mnt"
	held read 7 | grep -q 'status 2 sense 3/' ||
		fail "expected a read error after the mount ended"
	return_mount
	held read 7 | grep -q 'status 2 sense 3/' ||
		fail "expected a read error until the file is opened again"
	expect 0 glue plan
	did '^pc1: disk: give it its file again \(the mount of tgtd.s file is gone\)$'
	did '^pc2: disk: give it its file again'
	expect 0 glue apply
	did '^pc1: disk: given its file again'
	did '^pc2: disk: given its file again'
	works read 7
	works write 8
	works read 8
	! grep 'cut off' "$held_out" ||
		fail "expected the session to continue, found it cut off"
	expect 0 glue apply
	did_nothing
	end_session
	everything | cmp - "$scratch/before"
	admits login "$(url pc2)"
}

test_working_file_is_not_opened_again() {
	apply_fleet pc1
	stat -c %Z "$(descriptor pc1)" >"$scratch/before"
	expect 0 glue apply
	did_nothing
	stat -c %Z "$(descriptor pc1)" | cmp - "$scratch/before"
}

test_wait_for_the_mount_is_reported_once() {
	local pid

	apply_fleet pc1 pc2
	lose_mount "$scratch/mnt"
	expect 1 glue apply
	said "^tgt-glue: 2 disks have lost the file: nothing is mounted at $scratch/mnt"
	equal "lines" 1 "$(wc -l <"$scratch/stderr")"
	glue apply --wait >"$scratch/wait.out" 2>&1 &
	pid=$!
	wait_until 10 grep -q 'nothing is mounted' "$scratch/wait.out"
	return_mount
	wait "$pid" ||
		fail "expected exit status 0, found: $(cat "$scratch/wait.out")"
	grep -q '^pc2: disk: given its file again' "$scratch/wait.out"
	# The blocking reason is reported when it appears, not every second.
	equal "messages" 1 "$(grep -c 'nothing is mounted' "$scratch/wait.out")"
}

# session_was_ended CLIENT: expects that apply ended its session, and that the
# log names it for a restart.
session_was_ended() {
	wait_until 30 grep -q 'cut off' "$held_out"
	grep -q "^tgt-glue: $1: restart it: " "$scratch/stderr" ||
		fail "expected its name in the log, found: $(cat "$scratch/stderr")"
	is_to_restart "$1" true
}

is_to_restart() {
	local times=1

	[ "$2" = true ] || times=0
	equal "restart" "$2" "$(glue status --json |
		jq ".clients[] | select(.name == \"$1\") | .restart")"
	equal "notes" "$times" "$(glue status | grep -c 'restart it' || true)"
	glue status --prometheus >"$scratch/metrics"
	grep -q "client_restart{client=\"$1\"} $times\$" "$scratch/metrics" ||
		fail "expected a metric of $1"
}

# The client wrote and did not flush, and vhdfs was killed: its file now is
# older than the answers that it got.
test_session_with_lost_writes_is_ended() {
	requires_initiator
	requires jq
	apply_fleet pc1 pc2
	everything >"$scratch/before"
	hold_session pc1
	write_much
	lose_mount "$scratch/mnt"
	expect 1 glue apply
	said '^tgt-glue: 2 disks have lost the file: nothing is mounted'
	! grep 'cut off' "$held_out" ||
		fail "expected the session to continue until apply"
	return_mount
	is_to_restart pc1 true
	expect 0 glue plan
	did '^pc1: target: make it again \(answered writes may be lost: .*\), after ending its session$'
	did '^pc2: disk: give it its file again'
	expect 0 glue apply
	did '^pc1: target: made again \(answered writes may be lost'
	did '^pc2: disk: given its file again'
	session_was_ended pc1
	equal "restart" 1 "$(glue status --json |
		jq '[.clients[] | select(.restart)] | length')"
	everything | sort | cmp - <(sort "$scratch/before")
	# It stays named until its next login.
	expect 0 glue apply
	did_nothing
	is_to_restart pc1 true
	end_session
	rm "$scratch/hold-pc1"
	hold_session pc1
	is_to_restart pc1 false
	expect 0 glue apply
	did_nothing
	works read 7
	end_session
	is_to_restart pc1 false
}

# vhdfs dies a second time before tgtd has opened its files again.
test_session_with_writes_lost_in_two_crashes_is_ended() {
	requires_initiator
	requires jq
	apply_fleet pc1
	hold_session pc1
	write_much
	lose_mount "$scratch/mnt"
	return_mount
	stop_mount "$scratch/mnt"
	return_mount
	expect 0 glue apply
	session_was_ended pc1
	end_session
}

# A session without a recorded state identifier: the file that records what tgtd
# opened is missing.
test_session_with_an_unknown_state_identifier_is_ended() {
	requires_initiator
	requires jq
	apply_fleet pc1
	hold_session pc1
	works write 7
	rm "$scratch/targets.conf.opened"
	stop_mount "$scratch/mnt"
	return_mount
	expect 0 glue apply
	session_was_ended pc1
	end_session
}

# A reopen that was interrupted does not hide the loss.
test_offline_disk_with_lost_writes_stays_offline() {
	requires_initiator
	requires jq
	apply_fleet pc1
	hold_session pc1
	write_much
	lose_mount "$scratch/mnt"
	return_mount
	lun pc1 online=0
	! lun pc1 path=/nowhere 2>/dev/null ||
		fail "expected tgtd to refuse the path"
	expect 0 glue apply
	session_was_ended pc1
	end_session
}

test_session_of_a_removed_client_with_lost_writes_is_ended() {
	requires_initiator
	apply_fleet pc1 pc2
	hold_session pc1
	works write 7
	write_fleet pc2 </dev/null
	lose_mount "$scratch/mnt"
	return_mount
	expect 0 glue apply
	did '^pc1: target: removed'
	wait_until 30 grep -q 'cut off' "$held_out"
	end_session
}

# A worker's death loses no write: apply changes nothing.
test_session_continues_after_the_death_of_the_worker() {
	requires_initiator
	apply_fleet pc1
	hold_session pc1
	write_much
	kill_worker "$scratch/mnt"
	expect 0 glue apply
	did_nothing
	works read 7
	! grep 'cut off' "$held_out" ||
		fail "expected the session to continue, found it cut off"
	end_session
}

# Nor does the death of all processes, when a descriptor store holds their
# descriptors.
test_session_continues_after_the_death_of_all_processes() {
	requires_initiator
	requires_resend
	requires jq
	make_store
	hold_store "$scratch/store" "$scratch/mnt"
	start_tgtd
	write_fleet pc1 </dev/null
	expect 0 glue apply
	hold_session pc1
	write_much
	kill_held "$scratch/mnt"
	expect 0 glue apply
	did_nothing
	works read 1599
	is_to_restart pc1 false
	! grep 'cut off' "$held_out" ||
		fail "expected the session to continue, found it cut off"
	head -c 819200 "$scratch/mnt/clients/pc1.vhdx.raw" |
		cmp - <(head -c 819200 /dev/zero | tr '\0' w)
	end_session
}

# Where the kernel does not send requests again the supervisor mounts anew, with
# all answered writes: the session continues and reads what it wrote.
test_new_mount_of_the_supervisor_keeps_answered_writes() {
	requires_initiator
	make_store
	mount_store "$scratch/store" "$scratch/mnt" -o no_resend
	start_tgtd
	write_fleet pc1 </dev/null
	expect 0 glue apply
	hold_session pc1
	write_much
	kill_worker "$scratch/mnt"
	expect 0 glue apply
	did '^pc1: disk: given its file again'
	works read 1599
	! grep 'cut off' "$held_out" ||
		fail "expected the session to continue, found it cut off"
	head -c 819200 "$scratch/mnt/clients/pc1.vhdx.raw" |
		cmp - <(head -c 819200 /dev/zero | tr '\0' w)
	end_session
}

# The state of a reopen that was interrupted after its first step, or that
# failed after it.
test_interrupted_reopen_is_finished_under_a_session() {
	requires_initiator
	apply_fleet pc1
	hold_session pc1
	lun pc1 online=0
	expect 0 glue apply
	did '^pc1: disk: given its file again \(it is offline\)'
	works write 7
	lun pc1 online=0
	! lun pc1 path=/nowhere 2>/dev/null ||
		fail "expected tgtd to refuse the path"
	shown pc1 | grep -q 'LUN: 1' || fail "expected LUN 1"
	expect 0 glue apply
	did '^pc1: disk: given its file again \(tgtd has no file for it\)'
	works read 7
	stop_mount "$scratch/mnt"
	return_mount
	lun pc1 online=0
	expect 0 glue apply
	works read 7
	end_session
}

# A session does not get another image than the one that it uses.
test_another_image_at_the_path_waits_for_the_logout() {
	requires_initiator
	apply_fleet pc1
	hold_session pc1
	mv "$scratch/store/clients/pc1.vhdx" "$scratch/old.vhdx"
	vhdfs-img create --parent "$scratch/store/masters/win11.vhdx" \
		"$scratch/store/clients/pc1.vhdx"
	expect 4 glue apply
	said 'pc1: skipped: logged in'
	lose_mount "$scratch/mnt"
	return_mount
	expect 4 glue apply
	said 'pc1: skipped: logged in'
	held read 7 | grep -q 'status 2 sense 3/' ||
		fail "expected a read error, found: the other image was opened"
	end_session
	expect 0 glue apply
	did '^pc1: target: made again \(disk: expected the image that is at its path'
	admits login "$(url pc1)"
}

# The client is no longer in fleet.conf, and still logged in.
test_file_of_a_removed_client_is_opened_again() {
	requires_initiator
	apply_fleet pc1 pc2
	hold_session pc1
	write_fleet pc2 </dev/null
	stop_mount "$scratch/mnt"
	return_mount
	expect 4 glue apply
	did '^pc1: disk: given its file again'
	works read 7
	end_session
}

# Another change of this disk waits for the client's logout.
test_file_of_a_client_with_a_pending_change_is_opened_again() {
	requires_initiator
	apply_fleet pc1
	hold_session pc1
	echo "thin = yes" >>"$scratch/fleet.conf"
	stop_mount "$scratch/mnt"
	return_mount
	expect 4 glue apply
	did '^pc1: disk: given its file again'
	works read 7
	end_session
	expect 0 glue apply
	shown pc1 | grep -q 'Thin-provisioning: Yes'
}

test_disk_with_an_unreadable_file_is_not_changed() {
	apply_fleet pc1
	lose_mount "$scratch/mnt"
	truncate -s 100K "$scratch/store/clients/pc1.vhdx"
	return_mount
	expect 1 glue apply
	said '^tgt-glue: pc1: disk: .*/clients/pc1.vhdx.raw: '
	shown pc1 | sed -n '/LUN: 1/,$p' | grep -q 'Online: Yes'
}

# tgtd in a container of its own: its descriptors are not visible, which apply
# reports.
test_tgtd_with_invisible_descriptors_is_reported() {
	requires strace
	apply_fleet pc1
	export ASAN_OPTIONS=detect_leaks=0
	expect 0 strace -f -qq -o "$scratch/trace" -e trace=openat \
		-P "/proc/$tgtd_pid/fd" -e inject=openat:error=EACCES \
		tgt-glue --config "$scratch/fleet.conf" apply
	said 'warning: cannot tell whether tgtd has lost files .*process [0-9]+\): Permission denied'
}

run_tests
