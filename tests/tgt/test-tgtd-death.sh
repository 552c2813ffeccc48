#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Death of tgtd during apply: apply reports it in one line, and the next apply,
# after tgtd's restart, reaches the state of an undisturbed apply.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

fleet_before() {
	write_fleet gone <<-END
		[client secret]
		secret = secretsecret1
		[client disk]
	END
}

fleet_after() {
	write_fleet <<-END
		[client secret]
		secret = secretsecret2
		[client disk]
		thin = yes
		[client new]
		secret = secretsecret1
	END
}

start_over() {
	# tgtd may have survived: apply can do without its last request.
	kill -9 "$tgtd_pid" 2>/dev/null || true
	wait "$tgtd_pid" || true
	rm -f "$scratch/store/clients/new.vhdx" "$scratch"/targets.conf*
	start_tgtd
	fleet_before
	expect 0 glue apply
	fleet_after
}

# tgtd_dies_at CALL N: tgtd dies at its Nth call from now.
tgtd_dies_at() {
	rm -f "$scratch/attached"
	strace -f -p "$tgtd_pid" -o "$scratch/trace" -e trace="$1" \
		-e inject="$1:signal=SIGKILL:when=$2" 2>"$scratch/attached" &
	strace_pid=$!
	wait_until 10 grep -q attached "$scratch/attached"
}

is_dead() {
	! kill -0 "$tgtd_pid" || [ "$(ps -o stat= -p "$tgtd_pid")" = Z ]
}

test_apply_after_a_death_of_tgtd_at_any_request_completes() {
	local call n=0 deaths=0 status

	requires_initiator
	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	start_server
	fleet_after
	expect 0 glue apply
	everything | sort >"$scratch/wanted"
	for call in accept write; do
		for ((n = 1; ; n += 3)); do
			start_over
			tgtd_dies_at $call $n
			status=0
			tgt-glue --config "$scratch/fleet.conf" apply \
				>"$scratch/out" 2>"$scratch/err" || status=$?
			[ "$status" != 0 ] || break
			[ "$status" = 1 ] ||
				fail "exit status at $call $n: expected 1, found $status: $(cat "$scratch/out" "$scratch/err")"
			wait_until 5 is_dead
			deaths=$((deaths + 1))
			equal "lines of error at $call $n: $(cat "$scratch/err")" \
				1 "$(wc -l <"$scratch/err")"
			grep -Eq '^tgt-glue: tgtd: .*(no tgtd answers|has tgtd ended)' \
				"$scratch/err" ||
				fail "at $call $n: expected 'tgtd' in an error message, found: $(cat "$scratch/err")"
			wait "$tgtd_pid" || true
			start_tgtd
			tgt-admin -C "$port" -c "$scratch/targets.conf" --execute
			for client in secret new; do
				! initiator login "$(url $client)" 2>/dev/null ||
					fail "$call $n: expected access rules for $client, found: it admits every initiator"
			done
			expect 0 glue apply
			everything | sort | diff "$scratch/wanted" - ||
				fail "$call $n: expected the state of an undisturbed apply"
		done
		kill "$strace_pid" || true
		wait "$strace_pid" || true
	done
	remark "tgtd died $deaths times"
	[ "$deaths" -ge 10 ] ||
		fail "expected at least 10 deaths of tgtd, found $deaths"
}

run_tests
