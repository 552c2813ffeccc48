#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A mount and other programs that open images: vhdfs-img and QEMU, which lock the
# same bytes.
. "${0%/*}/../lib.sh"
. "${0%/*}/../mount/common.sh"
. "${0%/*}/common.sh"

requires jq qemu-io qemu-img qemu-nbd strace

# QEMU does not support children of a VHD, but opens every file as raw, with the
# same locks.
# qemu_opens FILE MODE EXPECTED: expects this output; "": success.
qemu_opens() {
	local status=0 mode=(-r)

	[ "$2" = ro ] || mode=()
	qemu-io -f raw "${mode[@]}" -c 'read 0 512' "$1" \
		>"$scratch/qemu.out" 2>&1 || status=$?
	if [ -z "$3" ]; then
		[ "$status" = 0 ] ||
			fail "qemu-io $2: expected success, found: $(cat "$scratch/qemu.out")"
	else
		[ "$status" != 0 ] ||
			fail "qemu-io $2: expected ${1##*/} to be refused"
		grep -q "$3" "$scratch/qemu.out" ||
			fail "qemu-io $2: expected '$3', found: $(cat "$scratch/qemu.out")"
	fi
}

# qemu_holds FILE [OPTION]: qemu-io opens the file, for writing without -r, until
# let_go.
qemu_holds() {
	hold_as qemu-io -f raw "${@:2}" "$1"
	wait_until 10 in_use "$1"
}

qemu_meets_a_mount() {
	store_of_pair "$ending"
	file=$store/clients/pc.$ending master_file=$store/master.$ending
	chmod 644 "$master_file"
	mount_store "$store" "$mnt"
	qemu_opens "$file" ro ""
	qemu_opens "$file" rw ""

	hold_view "$child" rw
	qemu_opens "$file" ro 'Failed to .*lock'
	qemu_opens "$file" rw 'Failed to .*lock'
	qemu_opens "$master_file" rw 'Failed to .*lock'
	qemu_opens "$master_file" ro ""
	expect 0 qemu-img info -U -f raw "$file"
	release_view

	wait_until 5 not_in_use "$file"
	hold_view "$child" ro
	qemu_opens "$file" ro ""
	qemu_opens "$file" rw 'Failed to .*lock'
	release_view
	wait_until 5 not_in_use "$master_file"
	qemu_opens "$file" rw ""
}

test_qemu_is_refused_an_image_that_a_mount_has_open() {
	with_each_format qemu_meets_a_mount
}

mount_meets_qemu() {
	store_of_pair "$ending"
	file=$store/clients/pc.$ending master_file=$store/master.$ending
	chmod 644 "$master_file"
	mount_store "$store" "$mnt"
	# Writers of the leaf and of its parent.
	qemu_holds "$file"
	opens "$child" rw EBUSY
	opens "$child" ro EBUSY
	grep -q "pc.$ending: .*in use by qemu-io (process $as_pid)" "$mnt.log" ||
		fail "expected the holder in the log, found: $(cat "$mnt.log")"
	let_go
	qemu_holds "$master_file"
	opens "$child" rw EBUSY
	opens "$child" ro EBUSY
	let_go
	# A reader.
	qemu_holds "$file" -r
	opens "$child" rw EBUSY
	opens "$child" ro ""
	let_go
	qemu_holds "$master_file" -r
	opens "$child" rw ""
	let_go
	opens "$child" rw ""
}

test_mount_is_refused_an_image_that_qemu_has_open() {
	with_each_format mount_meets_qemu
}

test_mount_is_refused_an_image_that_qemu_nbd_has_open() {
	local pid
	store_of_pair
	mount_store "$store" "$mnt"
	qemu-nbd -t -f raw -k "$scratch/socket" "$store/clients/pc.vhdx" &
	pid=$!
	at_exit "kill $pid 2>/dev/null; wait $pid"
	wait_until 10 in_use "$store/clients/pc.vhdx"
	opens "$child" rw EBUSY
	grep -q "in use by qemu-nbd (process $pid)" "$mnt.log" ||
		fail "expected the holder in the log, found: $(cat "$mnt.log")"
	kill -KILL "$pid"
	wait "$pid" || true
	opens "$child" rw ""
}

# QEMU's own driver would damage an image that is open.
test_qemu_img_does_not_change_an_image_that_a_mount_has_open() {
	store_of_pair
	mount_store "$store" "$mnt"
	hold_view "$child" rw write 0 hello
	expect 1 qemu-img check -r all -f vhdx "$store/clients/pc.vhdx"
	grep -q lock "$scratch/stderr" ||
		fail "check: expected 'lock', found: $(cat "$scratch/stderr")"
	expect 1 qemu-img resize -f vhdx "$store/clients/pc.vhdx" 128M
	grep -q lock "$scratch/stderr" ||
		fail "resize: expected 'lock', found: $(cat "$scratch/stderr")"
	release_view
	wait_until 5 not_in_use "$store/clients/pc.vhdx"
	vhdfs-img check "$store/clients/pc.vhdx"
}

vhdfs_img_meets_a_reader() {
	store_of_pair "$ending"
	file=$store/clients/pc.$ending
	mount_store "$store" "$mnt"
	hold_view "$child" ro
	expect 0 vhdfs-img check "$file"
	grep -q "in use by vhdfs (process ${mount_pid[$mnt]})" "$scratch/stdout"
	expect_error 1 "in use by vhdfs \(process ${mount_pid[$mnt]}\)" \
		vhdfs-img check --repair "$file"
	expect 0 vhdfs-img convert "$file" "$scratch/copy.$ending"
	expect 0 vhdfs-img create --parent "$file" "$store/b.$ending"
	equal "in-use" true \
		"$(vhdfs-img info --json "$file" | jq '."in-use"')"
	expect 0 vhdfs-img map "$file"
	release_view
	rm "$scratch/copy.$ending"
}

test_vhdfs_img_reads_an_image_that_a_mount_reads() {
	with_each_format vhdfs_img_meets_a_reader
}

vhdfs_img_meets_a_writer() {
	store_of_pair "$ending"
	file=$store/clients/pc.$ending
	mount_store "$store" "$mnt"
	hold_view "$child" rw
	expect_error 1 "in use by vhdfs \(process ${mount_pid[$mnt]}\)" \
		vhdfs-img convert "$file" "$scratch/copy.$ending"
	# Its parent can be read, and become the parent of others.
	expect 0 vhdfs-img convert "$store/master.$ending" \
		"$scratch/copy.$ending"
	expect 0 vhdfs-img create --parent "$store/master.$ending" \
		"$store/b.$ending"
	release_view
	rm "$scratch/copy.$ending"
}

test_vhdfs_img_does_not_change_an_image_that_a_mount_writes() {
	with_each_format vhdfs_img_meets_a_writer
}

# stopped_at FILE CALL COMMAND...: starts the command, which stops at its first such
# system call on that file or directory, or on any, until goes_on.
stopped_at() {
	local path=(-P "$1")

	[ "$1" != any ] || path=()
	# The leak sanitizer does not work in a traced process.
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 \
		strace -f -o "$scratch/trace" "${path[@]}" -e "trace=$2" \
		-e "inject=$2:signal=SIGSTOP:when=1" "${@:3}" &
	tracer_pid=$!
	at_exit "kill -KILL $tracer_pid 2>/dev/null"
	wait_until 10 in_use "$file"
	slow_pid=$(pgrep -P "$tracer_pid")
	at_exit "kill -KILL $slow_pid 2>/dev/null"
	wait_until 10 grep -q '^State:[[:space:]]*[tT]' "/proc/$slow_pid/status"
	wait_until 10 grep -q 'stopped by SIGSTOP' "$scratch/trace"
}

goes_on() {
	kill -CONT "$slow_pid"
	wait "$tracer_pid"
}

test_mount_is_refused_an_image_that_vhdfs_img_changes() {
	store_of_pair
	file=$store/clients/pc.vhdx
	mount_store "$store" "$mnt"
	# The source of a copy can be read and not written.
	stopped_at "$scratch" fsync vhdfs-img convert "$file" "$scratch/copy.vhdx"
	opens "$child" rw EBUSY
	opens "$child" ro ""
	grep -q "in use by vhdfs-img (process $slow_pid)" "$mnt.log" ||
		fail "expected the holder in the log, found: $(cat "$mnt.log")"
	goes_on
	# A repair locks the image exclusively.
	stopped_at "$file" pread64 vhdfs-img check --repair "$file"
	opens "$child" rw EBUSY
	opens "$child" ro EBUSY
	goes_on
	# A child protects its parent while it is being created, too.
	stopped_at any fdatasync vhdfs-img create --parent "$file" \
		"$store/b.vhdx"
	opens "$child" rw EACCES
	goes_on
	opens "$child" rw EACCES
}

run_tests
