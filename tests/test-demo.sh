#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The demo, contrib/demo, as an administrator runs it.
. "${0%/*}/lib.sh"

# demo_is_removed OUTPUT: expects that the demo with this output has left no
# directory, mount or process.
demo_is_removed() {
	local dir
	dir=$(sed -n 's/^== Build (in \(.*\))$/\1/p' "$1")
	[ -n "$dir" ] || fail "expected the demo to name its directory: $(cat "$1")"
	[ ! -e "$dir" ] || fail "expected $dir to be gone"
	! grep -q " $dir/" /proc/self/mounts || fail "expected no mount in $dir"
	! pgrep -f "$dir" || fail "expected no process of $dir"
}

# figure OUTPUT PATTERN: prints the number in the line that matches the pattern.
figure() {
	grep "$2" "$1" | sed 's/.*: *\([0-9.]*\).*/\1/'
}

test_256_fresh_children_take_less_than_64_mib() {
	requires_fuse
	requires tgtd qemu-io iscsi-ls debugfs
	cd /
	expect 0 "$top_srcdir/contrib/demo" --clients 256
	sed -n '/^== What it takes/,$p' "$scratch/stdout"
	grep -q "This file is on everybody's disk" "$scratch/stdout" ||
		fail "expected the client's file in its view"
	awk -v mib="$(figure "$scratch/stdout" '^256 children')" \
		'BEGIN { exit !(mib > 0 && mib < 64) }' ||
		fail "expected 256 fresh children in less than 64 MiB:" \
			"$(grep '^256 children' "$scratch/stdout")"
	awk -v saved="$(figure "$scratch/stdout" '^saved')" \
		'BEGIN { exit !(saved > 90) }' ||
		fail "expected more than 90 % saved:" \
			"$(grep '^saved' "$scratch/stdout")"
	demo_is_removed "$scratch/stdout"
}

test_demo_interrupted_twice_cleans_up() {
	requires_fuse
	requires tgtd qemu-io iscsi-ls debugfs
	local status=0
	# By default the background commands of a shell ignore SIGINT.
	setsid env --default-signal=INT "$top_srcdir/contrib/demo" \
		>"$scratch/out" 2>&1 &
	wait_until 1000 grep -q '^== What a client sees' "$scratch/out"
	# As after Ctrl-C on a terminal, the whole process group gets the signal.
	kill -INT -- "-$!"
	sleep 0.15
	kill -INT -- "-$!" || true
	wait $! || status=$?
	equal "exit status" 130 "$status"
	demo_is_removed "$scratch/out"
}

test_unknown_option_is_a_usage_error() {
	expect 2 "$top_srcdir/contrib/demo" --wrong
	expect 2 "$top_srcdir/contrib/demo" --clients many
}

run_tests
