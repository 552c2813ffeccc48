#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The descriptor store of a service manager: after the death of all processes
# the next supervisor resumes the mount, and no answered write is lost.
. "${0%/*}/../lib.sh"
. "${0%/*}/../mount/common.sh"
. "${0%/*}/../kill/kill.sh"
. "${0%/*}/../kill/small-fs.sh"
. "${0%/*}/supervise.sh"
. "${0%/*}/descriptor-store.sh"

# hold_writes [N]: starts a process that has $child open, and has written at N
# offsets without a flush.
hold_writes() {
	local i commands=()

	writes=${1:-20}
	for ((i = 0; i < writes; i++)); do
		commands+=(write $((i * 65536)) "written at $i")
	done
	hold_view "$child" rw "${commands[@]}"
}

# has_writes VIEW: has it the data of hold_writes?
has_writes() {
	local i commands=()

	for ((i = 0; i < writes; i++)); do
		commands+=(read $((i * 65536)) $((11 + ${#i})))
	done
	file-io "$1" ro "${commands[@]}" >"$scratch/found"
	seq -f 'written at %.0f' -s '' 0 $((writes - 1)) | tr -d '\n' |
		cmp - "$scratch/found" ||
		fail "expected the written data, found: $(cat "$scratch/found")"
}

# is_free IMAGE: no process has it locked, also not through the manager.
is_free() {
	vhdfs-img check "$1" >"$scratch/check" 2>&1 &&
		! grep 'in use' "$scratch/check"
}

is_locked() {
	grep "OFDLCK *ADVISORY *WRITE .*:$(stat -c %i "$1") 100 299" /proc/locks
}

same_state() {
	equal "state" "$state" "$(state_of "$mnt")"
}

new_state() {
	[ "$(state_of "$mnt")" != "$state" ] ||
		fail "expected a new state identifier, found the old one"
}

# Unmounts: there was one mount, no descriptor is stored and no image locked
# after.
ends_clean() {
	equal "mounts" 1 "$(grep -c " $mnt fuse" /proc/self/mounts)"
	unmount "$mnt"
	equal "held at the end" "" "$(held_names)"
	is_free "$store/child.vhdx" ||
		fail "expected an image without a lock: $(cat "$scratch/check")"
}

test_answered_writes_survive_the_death_of_all_processes() {
	held_disk
	state=$(state_of "$mnt")
	hold_writes 200
	kill_held "$mnt"
	same_state
	has_writes "$child"
	grep 'resumed .*, with all open files' "$mnt.log"
	# A second death.
	kill_held "$mnt"
	release_view
	same_state
	has_writes "$child"
	ends_clean
}

test_handles_stay_open() {
	held_disk
	exec 7<>"$child" 8<"$child"
	printf before >&7
	kill_held "$mnt"
	printf after >&7
	equal "reader" beforeafter "$(head -c 11 <&8)"
	exec 7>&- 8<&-
	ends_clean
}

test_death_of_all_processes_is_counted() {
	held_disk
	kill_held "$mnt"
	equal "deaths" "1 0" "$(deaths "$mnt")"
	ends_clean
}

# kill_and_wait: kills all processes; the manager starts none before
# start_again.
kill_and_wait() {
	: >"$held/wait"
	# shellcheck disable=SC2046
	kill -KILL $(held_processes)
	wait_until 30 grep -q '^ended' "$held/log"
}

start_again() {
	rm "$held/wait"
}

# Requests that are sent while no worker runs are answered by the next one.
test_requests_wait_for_the_next_supervisor() {
	local client

	held_disk
	hold_view "$child" rw write 0 before
	kill_and_wait
	file-io "$child" rw read 0 6 write 0 waited fsync read 0 6 \
		>"$scratch/said" &
	client=$!
	# No other program can lock the image meanwhile.
	is_locked "$store/child.vhdx" || fail "expected it to be locked"
	kill -0 $client || fail "expected the client to wait"
	start_again
	wait $client ||
		fail "expected success of the client: $(cat "$scratch/said")"
	equal "answer" beforewaited "$(cat "$scratch/said")"
	release_view
	ends_clean
}

# points N: lines "MESSAGE before" or "MESSAGE after", which say when to kill;
# with VHDFS_LONG both for each of the N messages.
points() {
	local n

	for ((n = 1; n <= $1; n++)); do
		[ -z "${VHDFS_LONG:-}" ] && ((n % 2)) || echo "$n after"
		[ -z "${VHDFS_LONG:-}" ] && ((n % 2 == 0)) || echo "$n before"
	done
}

# kill_at N WHEN: the supervisor will be killed at its Nth message from now.
kill_at() {
	kills_before=$(kills_so_far)
	echo "$1 $2" >"$held/kill"
}

kills_so_far() {
	grep -c '^killed' "$held/log" 2>/dev/null || true
}

was_killed() {
	[ "$(kills_so_far)" -gt "${kills_before:-0}" ]
}

# open_write_close N WHEN: a client opens, writes, flushes and closes, while all
# processes are killed at message N.
open_write_close() {
	local starts

	starts=$(grep -c '^start' "$held/log")
	kill_at "$@"
	file-io "$child" answers rw write 0 "kept $*" read 0 $((5 + ${#1} + 1 + ${#2})) \
		>"$scratch/said" || true
	equal "answers, death $2 message $1" "ok ok kept $*ok ok" \
		"$(xargs <"$scratch/said")"
	# The image is written and unlocked.
	wait_until 30 is_free "$store/child.vhdx"
	equal "written, death $2 message $1" "kept $*" \
		"$(file-io "$child" ro read 0 $((5 + ${#1} + 1 + ${#2})))"
	wait_until 30 is_held "fuse keep"
	! was_killed || deaths=$((deaths + 1))
	rm -f "$held/kill"
	[ "$(grep -c '^start' "$held/log")" -le $((starts + 1)) ] ||
		fail "expected one death, found: $(cat "$mnt.log")"
}

test_open_and_close_survive_a_death_at_each_message() {
	local n when deaths=0

	held_disk
	state=$(state_of "$mnt")
	while read -r n when; do
		open_write_close "$n" "$when"
	done < <(points 10)
	[ $deaths -ge 10 ] || fail "expected 10 deaths, found $deaths"
	same_state
	ends_clean
}

# The next start leaves one mount.
test_start_survives_a_death_at_each_message() {
	local n when deaths=0

	held_disk
	unmount "$mnt"
	while read -r n when; do
		rm -f "$held/log" "$held/notify"
		kill_at "$n" "$when"
		hold_store "$store" "$mnt"
		equal "answer, death $when message $n" "ok hello$n okok" \
			"$(file-io "$child" answers rw write 0 "hello$n " \
				read 0 7 | tr -d '\n' | sed 's/^okok/ok /')"
		! was_killed || deaths=$((deaths + 1))
		rm -f "$held/kill"
		ends_clean
	done < <(points 6)
	[ $deaths -ge 5 ] || fail "expected 5 deaths, found $deaths"
}

# A mount that cannot be resumed is reported, and gets a new state identifier.
test_missing_descriptor_means_a_new_state() {
	local name

	held_disk
	for name in f0 w0 f1 keep; do
		state=$(state_of "$mnt")
		hold_view "$child" rw write 0 "some text" answers
		echo $name >"$held/lose"
		kill_held "$mnt"
		new_state
		grep "cannot resume the mount .*\($name\|memory\) is missing" \
			"$mnt.log" || fail "$name: expected 'cannot resume the" \
			"mount', found: $(cat "$mnt.log")"
		release_view || true
		equal "mounts" 1 "$(grep -c " $mnt fuse" /proc/self/mounts)"
		file-io "$child" rw write 0 again fsync
		wait_until 30 is_held "fuse keep"
	done
	ends_clean
}

# Without the descriptor of the mount, handles are lost but answered writes are
# not.
test_missing_mount_keeps_answered_writes() {
	held_disk
	state=$(state_of "$mnt")
	hold_writes
	echo fuse >"$held/lose"
	kill_held "$mnt"
	release_view || true
	same_state
	has_writes "$child"
	grep 'resumed .*, with a new mount' "$mnt.log"
	ends_clean
}

# The option makes vhdfs behave as on a kernel that cannot send requests again.
test_replaced_mount_keeps_answered_writes() {
	held_disk -o no_resend
	state=$(state_of "$mnt")
	hold_writes
	kill_held "$mnt"
	release_view || true
	same_state
	has_writes "$child"
	hold_writes
	# The worker dies alone, and then all processes.
	pid=$(held_supervisor)
	kill -KILL "$(pgrep -P "$pid")"
	wait_until 30 grep -q 'replacing the mount' "$mnt.log"
	kill_held "$mnt"
	release_view || true
	same_state
	has_writes "$child"
	ends_clean
}

test_replacement_of_the_mount_survives_a_death_at_each_message() {
	local n when

	held_disk -o no_resend
	state=$(state_of "$mnt")
	while read -r n when; do
		hold_writes
		kill_at "$n" "$when"
		kill -KILL "$(pgrep -P "$(held_supervisor)")"
		wait_until 30 was_killed
		wait_until 30 serves_again
		release_view || true
		same_state
		has_writes "$child"
	done < <(points 4)
	ends_clean
}

serves_again() {
	[ "$(grep '^start\|^READY\|^killed\|^ended' "$held/log" | tail -n 1)" = READY=1 ] &&
		timeout "$hang_seconds" stat -f "$mnt"
}

# The manager cannot store all descriptors: this is reported, and the mount not
# resumed.
test_full_manager_means_a_new_state() {
	HELD_MAX=4
	held_disk
	state=$(state_of "$mnt")
	hold_view "$child" rw write 0 "some text" answers
	wait_until 30 grep -q 'descriptor store is full (4 descriptors)' "$mnt.log"
	kill_held "$mnt"
	new_state
	release_view || true
	file-io "$child" rw write 0 again fsync
	ends_clean
}

test_nothing_is_stored_without_fdstore() {
	held_disk
	unmount "$mnt"
	rm -f "$held/log" "$held/notify"
	HELD_MAX=0 hold_store "$store" "$mnt"
	file-io "$child" rw write 0 text
	! grep 'FDSTORE\|BARRIER' "$held/log" || fail "expected no such message"
	ends_clean
}

# The options have changed: a new mount has them, and the answered writes.
test_changed_options_replace_the_mount() {
	requires_resend
	empty_store
	vhdfs-img create --size 16M "$store/child.vhdx"
	child=$mnt/child.vhdx.raw
	mkdir "$mnt"
	printf '#!/bin/sh\nexec vhdfs "$1" "$2" -f -o "$(cat "%s")"\n' \
		"$scratch/options" >"$scratch/command"
	echo rw >"$scratch/options"
	HELD_COMMAND="sh $scratch/command" hold_store "$store" "$mnt"
	state=$(state_of "$mnt")
	hold_writes
	echo allow_other >"$scratch/options"
	kill_held "$mnt"
	release_view || true
	same_state
	has_writes "$child"
	grep " $mnt fuse.vhdfs .*allow_other" /proc/self/mounts ||
		fail "expected the new options"
	ends_clean
}

# upgrade_held: hands over to the same program.
upgrade_held() {
	kill -HUP "$(held_supervisor)"
	wait_until 30 grep -q 'upgraded to version' "$mnt.log"
	timeout "$hang_seconds" stat -f "$mnt"
}

test_mount_is_resumed_after_an_upgrade() {
	held_disk
	state=$(state_of "$mnt")
	hold_view "$child" rw write 0 before
	upgrade_held
	equal "held" "f0 f1 fuse keep w0" "$(wait_until 30 holds_witness
		held_names)"
	file-io "$child" rw write 4096 after
	kill_held "$mnt"
	same_state
	equal "written" "before after" "$(file-io "$child" ro read 0 6
		echo " $(file-io "$child" ro read 4096 5)")"
	release_view
	ends_clean
}

holds_witness() {
	[[ $(held_names) == *w0 ]]
}

test_mount_is_resumed_after_a_failed_upgrade() {
	requires_resend
	empty_store
	mkdir "$scratch/bin" "$mnt"
	cp "$(command -v vhdfs)" "$scratch/bin/vhdfs"
	vhdfs-img create --size 16M "$store/child.vhdx"
	child=$mnt/child.vhdx.raw
	HELD_COMMAND="$scratch/bin/vhdfs -f" hold_store "$store" "$mnt"
	state=$(state_of "$mnt")
	hold_writes
	cp "$scratch/bin/vhdfs" "$scratch/bin/works"
	printf '#!/bin/sh\nexit 1\n' >"$scratch/bin/broken"
	chmod +x "$scratch/bin/broken"
	mv "$scratch/bin/broken" "$scratch/bin/vhdfs"
	kill -HUP "$(held_supervisor)"
	wait_until 30 grep -q 'not upgraded' "$mnt.log"
	mv "$scratch/bin/works" "$scratch/bin/vhdfs"
	kill_held "$mnt"
	same_state
	has_writes "$child"
	release_view
	ends_clean
}

# The worker flushes answered writes before it hands over.
test_upgrade_survives_a_death_at_each_message() {
	local n when

	held_disk
	while read -r n when; do
		hold_view "$child" rw write 0 "text $n $when" answers
		kill_at "$n" "$when"
		kill -HUP "$(held_supervisor)"
		wait_until 30 was_killed
		wait_until 30 serves_again
		release_view || true
		equal "text" "text $n $when" "$(file-io "$child" ro read 0 \
			$((6 + ${#n} + ${#when})))"
	done < <(points 12)
	ends_clean
}

# SIGTERM while files are open: the mount ends, or the next supervisor resumes
# it; no write is lost.
test_stop_survives_a_death_at_each_message() {
	local n when

	held_disk
	while read -r n when; do
		state=$(state_of "$mnt")
		hold_writes
		kill_at "$n" "$when"
		kill "$(held_supervisor)"
		wait_until 30 ended_or_serves
		if serves_again; then
			rm -f "$held/kill"
			has_writes "$child"
			kill "${mount_pid[$mnt]}"
		fi
		wait "${mount_pid[$mnt]}" || true
		release_view || true
		! mountpoint -q "$mnt" || fail "expected no mount on $mnt"
		is_free "$store/child.vhdx" || fail "expected an image without" \
			"a lock: $(cat "$scratch/check")"
		rm -f "$held/log" "$held/notify" "$held/kill"
		hold_store "$store" "$mnt"
		has_writes "$child"
	done < <(points 7)
	ends_clean
}

ended_or_serves() {
	! kill -0 "${mount_pid[$mnt]}" || { was_killed && serves_again; }
}

# stop_at CALLS N: the worker stops when a thread of it enters the Nth of these
# system calls, so that all processes can be killed there.
stop_at() {
	requires strace
	rm -f "$scratch/attached"
	strace -f -p "$(pgrep -P "$(held_supervisor)")" -o "$scratch/trace" \
		-e trace="$1" -e inject="$1:signal=SIGSTOP:when=$2" \
		2>"$scratch/attached" &
	strace_pid=$!
	wait_until 30 grep -q attached "$scratch/attached"
}

# Did the worker stop, or did the client end?
stopped_or_done() {
	grep -q 'stopped by SIGSTOP' "$scratch/trace" || ! kill -0 "$1"
}

# Deaths between messages: at the system calls that register, lock, record and
# answer.
test_open_survives_a_death_at_each_system_call() {
	local n client deaths=0

	held_disk
	state=$(state_of "$mnt")
	for n in 1 2 3 5 7 9 12; do
		stop_at openat,fcntl,fstat,newfstatat,pread64,close,write,writev "$n"
		file-io "$child" answers rw write 0 "kept $n" read 0 6 \
			>"$scratch/said" &
		client=$!
		wait_until 30 stopped_or_done $client
		if grep -q 'stopped by SIGSTOP' "$scratch/trace"; then
			kill_held "$mnt"
			deaths=$((deaths + 1))
		fi
		kill -INT $strace_pid 2>/dev/null || true
		wait $strace_pid || true
		wait $client || true
		equal "answers, death at call $n" "ok ok kept ${n:0:1}ok ok" \
			"$(xargs <"$scratch/said")"
		wait_until 30 is_free "$store/child.vhdx"
	done
	[ $deaths -gt 3 ] || fail "expected more deaths, found $deaths"
	remark "$deaths deaths"
	same_state
	ends_clean
}

# A process that waits for a disk does not die at once; its writes must come
# before those of the next one.
test_next_supervisor_waits_for_a_process_that_cannot_die() {
	local client

	requires fsfreeze
	requires_resend
	requires_fuse
	make_fs ext4
	mnt=$scratch/mnt
	mkdir "$store"
	vhdfs-img create --size 16M "$store/child.vhdx"
	hold_store "$store" "$mnt"
	child=$mnt/child.vhdx.raw
	hold_view "$child" rw write 0 before fsync
	: >"$held/hurry"
	at_exit "fsfreeze -u $fs"
	fsfreeze -f "$fs"
	file-io "$child" rw write 0 frozen >"$scratch/said" &
	client=$!
	wait_until 30 a_thread_waits_for_the_disk
	# shellcheck disable=SC2046
	kill -KILL $(held_processes)
	wait_until 30 next_waits_for_the_lock
	sleep 1
	next_waits_for_the_lock || fail "expected no worker yet"
	fsfreeze -u "$fs"
	wait $client ||
		fail "expected success of the client: $(cat "$scratch/said")"
	equal "written" frozen "$(file-io "$child" ro read 0 6)"
	release_view
	ends_clean
}

a_thread_waits_for_the_disk() {
	grep -l '^State:	D' "/proc/$(pgrep -P "$(held_supervisor)")"/task/*/status
}

next_waits_for_the_lock() {
	[ "$(grep -c '^start' "$held/log")" = 2 ] &&
		! pgrep -P "$(held_supervisor)"
}

run_tests
