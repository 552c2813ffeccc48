#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The file system below the store is shut down, or becomes read-only, under
# load: for the images this is a power cut.  After the next mount all flushed
# data is there.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/kill.sh"
. "${0%/*}/small-fs.sh"

# Another mount namespace keeps an unmounted file system in use: this script has
# a namespace of its own, so that other tests do not inherit its mounts.
[ -n "${IN_NAMESPACE:-}" ] || IN_NAMESPACE=1 exec unshare -m "$0" "$@"
tests_of_the_long_run=7

# The file system stops without writing its memory, not even its log.
shut_down() {
	echo "xfs_io -x -c shutdown $fs"
}

# ext4 finds an error and accepts no more writes.
turn_read_only() {
	echo "echo 1 >/sys/fs/ext4/$(basename "$(findmnt -n -o SOURCE "$fs")")/trigger_fs_error"
}

# Both programs end, and the file system is mounted as after a power cut.
power_on() {
	umount_soon "$fs"
	mount_fs
}

# vhdfs continues, answers with errors, and can be unmounted, with an exit
# status that reports the errors; or it is killed.
end_vhdfs() {
	local status=0

	if [ $((RANDOM % 2)) = 0 ]; then
		umount "$mnt"
		wait "${mount_pid[$mnt]}" || status=$?
		unset "mount_pid[$mnt]"
		[ "$status" -le 1 ] ||
			fail "expected exit status 0 or 1 of vhdfs, found $status"
	else
		kill -9 "${mount_pid[$mnt]}"
		remove_killed_mount
	fi
}

cuts() {
	local how=$1 deaths=0

	while more "$2" $tests_of_the_long_run; do
		rm -f "$scratch/cut"
		load_all 3 "touch $scratch/cut; $($how)" -c "$scratch/cut"
		grep -Eq 'ended by (EIO|EROFS)' "$scratch/runs/c1" ||
			fail "expected EIO or EROFS, found: $(cat "$scratch/runs/c1")"
		end_vhdfs
		power_on
		deaths=$((deaths + 1))
		recover
	done
	unmount "$mnt"
	check_images replayed
	kills=$deaths report_kills "deaths of $fs_type"
}

test_vhd_keeps_flushed_data_when_ext4_is_shut_down() {
	begin
	make_fs ext4
	make_clients vhd --block-size 512K
	cuts shut_down 4
}

test_vhdx_keeps_flushed_data_when_ext4_is_shut_down() {
	begin
	make_fs ext4
	make_clients vhdx --block-size 1M
	cuts shut_down 4
}

test_vhd_keeps_flushed_data_when_xfs_is_shut_down() {
	begin
	make_fs xfs
	make_clients vhd
	cuts shut_down 3
}

test_vhdx_keeps_flushed_data_when_xfs_is_shut_down() {
	begin
	make_fs xfs
	make_clients vhdx
	cuts shut_down 3
}

test_images_keep_flushed_data_when_ext4_becomes_read_only() {
	begin
	fs_options=,errors=remount-ro
	make_fs ext4
	make_clients vhdx --block-size 1M
	cuts turn_read_only 3
}

# A killed vhdfs leaves unflushed data in the page cache; the next one shows
# that data and flushes it: then the data must survive a power cut.
killed_then_cut() {
	local deaths=0

	while more "$1" $tests_of_the_long_run; do
		load_all 3 "kill -9 ${mount_pid[$mnt]}"
		remove_killed_mount
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

test_vhd_flush_after_a_kill_survives_a_power_cut() {
	begin
	make_fs ext4
	make_clients vhd --block-size 512K
	killed_then_cut 3
}

test_vhdx_flush_after_a_kill_survives_a_power_cut() {
	begin
	make_fs ext4
	make_clients vhdx --block-size 1M
	killed_then_cut 3
}

# A worker dies with unflushed writes of a client, and the next worker flushes
# them: then they must survive a power cut.
worker_killed_then_cut() {
	local deaths=0

	while more "$1" $tests_of_the_long_run; do
		load_all 0 "kill -9 \$(pgrep -P ${mount_pid[$mnt]})" -s 1 -F
		verify_all exact
		load_all 0 "kill -9 \$(pgrep -P ${mount_pid[$mnt]})" -s 1 -F
		verify_all flush
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

test_vhd_flush_by_the_next_worker_survives_a_power_cut() {
	begin
	make_fs ext4
	make_clients vhd --block-size 512K
	worker_killed_then_cut 3
}

test_vhdx_flush_by_the_next_worker_survives_a_power_cut() {
	begin
	make_fs xfs
	make_clients vhdx
	worker_killed_then_cut 3
}

run_tests
