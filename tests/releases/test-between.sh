#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hand-over between releases: a program with one release's libraries hands its
# mount over to this build while clients write.  releases.test runs it in the
# newer release, with the older one's program and libraries in /opt/old.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/../kill/kill.sh"
. "${0%/*}/../supervise/supervise.sh"

# libfuse_of PID: prints the path of the libfuse that a process has loaded.
libfuse_of() {
	awk '/libfuse3/ { print $6; exit }' "/proc/$1/maps"
}

# Starts a program of the test's own: the old one, with its libraries.
begin_with_old() {
	begin
	[ -x /opt/old/vhdfs ] || fail "expected an old program in /opt/old"
	new=$(command -v vhdfs)
	mkdir "$scratch/bin"
	cp /opt/old/vhdfs "$scratch/bin/vhdfs"
	PATH=$scratch/bin:$PATH
}

# hand_over: installs the new program as a package does, and reloads; then the
# next worker serves the mount.
hand_over() {
	local pid

	cp "$new" "$scratch/bin/next"
	mv "$scratch/bin/next" "$scratch/bin/vhdfs"
	pid=$(worker "$mnt")
	kill -HUP "${mount_pid[$mnt]}"
	wait_until 60 another_serves "$mnt" "$pid"
}

hand_over_in_the_middle() {
	(
		sleep 1
		hand_over
		sleep 1
		kill_worker "$mnt"
		echo 1 >"$scratch/killed"
	) &
	killer=$!
}

test_hand_over_between_releases() {
	local before after pid

	begin_with_old
	make_clients vhdx --block-size 1M
	pid=${mount_pid[$mnt]}
	before=$(libfuse_of "$pid")
	[[ $before = /opt/old/* ]] ||
		fail "expected the old libfuse, found $before"
	hand_over_in_the_middle
	load_all 0 true -s 6
	no_client_saw_an_error
	verify_all exact
	after=$(libfuse_of "$pid")
	[[ $after != /opt/old/* ]] ||
		fail "expected the new libfuse, found $after"
	! grep -q 'not upgraded' "$mnt.log" ||
		fail "expected an upgrade, found: $(cat "$mnt.log")"
	remark "$(basename "$(realpath "$before")"), then" \
		"$(basename "$(realpath "$after")")"
	unmount "$mnt"
	check_images
	report_kills "hand-over, and a worker killed after it"
}

run_tests
