#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# status --json --follow: a line for each change, until the reader ends.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

start_follow() {
	without_holder follow_in_background
	at_exit 'kill $follow_pid 2>/dev/null || true'
	wait_until 10 test -s "$scratch/lines"
}

follow_in_background() {
	tgt-glue --config "$scratch/fleet.conf" status --json --follow \
		>"$scratch/lines" 2>"$scratch/follow.err" &
	follow_pid=$!
}

stop_follow() {
	kill -INT "$follow_pid"
	wait "$follow_pid" || fail "expected exit status 0, found $?"
}

# changed FILTER: a line after the first for which jq's filter is true.
changed() {
	[ -n "$(tail -n +2 "$scratch/lines" | jq -c "select($1)")" ]
}

test_first_line_is_the_whole_status() {
	apply_fleet pc1 pc2
	start_follow
	head -n 1 "$scratch/lines" | jq -S 'del(.free)' >"$scratch/followed"
	glue status --json | jq -S 'del(.free)' | cmp - "$scratch/followed"
	stop_follow
}

test_login_and_logout_are_lines_of_that_client() {
	requires_initiator
	apply_fleet pc1 pc2
	start_follow
	hold_session pc1
	wait_until 20 changed '.client.name == "pc1" and (.client.sessions | length == 1)'
	end_session
	wait_until 20 changed '.client.name == "pc1" and .client.sessions == []'
	# Only what changed, and nothing of the other client.
	! changed '.client.name == "pc2"' || fail "expected no line of pc2"
	! changed '.client.iqn' || fail "expected no iqn, which did not change"
	stop_follow
}

test_changes_of_fleet_conf_are_lines() {
	apply_fleet pc1 pc2
	start_follow
	sed -i '/client pc2/d' "$scratch/fleet.conf"
	wait_until 20 changed '.client == {"name": "pc2", "removed": true}'
	echo '[client pc3]' >>"$scratch/fleet.conf"
	wait_until 20 changed '.client.name == "pc3" and .client.iqn'
	echo 'nonsense = yes' >>"$scratch/fleet.conf"
	wait_until 20 changed '.store.mistaken == true'
	# Reported once, though the status is read again.
	touch "$scratch/targets.conf.sessions"
	sed -i '/nonsense/d' "$scratch/fleet.conf"
	wait_until 20 changed '.store.mistaken == false'
	equal "reports" 1 "$(grep -c nonsense "$scratch/follow.err")"
	stop_follow
}

# The fleet that was applied last cannot be read, either.
test_fleet_conf_that_is_gone_is_mistaken() {
	apply_fleet pc1
	start_follow
	mv "$scratch/fleet.conf" "$scratch/away"
	wait_until 20 changed '.store.mistaken == true'
	mv "$scratch/away" "$scratch/fleet.conf"
	wait_until 20 changed '.store.mistaken == false'
	stop_follow
}

test_change_of_an_included_file_is_a_line() {
	apply_fleet pc1
	sed -i "s|^\[fleet\]|&\ninclude = more|" "$scratch/fleet.conf"
	printf '[client pc2]\n' >"$scratch/more"
	start_follow
	printf '[client pc2]\n[client pc3]\n' >"$scratch/more"
	wait_until 20 changed '.client.name == "pc3"'
	stop_follow
}

test_new_target_and_end_of_tgtd_are_lines() {
	apply_fleet pc1
	echo '[client pc2]' >>"$scratch/fleet.conf"
	start_follow
	expect 0 glue apply
	wait_until 20 changed '.client.name == "pc2" and .client.target == "ok"'
	kill_tgtd
	wait_until 20 changed '.store.tgtd == false'
	wait_until 20 changed '.client.name == "pc1" and .client.target == "unknown"'
	stop_follow
}

test_tgtd_that_hangs_does_not_answer() {
	apply_fleet pc1
	start_follow
	kill -STOP "$tgtd_pid"
	wait_until 60 changed '.store.tgtd == false'
	kill -CONT "$tgtd_pid"
	wait_until 20 changed '.store.tgtd == true'
	stop_follow
}

# follow counts as broken where it notices the change only at its next full
# reading, a minute later: checks of tgtd's state are counted, not seconds.
test_lost_mount_is_a_line_of_each_client() {
	requires strace
	export ASAN_OPTIONS=detect_leaks=0 # it and strace exclude each other
	apply_fleet pc1
	start_follow
	trace_follow connect
	wait_until 20 asked_tgtd 1
	lose_mount "$scratch/mnt"
	wait_until 20 eval 'asked_tgtd 60 || mount_is_gone'
	mount_is_gone || fail "expected a line of the lost mount within 20" \
		"checks, found: $(tail -n +2 "$scratch/lines")"
	stop_follow
}

mount_is_gone() {
	changed '.client.name == "pc1" and
		(.client.difference | strings | test("mount that is gone"))'
}

# trace_follow CALLS: the system calls of $follow_pid, in $scratch/trace, until
# it ends.
trace_follow() {
	strace -f -qq -e trace="$1" -p "$follow_pid" \
		-o "$scratch/trace" 2>/dev/null &
	tracer=$!
}

# A disk of the client's own has no master.
test_new_image_of_a_data_disk_is_a_line() {
	start_server
	vhdfs-img create --size 16M "$scratch/store/masters/games.vhdx"
	write_fleet pc1 <<-END
		[defaults]
		disks = home games
		[disk home]
		lun = 2
		size = 20M
		[disk games]
		lun = 3
		master = masters/games
	END
	start_follow
	expect 0 glue apply
	wait_until 20 changed '.client.name == "pc1" and
		(.client.disks | map(."child-state") | unique == ["ready"])'
	stop_follow
}

test_refused_login_is_a_line() {
	apply_fleet pc1
	start_follow
	echo '{"refusals":[{"client":"pc1","when":17,"initiator":null,"reason":"x"}]}' \
		>"$scratch/targets.conf.noticed"
	wait_until 20 changed '.client."last-refusal".when == 17'
	stop_follow
}

test_every_line_is_an_object() {
	requires_initiator
	apply_fleet pc1
	start_follow
	hold_session pc1
	wait_until 20 changed '.client.sessions'
	end_session
	stop_follow
	while read -r line; do
		jq -e 'type == "object"' <<<"$line" >/dev/null ||
			fail "expected an object, found: $line"
	done <"$scratch/lines"
}

test_follow_ends_with_its_reader() {
	apply_fleet pc1
	mkfifo "$scratch/pipe"
	tgt-glue --config "$scratch/fleet.conf" status --json --follow \
		>"$scratch/pipe" 2>"$scratch/follow.err" &
	follow_pid=$!
	head -n 1 "$scratch/pipe" | jq -e .clients >"$scratch/first"
	wait "$follow_pid" || fail "expected exit status 0, found $?"
	[ ! -s "$scratch/follow.err" ] ||
		fail "expected no message, found: $(cat "$scratch/follow.err")"
}

# A check of idle clients costs what the answers of tgtd cost.
test_check_of_idle_clients_opens_no_image() {
	requires strace
	export ASAN_OPTIONS=detect_leaks=0 # it and strace exclude each other
	apply_fleet $(seq -f 'pc%g' 1 32)
	start_follow
	wait_until 10 quiet
	trace_follow connect,openat,openat2,open
	wait_until 20 asked_tgtd 6
	stop_follow
	wait "$tracer" || true
	equal "images opened" 0 "$(sed -n '/vhdx/p' "$scratch/trace" | wc -l)"
}

# quiet: no line of a client for a second.
quiet() {
	local before

	before=$(grep -c '"client"' "$scratch/lines")
	pause 1
	[ "$(grep -c '"client"' "$scratch/lines")" = "$before" ]
}

asked_tgtd() {
	[ "$(grep -c connect "$scratch/trace")" -ge "$1" ]
}

test_follow_needs_json() {
	make_store
	write_fleet pc1 </dev/null
	expect_error 2 "--follow: expected --json too, found none" \
		glue status --follow
}

run_tests
