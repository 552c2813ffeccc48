#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An open that the worker's death interrupts is decided by the next worker: what
# is refused stays refused, and what is granted is granted once.
. "${0%/*}/../lib.sh"
. "${0%/*}/../kill/kill.sh"
. "${0%/*}/supervise.sh"

tests_of_the_long_run=1

# refused_at_each_call VIEW ERRNO: the worker dies at the first system call of
# the open of VIEW for writing, at the second, and so on; all are refused.
refused_at_each_call() {
	local n deaths=0

	# Each thread counts its own calls: twice, and not each is reached.
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

test_parent_is_refused_at_each_call() {
	local before

	simple_store
	before=$(sha256sum <"$store/master.vhdx")
	refused_at_each_call "$mnt/master.vhdx.raw" EACCES
	unmount "$mnt"
	equal "master" "$before" "$(sha256sum <"$store/master.vhdx")"
	vhdfs-img check "$store/child.vhdx"
}

test_image_without_write_bit_is_refused_at_each_call() {
	local before

	simple_store
	chmod a-w "$store/child.vhdx"
	before=$(sha256sum <"$store/child.vhdx")
	refused_at_each_call "$child" EACCES
	unmount "$mnt"
	equal "child" "$before" "$(sha256sum <"$store/child.vhdx")"
}

# Of a parent on a read-only file system, or a mount that is read-only itself.
test_read_only_mount_refuses_at_each_call() {
	simple_store -o ro
	refused_at_each_call "$child" EROFS
	unmount "$mnt"
}

# O_TRUNC is refused after the image was opened.
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

# Before it is recorded, after, and when it is answered: one handle, and one
# release lets go of the image.
test_granted_open_counts_once_at_each_call() {
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

# open_in_a_loop VIEW SECONDS: says OPENED if one is ever granted.
open_in_a_loop() {
	racer write "$2" "$1" >"$scratch/outcomes.$BASHPID"
	! grep -Ev ' (EACCES|ENOTCONN|ECONNABORTED)$' "$scratch/outcomes.$BASHPID" ||
		echo OPENED
}

# The same at any moment, from several processes.
test_refused_opens_in_a_loop() {
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
