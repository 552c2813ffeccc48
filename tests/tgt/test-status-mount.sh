#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# status of a mount that is gone, is another file system's, or does not answer.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# whole FILTER: prints a value of status --json, which may fail.
whole() {
	glue status --json 2>/dev/null >"$scratch/status.json" || true
	jq -r "$1" "$scratch/status.json"
}

# state: prints what status says of the mount and of everything.
state() {
	whole '"\(.mounted) \(.agrees)"'
}

# metric NAME: prints its value.
metric() {
	glue status --prometheus 2>/dev/null | sed -n "s/^tgt_glue_$1 //p"
}

# says_gone PATTERN: status fails with that message, and says nothing good.
says_gone() {
	equal "state" "false false" "$(state)"
	equal "metrics" "0 0" "$(metric mounted) $(metric agrees)"
	expect 1 glue status
	said "$1"
	did '^the mount is gone: '
	! grep -q '^all is as' "$scratch/stdout" ||
		fail "expected no line that all is well"
	whole '."mount-problem"' | grep -Eq -e "$1" ||
		fail "expected '$1', found: $(whole '."mount-problem"')"
}

test_mount_that_answers_is_mounted() {
	apply_fleet pc1
	equal "state" "true true" "$(state)"
	equal "problem" null "$(whole '."mount-problem"')"
	equal "metric" 1 "$(metric mounted)"
	expect 0 glue status
	did '^all is as fleet.conf says$'
}

# tgtd has the disks open, and every target is as it should be.
test_detached_mount_of_an_idle_fleet_is_gone() {
	apply_fleet pc1
	umount -l "$scratch/mnt"
	says_gone "nothing is mounted at $scratch/mnt; type .mount $scratch/mnt. "
	equal "target" ok "$(whole '.clients[0].target')"
}

test_another_file_system_at_the_mount_point_is_no_mount() {
	apply_fleet pc1
	mount -t tmpfs none "$scratch/mnt"
	at_exit "umount $scratch/mnt"
	says_gone "mnt: expected a mount of vhdfs, found something else; type .umount "
}

test_mount_without_a_process_is_gone() {
	apply_fleet pc1
	# shellcheck disable=SC2046
	kill -9 $(mount_processes "$scratch/mnt")
	wait "${mount_pid[$scratch/mnt]}" || true
	unset "mount_pid[$scratch/mnt]"
	at_exit "umount -l $scratch/mnt"
	says_gone "mnt: vhdfs has ended, .*type .umount -l $scratch/mnt'"
}

test_mount_that_hangs_does_not_hang_status() {
	apply_fleet pc1 pc2
	stop_answers
	expect 1 timeout "$hang_seconds" tgt-glue \
		--config "$scratch/fleet.conf" status
	said "mnt: expected an answer of the mount within 5 seconds"
	did '^the mount does not answer: '
	did '^  pc1 +ok '
	equal "state" "false false" "$(state)"
	go_on
	# A request that vhdfs has taken ends with its answer alone.
	wait_until 10 asks_no_more
	wait_until 10 agrees
}

test_mount_that_hangs_does_not_hang_versions() {
	apply_fleet pc1
	glue versions --json >"$scratch/before"
	stop_answers
	timeout "$hang_seconds" tgt-glue --config "$scratch/fleet.conf" \
		versions --json | cmp - "$scratch/before"
}

test_mount_that_hangs_does_not_hang_disks() {
	apply_fleet pc1
	glue snapshot monday pc1
	glue snapshot tuesday pc1
	glue disks --json pc1 >"$scratch/before"
	stop_answers
	timeout "$hang_seconds" tgt-glue --config "$scratch/fleet.conf" \
		disks --json pc1 | cmp - "$scratch/before"
}

test_mount_that_hangs_does_not_hang_check_and_plan() {
	apply_fleet pc1
	sed -i 's/^mount/reserve = 1M\n&/' "$scratch/fleet.conf"
	stop_answers
	expect 0 timeout "$hang_seconds" tgt-glue \
		--config "$scratch/fleet.conf" check
	expect 1 timeout "$hang_seconds" tgt-glue \
		--config "$scratch/fleet.conf" plan
	said "mnt: expected an answer of the mount within 5 seconds"
}

asks_no_more() {
	! pgrep -f "$scratch/fleet.conf status" >/dev/null
}

agrees() {
	[ "$(state)" = "true true" ]
}

# follows FILTER: a line after the first for which jq's filter is true.
follows() {
	[ -n "$(tail -n +2 "$scratch/lines" | jq -c "select($1)")" ]
}

test_follow_tells_that_the_mount_hangs_and_is_lost_and_returns() {
	apply_fleet pc1
	tgt-glue --config "$scratch/fleet.conf" status --json --follow \
		>"$scratch/lines" 2>/dev/null &
	at_exit "kill $!"
	wait_until 10 test -s "$scratch/lines"
	stop_answers
	wait_until 20 follows '.store.mounted == false and
		(.store."mount-problem" | test("answer")) and .store.agrees == false'
	go_on
	wait_until 20 follows '.store.mounted == true'
	umount -l "$scratch/mnt"
	wait_until 20 follows '.store."mount-problem" // "" | test("nothing is mounted")'
}

run_tests
