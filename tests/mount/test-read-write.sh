#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Reads, writes, holes, mappings and flushes of a view, compared with a flat file,
# the model.
. "${0%/*}/../lib.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/common.sh"

punch=3		# FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
zero=0x10	# FALLOC_FL_ZERO_RANGE
zero_keep=0x11	# and FALLOC_FL_KEEP_SIZE

# Expects that the child's disk equals the model, through the mount and, after an
# unmount, through the library; and that the parent's file is unchanged.
same_as_model() {
	cmp "$child" "$scratch/model"
	unmount "$mnt"
	same_disk "$store/clients/pc.$ending" "$scratch/model"
	sha256sum --quiet -c "$scratch/parent" ||
		fail "expected an unchanged parent"
	mount_store "$store" "$mnt"
	cmp "$child" "$scratch/model"
}

# store_with_model [ENDING]: mounts a store of a pair, and copies the child's disk to
# the model.
store_with_model() {
	store_of_pair "$@"
	sha256sum "$store/master.$ending" >"$scratch/parent"
	mount_store "$store" "$mnt"
	cp --sparse=always "$child" "$scratch/model"
}

# both COMMAND...: runs commands of file-io on the child and on the model.
both() {
	answers "" "$child" rw "$@"
	answers "" "$scratch/model" rw "$@"
}

random_writes() {
	local i off len piece=$scratch/piece

	choose_seed
	for ((i = 0; i < 60; i++)); do
		random_below 67000000
		off=$random
		random_below 18
		random_below $((1 << (random + 1)))
		len=$((random + 1))
		head -c "$len" /dev/urandom >"$piece"
		for file in "$child" "$scratch/model"; do
			dd if="$piece" of="$file" bs=1M oflag=seek_bytes \
				seek="$off" conv=notrunc status=none
		done
		case $((RANDOM % 8)) in
		0) both fallocate $punch "$off" "$((len * 50 + 1))" ;;
		1) both fallocate $zero_keep "$((off / 2))" "$len" ;;
		2) both fsync ;;
		esac
	done
}

test_vhdx_child_equals_its_model_after_random_writes() {
	store_with_model vhdx
	random_writes
	same_as_model
}

test_vhd_child_equals_its_model_after_random_writes() {
	store_with_model vhd
	random_writes
	same_as_model
}

# store_with_resized SIZE ENDING: mounts a store with a child whose disk has another
# size than the disk of its master.
store_with_resized() {
	local key=relative_path

	store_of_pair "$2"
	[ "$2" = vhdx ] || key=W2ru
	rm "$store/clients/pc.$2"
	forge-child --size="$1" "$store/master.$2" "$store/clients/pc.$2" \
		$key=../master."$2"
	sha256sum "$store/master.$2" >"$scratch/parent"
	mount_store "$store" "$mnt"
	head -c "$1" "$master" >"$scratch/model"
	truncate -s "$1" "$scratch/model"
	cmp "$child" "$scratch/model"
	fallocate -d "$scratch/model"
}

# writes_around OFFSET: writes and punches around the end of the master's disk, also
# parts of sectors; a sync follows each of the first writes.
writes_around() {
	local n text

	text=$(printf %1000s '' | tr ' ' w)
	for n in -70000 -513 -1 511 5000 66000; do
		both write $(($1 + n)) "$text" fsync
	done
	both fallocate $punch $(($1 - 33000)) 40001
	both write $(($1 - 100)) "${text::200}"
}

test_child_larger_than_its_master_equals_its_model() {
	local ending

	for ending in vhd vhdx; do
		rm -rf --one-file-system "$scratch/store"
		store_with_resized 70000128 $ending
		equal "a hole over the master's end up to the child's" yes \
			"$(file-io "$child" ro holes | awk 'END {
				print $1 == "hole" && $2 < 67108864 &&
					$2 + $3 == 70000128 ? "yes" : $0 }')"
		writes_around 67108864
		same_as_model
		vhdfs-img convert --format raw "$store/clients/pc.$ending" "$scratch/flat"
		cmp "$scratch/flat" "$scratch/model"
		unmount "$mnt"
		rm "$scratch/flat"
	done
}

test_child_smaller_than_its_master_equals_its_model() {
	local ending

	for ending in vhd vhdx; do
		rm -rf --one-file-system "$scratch/store"
		store_with_resized 60002816 $ending
		both write 59999000 small fsync write 60002800 at-the-very-end!
		same_as_model
		unmount "$mnt"
	done
}

test_reads_of_any_length_return_the_disk() {
	store_of_pair
	mount_store "$store" "$mnt"
	disk-io "$store/master.vhdx" read 0 - >"$scratch/model"
	local bs
	for bs in 511 4097 65519 1048577 5000000; do
		dd if="$child" bs="$bs" status=none | cmp - "$scratch/model"
	done
}

test_reads_past_the_end_are_short() {
	store_of_pair
	mount_store "$store" "$mnt"
	local end=$((64 << 20)) how
	for how in ro rw; do
		equal "across the end" 10 \
			"$(file-io "$child" $how read $((end - 10)) 100 | wc -c)"
		equal "at the end" 0 \
			"$(file-io "$child" $how read $end 100 | wc -c)"
		equal "past the end" 0 \
			"$(file-io "$child" $how read $((end + 5)) 100 | wc -c)"
	done
}

test_seek_distinguishes_holes_from_data() {
	store_of_pair
	mount_store "$store" "$mnt"
	file-io "$child" rw write 33554432 hello
	file-io "$child" ro holes >"$scratch/holes"
	cat "$scratch/holes"
	equal "bytes" $((64 << 20)) \
		"$(awk '{ n += $3 } END { print n }' "$scratch/holes")"
	grep -q '^hole' "$scratch/holes" ||
		fail "expected a hole, found: $(cat "$scratch/holes")"
	# Holes read zeros, and the written range is data.
	local kind off len
	while read -r kind off len; do
		[ "$kind" = hole ] || continue
		cmp -n "$len" -i "$off:0" "$child" /dev/zero
	done <"$scratch/holes"
	awk -v at=33554432 '$1 == "data" && $2 <= at && at < $2 + $3 { ok = 1 }
		END { exit !ok }' "$scratch/holes" ||
		fail "expected data at 33554432: $(cat "$scratch/holes")"
}

test_empty_disk_is_one_hole() {
	empty_store
	vhdfs-img create --size 1T "$store/a.vhdx"
	mount_store "$store" "$mnt"
	answers "hole 0 1099511627776" "$mnt/a.vhdx.raw" ro holes
}

test_punched_hole_hides_the_data_of_the_parent() {
	store_with_model
	both fallocate $punch 1000 50000
	both fallocate $punch 60000000 5000
	both fallocate $zero 90000 4096
	both fallocate $zero_keep 0 512
	same_as_model
}

test_punched_hole_frees_its_space() {
	empty_store
	vhdfs-img create --size 256M "$store/a.vhdx"
	mount_store "$store" "$mnt"
	local view=$mnt/a.vhdx.raw before full after
	before=$(stat -c %b "$view")
	dd if=/dev/urandom of="$view" bs=1M count=128 conv=notrunc,fsync \
		status=none
	full=$(stat -c %b "$view")
	[ $((full - before)) -ge $((128 << 11)) ] ||
		fail "expected 262144 blocks more than $before, found $full"
	fallocate -p -o 0 -l 128M "$view"
	sync "$view"
	after=$(stat -c %b "$view")
	[ $((after - before)) -le $((8 << 11)) ] ||
		fail "expected at most $((before + (8 << 11))) blocks after" \
			"the punch, found $after; before it $full"
}

test_fallocate_does_not_grow_the_disk() {
	store_with_model
	local end=$((64 << 20))
	both fallocate $punch $((end - 1000)) 5000
	both fallocate $zero_keep $((end - 5000)) 50000
	both fallocate $punch $((end + 5000)) 50000
	answers EPERM "$child" rw fallocate $zero $((end - 5000)) 50000
	answers EPERM "$child" rw fallocate 0 $((end - 5000)) 50000
	answers EPERM "$child" rw fallocate 0 $end 1
	same_as_model
}

test_unsupported_fallocate_modes_are_refused() {
	store_of_pair
	mount_store "$store" "$mnt"
	answers EOPNOTSUPP "$child" rw fallocate 0 0 4096
	answers EOPNOTSUPP "$child" rw fallocate 1 0 4096
	answers EOPNOTSUPP "$child" rw fallocate 0x8 0 4096
	cmp "$child" "$master"
}

test_private_mapping_shows_the_disk() {
	store_of_pair
	mount_store "$store" "$mnt"
	head -c 200000 "$master" | tail -c 150000 >"$scratch/model"
	local how
	for how in ro rw; do
		file-io "$child" $how map private 49152 150848 |
			head -c 150848 >"$scratch/mapped"
		cmp "$scratch/mapped" <(head -c 200000 "$master" |
			tail -c +49153)
	done
}

test_shared_read_only_mapping_shows_the_disk() {
	store_of_pair
	mount_store "$store" "$mnt"
	file-io "$child" ro map shared 0 1000000 |
		cmp - <(head -c 1000000 "$master")
}

# The kernel and libfuse decide whether such a mapping is possible.
test_shared_writable_mapping_shows_the_disk_or_is_refused() {
	store_of_pair
	mount_store "$store" "$mnt"
	if file-io "$child" rw write 5000 hello map shared 0 1000000 \
		>"$scratch/mapped"; then
		cmp "$scratch/mapped" <(head -c 1000000 "$child")
	else
		equal "mapping" ENODEV "$(cat "$scratch/mapped")"
	fi
}

# A reader has mapped the pages before the writer changes them.
test_mapped_pages_show_later_writes() {
	store_of_pair
	mount_store "$store" "$mnt"
	mkfifo "$scratch/in" "$scratch/out"
	file-io "$child" ro watch 4096 65536 <"$scratch/in" >"$scratch/out" &
	local pid=$! letter answer
	exec {in}>"$scratch/in" {out}<"$scratch/out"
	read -r answer <&"$out"
	equal "watcher" watching "$answer"
	for letter in {a..z} {a..z}; do
		file-io "$child" rw write 4096 "$letter"
		echo >&"$in"
		read -r answer <&"$out"
		equal "mapped byte" "$letter" "$answer"
	done
	fallocate -p -o 4096 -l 4096 "$child"
	echo >&"$in"
	IFS= read -r -d '' -n 1 answer <&"$out"
	equal "mapped byte of a hole" "" "$answer"
	exec {in}>&-
	wait "$pid"
}

test_two_handles_see_the_same_disk() {
	store_of_pair
	mount_store "$store" "$mnt"
	hold_view "$child" rw write 1000 first
	equal "a reader" first "$(file-io "$child" ro read 1000 5)"
	file-io "$child" rw write 1005 second
	equal "another writer" firstsecond "$(file-io "$child" rw read 1000 11)"
	release_view
	equal "after" firstsecond "$(file-io "$child" ro read 1000 11)"
}

test_open_reader_sees_the_data_of_a_later_writer() {
	store_of_pair
	mount_store "$store" "$mnt"
	exec {fd}<"$child"
	head -c 4096 <&"$fd" >/dev/null
	file-io "$child" rw write 8192 changed
	equal "the old reader" changed "$(head -c 4103 <&"$fd" | tail -c 7)"
	exec {fd}<&-
}

test_threads_write_separate_areas_in_parallel() {
	store_of_pair
	mount_store "$store" "$mnt"
	file-io "$child" rw parallel 16 2000001
	local i letters=abcdefghijklmnop
	for ((i = 0; i < 16; i++)); do
		head -c 2000001 /dev/zero | tr '\0' "${letters:i:1}"
	done | cmp -n $((16 * 2000001)) - "$child"
}

# Each thread writes and verifies slots of its own, which lie between the slots of the
# other threads.
test_threads_write_interleaved_slots_of_the_same_blocks() {
	local ending slot

	choose_seed
	for ending in vhd vhdx; do
		rm -rf "$scratch/store"
		store_of_pair $ending
		mount_store "$store" "$mnt"
		for slot in 512 3072 20480; do
			answers "" "$child" rw stress 6 $slot 400 "$RANDOM"
		done
		unmount "$mnt"
		vhdfs-img check "$store/clients/pc.$ending"
	done
}

test_several_views_are_written_in_parallel() {
	store_of_pair
	local i pids=()
	for i in 1 2 3 4 5 6; do
		vhdfs-img create --parent "$store/master.vhdx" \
			"$store/clients/c$i.vhdx"
	done
	mount_store "$store" "$mnt"
	for i in 1 2 3 4 5 6; do
		(
			file-io "$mnt/clients/c$i.vhdx.raw" rw parallel 4 1000003
			cat "$master" >/dev/null
		) &
		pids+=($!)
	done
	wait "${pids[@]}"
	for i in 2 3 4 5 6; do
		cmp "$mnt/clients/c1.vhdx.raw" "$mnt/clients/c$i.vhdx.raw"
	done
	cmp -i 4000012 "$mnt/clients/c1.vhdx.raw" "$master"
}

# A copy of the image file, made while the image is open, has the flushed data.
test_fsync_writes_the_data_to_the_image_file() {
	store_of_pair
	mount_store "$store" "$mnt"
	hold_view "$child" rw write 12345 precious fsync
	mkdir "$scratch/copy"
	cp -r "$store/." "$scratch/copy"
	equal "in the copy" precious \
		"$(disk-io "$scratch/copy/clients/pc.vhdx" read 12345 8)"
}

test_full_file_system_answers_enospc_and_keeps_flushed_data() {
	empty_store
	truncate -s 24M "$scratch/small"
	mkfs.ext4 -q -m 0 "$scratch/small"
	mount -o loop "$scratch/small" "$store"
	at_exit "umount $store"
	vhdfs-img create --size 64M --block-size 1M "$store/a.vhdx"
	mount_store "$store" "$mnt"
	dd if=/dev/urandom of="$scratch/new" bs=1M count=8 status=none
	dd if="$scratch/new" of="$mnt/a.vhdx.raw" conv=notrunc,fsync status=none
	dd if=/dev/urandom of="$mnt/a.vhdx.raw" bs=1M seek=8 count=56 \
		conv=notrunc,fsync 2>"$scratch/says" &&
		fail "expected ENOSPC, found 64 MiB in a file system of 24 MiB"
	grep -q 'No space left' "$scratch/says" ||
		fail "expected ENOSPC, found: $(cat "$scratch/says")"
	cmp -n $((8 << 20)) "$scratch/new" "$mnt/a.vhdx.raw"
	unmount "$mnt"
	vhdfs-img check "$store/a.vhdx"
	disk-io "$store/a.vhdx" read 0 $((8 << 20)) | cmp - "$scratch/new"
}

run_tests
