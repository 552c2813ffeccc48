#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs when calls fail while a client works: each client's error is its own,
# what was flushed is there, and the mount goes on.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"
. "${0%/*}/../mount/common.sh"

# letters LETTER COUNT
letters() {
	local text

	printf -v text '%*s' "$2" ''
	echo "${text// /$1}"
}

# A store with a master and a child that has data; the client's commands, and
# the flat disk before and after them.
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
	# What each of the client's commands is: a number for a write.
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

# vhdfs itself, with faults.so and nothing else with it.
mount_with_faults() {
	mkdir -p "$scratch/bin"
	cat >"$scratch/bin/vhdfs" <<-END
		#!/bin/sh
		exec env FAULTS='$control' LD_PRELOAD='$faults_so' \
			'$(command -v vhdfs)' "\$@"
	END
	chmod +x "$scratch/bin/vhdfs"
	disarm
	PATH=$scratch/bin:$PATH mount_store "$store" "$mnt"
	at_exit disarm
}

# Its end: what it did not give back shows then.
unmount_with_faults() {
	local status=0

	disarm
	umount "$mnt"
	wait "${mount_pid[$mnt]}" || status=$?
	unset "mount_pid[$mnt]"
	# 1: something that was written is lost, and a client was told so.
	[ "$status" -le 1 ] || fail "vhdfs ended with $status:" \
		"$(tail -n 3 "$mnt.log")"
	ask
	equal "allocations not freed" 0 "$live"
	equal "descriptors not closed" 0 "$files"
}

# A new file of that name, though the old one may not be closed yet.
fresh_image() {
	cp "$scratch/pc.$ending" "$scratch/fresh"
	mv "$scratch/fresh" "$store/pc.$ending"
}

# The client's work: its answers, in $answers.
work() {
	file-io "$view" "${commands[@]}" >"$scratch/answers" \
		2>"$scratch/stderr" || answers=("exit status $?")
	mapfile -t answers <"$scratch/answers"
}

# Which errors may be seen of this kind of failure.
may_answer() {
	case $fault:$1 in
	*:ok | *:????ok) return 0 ;;
	EIO* | torn*) [ "$1" = EIO ] ;;
	ENOSPC* | full*) [ "$1" = ENOSPC ] || [ "$1" = EIO ] ;;
	ENOMEM*) [ "$1" = ENOMEM ] || [ "$1" = EIO ] ;;
	*) false ;;
	esac
}

# Looks at the answers; which writes are durable is in $flushed.
check_answers() {
	local i step answer written=() failed=no

	flushed=()
	[ "${#answers[@]}" != 0 ] || wrong "no answer: $(cat "$scratch/stderr")"
	for i in "${!answers[@]}"; do
		step=${steps[i]} answer=${answers[i]}
		may_answer "$answer" || wrong "$step: answer $answer"
		[ "$i$answer" = 0ok ] || [ "$i" != 0 ] || return 0
		case $step:$answer in
		[0-9]:ok)
			[ "$failed" = no ] ||
				wrong "a write after a sync that failed"
			written+=("$step")
			;;
		sync:ok)
			[ "$failed" = no ] ||
				wrong "a sync after a sync that failed"
			flushed=("${written[@]}")
			;;
		# For lack of memory nothing was begun, and the next one may.
		sync:ENOMEM) ;;
		sync:*) failed=yes ;;
		read:*)
			[[ $fault != *:once* || $answer == *ok ]] ||
				[ "$call" = read ] || [ "$call" = memory ] ||
				wrong "a read: $answer"
			;;
		esac
	done
}

read_again() {
	cat "$view" >"$scratch/now" 2>"$scratch/stderr"
}

# Every sector is old or new, and what was flushed is new.
check_contents() {
	local i both

	# After an error of the disk it is tried again after a while only.
	[[ $fault != EIO* ]] || wait_until 10 read_again
	read_again || {
		wrong "it cannot be read again: $(cat "$scratch/stderr")"
		return
	}
	both=$(comm -12 <(sectors_other old) <(sectors_other new))
	[ -z "$both" ] || wrong "sectors neither old nor new: " $both
	for i in "${flushed[@]}"; do
		cmp -s -n "${lens[i]}" -i "${offs[i]}" "$scratch/now" \
			"$scratch/new" || wrong "write $i was flushed, and is lost"
	done
}

sectors_other() {
	{
		cmp -l "$scratch/now" "$scratch/$1" || true
	} | awk '{ print int(($1 - 1) / 512) }' | sort -u
}

# It takes writes again, and is sound after.
check_anew() {
	local again

	again=$(file-io "$view" answers rw write 4000000 again fsync |
		paste -sd ' ')
	[ "$again" = "ok ok ok ok" ] || wrong "opened anew: $again"
	vhdfs-img check "$store/pc.$ending" >"$scratch/check" 2>&1 ||
		wrong "check: $(cat "$scratch/check")"
	[ "$(ls "$mnt" | paste -sd ' ')" = "m.$ending.raw pc.$ending.raw" ] ||
		wrong "names: $(ls "$mnt" | paste -sd ' ')"
	kill -0 "${mount_pid[$mnt]}" 2>/dev/null || fail "vhdfs has ended"
}

# one_fault KIND FORM AT
one_fault() {
	fresh_image
	arm "$@"
	work
	ask
	disarm
	check_answers
	check_contents
	check_anew
}

# inject_mounted ENDING KINDS
inject_mounted() {
	local kind total at injected=0

	make_store "$1"
	mount_with_faults
	what="a client of a $1"
	for kind in $2; do
		fault="$kind without a failure"
		one_fault "${kind%:*}" once 1000000
		[ "${#flushed[@]}" = 6 ] && [ "${answers[7]}" = AAAAok ] ||
			fail "$what: $fault: ${answers[*]}"
		total=$seen
		[ "$total" != 0 ] || fail "$what: $kind: no call counted"
		choose_points "$total"
		for at in "${ats[@]}"; do
			fault="$kind $at of $total"
			one_fault "${kind%:*}" "${kind#*:}" "$at"
			[ "$fired" = 0 ] || injected=$((injected + 1))
		done
	done
	unmount_with_faults
	remark "$what: $injected faults"
	[ "${wrongs:-0}" = 0 ] || fail "$wrongs were wrong;" \
		"vhdfs said: $(tail -n 10 "$mnt.log")"
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

# one_answer COMMAND...: of file-io on the view, opened for writing: what it
# says after "ok" for the opening.
one_answer() {
	file-io "$view" answers rw "$@" | tail -n +2 | paste -sd ' '
}

# room_again KIND ANSWER: of a write while there is no room.
room_again() {
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
		equal "with room again" "ok ok ok" \
			"$(one_answer write 5000000 "${texts[3]}" fsync)"
		release_view
		unmount_with_faults
		vhdfs-img check "$store/pc.$ending"
		equal "what it wrote" "${texts[3]}" "$(disk-io \
			"$store/pc.$ending" read 5000000 "${lens[3]}")"
	done
}

test_writes_succeed_when_a_full_disk_has_space_again() {
	room_again full ENOSPC
}

test_writes_succeed_when_a_quota_has_space_again() {
	room_again quota EDQUOT
}

test_failed_sync_stops_writes_until_the_image_is_reopened() {
	local ending

	for ending in vhd vhdx; do
		[ "$ending" = vhd ] || rm -r "${scratch:?}"/{work,store}
		make_store "$ending"
		mount_with_faults
		# The first write syncs by itself, in a VHDX.
		hold_view "$view" rw write 7500000 first fsync
		arm EIO once 1 sync
		equal "the sync, $ending" "ok EIO EIO" \
			"$(one_answer write 5000000 text fsync)"
		equal "a write after it" "EIO EIO" \
			"$(one_answer write 5000000 text)"
		equal "a sync after it" "EIO EIO" "$(one_answer fsync)"
		head -c 4096 "$view" | cmp - <(head -c 4096 "$scratch/old")
		# It is told with its last close, too.
		exec {view_fd}>&-
		! wait "$view_pid" || fail "expected its close to fail"
		wait_until 10 answers "" "$view" rw write 5000000 text fsync
		unmount_with_faults
	done
}

# The worker that was told dies; the next one knows of it, until the last close.
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
	equal "what was written before" first \
		"$(dd if="$view" bs=1 skip=7500000 count=5 status=none)"
	exec {view_fd}>&-
	! wait "$view_pid" || fail "expected its close to fail"
	wait_until 10 answers "" "$view" rw write 5000000 text fsync
	umount "$mnt"
	# 1: what was written last is lost, and the client was told so.
	wait "${mount_pid[$mnt]}" || [ $? = 1 ]
	unset "mount_pid[$mnt]"
}

another_worker() {
	local pid

	pid=$(pgrep -P "${mount_pid[$mnt]}") && [ "$pid" != "$1" ] && stat -f "$mnt"
}

# The reader goes on when the disk is back, though nothing could be read when
# the writer had gone.
test_reader_survives_a_failed_reopen() {
	make_store vhdx
	mount_with_faults
	exec {reader}<"$view"
	head -c 4096 <&"$reader" | cmp - <(head -c 4096 "$scratch/old")
	hold_view "$view" rw
	arm EIO ever 1 read
	release_view
	! cat "$view" >/dev/null 2>&1 || fail "expected reading to fail meanwhile"
	disarm
	cat <&"$reader" | cmp - <(tail -c +4097 "$scratch/old")
	exec {reader}<&-
	unmount_with_faults
}

# A child that cannot be read just now stays its parent's child.
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

# one_listing KIND FORM AT: after names have come and gone.
one_listing() {
	touch "$store/a/x"
	mv "$store/b/b.vhd" "$store/b/c.vhd"
	mv "$store/b/c.vhd" "$store/b/b.vhd"
	arm "$@"
	if ls -R "$mnt" >"$scratch/stdout" 2>"$scratch/stderr"; then
		cmp -s "$scratch/stdout" "$scratch/names" ||
			wrong "names: $(cat "$scratch/stdout")"
	fi
	ask
	disarm
	! grep -q 'No such file' "$scratch/stderr" ||
		wrong "$(cat "$scratch/stderr")"
	ls -R "$mnt" 2>&1 | cmp -s - "$scratch/names" ||
		wrong "afterwards: $(ls -R "$mnt" 2>&1)"
}

# What is listed is all that there is, or the listing fails; and all of it is
# there afterwards.
test_listing_is_complete_or_fails() {
	local kind total at injected=0

	make_store vhd
	mkdir "$store/a" "$store/b"
	cp "$scratch/pc.vhd" "$store/a/a.vhd"
	cp "$scratch/pc.vhd" "$store/b/b.vhd"
	ln -s ../a/a.vhd "$store/b/link.vhd"
	mount_with_faults
	what=listing
	ls -R "$mnt" >"$scratch/names"
	for kind in EIO:once EIO:ever $memory_faults; do
		fault="$kind without a failure"
		one_listing "${kind%:*}" once 1000000
		total=$seen
		[ "$total" != 0 ] || fail "$what: $kind: no call counted"
		choose_points "$total"
		for at in "${ats[@]}"; do
			fault="$kind $at of $total"
			one_listing "${kind%:*}" "${kind#*:}" "$at"
			[ "$fired" = 0 ] || injected=$((injected + 1))
		done
	done
	[ "${wrongs:-0}" = 0 ] || fail "$wrongs were wrong"
	unmount_with_faults
	remark "$what: $injected faults"
}

# one_start KIND FORM AT: it mounts, or says why not.
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
		[ "$status" = 0 ] || wrong "exit status $status"
		ask
	else
		wait "$pid" || status=$?
		[ "$status" = 1 ] && [ -s "$mnt.log" ] ||
			wrong "exit status $status: $(cat "$mnt.log")"
		ask
		injected=$((injected + (fired > 0)))
	fi
	unset "mount_pid[$mnt]"
	[ "$live" = 0 ] || wrong "$live allocations were not freed"
	[ "$files" = 0 ] || wrong "$files descriptors were not closed"
}

# Soon all is there, whatever could not be read when it began.
starts_well() {
	local end=$((SECONDS + hang_seconds))

	until cmp -s "$view" "$scratch/old"; do
		[ "$SECONDS" -le "$end" ] || {
			wrong "another disk: $(cat "$mnt.log")"
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
	what=start
	for kind in EIO:once EIO:ever $memory_faults; do
		fault="$kind without a failure"
		one_start "${kind%:*}" once 1000000
		total=$counted
		[ "$total" != 0 ] || fail "$what: $kind: no call counted"
		choose_points "$total"
		for at in "${ats[@]}"; do
			fault="$kind $at of $total"
			one_start "${kind%:*}" "${kind#*:}" "$at"
		done
	done
	remark "$what: $injected faults"
	[ "${wrongs:-0}" = 0 ] || fail "$wrongs were wrong"
}

run_tests
