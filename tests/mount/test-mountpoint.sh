#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mount points on which something is mounted already: the same store, another store,
# a mount whose processes have died, another file system.
. "${0%/*}/../lib.sh"
. "${0%/*}/common.sh"

mounts_on() {
	grep -c " $1 " /proc/self/mounts
}

# already_mounted COMMAND...: expects exit status 0, one message "is mounted there
# already", and still one mount.
already_mounted() {
	expect 0 "$@"
	equal "lines of '$*'" 1 "$(wc -l <"$scratch/stderr")"
	grep -q "$mnt: $store is mounted there already; nothing to do" \
		"$scratch/stderr" || fail "$*: expected 'is mounted there" \
		"already', found: $(cat "$scratch/stderr")"
	equal "mounts after '$*'" 1 "$(mounts_on "$mnt")"
}

test_same_store_on_the_same_point_is_mounted_once() {
	store_of_pair
	mount_store "$store" "$mnt"
	ln -s "$store" "$scratch/store-link"
	ln -s "$mnt" "$scratch/mnt-link"
	already_mounted timeout 60 vhdfs "$store" "$mnt" -f
	already_mounted vhdfs "$store" "$mnt"
	already_mounted vhdfs "$scratch/store-link" "$scratch/mnt-link/"
	(cd "$scratch" && already_mounted vhdfs ./store mnt/../mnt)
	mkdir "$scratch/bound"
	mount --bind "$store" "$scratch/bound"
	already_mounted vhdfs "$scratch/bound" "$mnt"
	cmp "$child" "$master"
	unmount "$mnt"
}

test_store_with_special_characters_is_mounted_once() {
	empty_store
	mv "$store" "$scratch/a, b\\c#d"
	store="$scratch/a, b\\c#d"
	mount_store "$store" "$mnt"
	expect 0 vhdfs "$store" "$mnt"
	equal "mounts" 1 "$(mounts_on "$mnt")"
	unmount "$mnt"
}

test_same_store_on_two_points_is_mounted_twice() {
	empty_store
	mount_store "$store" "$mnt"
	mount_store "$store" "$scratch/mnt2"
	equal "mounts" 1 "$(mounts_on "$scratch/mnt2")"
	unmount "$scratch/mnt2"
	unmount "$mnt"
}

test_another_store_on_the_point_is_refused() {
	empty_store
	mkdir "$scratch/other"
	mount_store "$store" "$mnt"
	expect_error 1 "$mnt: another store is mounted there: expected $scratch/other, found $store; .*umount $mnt" \
		vhdfs "$scratch/other" "$mnt" -f
	expect_error 1 "found $store;" vhdfs "$scratch/other" "$mnt"
	equal "mounts" 1 "$(mounts_on "$mnt")"
	unmount "$mnt"
}

# Exit status 0 would mean that the mount has the access that was asked for.
test_same_store_with_other_access_is_refused() {
	empty_store
	mount_store "$store" "$mnt" -o ro
	already_mounted vhdfs "$store" "$mnt" -o ro
	expect_error 1 "expected rw, found ro; type .umount $mnt' first" \
		vhdfs "$store" "$mnt"
	unmount "$mnt"
}

test_mount_covers_another_file_system() {
	empty_store
	mkdir "$mnt"
	mount -t tmpfs others "$mnt"
	at_exit "umount -l -q $mnt"
	mount_store "$store" "$mnt"
	# mount_store has found the mount of tmpfs, which was on the mount point
	# before.
	wait_until 10 is_mounted_twice
	already_mounted_over=$(vhdfs "$store" "$mnt" 2>&1)
	equal "mounts" 2 "$(mounts_on "$mnt")"
	[[ $already_mounted_over = *"is mounted there already"* ]] ||
		fail "expected 'is mounted there already', found:" \
			"$already_mounted_over"
}

is_mounted_twice() {
	[ "$(mounts_on "$mnt")" = 2 ]
}

# The mount of tmpfs is on a parent of the mount point.
test_directory_below_another_mount_is_free() {
	empty_store
	mkdir "$scratch/fs"
	mount -t tmpfs others "$scratch/fs"
	mkdir "$scratch/fs/mnt"
	mnt=$scratch/fs/mnt
	mount_store "$store" "$mnt"
	unmount "$mnt"
	umount "$scratch/fs"
}

kill_server() {
	kill -KILL "${mount_pid[$mnt]}"
	wait "${mount_pid[$mnt]}" || true
	unset "mount_pid[$mnt]"
	wait_until 30 is_dead
}

is_dead() {
	! ls "$mnt"
}

test_error_of_a_dead_mount_names_the_command() {
	store_of_pair
	mkdir "$scratch/other"
	mount_store "$store" "$mnt"
	kill_server
	for from in "$store" "$scratch/other"; do
		expect_error 1 "$mnt: the vhdfs process of $store, which is mounted there, has died; type .umount -l $mnt' first" \
			vhdfs "$from" "$mnt" -f
	done
	# The command that the message names.
	eval "$(sed "s/.*type .\(.*\)' first/\1/" "$scratch/stderr")"
	mount_store "$store" "$mnt"
	cmp "$child" "$master"
	unmount "$mnt"
}

test_concurrent_mounts_of_one_store_make_one_mount() {
	local pids=() i

	store_of_pair
	mkdir "$mnt"
	at_exit "umount -l -q $mnt"
	for ((i = 0; i < 6; i++)); do
		vhdfs "$store" "$mnt" >"$scratch/says.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || fail "expected exit status 0, found $?:" \
			"$(cat "$scratch"/says.*)"
	done
	equal "mounts" 1 "$(mounts_on "$mnt")"
	equal "messages 'is mounted there already'" 5 "$(cat "$scratch"/says.* |
		grep -c 'is mounted there already')"
	cmp "$child" "$master"
	umount "$mnt"
}

# Both programs find the mount point free, and wait for the lock of a third one.
test_concurrent_mounts_of_two_stores_make_one_mount() {
	local pids=() i status zeros=0

	store_of_pair
	mkdir "$mnt" "$scratch/other"
	at_exit "umount -l -q $mnt"
	exec 7<"$mnt"
	flock 7
	for i in store other; do
		vhdfs "$scratch/$i" "$mnt" 7<&- >"$scratch/says.$i" 2>&1 &
		pids+=($!)
	done
	sleep 1
	equal "mounts while another has the lock" 0 \
		"$(mounts_on "$mnt" || true)"
	exec 7<&-
	for i in "${pids[@]}"; do
		status=0
		wait "$i" || status=$?
		[ "$status" != 0 ] || zeros=$((zeros + 1))
	done
	equal "mounts" 1 "$(mounts_on "$mnt")"
	equal "programs that mounted" 1 "$zeros"
	equal "messages 'another store is mounted'" 1 "$(cat "$scratch"/says.* |
		grep -c 'another store is mounted there')"
	umount "$mnt"
}

test_sigterm_ends_the_wait_for_the_lock() {
	local pid status=0

	empty_store
	mkdir "$mnt"
	exec 7<"$mnt"
	flock 7
	vhdfs "$store" "$mnt" -f 7<&- >"$mnt.log" 2>&1 &
	pid=$!
	sleep 0.5
	kill "$pid"
	wait "$pid" || status=$?
	[ "$status" != 0 ] || fail "expected a failure of vhdfs, found status 0"
	equal "mounts" 0 "$(mounts_on "$mnt" || true)"
}

run_tests
