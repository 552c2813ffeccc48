#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mounting and unmounting: the background, signals, exit statuses, options, mount(8),
# fstab, and invalid command lines.
. "${0%/*}/../lib.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/common.sh"

# server_of STORE MOUNTPOINT: prints the process ID of the supervisor of a mount in
# the background: the process that has a child, the worker.
server_of() {
	local store=$1 mnt=$2 pid

	for pid in $(pgrep -x vhdfs); do
		{ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null |
			grep -qF "$store $mnt" || continue
		[ -z "$(pgrep -P "$pid")" ] || echo "$pid"
	done
}

# background COMMAND...: runs the command, which mounts the store in the background,
# and sets $server to the supervisor.
background() {
	mkdir -p "$mnt"
	at_exit "umount $mnt 2>/dev/null"
	"$@"
	mountpoint -q "$mnt" || fail "expected a mount on $mnt"
	server=$(server_of "$store" "$mnt")
	[ -n "$server" ] || fail "expected a supervisor of $mnt"
}

gone() {
	! kill -0 "$server" 2>/dev/null
}

# in_namespace FUNCTION: runs the function in a mount namespace in which vhdfs is in
# /usr/local/bin: mount(8) searches a PATH of its own.
in_namespace() {
	requires unshare mount.fuse3
	# shellcheck disable=SC2163
	export -f "$1" opens answers equal fail
	export scratch store mnt child master
	unshare -m bash -ec "mount --bind '$(dirname "$(command -v vhdfs)")' /usr/local/bin
		$1"
	server=$(server_of "$store" "$mnt")
	[ -z "$server" ] || wait_until 10 gone
}

test_vhdfs_goes_to_the_background_after_the_mount() {
	store_of_pair
	background vhdfs "$store" "$mnt"
	[ -f "$child" ] || fail "expected the view $child"
	equal "directory of the supervisor" / "$(readlink "/proc/$server/cwd")"
	umount "$mnt"
	wait_until 10 gone
}

test_vhdfs_goes_to_the_background_with_closed_standard_files() {
	store_of_pair
	background vhdfs "$store" "$mnt" <&- >&- 2>&-
	cmp "$child" "$master"
	umount "$mnt"
	wait_until 10 gone
}

test_options_are_accepted_before_and_after_the_operands() {
	store_of_pair
	background vhdfs -o ro "$store" "$mnt"
	opens "$child" rw EROFS
	umount "$mnt"
	background vhdfs "$store" "$mnt" -oro,allow_other -o noatime
	opens "$child" rw EROFS
	findmnt -n -o OPTIONS "$mnt" | grep -q 'allow_other' ||
		fail "expected allow_other, found:" \
			"$(findmnt -n -o OPTIONS "$mnt")"
}

test_mount_table_names_the_store_and_the_type() {
	store_of_pair
	mkdir "$mnt"
	at_exit "umount $mnt 2>/dev/null"
	(cd "$scratch" && vhdfs store mnt)
	equal "findmnt" "$store fuse.vhdfs" \
		"$(findmnt -n -o SOURCE,FSTYPE "$mnt")"
	findmnt -n -o OPTIONS "$mnt" | grep -q default_permissions ||
		fail "expected default_permissions, found:" \
			"$(findmnt -n -o OPTIONS "$mnt")"
}

test_mount_table_escapes_special_characters_of_the_store() {
	store_of_pair
	mv "$store" "$scratch/a,b\\c d"
	store="$scratch/a,b\\c d"
	mount_store "$store" "$mnt"
	equal "source" "$store" "$(findmnt -n -r -o SOURCE "$mnt" |
		sed 's/\\x20/ /g; s/\\x5c/\\/g')"
	[ -f "$child" ] || fail "expected the view $child"
}

test_sigterm_flushes_and_unmounts() {
	store_of_pair
	background vhdfs "$store" "$mnt"
	hold_view "$child" rw write 4000 precious
	kill -TERM "$server"
	wait_until 10 gone
	! mountpoint -q "$mnt" || fail "expected no mount on $mnt"
	equal "contents" precious \
		"$(disk-io "$store/clients/pc.vhdx" read 4000 8)"
	equal "dirty" false "$(key "$store/clients/pc.vhdx" dirty)"
	vhdfs-img check "$store/clients/pc.vhdx"
	kill "$view_pid"
}

test_sigint_flushes_and_exits_with_0() {
	store_of_pair
	mount_store "$store" "$mnt"
	hold_view "$child" rw write 4000 precious
	kill -INT "${mount_pid[$mnt]}"
	wait "${mount_pid[$mnt]}" || fail "expected exit status 0, found $?"
	unset "mount_pid[$mnt]"
	! mountpoint -q "$mnt" || fail "expected no mount on $mnt"
	equal "contents" precious \
		"$(disk-io "$store/clients/pc.vhdx" read 4000 8)"
	kill "$view_pid"
}

not_mounted() {
	! grep -qF " $mnt " /proc/self/mounts
}

# signalled_in SYSCALL OPTION...: runs vhdfs, which gets a SIGTERM at its first call
# of SYSCALL.
signalled_in() {
	requires strace
	# LeakSanitizer does not work under strace.
	ASAN_OPTIONS=detect_leaks=0 timeout "$hang_seconds" strace -f -qq -o /dev/null \
		-e trace="$1" -e inject="$1:signal=TERM:when=1" \
		vhdfs "$store" "$mnt" "${@:2}" || return
}

test_sigterm_during_the_mount_leaves_no_mount() {
	store_of_pair
	mkdir "$mnt"
	at_exit "umount -l $mnt 2>/dev/null"
	expect 0 signalled_in mount -f
	not_mounted || fail "-f: expected no mount on $mnt"
	# In the background the first process reports the failure.
	expect 1 signalled_in mount
	not_mounted || fail "background: expected no mount on $mnt"
}

test_sigterm_during_the_fork_leaves_no_mount() {
	store_of_pair
	mkdir "$mnt"
	at_exit "umount -l $mnt 2>/dev/null"
	expect 143 signalled_in clone
	not_mounted || fail "signal to the parent: expected no mount on $mnt"
	signalled_in setsid || true
	wait_until 10 not_mounted
}

# Before the mount the signal ends the process.
test_sigterm_at_any_time_leaves_no_mount() {
	store_of_pair
	mkdir "$mnt"
	at_exit "umount -l $mnt 2>/dev/null"
	local i pid
	for ((i = 0; i < 30; i++)); do
		vhdfs "$store" "$mnt" -f >"$mnt.log" 2>&1 &
		pid=$!
		sleep "0.0$((i / 10))$((i % 10))"
		kill -TERM "$pid"
		wait "$pid" || equal "exit status" 143 $?
		not_mounted || fail "signal after $i ms: expected no mount on $mnt"
	done
}

test_sighup_keeps_the_mount() {
	store_of_pair
	mount_store "$store" "$mnt"
	kill -HUP "${mount_pid[$mnt]}"
	sleep 0.2
	cmp "$child" "$master"
}

test_umount_leaves_a_clean_image() {
	store_of_pair
	mount_store "$store" "$mnt"
	dd if=/dev/urandom of="$scratch/new" bs=1M count=9 status=none
	dd if="$scratch/new" of="$child" conv=notrunc status=none
	unmount "$mnt"
	equal "dirty" false "$(key "$store/clients/pc.vhdx" dirty)"
	disk-io "$store/clients/pc.vhdx" read 0 $((9 << 20)) |
		cmp - "$scratch/new"
}

# with_failing SYSCALLS: as mount_store; these system calls fail with EIO.
with_failing() {
	requires strace
	mkdir "$mnt"
	ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null -e trace="$1" \
		-e inject="$1:error=EIO" vhdfs "$store" "$mnt" -f \
		>"$mnt.log" 2>&1 &
	mount_pid[$mnt]=$!
	at_exit lib_end_mount "$mnt"
	wait_until 10 lib_mounted_or_ended "$mnt"
}

# ends_with STATUS: unmounts, and expects this exit status of vhdfs.
ends_with() {
	local status=0

	umount "$mnt"
	wait "${mount_pid[$mnt]}" || status=$?
	unset "mount_pid[$mnt]"
	equal "exit status" "$1" "$status"
}

test_failed_flush_makes_the_exit_status_1() {
	empty_store
	# The first write to a fixed VHD needs no sync before it.
	vhdfs-img create --size 4M --fixed --format vhd "$store/a.vhd"
	with_failing fdatasync,fsync
	answers "" "$mnt/a.vhd.raw" ro
	answers EIO "$mnt/a.vhd.raw" rw write 0 hello fsync
	# The image is closed before vhdfs ends.
	answers "" "$mnt/a.vhd.raw" ro
	ends_with 1
	grep -q 'a.vhd: .*Input/output error' "$mnt.log" ||
		fail "expected an I/O error in the log: $(cat "$mnt.log")"
}

test_exit_status_is_0_when_no_data_was_written() {
	store_of_pair
	with_failing fdatasync,fsync
	cmp "$child" "$master"
	opens "$master" rw EACCES
	ends_with 0
}

# After a kill the image opens without a repair, and has the flushed data.
test_sigkill_loses_no_flushed_data() {
	store_of_pair
	mount_store "$store" "$mnt"
	hold_view "$child" rw write 5000000 precious fsync
	kill -KILL "${mount_pid[$mnt]}"
	wait "${mount_pid[$mnt]}" || true
	unset "mount_pid[$mnt]"
	umount -l "$mnt"
	mount_store "$store" "$mnt"
	equal "contents" precious "$(file-io "$child" rw read 5000000 8)"
	unmount "$mnt"
	vhdfs-img check "$store/clients/pc.vhdx"
	kill "$view_pid" 2>/dev/null || true
}

mount_by_type() {
	mount -t fuse.vhdfs "$store" "$mnt" -o ro,allow_other
	cmp "$child" "$master"
	opens "$child" rw EROFS
	umount "$mnt"
	mount -t fuse.vhdfs "$store" "$mnt"
	opens "$child" rw ""
	umount "$mnt"
}

test_mount_8_mounts_by_type() {
	store_of_pair
	mkdir "$mnt"
	in_namespace mount_by_type
}

mount_from_fstab() {
	mount -a -T "$scratch/fstab"
	mount -a -T "$scratch/fstab"
	equal "mounts" 1 "$(grep -c " $mnt " /proc/self/mounts)"
	findmnt -n -o OPTIONS "$mnt" | grep noatime
	umount "$mnt"
	mount -T "$scratch/fstab" "$mnt"
	opens "$child" rw ""
	umount "$mnt"
}

test_fstab_mounts_once() {
	store_of_pair
	mkdir "$mnt"
	echo "$store $mnt fuse.vhdfs allow_other,_netdev,nofail,noatime,defaults,\
x-systemd.before=tgt.service,comment=disks,parents=$store/clients 0 0" \
		>"$scratch/fstab"
	in_namespace mount_from_fstab
}

remount_by_type() {
	mount -t fuse.vhdfs "$store" "$mnt"
	status=0
	mount -o remount,ro "$mnt" >"$scratch/says" 2>&1 || status=$?
	[ "$status" != 0 ] ||
		fail "expected a failure of mount -o remount, found success"
	cat "$scratch/says"
	equal "lines 'cannot be remounted'" 1 \
		"$(grep -c "$mnt: vhdfs cannot be remounted" "$scratch/says")"
	opens "$child" rw ""
	equal "mounts" 1 "$(grep -c " $mnt " /proc/self/mounts)"
	umount "$mnt"
}

test_remount_is_refused() {
	store_of_pair
	mkdir "$mnt"
	expect_error 1 "$mnt: vhdfs cannot be remounted; unmount" \
		vhdfs "$store" "$mnt" -o rw,remount
	in_namespace remount_by_type
}

test_every_option_of_mount_is_accepted() {
	store_of_pair
	mkdir "$mnt"
	local option
	for option in rw ro suid nosuid dev nodev exec noexec sync async atime \
		noatime relatime auto noauto user users nouser owner group \
		_netdev nofail defaults x-systemd.automount comment=x dirsync \
		mand nomand strictatime lazytime allow_other allow_root \
		default_permissions diratime nodiratime user=root X-mount.mkdir \
		"parents=$store"; do
		background vhdfs "$store" "$mnt" -o "$option"
		umount "$mnt"
	done
}

test_nosuid_and_noexec_reach_the_kernel() {
	store_of_pair
	background vhdfs "$store" "$mnt" -o nosuid,nodev,noexec,ro
	local option
	for option in nosuid nodev noexec ro; do
		findmnt -n -o OPTIONS "$mnt" | grep -qw "$option" ||
			fail "expected $option, found:" \
				"$(findmnt -n -o OPTIONS "$mnt")"
	done
}

# A directory of parents= is searched by name for parents that are not in the store.
test_option_parents_names_directories_to_search() {
	store_of_pair
	mkdir "$scratch/elsewhere" "$scratch/empty"
	mv "$store/master.vhdx" "$scratch/elsewhere/"
	mount_store "$store" "$mnt"
	opens "$child" ro EIO
	unmount "$mnt"
	mount_store "$store" "$mnt" -o "parents=$scratch/empty" \
		-o "ro,parents=$scratch/elsewhere,rw"
	equal "parent" "$scratch/elsewhere/master.vhdx" \
		"$(attribute "$child" parent)"
	equal "names" "clients" "$(ls "$mnt")"
	file-io "$child" rw write 0 hello
	unmount "$mnt"
	disk-io "$scratch/elsewhere/master.vhdx" verify 0 100000 1
}

# A backslash escapes the next character.
test_option_parents_accepts_an_escaped_comma() {
	store_of_pair
	mkdir "$scratch/a, b\\c"
	mv "$store/master.vhdx" "$scratch/a, b\\c/"
	mount_store "$store" "$mnt" -o "ro,parents=$scratch/a\\, b\\\\c,rw"
	equal "parent" "$scratch/a, b\\c/master.vhdx" \
		"$(attribute "$child" parent)"
	file-io "$child" rw write 0 hello
}

test_unprivileged_user_mounts() {
	requires setpriv fusermount3
	store_of_pair
	chmod 755 "$scratch"/.. "$scratch"
	mkdir "$mnt"
	chown -R 1000:1000 "$store" "$mnt"
	as_user() {
		setpriv --reuid=1000 --regid=1000 --clear-groups \
			env PATH="$PATH" "$@"
	}
	as_user test -w "$mnt" || skip "the directory is not reachable"
	as_user test -w /dev/fuse || skip "/dev/fuse is root's alone"
	as_user vhdfs "$store" "$mnt"
	at_exit "umount $mnt 2>/dev/null"
	as_user env PATH="$PATH" file-io "$child" rw write 0 hello
	as_user fusermount3 -u "$mnt"
}

test_help_and_version_go_to_standard_output() {
	expect 0 vhdfs --help
	grep -q '^usage: vhdfs STORE MOUNTPOINT' "$scratch/stdout" ||
		fail "expected the usage, found: $(cat "$scratch/stdout")"
	[ ! -s "$scratch/stderr" ] ||
		fail "expected no error, found: $(cat "$scratch/stderr")"
	expect 0 vhdfs -h
	expect 0 vhdfs -V
	expect 0 vhdfs --version
	grep -Eq '^vhdfs [0-9]' "$scratch/stdout" ||
		fail "expected a version, found: $(cat "$scratch/stdout")"
}

test_invalid_command_line_is_a_usage_error() {
	mkdir "$scratch/a" "$scratch/b"
	expect_error 2 "expected STORE and MOUNTPOINT" vhdfs
	expect_error 2 "expected STORE and MOUNTPOINT" vhdfs "$scratch/a"
	expect_error 2 "unexpected argument 'c'" vhdfs "$scratch/a" \
		"$scratch/b" c
	expect_error 2 "unknown option '-o nonsense'" vhdfs "$scratch/a" \
		"$scratch/b" -o ro,nonsense
	expect_error 2 "unknown option '-o parents='" vhdfs "$scratch/a" \
		"$scratch/b" -o parents=
	expect_error 2 "unknown option '-x'" vhdfs -x "$scratch/a" "$scratch/b"
	expect_error 2 "unknown option '--nonsense'" vhdfs "$scratch/a" \
		"$scratch/b" --nonsense
	expect_error 2 "'-o' needs a value" vhdfs "$scratch/a" "$scratch/b" -o
}

test_store_and_mountpoint_must_be_directories() {
	mkdir "$scratch/a"
	: >"$scratch/file"
	expect_error 1 "$scratch/none: No such file" vhdfs "$scratch/none" \
		"$scratch/a"
	expect_error 1 "$scratch/file: Not a directory" vhdfs "$scratch/file" \
		"$scratch/a"
	expect_error 1 "$scratch/none: No such file" vhdfs "$scratch/a" \
		"$scratch/none"
	expect_error 1 "$scratch/file: Not a directory" vhdfs "$scratch/a" \
		"$scratch/file"
	mkdir "$scratch/b"
	expect_error 1 "$scratch/none: No such file" vhdfs "$scratch/a" \
		"$scratch/b" -o "parents=$scratch/none"
}

test_mountpoint_in_the_store_is_refused() {
	mkdir -p "$scratch/store/in" "$scratch/store2"
	expect_error 1 "is inside the store" vhdfs "$scratch/store" \
		"$scratch/store"
	expect_error 1 "is inside the store" vhdfs "$scratch/store" \
		"$scratch/store/in"
	store=$scratch/store mnt=$scratch/store2
	mount_store "$store" "$mnt"
}

# The mount covers the path of its store; vhdfs has opened the store before.
test_store_below_its_mountpoint_is_served() {
	store_of_pair
	mv "$store" "$scratch/top"
	mkdir "$mnt"
	mv "$scratch/top" "$mnt/top"
	store=$mnt/top
	mount_store "$store" "$mnt"
	cmp "$child" "$master"
	file-io "$child" rw write 0 hello
	unmount "$mnt"
	equal "contents" hello "$(disk-io "$store/clients/pc.vhdx" read 0 5)"
}

run_tests
