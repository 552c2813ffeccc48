#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Locks work across namespaces and for every path to the store.  Messages name the
# holder of an image where its process is visible.
. "${0%/*}/../lib.sh"
. "${0%/*}/../mount/common.sh"
. "${0%/*}/common.sh"

requires unshare ip

# mount_through COMMAND... -- STORE MOUNTPOINT: mount_store through a command that
# executes its arguments.
mount_through() {
	local before=()

	while [ "$1" != -- ]; do
		before+=("$1")
		shift
	done
	shift
	vhdfs() {
		exec "${before[@]}" vhdfs "$@"
	}
	mount_store "$@"
	unset -f vhdfs
}

# second_is_refused PID VIEW: expects that the second mount refuses the view to
# writers and readers; its log and vhdfs-img name the process.
second_is_refused() {
	local pid=$1 second=$2 log=$3

	opens "$second" rw EBUSY
	opens "$second" ro EBUSY
	grep -q "pc.vhdx: the image is in use by vhdfs (process $pid)" "$log" ||
		fail "expected the log to name process $pid, found: $(cat "$log")"
	expect_error 1 "in use by vhdfs \(process $pid\)" \
		vhdfs-img check --repair "$store/clients/pc.vhdx"
}

test_lock_works_across_network_namespaces() {
	store_of_pair
	ip netns add "vhdfs-$$"
	at_exit "ip netns del vhdfs-$$"
	mount_store "$store" "$mnt"
	mount_through nsenter "--net=/run/netns/vhdfs-$$" -- "$store" \
		"$scratch/other"
	hold_view "$child" rw
	second_is_refused "${mount_pid[$mnt]}" \
		"$scratch/other/clients/pc.vhdx.raw" "$scratch/other.log"
	release_view
	wait_until 5 file-io "$scratch/other/clients/pc.vhdx.raw" rw
	hold_view "$scratch/other/clients/pc.vhdx.raw" rw
	second_is_refused "${mount_pid[$scratch/other]}" "$child" "$mnt.log"
	release_view
}

# start_elsewhere: starts vhdfs in a mount namespace of its own, on a bind mount of
# the store that exists only there; its mount is visible here at $elsewhere.
start_elsewhere() {
	mkdir "$scratch/bound" "$scratch/there"
	unshare -m --propagation private sh -ec '
		mount --bind "$1" "$2/bound"
		exec vhdfs "$2/bound" "$2/there" -f' sh "$store" "$scratch" \
		>"$scratch/there.log" 2>&1 &
	there_pid=$!
	at_exit end_elsewhere
	elsewhere=/proc/$there_pid/root$scratch/there
	wait_until 10 test -e "$elsewhere/master.vhdx.raw"
	! mountpoint -q "$scratch/there" ||
		fail "expected no mount in this namespace"
}

end_elsewhere() {
	kill "$there_pid" 2>/dev/null
	wait "$there_pid"
}

test_lock_works_across_mount_namespaces_and_bind_mounts() {
	store_of_pair
	start_elsewhere
	mount_store "$store" "$mnt"
	hold_view "$child" rw write 5 hello fsync
	second_is_refused "${mount_pid[$mnt]}" "$elsewhere/clients/pc.vhdx.raw" \
		"$scratch/there.log"
	release_view
	wait_until 5 file-io "$elsewhere/clients/pc.vhdx.raw" rw
	equal "contents" hello \
		"$(file-io "$elsewhere/clients/pc.vhdx.raw" ro read 5 5)"
	hold_view "$elsewhere/clients/pc.vhdx.raw" rw
	second_is_refused "$there_pid" "$child" "$mnt.log"
	kill -KILL "$there_pid"
	wait "$there_pid" || true
	answers "" "$child" rw write 5 again
	kill "$view_pid" 2>/dev/null || true
	wait "$view_pid" || true
}

# A holder outside has no process id in the inner namespace; a holder inside has
# one outside.
test_lock_works_across_pid_namespaces() {
	store_of_pair
	mount_store "$store" "$mnt"
	hold_view "$child" rw
	expect_error 1 'pc\.vhdx: the image is in use; ' unshare -p -f \
		--mount-proc vhdfs-img check --repair "$store/clients/pc.vhdx"
	expect 0 unshare -p -f --mount-proc vhdfs-img info \
		"$store/clients/pc.vhdx"
	grep -q '^in-use: *yes$' "$scratch/stdout" ||
		fail "expected 'in use' without a process, found: $(grep in-use "$scratch/stdout")"
	release_view
	wait_until 5 not_in_use "$store/clients/pc.vhdx"
	hold_as unshare -p -f --kill-child --mount-proc disk-io \
		"$store/clients/pc.vhdx" open hold
	wait_until 10 grep -q holding "$scratch/as.out"
	opens "$child" rw EBUSY
	grep -q "in use by disk-io (process $(pgrep -P "$as_pid"))" "$mnt.log" ||
		fail "expected the log without a process, found: $(cat "$mnt.log")"
	let_go
	opens "$child" rw ""
}

# over_file_system: the store is on a file system that is mounted twice.
over_file_system() {
	mkdir "$scratch/twice"
	mount --bind "$scratch/fs" "$scratch/twice"
	at_exit "umount -l $scratch/twice"
	store=$scratch/fs/store mnt=$scratch/mnt child=$mnt/clients/pc.vhdx.raw
	mkdir -p "$store/clients"
	vhdfs-img create --size 64M "$store/master.vhdx"
	vhdfs-img create --parent "$store/master.vhdx" "$store/clients/pc.vhdx"
	mount_store "$store" "$mnt"
	mount_store "$scratch/twice/store" "$scratch/other"
	hold_view "$child" rw write 0 hello
	second_is_refused "${mount_pid[$mnt]}" \
		"$scratch/other/clients/pc.vhdx.raw" "$scratch/other.log"
	release_view
	wait_until 5 file-io "$scratch/other/clients/pc.vhdx.raw" rw
	unmount "$mnt"
	unmount "$scratch/other"
}

test_lock_works_on_a_loop_mounted_file_system() {
	requires_fuse
	truncate -s 300M "$scratch/fs.img"
	mkfs.ext4 -q "$scratch/fs.img"
	mkdir "$scratch/fs"
	mount -o loop "$scratch/fs.img" "$scratch/fs"
	at_exit "umount -l $scratch/fs"
	over_file_system
}

test_lock_works_on_a_tmpfs() {
	requires_fuse
	mkdir "$scratch/fs"
	mount -t tmpfs none "$scratch/fs"
	at_exit "umount -l $scratch/fs"
	over_file_system
}

run_tests
