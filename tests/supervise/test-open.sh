#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Deaths of the worker during an open: the next worker decides the open again.  A
# refused open stays refused, and a granted open takes effect once.
. "${0%/*}/../lib.sh"
. "${0%/*}/../kill/kill.sh"
. "${0%/*}/supervise.sh"

tests_of_the_long_run=1

# refused_at_each_call VIEW ERRNO: opens VIEW for writing again and again, while
# the worker dies at the first system call, at the second, and so on.  Each open
# fails with ERRNO.
refused_at_each_call() {
	local n deaths=0

	# strace counts the calls of each thread, so a number may be reached by
	# several threads, or by none.
	for n in 1 2 3 4 1 2 3; do
		die_at %file $n
		file-io "$1" answers rw write 1048576 XXXX fsync >"$scratch/said" ||
			true
		! died || deaths=$((deaths + 1))
		equal "open, death at call $n" "$2" "$(head -n 1 "$scratch/said")"
	done
	[ $deaths -gt 1 ] || fail "expected more deaths, found $deaths"
	remark "$deaths deaths"
}

test_open_of_a_parent_is_refused_at_each_call() {
	local before

	simple_store
	before=$(sha256sum <"$store/master.vhdx")
	refused_at_each_call "$mnt/master.vhdx.raw" EACCES
	unmount "$mnt"
	equal "master" "$before" "$(sha256sum <"$store/master.vhdx")"
	vhdfs-img check "$store/child.vhdx"
}

test_open_without_write_permission_is_refused_at_each_call() {
	local before

	simple_store
	chmod a-w "$store/child.vhdx"
	before=$(sha256sum <"$store/child.vhdx")
	refused_at_each_call "$child" EACCES
	unmount "$mnt"
	equal "child" "$before" "$(sha256sum <"$store/child.vhdx")"
}

test_open_on_a_read_only_mount_is_refused_at_each_call() {
	simple_store -o ro
	refused_at_each_call "$child" EROFS
	unmount "$mnt"
}

# With O_TRUNC the open is refused after the image was opened.
test_truncating_open_is_refused_at_each_call() {
	local n

	simple_store
	for n in 1 3 5 7; do
		die_at %file,%desc $n
		file-io "$child" answers trunc >"$scratch/said" || true
		died || break
		equal "open, death at call $n" EPERM "$(head -n 1 "$scratch/said")"
	done
	[ "$n" -gt 1 ] || fail "expected deaths, found none"
	wait_until 30 vhdfs-img check "$store/child.vhdx"
	unmount "$mnt"
}

# The worker dies before the open is recorded, after that, and before the answer: one
# handle exists, and one release closes the image.
test_granted_open_takes_effect_once_at_each_call() {
	local n deaths=0

	simple_store
	for n in 1 2 4 6 9 12 15; do
		die_at openat,openat2,newfstatat,fcntl,pread64,close,write,writev $n
		file-io "$child" answers rw write 0 kept read 0 4 >"$scratch/said" ||
			true
		! died || deaths=$((deaths + 1))
		equal "answers, death at call $n" "ok ok keptok ok" \
			"$(xargs <"$scratch/said")"
		wait_until 30 vhdfs-img check "$store/child.vhdx"
	done
	[ $deaths -gt 3 ] || fail "expected more deaths, found $deaths"
	remark "$deaths deaths"
	unmount "$mnt"
}

# open_in_a_loop VIEW SECONDS: prints OPENED if an open is ever granted.
open_in_a_loop() {
	racer write "$2" "$1" >"$scratch/outcomes.$BASHPID"
	! grep -Ev ' (EACCES|ENOTCONN|ECONNABORTED)$' "$scratch/outcomes.$BASHPID" ||
		echo OPENED
}

# Several processes open while workers die at random moments.
test_refused_opens_stay_refused_while_workers_die() {
	local before seconds=$((${VHDFS_LONG:-0} * 60 + 4)) loops=() i

	simple_store
	before=$(sha256sum <"$store/master.vhdx")
	for i in 1 2; do
		open_in_a_loop "$mnt/master.vhdx.raw" $seconds >"$scratch/loop$i" &
		loops+=($!)
	done
	kill_workers $((seconds * 8)) $seconds
	wait "$killer" "${loops[@]}"
	! grep . "$scratch"/loop? || fail "expected EACCES each time"
	unmount "$mnt"
	equal "master" "$before" "$(sha256sum <"$store/master.vhdx")"
}

run_tests
