#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs with failing system calls and allocations, while a client uses a view: the
# client gets the error of its request, flushed data is kept, and the mount continues
# to serve.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"
. "$top_srcdir/tests/contents.sh"
. "${0%/*}/../mount/common.sh"

# letters LETTER COUNT: prints COUNT times the letter.
letters() {
	local text

	printf -v text '%*s' "$2" ''
	echo "${text// /$1}"
}

# make_store ENDING: makes a store with a master and a child that has data.  Sets
# $steps and $commands, the client's work; the files old and new are the disk before
# and after it.
make_store() {
	local i

	requires_faults
	requires_fuse
	ending=$1 store=$scratch/store mnt=$scratch/mnt
	mkdir "$store"
	vhdfs-img create --size 8M --block-size 1M "$store/m.$ending" ||
		vhdfs-img create --size 8M "$store/m.$ending"
	disk-io "$store/m.$ending" write 0 2500000 1 write 6000000 100 2
	vhdfs-img create --parent "$store/m.$ending" "$store/pc.$ending"
	disk-io "$store/pc.$ending" write 3000000 5000 3
	cp "$store/pc.$ending" "$scratch/pc.$ending"
	disk-io "$store/pc.$ending" read 0 - >"$scratch/old"
	view=$mnt/pc.$ending.raw
	offs=(1000 1600000 3001000 5000000 100000 7000000)
	lens=(3000 700 5000 20000 512 4000)
	texts=() letters=ABCDEF
	cp "$scratch/old" "$scratch/new"
	for i in "${!offs[@]}"; do
		texts+=("$(letters "${letters:i:1}" "${lens[i]}")")
		printf %s "${texts[i]}" | dd of="$scratch/new" bs=1M \
			seek="${offs[i]}" oflag=seek_bytes conv=notrunc \
			status=none
	done
	# A number stands for the write with that number.
	steps=(open 0 1 sync 2 3 sync read 4 sync 5 sync read close)
	commands=(answers rw)
	for i in "${steps[@]}"; do
		case $i in
		[0-9]) commands+=(write "${offs[i]}" "${texts[i]}") ;;
		sync) commands+=(fsync) ;;
		read) commands+=(read "${offs[0]}" 4) ;;
		esac
	done
}

# Unmounts the store, and expects that vhdfs leaks no memory and no descriptor.
unmount_with_faults() {
	local status=0

	disarm
	umount "$mnt"
	wait "${mount_pid[$mnt]}" || status=$?
	unset "mount_pid[$mnt]"
	# 1: written data is lost, and its client got the error.
	[ "$status" -le 1 ] || fail "vhdfs: expected exit status 0 or 1, found" \
		"$status: $(tail -n 3 "$mnt.log")"
	ask
	equal "allocations not freed" 0 "$live"
	equal "descriptors not closed" 0 "$files"
}

# Replaces the image by a new file of the same name; the old one may still be open.
fresh_image() {
	cp "$scratch/pc.$ending" "$scratch/fresh"
	mv "$scratch/fresh" "$store/pc.$ending"
}

# Runs the client's work, and sets $answers to its answers.
work() {
	file-io "$view" "${commands[@]}" >"$scratch/answers" \
		2>"$scratch/stderr" || answers=("exit status $?")
	mapfile -t answers <"$scratch/answers"
}

# may_answer ANSWER: may a request answer this after the current fault?
may_answer() {
	case $fault:$1 in
	*:ok | *:????ok) return 0 ;;
	EIO* | torn*) [ "$1" = EIO ] ;;
	ENOSPC* | full*) [ "$1" = ENOSPC ] || [ "$1" = EIO ] ;;
	ENOMEM*) [ "$1" = ENOMEM ] || [ "$1" = EIO ] ;;
	*) false ;;
	esac
}

# Checks the answers, and sets $flushed to the writes that must be durable.
check_answers() {
	local i step answer written=() failed=no

	flushed=()
	[ "${#answers[@]}" != 0 ] ||
		wrong "expected answers, found: $(cat "$scratch/stderr")"
	for i in "${!answers[@]}"; do
		step=${steps[i]} answer=${answers[i]}
		may_answer "$answer" ||
			wrong "$step: expected ok or the fault's error, found $answer"
		[ "$i$answer" = 0ok ] || [ "$i" != 0 ] || return 0
		case $step:$answer in
		[0-9]:ok)
			[ "$failed" = no ] ||
				wrong "write after a failed sync: expected an error"
			written+=("$step")
			;;
		sync:ok)
			[ "$failed" = no ] ||
				wrong "sync after a failed sync: expected an error"
			flushed=("${written[@]}")
			;;
		# After ENOMEM no write was begun, so the next sync may succeed.
		sync:ENOMEM) ;;
		sync:*) failed=yes ;;
		read:*)
			[[ $fault != *:once* || $answer == *ok ]] ||
				[ "$call" = read ] || [ "$call" = memory ] ||
				wrong "read: expected ok, found $answer"
			;;
		esac
	done
}

read_again() {
	cat "$view" >"$scratch/now" 2>"$scratch/stderr"
}

# Expects that each sector has its old or its new content, and each flushed sector the
# new one.
check_contents() {
	local i both

	# After an I/O error vhdfs examines an image again only after a delay.
	[[ $fault != EIO* ]] || wait_until 10 read_again
	read_again || {
		wrong "expected a view that can be read, found:" \
			"$(cat "$scratch/stderr")"
		return
	}
	both=$(unlike_both "$scratch/now" "$scratch/old" "$scratch/new")
	[ -z "$both" ] || wrong "expected old or new content of sectors: " $both
	for i in "${flushed[@]}"; do
		cmp -s -n "${lens[i]}" -i "${offs[i]}" "$scratch/now" \
			"$scratch/new" || wrong "expected the flushed write $i"
	done
}

# Expects that a new open can write, and that the image is sound.
check_new_open() {
	local again

	again=$(file-io "$view" answers rw write 4000000 again fsync |
		paste -sd ' ')
	[ "$again" = "ok ok ok ok" ] ||
		wrong "new open: expected ok ok ok ok, found $again"
	vhdfs-img check "$store/pc.$ending" >"$scratch/check" 2>&1 ||
		wrong "expected a sound image, found: $(cat "$scratch/check")"
	[ "$(ls "$mnt" | paste -sd ' ')" = "m.$ending.raw pc.$ending.raw" ] ||
		wrong "expected the names of both views, found:" \
			"$(ls "$mnt" | paste -sd ' ')"
	kill -0 "${mount_pid[$mnt]}" 2>/dev/null ||
		fail "expected vhdfs to run"
}

# one_fault KIND FORM AT: lets one call fail during the client's work.
one_fault() {
	fresh_image
	arm "$@"
	work
	ask
	disarm
	check_answers
	check_contents
	check_new_open
}

# inject_mounted ENDING KINDS: lets each chosen call fail, one in each run of the work.
inject_mounted() {
	local kind total at injected=0

	make_store "$1"
	mount_with_faults
	what="a client of a $1"
	for kind in $2; do
		fault="$kind without a fault"
		one_fault "${kind%:*}" once 1000000
		[ "${#flushed[@]}" = 6 ] && [ "${answers[7]}" = AAAAok ] ||
			fail "$what: $fault: expected success, found: ${answers[*]}"
		total=$seen
		[ "$total" != 0 ] ||
			fail "$what: $kind: expected calls that can fail"
		choose_points "$total"
		for at in "${ats[@]}"; do
			fault="$kind $at of $total"
			one_fault "${kind%:*}" "${kind#*:}" "$at"
			[ "$fired" = 0 ] || injected=$((injected + 1))
		done
	done
	unmount_with_faults
	remark "$what: $injected faults"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs;" \
		"the log: $(tail -n 10 "$mnt.log")"
	cmp -s "$scratch/old" <(disk-io "$store/m.$1" read 0 -) || true
}

test_client_of_a_vhd_gets_the_error_of_each_file_fault() {
	inject_mounted vhd "$file_faults"
}

test_client_of_a_vhdx_gets_the_error_of_each_file_fault() {
	inject_mounted vhdx "$file_faults"
}

test_client_of_a_vhd_gets_the_error_of_each_failed_allocation() {
	inject_mounted vhd "$memory_faults"
}

test_client_of_a_vhdx_gets_the_error_of_each_failed_allocation() {
	inject_mounted vhdx "$memory_faults"
}

# one_answer COMMAND...: opens the view for writing, runs commands of file-io, and
# prints their answers and that of the close.
one_answer() {
	file-io "$view" answers rw "$@" | tail -n +2 | paste -sd ' '
}

# full_for_a_while KIND ANSWER: expects ANSWER from a write while the file system has
# no space, and success when it has space again.
full_for_a_while() {
	local ending

	for ending in vhd vhdx; do
		[ "$ending" = vhd ] || rm -r "${scratch:?}"/{work,store}
		make_store "$ending"
		mount_with_faults
		hold_view "$view" rw
		arm "$1" ever 1
		equal "a write, $ending" "$2 ok" \
			"$(one_answer write 5000000 "${texts[3]}")"
		disarm
		equal "a write with space again" "ok ok ok" \
			"$(one_answer write 5000000 "${texts[3]}" fsync)"
		release_view
		unmount_with_faults
		vhdfs-img check "$store/pc.$ending"
		equal "written data" "${texts[3]}" "$(disk-io \
			"$store/pc.$ending" read 5000000 "${lens[3]}")"
	done
}

test_writes_succeed_when_a_full_disk_has_space_again() {
	full_for_a_while space ENOSPC
}

test_writes_succeed_when_a_quota_has_space_again() {
	full_for_a_while quota EDQUOT
}

test_failed_sync_stops_writes_until_the_image_is_reopened() {
	local ending

	for ending in vhd vhdx; do
		[ "$ending" = vhd ] || rm -r "${scratch:?}"/{work,store}
		make_store "$ending"
		mount_with_faults
		# The first write to a VHDX causes a sync.
		hold_view "$view" rw write 7500000 first fsync
		arm EIO once 1 sync
		equal "the sync, $ending" "ok EIO EIO" \
			"$(one_answer write 5000000 text fsync)"
		equal "a write after it" "EIO EIO" \
			"$(one_answer write 5000000 text)"
		equal "a sync after it" "EIO EIO" "$(one_answer fsync)"
		head -c 4096 "$view" | cmp - <(head -c 4096 "$scratch/old")
		# The last close reports the failure, too.
		exec {view_fd}>&-
		! wait "$view_pid" || fail "expected a failure of the close"
		wait_until 10 answers "" "$view" rw write 5000000 text fsync
		unmount_with_faults
	done
}

# The worker that got the error dies; the next worker knows the failure until the last
# close.
test_failed_sync_is_known_to_the_next_worker() {
	local worker

	make_store vhdx
	mount_with_faults
	hold_view "$view" rw write 7500000 first fsync
	arm EIO once 1 sync
	equal "the sync" "ok EIO EIO" "$(one_answer write 5000000 text fsync)"
	worker=$(pgrep -P "${mount_pid[$mnt]}")
	kill -KILL "$worker"
	wait_until 10 another_worker "$worker"
	equal "a write after it" "EIO EIO" "$(one_answer write 5000000 text)"
	equal "a sync after it" "EIO EIO" "$(one_answer fsync)"
	equal "flushed data" first \
		"$(dd if="$view" bs=1 skip=7500000 count=5 status=none)"
	exec {view_fd}>&-
	! wait "$view_pid" || fail "expected a failure of the close"
	wait_until 10 answers "" "$view" rw write 5000000 text fsync
	umount "$mnt"
	# 1: written data is lost, and its client got the error.
	wait "${mount_pid[$mnt]}" || [ $? = 1 ]
	unset "mount_pid[$mnt]"
}

another_worker() {
	local pid

	pid=$(pgrep -P "${mount_pid[$mnt]}") && [ "$pid" != "$1" ] && stat -f "$mnt"
}

# When the writer closes, vhdfs reopens the image for the reader.  That fails as long as
# reads fail; afterwards the reader's handle works again.
test_reader_survives_a_failed_reopen() {
	make_store vhdx
	mount_with_faults
	exec {reader}<"$view"
	head -c 4096 <&"$reader" | cmp - <(head -c 4096 "$scratch/old")
	hold_view "$view" rw
	arm EIO ever 1 read
	release_view
	! cat "$view" >/dev/null 2>&1 || fail "expected a failure of the read"
	disarm
	cat <&"$reader" | cmp - <(tail -c +4097 "$scratch/old")
	exec {reader}<&-
	unmount_with_faults
}

# An I/O error of a child must not make its parent writable.
test_parent_stays_read_only_when_its_child_cannot_be_read() {
	make_store vhdx
	chmod u+w "$store/m.vhdx"
	mount_with_faults
	opens "$mnt/m.vhdx.raw" rw EACCES
	arm EIO ever 1 read
	touch "$store/pc.vhdx"
	stat "$view" >/dev/null
	arm EIO ever 1000000 read
	opens "$mnt/m.vhdx.raw" rw EACCES
	disarm
	wait_until 10 cmp "$view" "$scratch/old"
	unmount_with_faults
}

# one_listing KIND FORM AT: lets one call fail while ls lists the mount, after changes of
# names.
one_listing() {
	touch "$store/a/x"
	mv "$store/b/b.vhd" "$store/b/c.vhd"
	mv "$store/b/c.vhd" "$store/b/b.vhd"
	arm "$@"
	if ls -R "$mnt" >"$scratch/stdout" 2>"$scratch/stderr"; then
		cmp -s "$scratch/stdout" "$scratch/names" ||
			wrong "success: expected all names, found:" \
				"$(cat "$scratch/stdout")"
	fi
	ask
	disarm
	! grep -q 'No such file' "$scratch/stderr" ||
		wrong "expected no ENOENT, found: $(cat "$scratch/stderr")"
	ls -R "$mnt" 2>&1 | cmp -s - "$scratch/names" ||
		wrong "next listing: expected all names, found:" \
			"$(ls -R "$mnt" 2>&1)"
}

# A listing is complete, or it fails; the next listing is complete.
test_listing_is_complete_or_fails() {
	local kind total at injected=0

	make_store vhd
	mkdir "$store/a" "$store/b"
	cp "$scratch/pc.vhd" "$store/a/a.vhd"
	cp "$scratch/pc.vhd" "$store/b/b.vhd"
	ln -s ../a/a.vhd "$store/b/link.vhd"
	mount_with_faults
	what="a listing"
	ls -R "$mnt" >"$scratch/names"
	for kind in EIO:once EIO:ever $memory_faults; do
		fault="$kind without a failure"
		one_listing "${kind%:*}" once 1000000
		total=$seen
		[ "$total" != 0 ] ||
			fail "$what: $kind: expected calls that can fail"
		choose_points "$total"
		for at in "${ats[@]}"; do
			fault="$kind $at of $total"
			one_listing "${kind%:*}" "${kind#*:}" "$at"
			[ "$fired" = 0 ] || injected=$((injected + 1))
		done
	done
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
	unmount_with_faults
	remark "$what: $injected faults"
}

# one_start KIND FORM AT: lets one call fail while vhdfs starts: it mounts and serves, or
# it prints an error and exits with 1.
one_start() {
	local pid status=0

	arm "$@"
	env FAULTS="$control" LD_PRELOAD="$faults_so" vhdfs "$store" "$mnt" -f \
		>"$mnt.log" 2>&1 &
	pid=$!
	mount_pid[$mnt]=$pid
	wait_until 10 lib_mounted_or_ended "$mnt"
	ask
	if mountpoint -q "$mnt"; then
		disarm
		counted=$seen injected=$((injected + (fired > 0)))
		starts_well
		umount "$mnt"
		wait "$pid" || status=$?
		[ "$status" = 0 ] || wrong "expected exit status 0, found $status"
		ask
	else
		wait "$pid" || status=$?
		[ "$status" = 1 ] && [ -s "$mnt.log" ] ||
			wrong "expected exit status 1 and a message, found" \
				"$status: $(cat "$mnt.log")"
		ask
		injected=$((injected + (fired > 0)))
	fi
	unset "mount_pid[$mnt]"
	[ "$live" = 0 ] || wrong "expected no leak, found $live allocations"
	[ "$files" = 0 ] || wrong "expected no leak, found $files descriptors"
}

# Expects that the view has its contents soon, whatever could not be read at the start.
starts_well() {
	local end=$((SECONDS + hang_seconds))

	until cmp -s "$view" "$scratch/old"; do
		[ "$SECONDS" -le "$end" ] || {
			wrong "expected the disk in the view: $(cat "$mnt.log")"
			return
		}
		sleep 0.02
	done
}

test_start_succeeds_or_reports_the_error() {
	local kind total at injected=0

	make_store vhdx
	mkdir "$mnt"
	at_exit lib_end_mount "$mnt"
	what="a start"
	for kind in EIO:once EIO:ever $memory_faults; do
		fault="$kind without a failure"
		one_start "${kind%:*}" once 1000000
		total=$counted
		[ "$total" != 0 ] ||
			fail "$what: $kind: expected calls that can fail"
		choose_points "$total"
		for at in "${ats[@]}"; do
			fault="$kind $at of $total"
			one_start "${kind%:*}" "${kind#*:}" "$at"
		done
	done
	remark "$what: $injected faults"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

run_tests
