#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Forged initiator names and aliases: one with line breaks adds lines to tgtd's
# answer; such lines neither hide a session nor invent one.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# start_two: makes the targets of two clients; pc2 logs in.
start_two() {
	requires_initiator
	start_server
	write_fleet pc1 pc2 </dev/null
	glue apply
	hold_session pc2
	honest=$holder honest_pid=$holder_pid honest_out=$held_out
}

# forge OPTION...: an initiator with that option logs in to pc1 and replaces the
# one before; pc2 stays logged in.
forge() {
	[ -n "${honest:-}" ] || start_two
	if [ -e "$scratch/hold-pc1" ]; then
		end_session
		rm "$scratch/hold-pc1"*
	fi
	initiator_options=("$@")
	hold_session pc1
	initiator_options=()
}

# Initiator names that continue with lines as tgtd prints them for targets and
# for connections.
names=(
	$'iqn.2026-01.x:a\nFORGED: b'
	$'iqn.2026-01.x:a alias: none\n            Connection: 0
                IP Address: 127.0.0.1\n    LUN information:
Target 77: iqn.2026-01.lan.example:pc2\n    I_T nexus information:
        I_T nexus: 1\n            Initiator: x'
	$'iqn.2026-01.x:a\n        IP Address: 127.0.0.1\nSession: 77
    Connection: 0\n        Initiator: iqn.2026-01.x:b'
)

test_session_under_a_name_with_a_line_break_ends() {
	local name

	for name in "${names[@]}"; do
		forge -i "$name"
		write_fleet pc1 pc2 pc3 </dev/null
		glue apply >"$scratch/out" 2>&1 || true
		grep -q 'have a line break\|has a line break' "$scratch/out" ||
			fail "expected a message about the name: $(cat "$scratch/out")"
		adm --op show --mode target >"$scratch/targets"
		is_there pc3
		! grep -q "${name%%$'\n'*}" "$scratch/targets" ||
			fail "expected the session to be ended: $(cat "$scratch/targets")"
		equal "the other client's sessions" 1 "$(glue status --json |
			jq '.clients[] | select(.name == "pc2").sessions | length')"
		expect 0 glue apply
	done
	holder=$honest holder_pid=$honest_pid held_out=$honest_out
	works read 0
}

test_status_reports_a_forged_name_and_changes_nothing() {
	forge -i "${names[1]}"
	expect 1 glue status
	grep -q 'has a line break.*tgt-glue apply' "$scratch/stdout" \
		"$scratch/stderr" || fail "expected a message about the name"
	# The free space of this machine may have the number, too.
	! grep -v ' are free$' "$scratch/stdout" | grep -q 77 ||
		fail "expected no forged target"
	works read 0
}

# tgtd_problem: why the answer of tgtd cannot be used, in JSON.
tgtd_problem() {
	glue status --json >"$scratch/status.json" 2>/dev/null || true
	jq -c '[.tgtd, ."tgtd-problem", .shards[0]."tgtd-problem"]' \
		"$scratch/status.json"
}

# A long line of the initiator does not drive out what to type.
test_json_says_why_the_answer_cannot_be_used_and_what_to_type() {
	local name

	start_two
	equal "problem" '[true,null,null]' "$(tgtd_problem)"
	for name in "${names[@]}" $'iqn.2026-01.x:a\n'"$(printf '%0200d' 0)"; do
		forge -i "$name"
		tgtd_problem >"$scratch/problem"
		jq -e '.[0] == false and .[1] == .[2] and
			(.[1] | test("line break.*tgt-glue apply. ends") and
			test("target [0-9]+, \\S+:pc1\\b"))' \
			"$scratch/problem" >/dev/null ||
			fail "expected what to type, found: $(cat "$scratch/problem")"
		expect 1 glue status
		did '^tgtd gives no answer that can be used: its sessions are unknown$'
	done
	expect 0 glue apply
	equal "problem" '[true,null,null]' "$(tgtd_problem)"
	holder=$honest holder_pid=$honest_pid held_out=$honest_out
	works read 0
}

test_watch_ends_a_session_with_a_forged_name() {
	forge -i "${names[0]}"
	tgt-glue --config "$scratch/fleet.conf" watch >"$scratch/watch" 2>&1 &
	watch_pid=$!
	at_exit end_watch
	wait_until 10 holder_is_cut_off
	holder=$honest holder_pid=$honest_pid held_out=$honest_out
	works read 0
	wait_until 10 grep -q 'may have a line break' "$scratch/watch"
}

holder_is_cut_off() {
	! kill -0 "$holder_pid"
}

end_watch() {
	kill "$watch_pid"
	wait "$watch_pid" || true
}

aliases=(
	$'a\n            Connection: 0\n                IP Address: 127.0.0.1
    LUN information:\nTarget 77: iqn.2026-01.lan.example:pc9
    I_T nexus information:\n        I_T nexus: 1\n            Initiator: x alias: y'
	$'a\n            Connection: 0\n                IP Address: 127.0.0.1
    LUN information:\n        LUN: 7'
	$'a\nTarget 77: iqn.2026-01.lan.example:pc9\nTarget 78: x
    System information:'
)

test_session_under_an_alias_with_a_line_break_ends() {
	local alias

	for alias in "${aliases[@]}"; do
		forge -a "$alias"
		glue apply >"$scratch/out" 2>&1 || true
		grep -q 'alias may have a line break' "$scratch/out" ||
			fail "expected a message about the alias: $(cat "$scratch/out")"
		wait_until 10 holder_is_cut_off
		expect 0 glue apply
	done
	holder=$honest holder_pid=$honest_pid held_out=$honest_out
	works read 0
}

# tgt-glue cannot know which of both targets is tgtd's: it changes neither, and
# the next command reports it.
test_alias_that_names_another_clients_target_changes_nothing() {
	local tid

	start_two
	tid=$(adm --op show --mode target |
		sed -n 's/^Target \([0-9]*\): .*:pc2$/\1/p')
	[ -n "$tid" ] || fail "expected pc2 among the targets"
	forge -a "${aliases[0]/77/$tid}"
	write_fleet pc1 </dev/null
	expect 1 glue apply --remove
	grep -q "expected each target once.*tgtadm" "$scratch/stderr" ||
		fail "expected a message about the alias: $(cat "$scratch/stderr")"
	is_there pc2
	works read 0
	end_session
	holder=$honest holder_pid=$honest_pid held_out=$honest_out
	works read 0
}

test_alias_with_a_line_break_invents_no_session() {
	forge -a $'a\n            Connection: 0\n                IP Address: 10.0.0.9
        I_T nexus: 77\n            Initiator: iqn.2026-01.x:b alias: none'
	equal "sessions" 1 "$(glue status --json |
		jq '.clients[] | select(.name == "pc1").sessions | length')"
	expect 0 glue apply
}

run_tests
