#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Other versions of libfuse than at build time: one without custom I/O, as 3.18, and
# one that cannot serve a mount.
. "${0%/*}/../lib.sh"
. "${0%/*}/supervise.sh"

# with_libfuse REFUSE COMMAND...: runs the command with tests/tools/libfuse.so, which
# refuses the operation REFUSE.
with_libfuse() {
	env REFUSE="$1" LD_PRELOAD="$top_builddir/tests/tools/libfuse.so" \
		"${@:2}"
}

# Makes a store with one disk; $disk is its view.  PATH has a copy of the program that
# a test can replace.
begin_with() {
	requires_fuse
	[ -f "$top_builddir/tests/tools/libfuse.so" ] ||
		fail "expected tests/tools/libfuse.so; make check builds it"
	store=$scratch/store mnt=$scratch/mnt disk=$mnt/disk.vhdx.raw
	mkdir "$store" "$mnt" "$scratch/bin"
	real=$(command -v vhdfs)
	vhdfs-img create --size 16M "$store/disk.vhdx"
	cp "$real" "$scratch/bin/vhdfs"
	PATH=$scratch/bin:$PATH
}

# mount_with REFUSE: mounts the store with that libfuse.so.
mount_with() {
	REFUSE=$1 LD_PRELOAD=$top_builddir/tests/tools/libfuse.so \
		vhdfs "$store" "$mnt" -f >"$mnt.log" 2>&1 &
	mount_pid[$mnt]=$!
	at_exit lib_end_mount "$mnt"
	wait_until 30 lib_mounted_or_ended "$mnt"
	mountpoint -q "$mnt" ||
		fail "expected a mount on $mnt, vhdfs said: $(cat "$mnt.log")"
}

test_libfuse_without_custom_io_serves() {
	begin_with
	mount_with custom_io
	exec 7<>"$disk"
	echo before >&7
	kill_worker "$mnt"
	echo after >&7
	equal "contents" "before after" "$(head -n 2 "$disk" | xargs)"
	exec 7>&-
	unmount "$mnt"
	vhdfs-img check "$store/disk.vhdx"
}

test_libfuse_that_cannot_serve_is_refused_before_mounting() {
	begin_with
	expect_error 1 'libfuse [0-9.]+ does not take the descriptor of a mount: Operation not supported$' \
		with_libfuse mount vhdfs "$store" "$mnt" -f
	expect_error 1 'Operation not supported$' \
		with_libfuse mount vhdfs "$store" "$mnt"
	! grep -qF " $mnt " /proc/self/mounts || fail "expected no mount"
	expect 1 with_libfuse mount vhdfs --version
	grep -q 'Operation not supported$' "$scratch/stderr" ||
		fail "expected the reason, found: $(cat "$scratch/stderr")"
}

# The old program continues to serve the mount.
test_upgrade_to_libfuse_that_cannot_serve_is_refused() {
	local pid

	begin_with
	mount_with custom_io
	exec 7<>"$disk"
	echo before >&7
	printf '#!/bin/sh\nREFUSE=mount LD_PRELOAD=%s exec %s "$@"\n' \
		"$top_builddir/tests/tools/libfuse.so" "$real" \
		>"$scratch/bin/new"
	chmod +x "$scratch/bin/new"
	mv "$scratch/bin/new" "$scratch/bin/vhdfs"
	pid=$(worker "$mnt")
	kill -HUP "${mount_pid[$mnt]}"
	wait_until 30 another_serves "$mnt" "$pid"
	grep -q 'not upgraded: .*does not run; its error: .*Operation not supported$' \
		"$mnt.log" || fail "expected the reason, found: $(cat "$mnt.log")"
	echo after >&7
	equal "contents" "before after" "$(head -n 2 "$disk" | xargs)"
	exec 7>&-
	unmount "$mnt"
}

run_tests
