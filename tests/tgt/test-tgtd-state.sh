#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tgtd starting or stopping, as its system state says: tgt-glue changes nothing.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

system_state() {
	adm --op update --mode sys --name State -v "$1"
}

start_watch() {
	tgt-glue --config "$scratch/fleet.conf" watch \
		>>"$scratch/watch.out" 2>&1 &
	watch_pid=$!
	at_exit 'kill $watch_pid; wait $watch_pid'
}

says() {
	grep -Eq -e "$1" "$scratch/watch.out"
}

no_target() {
	[ -z "$(adm --op show --mode target)" ]
}

test_apply_does_not_change_a_tgtd_that_is_not_ready() {
	apply_fleet pc1 pc2
	system_state offline
	write_fleet pc1 pc2 pc3 </dev/null
	everything >"$scratch/before"
	expect 4 glue apply
	grep -q 'expected system state ready' "$scratch/stderr" ||
		fail "unexpected message: $(cat "$scratch/stderr")"
	everything | cmp - "$scratch/before" || fail "expected no change"
	# The targets-file has the new client for the next start.
	grep -q ':pc3>' "$scratch/targets.conf"
	expect 4 glue reset pc1
	everything | cmp - "$scratch/before" || fail "expected no change"
	system_state ready
	expect 0 glue apply
	[ -n "$(shown pc3)" ] || fail "expected the target of pc3"
}

# The steps with which tgt.service stops tgtd while watch runs; between them
# each change that wakes watch.
test_watch_does_not_change_a_stopping_tgtd() {
	local tid

	apply_fleet pc1 pc2
	start_watch
	wait_until 30 glue status
	system_state offline
	for tid in $(adm --op show --mode target |
		sed -n 's/^Target \([0-9]*\):.*/\1/p'); do
		adm --op delete --force --mode target --tid "$tid"
	done
	write_fleet pc1 pc2 pc3 </dev/null
	wait_until 60 says 'expected system state ready'
	vhdfs-img create --size 64M "$scratch/store/masters/another.vhdx"
	sleep 2
	no_target || fail "expected no target, found: $(everything)"
	adm --op delete --mode system
	wait "$tgtd_pid" || true
	tgtd_pid=
	# A new tgtd makes the targets of the targets-file, and watch continues.
	start_tgtd
	wait_until 60 is_there pc3
}

run_tests
