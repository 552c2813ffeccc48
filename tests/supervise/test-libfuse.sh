#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Another libfuse than at build time: one without custom I/O, like 3.18, and one
# that cannot serve a mount.
. "${0%/*}/../lib.sh"
. "${0%/*}/supervise.sh"

# with_libfuse REFUSE COMMAND...: with tests/tools/libfuse.so, which refuses
# that.
with_libfuse() {
	env REFUSE="$1" LD_PRELOAD="$top_builddir/tests/tools/libfuse.so" \
		"${@:2}"
}

# A store with one disk; $disk is its view.  The program is a copy that the test
# can replace.
begin_with() {
	requires_fuse
	[ -f "$top_builddir/tests/tools/libfuse.so" ] ||
		fail "no tests/tools/libfuse.so; make check builds it"
	store=$scratch/store mnt=$scratch/mnt disk=$mnt/disk.vhdx.raw
	mkdir "$store" "$mnt" "$scratch/bin"
	real=$(command -v vhdfs)
	vhdfs-img create --size 16M "$store/disk.vhdx"
	cp "$real" "$scratch/bin/vhdfs"
	PATH=$scratch/bin:$PATH
}

# mount_with REFUSE
mount_with() {
	REFUSE=$1 LD_PRELOAD=$top_builddir/tests/tools/libfuse.so \
		vhdfs "$store" "$mnt" -f >"$mnt.log" 2>&1 &
	mount_pid[$mnt]=$!
	at_exit lib_end_mount "$mnt"
	wait_until 30 lib_mounted_or_ended "$mnt"
	mountpoint -q "$mnt" || fail "vhdfs did not mount: $(cat "$mnt.log")"
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

# The old program continues.
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
