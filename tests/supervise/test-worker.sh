#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Deaths of the worker while clients use the mount: clients see no error, and no
# answered write is lost, flushed or not.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/../kill/kill.sh"
. "${0%/*}/supervise.sh"

tests_of_the_long_run=4

# killed_under_load ROUNDS SECONDS KILLS: kills KILLS workers in each round, while
# clients write.  They flush in every second round only.
killed_under_load() {
	local rounds_wanted=$1 seconds=$2 kills_each=$3 options=()

	while more "$rounds_wanted" $tests_of_the_long_run; do
		[ ${#options[@]} = 0 ] && options=(-F) || options=()
		kill_workers "$kills_each" "$seconds"
		load_all 0 true -s $((seconds + 1)) "${options[@]}"
		no_client_saw_an_error
		kill_worker "$mnt"
		verify_all exact
	done
}

test_clients_of_a_vhd_see_no_error_when_workers_die() {
	requires_resend
	begin
	make_clients vhd --block-size 512K
	killed_under_load 2 3 8
	unmount "$mnt"
	check_images
	report_kills "workers killed"
}

test_clients_of_a_vhdx_see_no_error_when_workers_die() {
	requires_resend
	begin
	make_clients vhdx --block-size 1M
	killed_under_load 2 3 8
	unmount "$mnt"
	check_images
	report_kills "workers killed"
}

# Kills twenty workers under eight initiators.
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
	killed_under_load 2 3 10
	end_tgtd
	unmount "$mnt"
	check_images
	report_kills "workers killed below tgtd"
}

test_initiators_of_a_vhdx_see_no_error_when_workers_die() {
	eight_clients vhdx
}

test_initiators_of_a_vhd_see_no_error_when_workers_die() {
	eight_clients vhd
}

test_deaths_are_counted_with_their_signals() {
	simple_store
	equal "deaths" 0 "$(deaths "$mnt")"
	kill_worker "$mnt"
	kill_worker "$mnt" SEGV
	equal "deaths" "2 9 11" "$(deaths "$mnt")"
	for _i in 1 2 3 4 5 6 7; do
		kill_worker "$mnt"
	done
	equal "deaths" "9 11 9 9 9 9 9 9 9" "$(deaths "$mnt")"
	[ "$(getfattr --only-values --absolute-names \
		-n user.vhdfs.worker-deaths "$mnt" | awk '{ print $NF - 9, $(NF - 1) }')" \
		\> "0 $(($(date +%s) - 600))" ] || fail "expected the time of now"
	unmount "$mnt"
	mount_store "$store" "$mnt"
	equal "deaths of another mount" 0 "$(deaths "$mnt")"
}

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
	# Further workers must not have more descriptors.
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

# A writer and a reader of one image, opened in either order.
test_reader_and_writer_of_one_image_stay_open() {
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
	has_no_line 'cannot reopen' "$mnt.log"
}

# The worker is killed before it can flush at the stop: another worker flushes.
test_worker_killed_during_the_stop_loses_no_write() {
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

# An unmount while no worker runs.
test_unmount_without_a_worker_exits_with_0() {
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

# Permissions are checked at the open, not when the next worker reopens the
# image.
test_open_image_stays_writable_without_write_permission() {
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

# The next worker cannot open the store until the store has its name again.
test_worker_starts_when_the_missing_store_returns() {
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
	wait $! || fail "expected success of the client:" \
		"$(cat "$scratch/said" "$mnt.log")"
	equal "contents" beforeafter "$(head -c 11 "$child")"
	unmount "$mnt"
}

# The worker is killed before it has answered the first request.
test_worker_killed_before_its_first_answer_is_replaced() {
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
			fail "round $i: expected an answer to a read:" \
				"$(cat "$mnt.log")"
		unmount "$mnt"
	done
}

# A close that follows a worker's death closes the image: other programs can use
# it.
test_closed_files_are_unlocked() {
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

# Other programs cannot open the images while no worker runs.
test_locks_are_held_between_two_workers() {
	local i tries=0

	simple_store
	exec 7<>"$child"
	kill_workers 20 4
	while kill -0 "$killer" 2>/dev/null; do
		for i in child master; do
			! disk-io "$store/$i.vhdx" open 2>"$scratch/said" ||
				fail "expected $i.vhdx to be locked"
			has_line 'in use' "$scratch/said"
			tries=$((tries + 1))
		done
	done
	wait "$killer" || fail "expected all kills to succeed: $(cat "$mnt.log")"
	echo on >&7
	equal "contents" on "$(head -n 1 "$child")"
	exec 7>&-
	unmount "$mnt"
	remark "$tries times"
}

# A mapping is still valid, and shows later writes.
test_mappings_stay_valid() {
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

# The current directory of a process, and names that were looked up before.
test_directories_stay_valid() {
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

# After ten crashes in a row the mount is replaced.
test_repeated_crashes_replace_the_mount() {
	simple_store
	mkfifo "$scratch/go"
	file-io "$child" answers rw write 0 kept hold write 0 lost \
		<"$scratch/go" >"$scratch/said" &
	exec 8>"$scratch/go"
	wait_until 5 grep -q holding "$scratch/said"
	# A worker that lives for a second ends the row of crashes.
	until grep -q 'replacing the mount' "$mnt.log"; do
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

# The option makes vhdfs behave as on a kernel that cannot send requests again.
test_death_without_resend_replaces_the_mount() {
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

test_worker_ends_when_the_supervisor_is_killed() {
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
