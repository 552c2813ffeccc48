#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img convert: copies of images and raw disks, and refused sources.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq

# Makes a raw disk with data at both ends, holes, and zeros that were written.
make_raw() {
	choose_seed
	make_model "$scratch/m.raw" 20M
	disk-io "$scratch/m.raw" write 0 3000 1 write 4194303 2097154 2 \
		write 9000000 1 3 zero 10000000 3000000 \
		write $(($(size_of "$scratch/m.raw") - 513)) 513 4
	put_random "$scratch/m.raw" "$scratch/m.raw" 30 >/dev/null
}

only_files() {
	equal "files" "$*" "$(find "$scratch" -type f ! -name 'std*' \
		-printf '%f\n' | sort | paste -sd ' ')"
}

# Each format and type to each other one, and back to raw.
test_conversions_keep_the_disk() {
	local format type

	make_raw
	for format in vhd vhdx; do
		for type in "" --fixed; do
			# shellcheck disable=SC2086
			vhdfs-img convert $type "$scratch/m.raw" \
				"$scratch/a$type.$format"
			same_disk "$scratch/a$type.$format" "$scratch/m.raw"
			vhdfs-img convert "$scratch/a$type.$format" \
				"$scratch/back$type.$format.raw"
			cmp "$scratch/m.raw" "$scratch/back$type.$format.raw"
		done
	done
	vhdfs-img convert "$scratch/a.vhd" "$scratch/b.vhdx"
	same_disk "$scratch/b.vhdx" "$scratch/m.raw"
	vhdfs-img convert --fixed "$scratch/a.vhdx" "$scratch/b.vhd"
	same_disk "$scratch/b.vhd" "$scratch/m.raw"
}

test_names_and_options_select_the_target_format() {
	make_raw
	vhdfs-img convert "$scratch/m.raw" "$scratch/a"
	equal "format and type" "vhdx dynamic" \
		"$(key "$scratch/a" format) $(key "$scratch/a" type)"
	vhdfs-img convert --format vhd --fixed "$scratch/m.raw" "$scratch/b"
	equal "format and type" "vhd fixed" \
		"$(key "$scratch/b" format) $(key "$scratch/b" type)"
	vhdfs-img convert --format raw "$scratch/a" "$scratch/c.vhdx"
	cmp "$scratch/m.raw" "$scratch/c.vhdx"
	vhdfs-img convert "$scratch/a" "$scratch/d.VHD"
	equal format vhd "$(key "$scratch/d.VHD" format)"
}

test_chain_is_flattened() {
	local format

	make_raw
	choose_seed
	for format in vhd vhdx; do
		cp "$scratch/m.raw" "$scratch/model"
		vhdfs-img convert "$scratch/m.raw" "$scratch/0.$format"
		vhdfs-img create --parent "$scratch/0.$format" \
			"$scratch/1.$format"
		put_random "$scratch/1.$format" "$scratch/model" 30
		vhdfs-img create --parent "$scratch/1.$format" \
			"$scratch/2.$format"
		put_random "$scratch/2.$format" "$scratch/model" 30
		vhdfs-img convert "$scratch/2.$format" "$scratch/flat.$format"
		equal type dynamic "$(key "$scratch/flat.$format" type)"
		rm "$scratch"/[012]."$format"
		same_disk "$scratch/flat.$format" "$scratch/model"
	done
}

test_zeros_are_not_stored() {
	local target

	dd if=/dev/zero of="$scratch/z.raw" bs=1M count=64 status=none
	disk-io "$scratch/z.raw" write 40000000 100 1
	for target in a.vhd a.vhdx a.raw; do
		vhdfs-img convert "$scratch/z.raw" "$scratch/$target"
		[ "$(stat -c %b "$scratch/$target")" -lt $((10 << 11)) ] ||
			fail "$target: expected less than $((10 << 11)) blocks," \
				"found $(stat -c %b "$scratch/$target")"
		disk-io "$scratch/$target" read 0 - | cmp - "$scratch/z.raw"
	done
}

test_sparse_disk_of_64_tib_is_converted() {
	vhdfs-img create --size 64T "$scratch/a.vhdx"
	disk-io "$scratch/a.vhdx" write 50000000000000 100000 1
	timeout "$hang_seconds" vhdfs-img convert "$scratch/a.vhdx" "$scratch/b.vhdx"
	disk-io "$scratch/b.vhdx" verify 50000000000000 100000 1
	equal size 70368744177664 "$(key "$scratch/b.vhdx" virtual-size)"
}

test_raw_of_odd_size_is_padded() {
	local target

	disk-io "$(truncate -s 1M "$scratch/a.raw" && echo "$scratch/a.raw")" \
		write 0 - 5
	truncate -s 1000001 "$scratch/a.raw"
	cp "$scratch/a.raw" "$scratch/model"
	truncate -s 1000448 "$scratch/model"
	for target in b.vhd b.vhdx b.raw; do
		vhdfs-img convert "$scratch/a.raw" "$scratch/$target"
		disk-io "$scratch/$target" read 0 - | cmp - "$scratch/model"
	done
}

test_empty_raw_is_refused() {
	: >"$scratch/a.raw"
	expect 1 vhdfs-img convert "$scratch/a.raw" "$scratch/b.vhdx"
	equal "lines of error" 1 "$(wc -l <"$scratch/stderr")"
	only_files a.raw
}

test_sector_size_is_kept() {
	vhdfs-img create --size 10M --sector-size 4096 "$scratch/a.vhdx"
	make_model "$scratch/model" 10M
	put "$scratch/a.vhdx" "$scratch/model" write 5000 70000 1
	vhdfs-img convert "$scratch/a.vhdx" "$scratch/b.vhdx"
	equal "sector size" 4096 "$(key "$scratch/b.vhdx" sector-size)"
	same_disk "$scratch/b.vhdx" "$scratch/model"
	vhdfs-img convert "$scratch/a.vhdx" "$scratch/b.raw"
	cmp "$scratch/b.raw" "$scratch/model"
	expect_error 1 'a\.vhdx: sector size: expected 512.* found 4096; convert it to raw or vhdx' \
		vhdfs-img convert "$scratch/a.vhdx" "$scratch/b.vhd"
	only_files a.vhdx b.raw b.vhdx model
}

test_block_device_is_accepted_as_source() {
	local device

	requires_root
	requires losetup
	make_raw
	device=$(losetup --find --show --read-only "$scratch/m.raw") ||
		skip "no loop devices"
	at_exit losetup -d "$device"
	vhdfs-img convert "$device" "$scratch/a.vhdx"
	same_disk "$scratch/a.vhdx" "$scratch/m.raw"
}

test_existing_target_is_not_overwritten() {
	make_raw
	echo precious >"$scratch/a.vhdx"
	expect_error 1 'a\.vhdx: exists' vhdfs-img convert "$scratch/m.raw" \
		"$scratch/a.vhdx"
	equal content precious "$(cat "$scratch/a.vhdx")"
	expect_error 1 'm\.raw: exists' vhdfs-img convert "$scratch/m.raw" \
		"$scratch/m.raw"
	only_files a.vhdx m.raw
}

test_source_that_is_missing_or_no_file_is_refused() {
	expect_error 1 'a\.raw: No such file' vhdfs-img convert \
		"$scratch/a.raw" "$scratch/b.vhdx"
	expect_error 1 'not a regular file' vhdfs-img convert "$scratch" \
		"$scratch/b.vhdx"
	mkfifo "$scratch/fifo"
	expect_error 1 'not a regular file' vhdfs-img convert "$scratch/fifo" \
		"$scratch/b.vhdx"
	only_files
}

# refused FILE KIND COMMAND: FILE is refused as a source and in place,
# under each name; the message has KIND and COMMAND; no target is made.
refused() {
	local name before

	for name in "$1" "$1.raw" "$1.img"; do
		[ "$name" = "$1" ] || cp "$1" "$name"
		before=$(sha256_of "$name")
		expect_error 1 "expected a VHD or VHDX image or a raw disk, found $2; run .$3 " \
			vhdfs-img convert "$name" "$scratch/out.vhdx"
		expect_error 1 "found $2; run " \
			vhdfs-img convert --in-place "$name"
		equal "$name" "$before" "$(sha256_of "$name")"
	done
	expect_error 1 "found $2; run .$3 " vhdfs-img info "$1"
	expect_error 1 "found $2; run .$3 " vhdfs-img check "$1"
	[ ! -e "$scratch/out.vhdx" ] || fail "expected no target"
	rm -f "$1"*
}

# refused_signature SIGNATURE KIND COMMAND: a file that begins with SIGNATURE.
refused_signature() {
	printf "$1" >"$scratch/a"
	truncate -s 1M "$scratch/a"
	refused "$scratch/a" "$2" "$3"
}

test_disks_of_other_programs_are_refused() {
	local format

	requires qemu-img
	for format in qcow2 qed vmdk vdi parallels; do
		qemu-img create -q -f "$format" "$scratch/a" 1G
		refused "$scratch/a" "an? [A-Za-z0-9]* image" "qemu-img convert"
	done
	qemu-img create -q -f vmdk -o subformat=monolithicFlat \
		"$scratch/a.vmdk" 1M
	refused "$scratch/a.vmdk" "the description of a VMDK image" \
		"qemu-img convert"
	refused_signature '\xbe\xba\xfe\xca\0\0\0\0' \
		"a part of a VMDK image" "qemu-img convert"
	refused_signature 'OOOM\0\0\0\2' "a COW image" "qemu-img convert"
	refused_signature 'VMA\0\0\0\0\1' "a VMA archive" "vma extract"
	refused_signature '\xfe\xef\1' "a Ghost image" "ghost -clone.* and"
}

test_compressed_files_are_refused() {
	requires 7zz bzip2
	vhdfs-img create --size 1G "$scratch/b.vhdx"
	gzip -c "$scratch/b.vhdx" >"$scratch/a"
	refused "$scratch/a" "a gzip file" "gunzip -k"
	xz -c "$scratch/b.vhdx" >"$scratch/a"
	refused "$scratch/a" "an xz file" "unxz -k"
	xz -c --format=lzma "$scratch/b.vhdx" >"$scratch/a"
	refused "$scratch/a" "an lzma file" "unlzma -k"
	bzip2 -c "$scratch/b.vhdx" >"$scratch/a"
	refused "$scratch/a" "a bzip2 file" "bunzip2 -k"
	tar -cf "$scratch/a" -C "$scratch" b.vhdx
	refused "$scratch/a" "a tar archive" "tar -xf"
	7zz a -bd -y "$scratch/a.7z" "$scratch/b.vhdx" >"$scratch/7z.log"
	refused "$scratch/a.7z" "a 7z archive" "7z x"
	refused_signature '\x28\xb5\x2f\xfd' "a zstd file" "unzstd -k"
	refused_signature '\x50\x2a\x4d\x18' "a zstd file" "unzstd -k"
	refused_signature '\x02\x21\x4c\x18' "an lz4 file" "unlz4 -k"
	refused_signature 'LRZI\0\6' "an lrzip file" "lrzip -d"
	truncate -s 1M "$scratch/a"
	printf koly >"$scratch/koly"
	dd if="$scratch/koly" of="$scratch/a" bs=512 seek=2047 conv=notrunc \
		status=none
	truncate -s 1M "$scratch/a"
	refused "$scratch/a" "an Apple disk image" "qemu-img convert"
}

# A guest can write the signature of any format to its disk.
test_view_with_a_foreign_signature_is_a_disk() {
	requires_fuse
	mkdir "$scratch/store"
	vhdfs-img create --size 4M "$scratch/store/a.vhdx"
	disk-io "$scratch/store/a.vhdx" write 0 1000 1
	mount_store "$scratch/store" "$scratch/mnt"
	printf 'QFI\xfb' | dd of="$scratch/mnt/a.vhdx.raw" conv=notrunc,fsync \
		status=none
	vhdfs-img convert "$scratch/mnt/a.vhdx.raw" "$scratch/b.vhdx"
	unmount "$scratch/mnt"
	equal "first bytes" "514649fb" "$(disk-io "$scratch/b.vhdx" read 0 4 |
		od -An -v -t x1 | tr -d ' \n')"
}

# writes_disk VIEW: starts the process $writer, which writes to the view without a
# pause.
writes_disk() {
	(
		# Between two runs of dd a process has the view open, too.
		exec 8<>"$1"
		trap 'kill "$dd"; wait "$dd"; exit' TERM
		# Thousands of writes for each close, because a close flushes.
		while :; do
			dd if=/dev/urandom of="$1" bs=512 count=8192 \
				conv=notrunc status=none &
			dd=$!
			wait "$dd"
		done
	) &
	writer=$!
	at_exit "kill $writer 2>/dev/null"
}

# A copy of a disk that is being written would mix old and new data.
test_view_being_written_is_refused() {
	local view=$scratch/mnt/a.vhdx.raw writer

	requires_fuse
	mkdir "$scratch/store"
	vhdfs-img create --size 4M "$scratch/store/a.vhdx"
	disk-io "$scratch/store/a.vhdx" write 0 4000000 1
	mount_store "$scratch/store" "$scratch/mnt"
	writes_disk "$view"
	expect_error 1 'a\.vhdx\.raw: the disk .*by .* \(process [0-9]+\); .*--force' \
		vhdfs-img convert "$view" "$scratch/b.vhdx"
	equal "files" "" "$(find "$scratch" -name '*b.vhdx*')"
	vhdfs-img convert --force "$view" "$scratch/b.vhdx"
	kill "$writer"
	wait "$writer" || true
	# The writer closed it, which flushes.  A reader does not prevent a copy.
	sync -d "$view"
	vhdfs-img convert "$view" "$scratch/c.vhdx"
	same_disk "$scratch/c.vhdx" "$view"
}

# tgtd keeps its files open; an idle disk can be copied.
test_open_view_without_pending_writes_is_copied() {
	local view=$scratch/mnt/a.vhdx.raw

	requires_fuse
	mkdir "$scratch/store"
	vhdfs-img create --size 4M "$scratch/store/a.vhdx"
	mount_store "$scratch/store" "$scratch/mnt"
	# A write that is neither flushed nor followed by a close.
	(
		exec 1<>"$view"
		printf x
		exec sleep 600
	) &
	at_exit "kill $! 2>/dev/null"
	wait_until 10 grep -q x "$view"
	expect_error 1 'a\.vhdx\.raw: the disk is being written by sleep .*--force' \
		vhdfs-img convert "$view" "$scratch/b.vhdx"
	sync -d "$view"
	vhdfs-img convert "$view" "$scratch/b.vhdx"
	same_disk "$scratch/b.vhdx" "$view"
}

# The kernel writes for a loop device: no process has the view open.
test_message_names_the_loop_device_that_writes() {
	local view=$scratch/mnt/a.vhdx.raw loop

	requires_fuse
	requires losetup
	mkdir "$scratch/store"
	vhdfs-img create --size 4M "$scratch/store/a.vhdx"
	mount_store "$scratch/store" "$scratch/mnt"
	loop=$(losetup -f --show "$view") || skip "no loop device"
	at_exit "losetup -d $loop 2>/dev/null"
	printf x | dd of="$loop" bs=512 conv=notrunc,sync oflag=direct status=none
	expect_error 1 "the disk is being written by loop device $loop;" \
		vhdfs-img convert "$view" "$scratch/b.vhdx"
}

# A broken file with the name of an image is not copied as a raw disk.
test_broken_image_is_refused() {
	local name

	make_raw
	for name in a.vhd a.vhdx a.AVHDX; do
		cp "$scratch/m.raw" "$scratch/$name"
		expect_error 1 "$name: file.*expected a VHD or VHDX image" \
			vhdfs-img convert "$scratch/$name" "$scratch/b.raw"
		rm "$scratch/$name"
	done
	only_files m.raw
}

test_image_in_use_by_a_writer_is_refused() {
	vhdfs-img create --size 10M "$scratch/a.vhdx"
	hold "$scratch/a.vhdx" open
	expect_error 1 'a\.vhdx: .*in use by .*disk-io' vhdfs-img convert \
		"$scratch/a.vhdx" "$scratch/b.vhdx"
	[ ! -e "$scratch/b.vhdx" ]
	release
}

test_vhd_is_at_most_2040_gib() {
	truncate -s 2041G "$scratch/a.raw"
	expect 1 vhdfs-img convert "$scratch/a.raw" "$scratch/b.vhd"
	equal "lines of error" 1 "$(wc -l <"$scratch/stderr")"
	only_files a.raw
}

test_full_file_system_leaves_no_file() {
	requires_root
	mkdir "$scratch/small"
	mount -t tmpfs -o size=8M none "$scratch/small" || skip "no tmpfs"
	at_exit umount "$scratch/small"
	make_model "$scratch/a.raw" 20M
	disk-io "$scratch/a.raw" write 0 - 1
	expect_error 1 'small/b\.vhdx: .*No space' vhdfs-img convert \
		"$scratch/a.raw" "$scratch/small/b.vhdx"
	equal "files" "" "$(ls -A "$scratch/small")"
}

# Makes a source that is so large that a signal arrives during the copy.
slow_source() {
	make_model "$scratch/a.raw" 4G
	disk-io "$scratch/a.raw" write 0 314572800 1
}

test_signal_removes_the_unfinished_file() {
	local signal status pid

	slow_source
	for signal in INT TERM HUP; do
		status=0
		env --default-signal="$signal" vhdfs-img convert \
			"$scratch/a.raw" "$scratch/b.vhdx" &
		pid=$!
		wait_until 10 compgen -G "$scratch/.b.vhdx.*"
		kill -"$signal" "$pid"
		wait "$pid" || status=$?
		equal "exit status" $((128 + $(kill -l "$signal"))) "$status"
		only_files a.raw
	done
}

test_progress_is_not_shown_without_a_terminal() {
	make_raw
	expect 0 vhdfs-img convert "$scratch/m.raw" "$scratch/a.vhdx"
	[ ! -s "$scratch/stdout" ] || fail "expected no standard output"
	[ ! -s "$scratch/stderr" ] || fail "expected no standard error"
}

test_progress_is_shown_on_a_terminal() {
	requires script
	slow_source
	script -qec "vhdfs-img convert '$scratch/a.raw' '$scratch/b.vhdx'" \
		"$scratch/typescript" >/dev/null
	grep -q ' %' "$scratch/typescript" || fail "expected a progress in percent"
	vhdfs-img check "$scratch/b.vhdx"
}

test_source_and_target_outside_the_store_are_refused() {
	mkdir "$scratch/s"
	make_raw
	cp "$scratch/m.raw" "$scratch/s/in.raw"
	expect_error 1 'm\.raw: lies outside the store' vhdfs-img convert \
		--store "$scratch/s" "$scratch/m.raw" "$scratch/s/a.vhdx"
	expect_error 1 'lies outside the store' vhdfs-img convert \
		--store "$scratch/s" "$scratch/s/in.raw" "$scratch/a.vhdx"
	vhdfs-img convert --store "$scratch/s" "$scratch/s/in.raw" \
		"$scratch/s/a.vhdx"
	same_disk "$scratch/s/a.vhdx" "$scratch/m.raw"
}

test_source_is_not_changed() {
	local format before

	for format in vhd vhdx; do
		vhdfs-img create --size 10M "$scratch/a.$format"
		disk-io "$scratch/a.$format" write 12345 67890 1
		before=$(stat -c '%y %a' "$scratch/a.$format")
		before+=$(sha256_of "$scratch/a.$format")
		vhdfs-img convert "$scratch/a.$format" "$scratch/$format.raw"
		equal "the source" "$before" "$(stat -c '%y %a' \
			"$scratch/a.$format")$(sha256_of "$scratch/a.$format")"
	done
}

test_in_place_makes_a_fixed_vhd() {
	make_raw
	cp "$scratch/m.raw" "$scratch/a.raw"
	vhdfs-img convert --in-place "$scratch/a.raw"
	equal "format and type" "vhd fixed" \
		"$(key "$scratch/a.raw" format) $(key "$scratch/a.raw" type)"
	equal size $((20971520 + 512)) "$(size_of "$scratch/a.raw")"
	same_disk "$scratch/a.raw" "$scratch/m.raw"
}

test_in_place_pads_an_odd_size() {
	make_raw
	head -c 1000001 "$scratch/m.raw" >"$scratch/a.raw"
	cp "$scratch/a.raw" "$scratch/model"
	truncate -s 1000448 "$scratch/model"
	vhdfs-img convert --format vhd --fixed --in-place "$scratch/a.raw"
	same_disk "$scratch/a.raw" "$scratch/model"
}

test_in_place_refuses_images() {
	local format

	for format in vhd vhdx; do
		vhdfs-img create --size 10M "$scratch/a.$format"
		cp "$scratch/a.$format" "$scratch/noname.$format.img"
		before=$(sha256_of "$scratch/a.$format")
		for name in "a.$format" "noname.$format.img"; do
			expect_error 1 "$name: expected a raw disk" \
				vhdfs-img convert --in-place "$scratch/$name"
			equal contents "$before" "$(sha256_of "$scratch/$name")"
		done
	done
	: >"$scratch/empty"
	expect 1 vhdfs-img convert --in-place "$scratch/empty"
	equal size 0 "$(size_of "$scratch/empty")"
	expect_error 2 'not vhdx' vhdfs-img convert --format vhdx --in-place \
		"$scratch/empty"
	expect_error 2 'unexpected operand .*b' vhdfs-img convert \
		--in-place "$scratch/empty" "$scratch/b"
}

test_in_place_refuses_a_file_in_use() {
	make_raw
	hold "$scratch/m.raw" open
	expect_error 1 'm\.raw: .*in use by disk-io' vhdfs-img convert \
		--in-place "$scratch/m.raw"
	equal size 20971520 "$(size_of "$scratch/m.raw")"
	release
}

run_tests
