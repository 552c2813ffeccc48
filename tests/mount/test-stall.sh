#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Images whose files are slow, large to examine or broken: they do not delay clients
# of other images.
. "${0%/*}/../lib.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/common.sh"

# slow_down FILE CALLS: makes each of these system calls on the file take 100 s,
# until the test's end or end_strace.
slow_down() {
	local worker
	worker=$(pgrep -P "${mount_pid[$mnt]}" | head -n 1)
	(
		# The pipe of hold_view would keep the view open.
		[ -z "${view_fd:-}" ] || exec {view_fd}>&-
		exec strace -f -qq -o /dev/null -P "$1" \
			-e "inject=$2:delay_enter=100000000" -p "$worker" \
			2>"$scratch/strace.log"
	) &
	strace_pid=$!
	at_exit end_strace
	wait_until 30 is_traced "$worker"
}

is_traced() {
	! grep -q 'TracerPid:[[:space:]]0$' "/proc/$1/status"
}

end_strace() {
	kill "$strace_pid" 2>/dev/null || true
	wait "$strace_pid" || true
}

# in_time COMMAND...: expects that the command ends during the slow calls.
in_time() {
	timeout 60 "$@" || fail "expected success within 60 s of: $*"
}

# Expects that requests of clients of other images are answered in time.
other_images_are_served() {
	in_time ls "$mnt" >/dev/null
	equal size 4194304 "$(in_time stat -c %s "$mnt/a.vhdx.raw")"
	equal size 4194304 "$(in_time stat -c %s "$mnt/child.vhdx.raw")"
	in_time file-io "$mnt/child.vhdx.raw" rw write 0 abc fsync
	in_time file-io "$mnt/child.vhdx.raw" ro read 0 3 >/dev/null
	in_time getfattr -n user.vhdfs.id "$mnt/child.vhdx.raw" >/dev/null 2>&1
}

store_with_others() {
	requires strace
	empty_store
	make_disk "$store/master.vhdx"
	make_disk "$store/a.vhdx"
	make_disk "$store/slow.vhdx"
	vhdfs-img create --parent "$store/master.vhdx" "$store/child.vhdx"
	mount_store "$store" "$mnt"
	size_of "$mnt/slow.vhdx.raw" >/dev/null
}

test_slow_examination_does_not_delay_other_images() {
	store_with_others
	slow_down "$store/slow.vhdx" pread64,preadv2
	touch "$store/slow.vhdx"
	other_images_are_served
	touch "$store/slow.vhdx"
	other_images_are_served
}

# A request waits for slow files once, and for all of them at the same time.
test_slow_hidden_file_does_not_delay_other_images() {
	store_with_others
	slow_down "$store/.slow" pread64,preadv2
	cp "$store/slow.vhdx" "$store/.slow"
	other_images_are_served
}

test_slow_close_does_not_delay_other_images() {
	store_with_others
	slow_down "$store/slow.vhdx" fdatasync
	file-io "$mnt/slow.vhdx.raw" rw write 0 abc fsync &
	local pid=$!
	other_images_are_served
	in_time getfattr -d "$mnt/a.vhdx.raw" >/dev/null
	end_strace
	wait "$pid"
}

# A request for attributes waits for its own image only.
test_attributes_of_a_closing_image_do_not_delay_other_images() {
	store_with_others
	slow_down "$store/slow.vhdx" fdatasync
	file-io "$mnt/slow.vhdx.raw" rw write 0 abc fsync &
	local pid=$!
	getfattr -d "$mnt/slow.vhdx.raw" >/dev/null 2>&1 &
	other_images_are_served
	end_strace
	wait "$pid"
}

# The attributes of an image without a name in the store are read from its open
# file, and so they wait for its close; lookups of other images do not.
test_attributes_of_a_removed_closing_image_do_not_delay_other_images() {
	store_with_others
	hold_view "$mnt/slow.vhdx.raw" rw write 0 abc fsync
	exec {removed}<"$mnt/slow.vhdx.raw"
	mv "$store/slow.vhdx" "$scratch/removed.vhdx"
	slow_down "$scratch/removed.vhdx" fdatasync,pwrite64
	exec {view_fd}>&-
	while stat -L "/proc/self/fd/$removed"; do :; done >/dev/null 2>&1 &
	local stat_pid=$!
	other_images_are_served
	in_time getfattr -d "$mnt/a.vhdx.raw" >/dev/null
	kill "$stat_pid"
	end_strace
	wait "$view_pid"
	exec {removed}<&-
}

# A broken image is read again when it has changed, not when another image is
# closed.
test_broken_image_is_examined_once() {
	requires strace
	empty_store
	make_disk "$store/a.vhdx"
	make_disk "$store/broken.vhdx"
	dd if=/dev/zero of="$store/broken.vhdx" bs=64K seek=1 count=4 \
		conv=notrunc status=none
	mount_store "$store" "$mnt"
	equal "size" 0 "$(size_of "$mnt/broken.vhdx.raw")"
	local worker i
	worker=$(pgrep -P "${mount_pid[$mnt]}" | head -n 1)
	strace -f -qq -o "$scratch/calls" -P "$store/broken.vhdx" \
		-e trace=pread64,preadv2,openat -p "$worker" 2>/dev/null &
	strace_pid=$!
	at_exit end_strace
	wait_until 30 is_traced "$worker"
	for i in 1 2 3; do
		file-io "$mnt/a.vhdx.raw" rw write 0 "$i" fsync
		make_disk "$store/new$i.vhdx"
		ls -l "$mnt" >/dev/null
		rm "$store/new$i.vhdx"
	done
	equal "reads of the broken image" 0 "$(wc -l <"$scratch/calls")"
	touch "$store/broken.vhdx"
	ls -l "$mnt" >/dev/null
	[ -s "$scratch/calls" ] ||
		fail "expected reads of the changed image, found none"
}

# deep_store N: creates a chain of N images.
deep_store() {
	local i
	empty_store
	mkdir "$store/d"
	vhdfs-img create --size 4M "$store/root.vhdx"
	vhdfs-img create --parent "$store/root.vhdx" "$store/d/1.vhdx"
	for ((i = 2; i <= $1; i++)); do
		vhdfs-img create --parent "$store/d/$((i - 1)).vhdx" \
			"$store/d/$i.vhdx"
	done
}

# When the root of a chain is renamed only its child is examined again.
test_rename_of_a_deep_chains_root_examines_its_child_alone() {
	requires strace
	deep_store 20
	mount_store "$store" "$mnt"
	equal "depth" 20 "$(attribute "$mnt/d/20.vhdx.raw" depth)"
	local worker
	worker=$(pgrep -P "${mount_pid[$mnt]}" | head -n 1)
	strace -f -qq -o "$scratch/calls" -e trace=pread64,preadv2 -y \
		-p "$worker" 2>/dev/null &
	strace_pid=$!
	at_exit end_strace
	wait_until 30 is_traced "$worker"
	mv "$store/root.vhdx" "$store/other.vhdx"
	equal "size" 0 "$(size_of "$mnt/d/20.vhdx.raw")"
	mv "$store/other.vhdx" "$store/root.vhdx"
	equal "size" 4194304 "$(size_of "$mnt/d/20.vhdx.raw")"
	[ -s "$scratch/calls" ] || fail "expected reads of images, found none"
	! grep -E '/d/([3-9]|[0-9]{2}).vhdx>' "$scratch/calls" ||
		fail "expected no reads of grandchildren of the root"
}

run_tests
