#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The process that serves the mount is killed, again and again, under those who
# use it: they see no error, and what they wrote is there, flushed or not.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/../kill/kill.sh"
. "${0%/*}/supervise.sh"

tests_of_the_long_run=4

# Rounds of SECONDS with KILLS each; every other one flushes nothing.
killed_under_load() {
	local rounds_wanted=$1 seconds=$2 kills_each=$3 options=()

	while more "$rounds_wanted" $tests_of_the_long_run; do
		[ ${#options[@]} = 0 ] && options=(-F) || options=()
		kill_workers "$kills_each" "$seconds"
		load_all 0 true -s $((seconds + 1)) "${options[@]}"
		nobody_noticed
		kill_worker "$mnt"
		verify_all exact
	done
}

test_vhd_on_the_mount() {
	requires_resend
	begin
	make_clients vhd --block-size 512K
	killed_under_load 2 3 8
	unmount "$mnt"
	check_images
	report_kills "workers killed"
}

test_vhdx_on_the_mount() {
	requires_resend
	begin
	make_clients vhdx --block-size 1M
	killed_under_load 2 3 8
	unmount "$mnt"
	check_images
	report_kills "workers killed"
}

# Twenty kills, and not one error at any initiator.
eight_clients() {
	requires_resend
	requires_initiator
	begin
	make_clients "$@"
	unmount "$mnt"
	for _client in c4 c5 c6 c7 c8; do
		make_client "$_client" lab
	done
	mount_store "$store" "$mnt"
	for _client in c4 c5 c6 c7 c8; do
		load record "$(record "$_client")" "$(view "$_client")" \
			"${_client#c}"
	done
	clients="c1 c2 c3 c4 c5 c6 c7 c8"
	export_clients
	killed_under_load 2 6 10
	end_tgtd
	unmount "$mnt"
	check_images
	report_kills "workers killed below tgtd"
}

test_eight_clients_of_a_vhdx_through_tgtd() {
	eight_clients vhdx
}

test_eight_clients_of_a_vhd_through_tgtd() {
	eight_clients vhd
}

# What a shell has open as 7 stays open.
test_open_files_stay_open() {
	local before after

	simple_store
	exec 7<>"$child"
	echo first >&7
	for _i in 1 2 3 4 5; do
		kill_worker "$mnt"
		echo "again $_i" >&7
	done
	equal "contents" "first" "$(head -n 1 "$child")"
	equal "contents" "again 5" "$(sed -n 6p "$child")"
	# Nothing adds up: descriptors, above all.
	before=$(ls "/proc/$(worker "$mnt")/fd" | wc -l)
	for _i in 1 2 3 4 5; do
		kill_worker "$mnt"
	done
	after=$(ls "/proc/$(worker "$mnt")/fd" | wc -l)
	equal "descriptors" "$before" "$after"
	exec 7>&-
	unmount "$mnt"
	vhdfs-img check "$store/child.vhdx"
	disk-io "$store/child.vhdx" read 0 6 | cmp - <(echo first)
}

# One image, who writes it and who only reads, in either order.
test_readers_beside_a_writer() {
	local order

	simple_store
	for order in "8<\"$child\" 7<>\"$child\"" "7<>\"$child\" 8<\"$child\""; do
		eval "exec $order"
		echo before >&7
		kill_worker "$mnt"
		equal "contents" before "$(head -n 1 <&8)"
		echo after >&7
		kill_worker "$mnt"
		equal "contents" "before after" "$(head -n 2 "$child" | xargs)"
		exec 7>&- 8<&-
	done
	unmount "$mnt"
	! grep -q 'cannot reopen' "$mnt.log" || fail "$(cat "$mnt.log")"
}

# All that was answered is in the image though the worker that was to write it,
# at the end, was killed as well.
test_worker_killed_at_the_end() {
	local status=0 pid

	simple_store
	mkfifo "$scratch/go"
	file-io "$child" rw write 0 kept hold <"$scratch/go" >"$scratch/said" &
	exec 8>"$scratch/go"
	wait_until 5 grep -q holding "$scratch/said"
	pid=$(worker "$mnt")
	kill -STOP "$pid"
	kill -TERM "${mount_pid[$mnt]}"
	sleep 0.2
	kill -KILL "$pid"
	wait "${mount_pid[$mnt]}" || status=$?
	unset "mount_pid[$mnt]"
	exec 8>&-
	equal "exit status" 0 "$status"
	disk-io "$store/child.vhdx" read 0 4 | cmp - <(printf kept)
}

# It is unmounted in the very moment when there is no worker.
test_unmounted_in_between() {
	local i status

	simple_store
	unmount "$mnt"
	for ((i = 0; i < 10; i++)); do
		mount_store "$store" "$mnt"
		kill -KILL "$(worker "$mnt")"
		umount "$mnt"
		status=0
		wait "${mount_pid[$mnt]}" || status=$?
		unset "mount_pid[$mnt]"
		equal "exit status" 0 "$status"
	done
}

# What became of the file's permissions meanwhile is for those who open it anew.
test_image_that_lost_its_write_permission() {
	simple_store
	exec 7<>"$child"
	echo before >&7
	chmod a-w "$store/child.vhdx"
	kill_worker "$mnt"
	echo after >&7
	equal "contents" "before after" "$(head -n 2 "$child" | xargs)"
	exec 7>&-
	unmount "$mnt"
	equal "written" before "$(disk-io "$store/child.vhdx" read 0 6)"
}

# The store cannot be read just when the next worker looks.
test_store_that_is_away_for_a_moment() {
	simple_store
	mkfifo "$scratch/go"
	file-io "$child" rw write 0 before hold write 6 after fsync \
		<"$scratch/go" >"$scratch/said" &
	exec 8>"$scratch/go"
	wait_until 5 grep -q holding "$scratch/said"
	mv "$store" "$store.away"
	kill -KILL "$(worker "$mnt")"
	wait_until 10 grep -q 'could not start' "$mnt.log"
	mv "$store.away" "$store"
	exec 8>&-
	wait $! || fail "$(cat "$scratch/said" "$mnt.log")"
	equal "contents" beforeafter "$(head -c 11 "$child")"
	unmount "$mnt"
}

# Killed before the kernel had an answer to its first request.
test_worker_killed_as_soon_as_it_is_mounted() {
	local i pid

	simple_store
	unmount "$mnt"
	for ((i = 0; i < 20; i++)); do
		vhdfs "$store" "$mnt" -f >"$mnt.log" 2>&1 &
		pid=$!
		mount_pid[$mnt]=$pid
		until mountpoint -q "$mnt"; do :; done
		pkill -KILL -P "$pid"
		timeout "$hang_seconds" head -c 1 "$child" >/dev/null ||
			fail "round $i: $(cat "$mnt.log")"
		unmount "$mnt"
	done
}

# Closed for good, though a worker died in between: others may have it then.
test_closed_files_are_let_go() {
	simple_store
	exec 7<>"$child"
	kill_worker "$mnt"
	exec 7>&-
	wait_until 5 vhdfs-img check "$store/child.vhdx"
	vhdfs-img create --parent "$store/child.vhdx" "$store/grandchild.vhdx"
	exec 7<>"$mnt/grandchild.vhdx.raw"
	exec 7>&-
	unmount "$mnt"
}

# Not even while there is no worker does anybody else get the images.
test_locks_are_held_in_between() {
	local i tries=0

	simple_store
	exec 7<>"$child"
	kill_workers 20 4
	while kill -0 "$killer" 2>/dev/null; do
		for i in child master; do
			! disk-io "$store/$i.vhdx" open 2>"$scratch/said" ||
				fail "another program wrote $i.vhdx"
			grep -q 'in use' "$scratch/said" ||
				fail "$(cat "$scratch/said")"
			tries=$((tries + 1))
		done
	done
	wait "$killer" || fail "could not kill them all: $(cat "$mnt.log")"
	echo on >&7
	equal "contents" on "$(head -n 1 "$child")"
	exec 7>&-
	unmount "$mnt"
	remark "$tries times"
}

# A reader with a mapping goes on, and sees what is written after.
test_mappings_stay() {
	simple_store
	mkfifo "$scratch/go"
	file-io "$child" ro watch 0 5 <"$scratch/go" >"$scratch/seen" &
	exec 8>"$scratch/go"
	wait_until 5 grep -q watching "$scratch/seen"
	kill_worker "$mnt"
	echo hello | dd of="$child" conv=notrunc status=none
	echo >&8
	wait_until 5 grep -q '^h$' "$scratch/seen"
	exec 8>&-
	wait $!
	unmount "$mnt"
}

# A directory that somebody is in, and names that were looked up before.
test_directories_stay() {
	simple_store
	mkdir "$store/sub"
	mv "$store/child.vhdx" "$store/sub/"
	cd "$mnt/sub" || exit
	equal "names" child.vhdx.raw "$(ls)"
	kill_worker "$mnt"
	equal "names" child.vhdx.raw "$(ls)"
	cd / || exit
	unmount "$mnt"
}

# A worker that always dies of what it is asked does not do so for ever.
test_crash_after_crash_mounts_anew() {
	simple_store
	mkfifo "$scratch/go"
	file-io "$child" answers rw write 0 kept hold write 0 lost \
		<"$scratch/go" >"$scratch/said" &
	exec 8>"$scratch/go"
	wait_until 5 grep -q holding "$scratch/said"
	# Each at once: one that lives for a second counts as sound.
	until grep -q 'mounting anew' "$mnt.log"; do
		pkill -SEGV -P "${mount_pid[$mnt]}" || true
		sleep 0.02
	done
	exec 8>&-
	wait $! || true
	grep -Eq '^(ENOTCONN|ECONNABORTED|EIO)$' "$scratch/said" ||
		fail "expected an error of the old mount: $(cat "$scratch/said")"
	wait_until 10 test -f "$child"
	equal "contents" kept "$(head -c 4 "$child")"
	unmount "$mnt"
}

# As it is on a kernel that does not send again.
test_without_resend_it_is_mounted_anew() {
	simple_store -o no_resend
	exec 7<>"$child"
	echo kept >&7
	kill_worker "$mnt"
	! echo lost >&7 2>/dev/null || fail "expected an error of the old mount"
	exec 7>&-
	equal "contents" kept "$(head -n 1 "$child")"
	echo more >>"$scratch/more"
	dd if="$scratch/more" of="$child" conv=notrunc status=none
	equal "contents" more "$(head -n 1 "$child")"
	equal "mounts" 1 "$(grep -c " $mnt fuse.vhdfs " /proc/self/mounts)"
	unmount "$mnt"
	vhdfs-img check "$store/child.vhdx"
}

# With the supervisor all of it ends.
test_both_end_when_the_supervisor_is_killed() {
	local pid

	simple_store
	pid=$(worker "$mnt")
	kill -KILL "${mount_pid[$mnt]}"
	wait "${mount_pid[$mnt]}" || true
	wait_until 5 has_ended "$pid"
	unset "mount_pid[$mnt]"
	umount "$mnt"
	vhdfs-img check "$store/child.vhdx"
}

has_ended() {
	! kill -0 "$1"
}

run_tests
