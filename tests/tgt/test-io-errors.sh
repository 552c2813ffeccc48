#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Errors that status shows: failures of a disk, not what tgtd counts at a login.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# field KEY: prints a value of the client of status --json.
field() {
	glue status --json | jq -r ".clients[0] | $1"
}

# start_used: pc1 has data of its own, and is logged in.
start_used() {
	requires_initiator
	apply_fleet pc1
	view=$scratch/mnt/clients/pc1.vhdx.raw
	dd if=/dev/urandom of="$view" bs=1M count=4 seek=16 conv=notrunc,fsync \
		status=none
	hold_session pc1
}

# fails_with SENSE COMMAND...: the initiator's command fails with that sense key.
fails_with() {
	held "${@:2}" >"$scratch/answer"
	grep -q "status 2 sense $1/" "$scratch/answer" ||
		fail "${*:2}: expected sense key $1, found: $(cat "$scratch/answer")"
}

# without_cache: the kernel forgets what it has read of the view.
without_cache() {
	dd if="$view" iflag=nocache count=0 status=none
}

# fail_reads: reads of the client's image fail, as of a damaged medium.
fail_reads() {
	local pid

	requires strace
	export ASAN_OPTIONS=detect_leaks=0 # it and strace exclude each other
	pid=$(mount_processes "$scratch/mnt" | tail -n 1)
	without_holder trace_reads "$pid"
	at_exit "kill $tracer 2>/dev/null || true"
	# strace has each thread a moment after it has attached to it.
	wait_until 10 read_fails
}

read_fails() {
	without_cache
	held read 40000 >"$scratch/answer"
	grep -q "status 2 sense 3/" "$scratch/answer"
}

trace_reads() {
	# A read of what the kernel has cached is preadv2.
	strace -f -qq -o /dev/null -e trace=pread64,preadv2 \
		-e inject=pread64,preadv2:error=EIO \
		-P "$scratch/store/clients/pc1.vhdx" -p "$1" 2>/dev/null &
	tracer=$!
}

# tgtd answers the first command with a UNIT ATTENTION, and counts it.
test_login_is_no_error() {
	start_used
	works read 2000
	equal "count of tgtd" 1 "$(field '.sessions[0].errors')"
	equal "errors" 0 "$(field '."io-errors"')"
	expect 0 glue status
	! grep -q 'failure' "$scratch/stdout" ||
		fail "expected no failure, found: $(cat "$scratch/stdout")"
	glue status --prometheus >"$scratch/metrics"
	grep -Fqx 'tgt_glue_client_io_errors_total{client="pc1"} 0' \
		"$scratch/metrics"
	end_session
}

test_read_that_fails_is_an_error_of_its_disk() {
	start_used
	fail_reads
	kill "$tracer"
	wait "$tracer" || true
	[ "$(field '."io-errors"')" -ge 1 ] ||
		fail "expected an error, found: $(field '."io-errors"')"
	expect 0 glue status
	tr -s ' \n' ' ' <"$scratch/stdout" |
		grep -Eq '[0-9]+ failures? of reads, writes or flushes of its disk since' ||
		fail "expected the failures, found: $(cat "$scratch/stdout")"
	glue status --prometheus >"$scratch/metrics"
	grep -Eqx 'tgt_glue_client_io_errors_total\{client="pc1"\} [1-9][0-9]*' \
		"$scratch/metrics"
	end_session
}

test_write_that_finds_no_space_is_an_error_of_its_disk() {
	start_used
	setfattr -n user.vhdfs.quota -v 4096 "$view"
	fails_with 3 write 80000
	[ "$(field '."io-errors"')" -ge 1 ] ||
		fail "expected an error, found: $(field '."io-errors"')"
	end_session
}

test_mount_that_does_not_tell_is_unknown() {
	apply_fleet pc1
	umount -l "$scratch/mnt"
	glue status --json >"$scratch/status.json" 2>/dev/null || true
	equal "errors" null "$(jq '.clients[0]."io-errors"' "$scratch/status.json")"
}

run_tests
