#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Upgrades of the program: on SIGHUP the installed program takes over the mount,
# while clients use it.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/../kill/kill.sh"
. "${0%/*}/supervise.sh"

tests_of_the_long_run=2

# upgrade_repeatedly N: starts the process $killer, which upgrades N times.
upgrade_repeatedly() {
	rm -f "$scratch/killed"
	(
		for ((i = 0; i < $1; i++)); do
			sleep 0.3
			upgrade "$mnt"
			echo "$i" >>"$scratch/killed"
		done
	) &
	killer=$!
}

upgraded_under_load() {
	while more 2 $tests_of_the_long_run; do
		upgrade_repeatedly 8
		load_all 0 true -s 5
		no_client_saw_an_error
		verify_all exact
	done
	unmount "$mnt"
	check_images
	report_kills "upgrades"
}

test_clients_see_no_error_during_upgrades() {
	begin
	make_clients vhdx
	upgraded_under_load
}

# An upgrade does not need requests to be sent again.
test_clients_see_no_error_during_upgrades_without_resend() {
	begin
	make_clients vhd --block-size 512K
	unmount "$mnt"
	mount_store "$store" "$mnt" -o no_resend
	upgraded_under_load
}

# A mounted store with one disk, and a copy of the program that the test can
# replace.
installed_store() {
	requires_fuse
	store=$scratch/store mnt=$scratch/mnt
	mkdir "$store" "$scratch/bin"
	cp "$(command -v vhdfs)" "$scratch/bin/vhdfs"
	PATH=$scratch/bin:$PATH
	vhdfs-img create --size 16M "$store/disk.vhdx"
	mount_store "$store" "$mnt"
}

# install_new FILE: replaces the program by rename, as packages do.
install_new() {
	cp "$1" "$scratch/bin/new"
	chmod +x "$scratch/bin/new"
	mv "$scratch/bin/new" "$scratch/bin/vhdfs"
}

test_installed_program_takes_over() {
	local pid

	installed_store
	pid=${mount_pid[$mnt]}
	exec 7<>"$mnt/disk.vhdx.raw"
	echo before >&7
	install_new "$(command -v vhdfs)"
	[[ $(readlink "/proc/$pid/exe") == *" (deleted)" ]] ||
		fail "expected the old program to be gone"
	upgrade "$mnt"
	equal "program" "$scratch/bin/vhdfs" "$(readlink "/proc/$pid/exe")"
	equal "parent of the worker" "$pid" \
		"$(ps -o ppid= "$(worker "$mnt")" | tr -d ' ')"
	echo after >&7
	equal "contents" "before after" "$(head -n 2 "$mnt/disk.vhdx.raw" | xargs)"
	exec 7>&-
	unmount "$mnt"
	vhdfs-img check "$store/disk.vhdx"
}

test_new_program_knows_the_deaths_of_workers() {
	installed_store
	kill_worker "$mnt"
	kill_worker "$mnt" BUS
	install_new "$(command -v vhdfs)"
	upgrade "$mnt"
	equal "deaths" "2 9 7" "$(deaths "$mnt")"
	unmount "$mnt"
}

test_program_that_does_not_run_is_not_started() {
	installed_store
	exec 7<>"$mnt/disk.vhdx.raw"
	echo before >&7
	printf '#!/bin/sh\nexit 1\n' >"$scratch/broken"
	install_new "$scratch/broken"
	upgrade "$mnt"
	grep -q 'not upgraded: .*does not run' "$mnt.log" ||
		fail "expected a message, found: $(cat "$mnt.log")"
	echo after >&7
	equal "contents" "before after" "$(head -n 2 "$mnt/disk.vhdx.raw" | xargs)"
	exec 7>&-
	unmount "$mnt"
}

# In the background the supervisor works in / and has no terminal.
test_background_mount_is_upgraded() {
	local pid

	installed_store
	unmount "$mnt"
	mkdir "$scratch/a,b\\"
	(cd "$scratch" && vhdfs store mnt -o 'parents=bin,parents=a\,b\\')
	pid=$(pgrep -o -f "^vhdfs store mnt -o parents=bin,parents=a")
	mount_pid[$mnt]=$pid
	at_exit "umount $mnt"
	exec 7<>"$mnt/disk.vhdx.raw"
	upgrade "$mnt"
	echo after >&7
	equal "contents" after "$(head -n 1 "$mnt/disk.vhdx.raw")"
	equal "arguments" "$scratch/bin/vhdfs $store $mnt -o parents=$scratch/bin,parents=$scratch/a\\,b\\\\" \
		"$(tr '\0' ' ' <"/proc/$pid/cmdline" | sed 's/ $//')"
	exec 7>&-
	unset "mount_pid[$mnt]"
}

# Packages call reload-mounts.
test_installation_reloads_mounts_of_the_old_program() {
	local pid

	installed_store
	pid=${mount_pid[$mnt]}
	exec 7<>"$mnt/disk.vhdx.raw"
	"$top_srcdir/contrib/reload-mounts" "$scratch/bin/vhdfs" >"$scratch/out"
	equal "message if all mounts run the program already" \
		"reload-mounts: no mount runs another program than $scratch/bin/vhdfs" \
		"$(cat "$scratch/out")"
	install_new "$(command -v vhdfs-img)"
	"$top_srcdir/contrib/reload-mounts" "$scratch/bin/vhdfs" \
		>"$scratch/out" 2>&1 && fail "expected a program that is no" \
		"vhdfs to be refused: $(cat "$scratch/out")"
	install_new "$top_builddir/vhdfs/vhdfs"
	"$top_srcdir/contrib/reload-mounts" "$scratch/bin/vhdfs" >"$scratch/out"
	equal "program" "$scratch/bin/vhdfs" "$(readlink "/proc/$pid/exe")"
	has_line "process $pid (.*vhdfs $store $mnt -f ) runs $scratch/bin/vhdfs now" \
		"$scratch/out"
	echo after >&7
	exec 7>&-
}

# The program was started by another name.
test_installation_reloads_mounts_with_an_old_library() {
	local library pid

	library=$(ldd "$(command -v vhdfs)" | awk '/libfuse3/ { print $3 }')
	[ -f "$library" ] || skip "vhdfs has no libfuse3 to be replaced"
	mkdir "$scratch/lib"
	cp -L "$library" "$scratch/lib/"
	export LD_LIBRARY_PATH=$scratch/lib
	installed_store
	unset LD_LIBRARY_PATH
	pid=${mount_pid[$mnt]}
	grep -q "$scratch/lib/" "/proc/$pid/maps" ||
		fail "expected the library of the test to be in use"
	cp -L "$library" "$scratch/lib/new"
	mv "$scratch/lib/new" "$scratch/lib/${library##*/}"
	ln -s "$scratch/bin/vhdfs" "$scratch/name"
	"$top_srcdir/contrib/reload-mounts" "$scratch/name" >"$scratch/out"
	has_line "process $pid (.*) runs $scratch/bin/vhdfs now" "$scratch/out"
	! grep -q "$scratch/lib/.*(deleted)" "/proc/$pid/maps" ||
		fail "expected the new library, found: $(cat "/proc/$pid/maps")"
}

test_installation_prints_safely_which_mount_is_not_reloaded() {
	local esc status=0

	esc=$(printf '\033')
	installed_store
	mkdir "$scratch/m${esc}c\\c"
	mount_store "$store" "$scratch/m${esc}c\\c"
	# The first run, with --version, succeeds; the second fails.
	printf '#!/bin/sh\nmkdir %s/once && echo vhdfs 9\n' "$scratch" \
		>"$scratch/sham"
	install_new "$scratch/sham"
	"$top_srcdir/contrib/reload-mounts" "$scratch/bin/vhdfs" \
		>"$scratch/out" 2>&1 || status=$?
	equal "exit status" 1 "$status"
	equal "mounts that are not reloaded" 2 \
		"$(grep -c 'still runs the old program; its log says why$' "$scratch/out")"
	has_line -F "$scratch/m?c\\c -f" "$scratch/out"
}

test_program_that_does_not_run_is_not_reloaded_to() {
	installed_store
	echo 'no program' >"$scratch/bad"
	install_new "$scratch/bad"
	expect 1 "$top_srcdir/contrib/reload-mounts" "$scratch/bin/vhdfs"
	has_line 'does not run; the mounts go on with the old program' "$scratch/stderr"
	stat "$mnt/disk.vhdx.raw"
	! grep upgraded "$mnt.log" || fail "expected no try: $(cat "$mnt.log")"
}

test_version_that_does_not_know_moved_disks_is_not_handed_over_to() {
	installed_store
	exec 9<>"$mnt/disk.vhdx.raw"
	vhdfs-img snapshot "$store/disk.vhdx" s
	printf '#!/bin/sh\n[ "$1" = --version ] && echo vhdfs 0.1\n' \
		>"$scratch/sham"
	install_new "$scratch/sham"
	kill -HUP "${mount_pid[$mnt]}"
	wait_until 30 grep -q 'expected a version that can take over disks' \
		"$mnt.log"
	printf x >&9
	exec 9>&-
}

run_tests
