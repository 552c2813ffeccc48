#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A reset of a client with `reset = boot' that fails: its disk is that of the
# last session, so the client is not admitted until a reset succeeds.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# pc2 alone has `reset = boot'.
start_fleet() {
	requires_initiator
	start_server
	write_fleet pc1 <<-END
		[client pc2]
		reset = boot
		[client pc3]
	END
	expect 0 glue apply
	use_disk pc1 old
	use_disk pc2 old
	everything | sort >"$scratch/wanted"
}

# An image without write permission may be a parent, and is not reset.
break_reset() {
	chmod a-w "$scratch/store/clients/pc2.vhdx"
}

mend_reset() {
	chmod u+w "$scratch/store/clients/pc2.vhdx"
}

is_shut_out() {
	is_gone pc2 || fail "expected no target of pc2, found: $(shown pc2)"
	! grep -q ":pc2>" "$scratch/targets.conf" ||
		fail "expected pc2 in no targets-file"
}

is_as_wanted() {
	everything | sort | diff "$scratch/wanted" -
	glue generate | diff "$scratch/targets.conf" -
	[ ! -e "$scratch/targets.conf.resets" ] ||
		fail "expected no record, found: $(cat "$scratch/targets.conf.resets")"
	disk_has pc2 ''
}

test_client_is_not_admitted_until_its_reset_succeeds() {
	start_fleet
	break_reset
	expect 1 glue reset pc2
	said '^tgt-glue: pc2: target: not admitted, for its disk is that of its last session \(reset = boot\): clients/pc2.vhdx: expected write permission, .*tgt-glue reset pc2'
	is_shut_out
	expect 1 glue apply
	said '^tgt-glue: pc2: target: not admitted'
	is_shut_out
	mend_reset
	expect 0 glue apply
	is_as_wanted
}

test_reset_by_hand_admits_the_client_again() {
	start_fleet
	break_reset
	expect 1 glue reset pc1 pc2
	disk_has pc1 ''
	is_shut_out
	mend_reset
	expect 0 glue reset pc2
	is_as_wanted
}

test_restore_admits_the_client_with_that_disk() {
	start_fleet
	expect 0 glue snapshot monday pc2
	use_disk pc2 bad
	break_reset
	expect 1 glue reset pc2
	is_shut_out
	mend_reset
	expect 0 glue restore pc2 monday
	disk_has pc2 old
	expect 0 glue apply
	disk_has pc2 old
}

test_status_names_the_client_that_is_not_admitted() {
	start_fleet
	break_reset
	expect 1 glue reset pc2
	expect 0 glue status
	did 'not admitted until its disk is reset \(reset ='
	equal "in JSON" "missing false" "$(glue status --json |
		jq -r '.clients[] | select(.name == "pc2") |
			"\(.target) \(.agrees)"')"
	glue status --json | jq -e '.clients[] | select(.name == "pc2") |
		.difference | test("tgt-glue reset pc2")'
}

# A program that has the disk open, as a backup of the machine's server.
test_client_whose_disk_is_open_elsewhere_is_not_admitted() {
	local pid

	start_fleet
	tail -f <"$scratch/mnt/clients/pc2.vhdx.raw" >/dev/null &
	pid=$!
	wait_until 5 test "/proc/$pid/fd/0" -ef "$scratch/mnt/clients/pc2.vhdx.raw"
	wait_until 5 grep -q tail "/proc/$pid/comm"
	expect 1 glue reset pc2
	said "pc2: target: not admitted, .*its disk is open: tail \\(process $pid\\)"
	is_shut_out
	kill "$pid"
	wait "$pid" || true
	expect 0 glue apply
	is_as_wanted
}

test_client_without_reset_boot_keeps_its_old_disk() {
	start_fleet
	break_reset
	expect 1 glue reset pc2
	mend_reset
	sed -i '/reset = boot/d' "$scratch/fleet.conf"
	expect 0 glue apply
	disk_has pc2 old
	# And when it has the key again: the earlier failure is forgotten.
	sed -i 's/^\[client pc2\]/&\nreset = boot/' "$scratch/fleet.conf"
	expect 0 glue apply
	disk_has pc2 old
}

test_client_that_returns_to_fleet_conf_is_reset() {
	start_fleet
	break_reset
	expect 1 glue reset pc2
	cp "$scratch/fleet.conf" "$scratch/fleet.saved"
	write_fleet pc1 pc3 </dev/null
	expect 0 glue apply
	mend_reset
	cp "$scratch/fleet.saved" "$scratch/fleet.conf"
	expect 0 glue apply
	is_as_wanted
}

# Its session may have ended while fleet.conf did not name it.
test_client_that_was_removed_and_returns_is_reset() {
	start_fleet
	cp "$scratch/fleet.conf" "$scratch/fleet.saved"
	write_fleet pc1 pc3 </dev/null
	expect 0 glue apply
	cp "$scratch/fleet.saved" "$scratch/fleet.conf"
	expect 0 glue apply
	did '^pc2: image: clients/pc2.vhdx is fresh; the old one is '
	is_as_wanted
	disk_has pc1 old
}

test_client_that_returns_without_tgtd_is_in_no_targets_file_until_reset() {
	start_fleet
	cp "$scratch/fleet.conf" "$scratch/fleet.saved"
	write_fleet pc1 pc3 </dev/null
	expect 0 glue apply
	end_tgtd
	cp "$scratch/fleet.saved" "$scratch/fleet.conf"
	expect 1 glue apply
	! grep -q ":pc2>" "$scratch/targets.conf" ||
		fail "expected pc2 in no targets-file"
	start_tgtd
	expect 0 glue apply
	is_as_wanted
}

# Its session may go on: the targets-file has it.
test_client_keeps_its_disk_when_tgtd_has_lost_its_targets() {
	start_fleet
	end_tgtd
	start_tgtd
	expect 0 glue apply
	disk_has pc2 old
}

test_client_that_is_not_admitted_is_not_renamed() {
	start_fleet
	break_reset
	expect 1 glue reset pc2
	mend_reset
	sed -i 's/client pc2/client pc4/' "$scratch/fleet.conf"
	expect 1 glue rename pc2 pc4
	said '^tgt-glue: rename: pc2: expected a disk that was reset, .*type .tgt-glue reset pc2.'
	[ -e "$scratch/store/clients/pc2.vhdx" ] || fail "expected the old name"
}

test_client_that_is_logged_in_stays_admitted() {
	start_fleet
	hold_session pc2
	expect 4 glue reset pc2
	end_session
	grep -q ":pc2>" "$scratch/targets.conf" ||
		fail "expected pc2 in the targets-file"
	expect 0 glue apply
	disk_has pc2 old
}

test_failed_reset_without_tgtd_keeps_the_client_out() {
	start_fleet
	break_reset
	end_tgtd
	expect 4 glue reset pc2
	! grep -q ":pc2>" "$scratch/targets.conf" ||
		fail "expected pc2 in no targets-file"
	mend_reset
	start_tgtd
	expect 0 glue apply
	is_as_wanted
}

test_watch_admits_the_client_when_its_reset_succeeds() {
	start_fleet
	tgt-glue --config "$scratch/fleet.conf" watch \
		>"$scratch/watch.out" 2>&1 &
	watch_pid=$!
	at_exit 'kill $watch_pid; wait $watch_pid'
	# A session that watch has seen.
	hold_session pc2
	wait_until 10 grep -q "^$iqn_prefix:pc2 " \
		"$scratch/targets.conf.sessions"
	break_reset
	end_session
	wait_until 30 grep -q '^tgt-glue: pc2: target: not admitted' \
		"$scratch/watch.out"
	is_gone pc2 || fail "expected no target of pc2, found: $(shown pc2)"
	mend_reset
	wait_until 30 is_there pc2
	wait_until 10 is_open pc2
	disk_has pc2 ''
}

# Killed anywhere, an apply that follows does not admit the old disk, for the
# reset had begun; or nothing had begun.
test_apply_after_an_interrupted_reset_completes_it() {
	local call n status

	choose_calls
	requires strace
	start_fleet
	export ASAN_OPTIONS=detect_leaks=0
	for call in connect renameat2 rename fsync; do
		n=0 status=137
		while [ "$status" = 137 ]; do
			next_call
			find "$scratch/store/clients" -name '.pc2*' -delete
			use_disk pc2 old
			status=0
			strace -f -qq -o "$scratch/trace" -e trace=$call \
				-e inject=$call:signal=SIGKILL:when=$n \
				tgt-glue --config "$scratch/fleet.conf" \
				reset pc2 >"$scratch/killed.out" 2>&1 ||
				status=$?
			if is_gone pc2; then
				expect 0 glue apply
				is_as_wanted
			else
				expect 0 glue reset pc2
				is_as_wanted
			fi
		done
		echo "killed up to call $n of $call"
	done
}

run_tests
