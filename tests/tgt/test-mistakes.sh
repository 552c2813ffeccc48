#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# fleet.conf with mistakes, or with lines missing that would remove most
# targets.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# start_fleet N: applies a fleet of the clients pc1 to pcN.
start_fleet() {
	local n=$1

	requires_tgtd
	start_server
	# shellcheck disable=SC2046
	write_fleet $(seq -f pc%g "$n") </dev/null
	expect 0 glue apply
	cp "$scratch/fleet.conf" "$scratch/fleet.all"
}

# cut_fleet N: keeps the first N clients only.
cut_fleet() {
	sed "/^.client pc$(($1 + 1)).\$/,\$d" "$scratch/fleet.all" \
		>"$scratch/fleet.new"
	mv "$scratch/fleet.new" "$scratch/fleet.conf"
}

targets() {
	adm --op show --mode target | grep -c '^Target' || true
}

state() {
	everything
	cat "$scratch/targets.conf"
	ls -A "$scratch/store/clients"
}

expect_refused() {
	state >"$scratch/before"
	expect 4 glue apply
	said "^tgt-glue: skipped: this would remove $1 of $2 targets, .*fleet.conf does not name .*\`tgt-glue apply --remove' does it$"
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	state | cmp - "$scratch/before"
	expect 0 glue plan
	said '`tgt-glue apply --remove'
}

test_many_removals_need_the_option_remove() {
	start_fleet 7
	cut_fleet 2
	echo '[client new]' >>"$scratch/fleet.conf"
	expect_refused 5 7
	[ ! -e "$scratch/store/clients/new.vhdx" ] ||
		fail "expected no image of the new client"
	expect 0 glue apply --remove
	equal "targets" 3 "$(targets)"
}

test_few_removals_need_no_option() {
	start_fleet 26
	# Four clients: fewer than five, although more than a fifth of the rest.
	cut_fleet 22
	expect 0 glue apply
	equal "targets" 22 "$(targets)"
	cut_fleet 18
	expect 0 glue apply
	# Five clients, and more than a fifth.
	cut_fleet 13
	expect_refused 5 18
}

test_removal_of_exactly_a_fifth_needs_no_option() {
	start_fleet 25
	cut_fleet 20
	expect 0 glue apply
	equal "targets" 20 "$(targets)"
}

test_removal_of_all_clients_is_refused() {
	start_fleet 6
	cut_fleet 0
	expect_refused 6 6
}

test_prefix_that_removes_all_targets_is_refused() {
	start_fleet 6
	sed -i 's/^iqn-prefix.*/&.other/' "$scratch/fleet.conf"
	expect_refused 6 6
}

# A tgtd that starts reads the targets-file, so apply must not change it.
test_many_removals_are_refused_without_tgtd() {
	start_fleet 6
	end_tgtd
	cut_fleet 0
	cp "$scratch/targets.conf" "$scratch/before"
	expect 4 glue apply
	cmp "$scratch/targets.conf" "$scratch/before"
}

test_moves_to_another_shard_are_not_removals() {
	start_fleet 6
	sed -i "/^.fleet/a shards = 2" "$scratch/fleet.conf"
	glue apply >"$scratch/out" 2>&1 || true
	! grep 'would remove' "$scratch/out" ||
		fail "expected no removal, found: $(cat "$scratch/out")"
}

start_watch() {
	tgt-glue --config "$scratch/fleet.conf" watch \
		>"$scratch/watch.out" 2>"$scratch/watch.err" &
	watcher=$!
	at_exit kill "$watcher"
}

test_watch_never_removes_many() {
	start_fleet 6
	start_watch
	cut_fleet 0
	wait_until 30 grep -q 'would remove 6 of 6' "$scratch/watch.err"
	# watch keeps the last valid fleet in force, and gives it to a new tgtd.
	kill_tgtd
	start_tgtd
	wait_until 60 bash -c "tgtadm -C $port --op show --mode target | grep -q :pc6"
	equal "said" 1 "$(grep -c 'would remove' "$scratch/watch.err")"
	kill "$watcher"
	wait "$watcher" || true
	# A watch that starts now uses the last valid fleet too.
	kill_tgtd
	start_watch
	start_tgtd
	wait_until 60 bash -c "tgtadm -C $port --op show --mode target | grep -q :pc6"
	expect 0 glue apply --remove
	equal "targets" 0 "$(targets)"
	sleep 3
	equal "targets" 0 "$(targets)"
}

test_status_shows_the_last_fleet_while_fleet_conf_has_mistakes() {
	start_fleet 2
	expect 0 glue status
	grep -q 'all is as fleet.conf says' "$scratch/stdout"
	equal "mode" 600 "$(stat -c %a "$scratch/targets.conf.fleet")"
	echo 'nonsense = 1' >>"$scratch/fleet.conf"
	expect 0 glue status
	said 'fleet.conf:[0-9]+: .*nonsense'
	said 'fleet that was applied last$'
	grep -q '^ *pc2 *ok' "$scratch/stdout" ||
		fail "expected pc2 ok, found: $(cat "$scratch/stdout")"
	expect 0 glue status --json
	jq -e '.mistaken and (.agrees | not) and
		([.clients[].target] == ["ok", "ok"])' "$scratch/stdout"
	expect 0 glue status --prometheus
	grep -q '^tgt_glue_fleet_conf_good 0$' "$scratch/stdout"
	# Commands that change targets do not use the last valid fleet.
	expect 1 glue apply
	expect 1 glue plan
}

test_status_fails_without_a_last_fleet() {
	requires_tgtd
	start_server
	write_fleet pc1 <<-END
		nonsense = 1
	END
	expect 1 glue status
	said 'nonsense'
}

test_status_reports_a_missing_master() {
	start_fleet 2
	rm -f "$scratch/store/masters/win11.vhdx"
	expect 0 glue status
	said 'master'
}

run_tests
