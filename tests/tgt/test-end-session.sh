#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# end-session: ends sessions in the running tgtd, and nothing else.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

sessions_of() {
	glue status --json |
		jq ".clients[] | select(.name == \"$1\") | .sessions | length"
}

start_room() {
	requires_initiator
	apply_fleet pc1 pc2 pc3
}

test_session_is_ended_and_the_initiator_may_log_in_again() {
	start_room
	hold_session pc1
	expect 0 glue end-session pc1
	did "^pc1: session ended: $iqn_prefix:initiator from 127.0.0.1$"
	equal "sessions" 0 "$(sessions_of pc1)"
	end_session
	admits inquire "$(url pc1)" >/dev/null
	equal "plan" "" "$(glue plan)"
}

test_sessions_of_other_clients_stay() {
	start_room
	hold_session pc2
	expect 0 glue end-session pc1 pc3
	did '^pc1: has no session$'
	did '^pc3: has no session$'
	equal "sessions of pc2" 1 "$(sessions_of pc2)"
	works write 5
	end_session
}

test_all_sessions_of_a_pattern_are_ended_after_yes() {
	start_room
	hold_session pc2
	expect_error 2 "expected --yes" glue end-session 'pc*' </dev/null
	equal "sessions without --yes" 1 "$(sessions_of pc2)"
	expect 0 glue end-session --yes 'pc*'
	did '^pc2: session ended'
	equal "sessions" 0 "$(sessions_of pc2)"
	end_session
}

test_all_ends_the_sessions_of_every_client() {
	start_room
	hold_session pc3
	expect 0 glue end-session --all --yes
	did '^pc3: session ended'
	equal "sessions" 0 "$(sessions_of pc3)"
	end_session
}

test_unknown_client_and_dead_tgtd_fail() {
	start_room
	expect_error 1 "end-session: expected a client" glue end-session pc9
	kill_tgtd
	expect 1 glue end-session pc1
	said "tgtd"
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no output, found: $(cat "$scratch/stdout")"
}

run_tests
