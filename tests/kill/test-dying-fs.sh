#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The file system below the store dies under load, or turns read-only: a power
# cut as far as the images can tell.  When it is mounted again, what was
# flushed is there.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/kill.sh"
. "${0%/*}/small-fs.sh"

# What other tests take along into mount namespaces of their own keeps a file
# system alive that was unmounted here: they get none of ours.
[ -n "${IN_NAMESPACE:-}" ] || IN_NAMESPACE=1 exec unshare -m "$0" "$@"
tests_of_the_long_run=7

# The file system goes without writing what it has in memory, its log included.
shut_down() {
	echo "xfs_io -x -c shutdown $fs"
}

# An error was found by ext4: it takes no more writes.
turn_read_only() {
	echo "echo 1 >/sys/fs/ext4/$(basename "$(findmnt -n -o SOURCE "$fs")")/trigger_fs_error"
}

# Both programs end, and the file system is mounted as after a cut.
power_on() {
	umount_soon "$fs"
	mount_fs
}

# vhdfs lives on, answers with errors, and can be unmounted, when it says that
# not all was well; or it is killed.
end_vhdfs() {
	local status=0

	if [ $((RANDOM % 2)) = 0 ]; then
		umount "$mnt"
		wait "${mount_pid[$mnt]}" || status=$?
		unset "mount_pid[$mnt]"
		[ "$status" -le 1 ] || fail "vhdfs exited with $status"
	else
		kill -9 "${mount_pid[$mnt]}"
		bury
	fi
}

cuts() {
	local how=$1 deaths=0

	while more "$2" $tests_of_the_long_run; do
		rm -f "$scratch/cut"
		load_all 3 "touch $scratch/cut; $($how)" -c "$scratch/cut"
		grep -Eq 'ended by (EIO|EROFS)' "$scratch/runs/c1" ||
			fail "expected EIO or EROFS: $(cat "$scratch/runs/c1")"
		end_vhdfs
		power_on
		deaths=$((deaths + 1))
		recover
	done
	unmount "$mnt"
	check_images replayed
	kills=$deaths report_kills "deaths of $fs_type"
}

test_vhd_on_ext4_that_dies() {
	begin
	make_fs ext4
	make_clients vhd --block-size 512K
	cuts shut_down 4
}

test_vhdx_on_ext4_that_dies() {
	begin
	make_fs ext4
	make_clients vhdx --block-size 1M
	cuts shut_down 4
}

test_vhd_on_xfs_that_dies() {
	begin
	make_fs xfs
	make_clients vhd
	cuts shut_down 3
}

test_vhdx_on_xfs_that_dies() {
	begin
	make_fs xfs
	make_clients vhdx
	cuts shut_down 3
}

test_ext4_that_turns_read_only() {
	begin
	fs_options=,errors=remount-ro
	make_fs ext4
	make_clients vhdx --block-size 1M
	cuts turn_read_only 3
}

# The next vhdfs finds in the page cache what one that was killed had not
# flushed, shows it, and is told to flush: then it has to survive a cut.
killed_then_cut() {
	local deaths=0

	while more "$1" $tests_of_the_long_run; do
		load_all 3 "kill -9 ${mount_pid[$mnt]}"
		bury
		recover
		sh -c "$(shut_down)"
		end_vhdfs
		power_on
		deaths=$((deaths + 1))
		recover
	done
	unmount "$mnt"
	check_images replayed
	kills=$deaths report_kills "kills, each with a death of $fs_type after it"
}

test_vhd_that_was_killed_before() {
	begin
	make_fs ext4
	make_clients vhd --block-size 512K
	killed_then_cut 3
}

test_vhdx_that_was_killed_before() {
	begin
	make_fs ext4
	make_clients vhdx --block-size 1M
	killed_then_cut 3
}

# A worker dies of a client that flushes nothing, the next is told to flush what
# that one had written: then it has to survive a cut.
worker_killed_then_cut() {
	local deaths=0

	while more "$1" $tests_of_the_long_run; do
		load_all 0 "kill -9 \$(pgrep -P ${mount_pid[$mnt]})" -s 1 -F
		verify_all exact
		load_all 0 "kill -9 \$(pgrep -P ${mount_pid[$mnt]})" -s 1 -F
		verify_all settle
		sh -c "$(shut_down)"
		end_vhdfs
		power_on
		deaths=$((deaths + 1))
		recover
	done
	unmount "$mnt"
	check_images replayed
	kills=$deaths report_kills "deaths of a worker, each with one of $fs_type after it"
}

test_vhd_whose_worker_was_killed_before() {
	begin
	make_fs ext4
	make_clients vhd --block-size 512K
	worker_killed_then_cut 3
}

test_vhdx_whose_worker_was_killed_before() {
	begin
	make_fs xfs
	make_clients vhdx
	worker_killed_then_cut 3
}

run_tests
