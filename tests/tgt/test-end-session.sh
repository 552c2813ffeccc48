#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# end-session: ends sessions in the running tgtd, and nothing else.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/shards.sh"

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

# start_room_of_shards: pc1 on shard 0 and pc3 on shard 1, each with a session
# whose initiator is $holder_0 and $holder_1.
start_room_of_shards() {
	start_servers
	write_shards 2 pc1 pc3 pc5 </dev/null
	expect 0 glue apply
	on_shard 0 hold_session pc1
	holder_0=$holder
	on_shard 1 hold_session pc3
	holder_1=$holder
}

end_both() {
	exec {holder_0}>&- {holder_1}>&-
}

test_sessions_of_every_shard_are_ended() {
	start_room_of_shards
	expect 0 glue end-session --all --yes
	did '^pc1: session ended'
	did '^pc3: session ended'
	did '^pc5: has no session$'
	equal "sessions of pc1" 0 "$(sessions_of pc1)"
	equal "sessions of pc3" 0 "$(sessions_of pc3)"
	end_both
	# Their targets stay where they are.
	is_on 0 pc1
	is_on 1 pc3 pc5
	admits inquire "$(url_on 1 pc3)" >/dev/null
}

test_session_is_ended_on_the_shard_of_its_client_alone() {
	start_room_of_shards
	expect 0 glue end-session pc3
	did '^pc3: session ended'
	equal "sessions of pc1" 1 "$(sessions_of pc1)"
	equal "sessions of pc3" 0 "$(sessions_of pc3)"
	end_both
}

test_dead_tgtd_of_a_shard_is_named_and_the_other_shard_is_done() {
	start_room_of_shards
	end_shard 0
	expect 1 glue end-session pc1 pc3
	said "no tgtd answers at its management socket .*socket.$first_port"
	did '^pc3: session ended'
	! grep -q '^pc1' "$scratch/stdout" ||
		fail "expected nothing of pc1, found: $(cat "$scratch/stdout")"
	end_both
}

# A client that has a session moves to its new shard when that ends.
test_session_is_found_on_the_shard_that_the_client_leaves() {
	start_servers
	write_shards 1 pc1 pc3 </dev/null
	expect 0 glue apply
	on_shard 0 hold_session pc3
	set_shards 2
	expect 4 glue apply
	expect 0 glue end-session pc3
	did '^pc3: session ended'
	end_session
	expect 0 glue apply
	is_on 1 pc3
}

run_tests
