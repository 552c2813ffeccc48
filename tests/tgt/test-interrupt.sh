#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Interrupted apply: it is killed at each of its requests to tgtd, and at each
# of its changes to files.  The state after that admits no initiator that
# neither fleet admits, and the next apply reaches the state of an undisturbed
# one.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# The fleet before the interrupted apply.
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
		[client data]
		secret = secretsecret1
		[client data2]
		secret = secretsecret1
		disks = other
		[disk other]
		lun = 3
		size = 1M
	END
}

# The fleet that the interrupted apply makes.
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
		[client data]
		secret = secretsecret1
		disks = home
		[client data2]
		secret = secretsecret1
		[disk home]
		lun = 2
		size = 1M
		write-cache = no
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

# Applies the first fleet again.
go_back() {
	rm -f "$scratch"/store/clients/new.vhdx
	rm -f "$scratch"/store/disks/home/data.vhdx
	fleet_before
	expect 0 glue apply
	fleet_after
}

# Neither fleet admits an initiator without a secret, nor one of this machine to
# the target whose addresses change.
admits_no_other_initiator() {
	local client

	for client in secret shared1 shared2 disk gone new access data \
		data2; do
		! initiator login "$(url $client)" 2>/dev/null ||
			fail "killed at $1: expected access rules for $client, found:" \
				"$(shown $client)"
	done
	# A target without a disk admits no initiator either.
	adm --op show --mode target | awk '
		/^Target/ { name = $3; disk = rules = 0 }
		/LUN: 1/ { disk = 1 }
		/ACL information/ { rules = 1; next }
		rules && /^        / && !disk { print name }' >"$scratch/bare"
	[ ! -s "$scratch/bare" ] ||
		fail "killed at $1: expected no access to a target without a disk, found: $(cat "$scratch/bare")"
}

# kill_at SYSCALL COUNT: kills apply at the first and at later calls, until it
# ends undisturbed; it makes at least COUNT calls.
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
		admits_no_other_initiator "$1 $n"
		expect 0 glue apply
		everything | sort | diff "$scratch/wanted" - ||
			fail "killed at $1 $n: expected the state of an undisturbed apply"
		cmp "$scratch/targets.conf" "$scratch/wanted.conf"
		vhdfs-img info "$scratch/store/clients/new.vhdx" >/dev/null
	done
	equal "the last one's exit status" 0 "$status"
	# No kill hit the last run: it made all of its calls.
	n=$(grep -c "$1(" "$scratch/trace")
	[ "$n" -ge "$2" ] || fail "expected at least $2 calls of $1, found $n"
}

test_apply_killed_at_any_request_to_tgtd_is_completed_by_the_next() {
	ready
	kill_at connect 30
}

test_apply_killed_at_any_change_of_a_file_is_completed_by_the_next() {
	ready
	kill_at renameat 2
	kill_at renameat2 1
	kill_at fsync 2
}

# The secret changes under a session, which goes on, also after a kill; and the
# next apply, under the session, completes the change.
test_change_of_a_secret_killed_under_a_session_is_completed_by_the_next() {
	local n=0 status=137 secret

	requires strace
	requires_initiator
	export ASAN_OPTIONS=detect_leaks=0
	start_server
	write_fleet <<-END
		[client pc1]
		user = both
		secret = secretsecret0
		[client pc2]
		user = both
		secret = secretsecret0
	END
	expect 0 glue apply
	hold_session pc1 both%secretsecret0@
	choose_calls
	while [ "$status" = 137 ]; do
		next_call 3
		secret=secretsecret$n
		sed -i "s/^secret = .*/secret = $secret/" "$scratch/fleet.conf"
		status=0
		strace -f -qq -o "$scratch/trace" -e trace=connect \
			-e inject="connect:signal=SIGKILL:when=$n" \
			tgt-glue --config "$scratch/fleet.conf" apply \
			>"$scratch/killed.out" 2>&1 || status=$?
		works write 5
		for client in pc1 pc2; do
			! initiator login "$(url $client)" 2>/dev/null ||
				fail "killed at $n: expected $client to ask for a secret"
		done
		expect 0 glue apply
		works write 6
		for client in pc1 pc2; do
			admits login "$(url $client "both%$secret@")"
			refuses login "$(url $client both%secretsecret0@)"
			refuses login "$(url $client)"
		done
	done
	equal "the last one's exit status" 0 "$status"
	[ "$(grep -c 'connect(' "$scratch/trace")" -ge 10 ] ||
		fail "expected at least 10 requests"
	end_session
}

# disk_fleet DISKS: one client, which has these disks.
disk_fleet() {
	write_fleet pc1 <<-END
		disks = $1
		[disk home]
		lun = 2
		size = 1M
		[disk more]
		lun = 3
		size = 1M
	END
}

# A disk that was not completed under the session is made again after it.
test_addition_of_disks_under_a_session_killed_at_any_request() {
	local n=0 status=137

	requires strace
	requires_initiator
	export ASAN_OPTIONS=detect_leaks=0
	start_server
	disk_fleet 'home more'
	expect 0 glue apply
	everything | sort >"$scratch/wanted"
	choose_calls
	while [ "$status" = 137 ]; do
		next_call 2
		disk_fleet none
		expect 0 glue apply
		hold_session pc1
		disk_fleet 'home more'
		status=0
		strace -f -qq -o "$scratch/trace" -e trace=connect \
			-e inject="connect:signal=SIGKILL:when=$n" \
			tgt-glue --config "$scratch/fleet.conf" apply \
			>"$scratch/killed.out" 2>&1 || status=$?
		glue apply >"$scratch/again.out" 2>&1 || [ $? = 4 ] ||
			fail "killed at $n: $(cat "$scratch/again.out")"
		# The news of each of two new LUNs may come first.
		held read 0 >/dev/null
		held read 0 >/dev/null
		works read 0
		end_session
		rm "$scratch/hold-pc1"
		expect 0 glue apply
		everything | sort | diff "$scratch/wanted" - ||
			fail "killed at $n: expected the state of an undisturbed apply"
	done
	equal "the last one's exit status" 0 "$status"
}

# tgtd ends instead of apply: apply reports the failure, and the next one
# completes.
test_apply_reports_the_end_of_tgtd_and_the_next_completes() {
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
		admits_no_other_initiator "connect $n"
		expect 0 glue apply
		everything | sort | diff "$scratch/wanted" - ||
			fail "refused from request $n on: expected the state of an undisturbed apply"
	done
}

run_tests
