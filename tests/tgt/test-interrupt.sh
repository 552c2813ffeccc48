#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An apply that is killed: at each of its requests to tgtd, and at each of its
# changes to files.  What is left admits nobody too many, and the next apply
# ends where an undisturbed one does.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# From this fleet ...
fleet_before() {
	write_fleet <<-END
		[client secret]
		secret = secretsecret1
		[client shared1]
		user = both
		secret = secretsecret1
		[client shared2]
		user = both
		secret = secretsecret1
		[client disk]
		secret = secretsecret1
		[client gone]
		secret = secretsecret1
		[client access]
		address = 127.0.0.2
	END
}

# ... to that one.
fleet_after() {
	write_fleet <<-END
		[client secret]
		secret = secretsecret2
		[client shared1]
		user = both
		secret = secretsecret2
		[client shared2]
		user = both
		secret = secretsecret2
		[client disk]
		secret = secretsecret1
		thin = yes
		[client new]
		secret = secretsecret1
		[client access]
		address = 127.0.0.3
		initiator = iqn.2026-01.lan:one
	END
}

ready() {
	requires strace
	requires_initiator
	export ASAN_OPTIONS=detect_leaks=0
	start_server
	fleet_after
	expect 0 glue apply
	everything | sort >"$scratch/wanted"
	cp "$scratch/targets.conf" "$scratch/wanted.conf"
}

# Back to the first fleet.
go_back() {
	rm -f "$scratch"/store/clients/new.vhdx
	fleet_before
	expect 0 glue apply
	fleet_after
}

# Neither fleet admits anybody without a secret, nor anybody from here to the
# target whose addresses change.
admits_nobody_too_many() {
	local client

	for client in secret shared1 shared2 disk gone new access; do
		! initiator login "$(url $client)" 2>/dev/null ||
			fail "killed at $1: $client admits everybody:" \
				"$(shown $client)"
	done
	# A target without a disk lets nobody in either.
	adm --op show --mode target | awk '
		/^Target/ { name = $3; disk = rules = 0 }
		/LUN: 1/ { disk = 1 }
		/ACL information/ { rules = 1; next }
		rules && /^        / && !disk { print name }' >"$scratch/bare"
	[ ! -s "$scratch/bare" ] ||
		fail "killed at $1: without a disk: $(cat "$scratch/bare")"
}

# kill_at SYSCALL COUNT: at the first and at later ones, until nothing is killed;
# there are more than so many.
kill_at() {
	local n=0 status=137

	choose_calls
	while [ "$status" = 137 ]; do
		next_call
		go_back
		status=0
		strace -f -qq -o "$scratch/trace" -e trace="$1" \
			-e inject="$1:signal=SIGKILL:when=$n" \
			tgt-glue --config "$scratch/fleet.conf" apply \
			>"$scratch/killed.out" 2>&1 || status=$?
		admits_nobody_too_many "$1 $n"
		expect 0 glue apply
		everything | sort | diff "$scratch/wanted" - ||
			fail "killed at $1 $n: another end"
		cmp "$scratch/targets.conf" "$scratch/wanted.conf"
		vhdfs-img info "$scratch/store/clients/new.vhdx" >/dev/null
	done
	equal "the last one's exit status" 0 "$status"
	# Nothing ended the last one: it made all of its calls.
	n=$(grep -c "$1(" "$scratch/trace")
	[ "$n" -ge "$2" ] || fail "expected at least $2 calls of $1, found $n"
}

test_killed_at_each_request_to_tgtd() {
	ready
	kill_at connect 30
}

test_killed_at_each_change_of_a_file() {
	ready
	kill_at renameat 2
	kill_at renameat2 1
	kill_at fsync 2
}

# tgtd is killed instead: what fails is said, and the next apply mends it.
test_tgtd_ends_in_between() {
	local n status

	ready
	for n in 4 9 14 19; do
		go_back
		status=0
		strace -f -qq -o "$scratch/trace" -e trace=connect \
			-e inject=connect:error=ECONNREFUSED:when=$n+ \
			tgt-glue --config "$scratch/fleet.conf" apply \
			>"$scratch/killed.out" 2>&1 || status=$?
		equal "exit status" 1 "$status"
		grep -q 'no tgtd answers' "$scratch/killed.out"
		admits_nobody_too_many "connect $n"
		expect 0 glue apply
		everything | sort | diff "$scratch/wanted" - ||
			fail "refused from $n on: another end"
	done
}

run_tests
