#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Space of the store's file system: the reserve that writes leave free.
. "${0%/*}/../lib.sh"
. "${0%/*}/common.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/../kill/small-fs.sh"
. "${0%/*}/../tgt/tgt.sh"

M=1048576
page=$(printf '%04096d' 7)
reserve=$((16 * M))

# small_store TYPE [SIZE]: a store on a file system of its own.
small_store() {
	requires_fuse
	make_fs "$@"
	mkdir "$store"
	mnt=$scratch/mnt
}

# make_images COUNT: as many images of 8 MiB in blocks of 1 MiB, the first block half
# filled and flushed: children of one master, in turn with images without a parent,
# whose empty half is stored, in a hole of the file.
make_images() {
	local i

	vhdfs-img create --size 8M --block-size 1M "$store/master.vhdx"
	disk-io "$store/master.vhdx" write 0 $((8 * M)) 1
	for ((i = 1; i <= $1; i += 2)); do
		vhdfs-img create --parent "$store/master.vhdx" "$store/$i.vhdx"
		vhdfs-img create --size 8M --block-size 1M \
			"$store/$((i + 1)).vhdx"
	done
	for ((i = 1; i <= $1; i++)); do
		disk-io "$store/$i.vhdx" write 0 524288 5 flush
	done
	images=$1
	sync -f "$store"
}

# client N COMMAND...: runs these commands of file-io on image N.  An image that was
# just closed is examined again, and until then it may be the child of any image:
# the open of another one is refused then, and repeated here.
client() {
	local view=$mnt/$1.vhdx.raw answer=$scratch/answer/$1

	shift
	wait_until 10 not_refused "$view" "$answer" "$@"
}

not_refused() {
	file-io "$1" answers rw "${@:3}" >"$2"
	[ "$(head -n 1 "$2")" != EACCES ]
}

# all_clients COMMAND...: runs these commands of file-io on all images at the same time;
# the answers of each are a line of $scratch/answers.
all_clients() {
	local i pids=()

	mkdir -p "$scratch/answer"
	for ((i = 1; i <= images; i++)); do
		client "$i" "$@" &
		pids+=($!)
	done
	wait "${pids[@]}" || true
	for ((i = 1; i <= images; i++)); do
		paste -sd ' ' "$scratch/answer/$i"
	done >"$scratch/answers"
}

# all_answered LINE: expects this line from each client.
all_answered() {
	equal "answers of $images clients" "$images $1" \
		"$(sort "$scratch/answers" | uniq -c | sed 's/^ *//')"
}

# The clients write until the reserve is reached: behind what they have, in the same
# block.  A sync gives back what the file system had set aside for its own tables.
reach_reserve() {
	local pass i writes none

	none="$(printf ' ENOSPC%.0s' {1..16}) ok"
	fill_fs $((reserve + 3 * M))
	for pass in 0 1 2 3; do
		writes=(write 0 "$page")
		for ((i = 0; i < 16; i++)); do
			writes+=(write $((524288 + i * 16384 + pass * 4096)) "$page")
		done
		all_clients "${writes[@]}"
		sync -f "$store"
		grep -qv "$none\$" "$scratch/answers" || break
	done
	has_no_line -v "$none\$" "$scratch/answers"
	reserve_is_free
}

# Writes that run at the same time take their space from a budget that ends above the
# reserve, and by less than all of them take.  Tables are the tolerance: a page for
# each image.
reserve_is_free() {
	local found

	sync -f "$store"
	found=$(free_bytes)
	remark "$found bytes free, reserve $reserve"
	[ "$found" -ge $((reserve - images * 4096)) ] ||
		fail "expected $reserve bytes free, found $found"
	[ "$found" -le $((reserve + 3 * M / 2)) ] ||
		fail "expected the reserve to be reached, $found bytes are free"
}

clients_stay_within_the_reserve() {
	make_images "$1"
	mount_store "$store" "$mnt" -o reserve=$reserve
	reach_reserve
	# In place; new sectors of an allocated block; a new block; again in place.
	all_clients write 0 "$page" write 400000 "$page" fsync \
		write 1040384 "$page" write $((5 * M)) "$page" fsync \
		write 4096 "$page" fsync
	all_answered "ok ok ok ok ENOSPC ENOSPC ok ok ok ok"
	reserve_is_free
	has_no_line 'tables' "$mnt.log"
	# With space the same writes succeed.
	rm "$fs/ballast"
	all_clients write 1040384 "$page" write $((5 * M)) "$page" fsync
	all_answered "ok ok ok ok ok"
	unmount "$mnt"
	for ((i = 1; i <= images; i++)); do
		vhdfs-img check "$store/$i.vhdx" >"$scratch/check" 2>&1 ||
			fail "$i.vhdx: $(cat "$scratch/check")"
	done
}

test_256_clients_of_half_filled_blocks_write_what_they_have_on_ext4() {
	small_store ext4 500M
	clients_stay_within_the_reserve 256
}

test_clients_of_half_filled_blocks_write_what_they_have_on_xfs() {
	small_store xfs
	clients_stay_within_the_reserve 64
}

test_clients_of_half_filled_blocks_write_what_they_have_on_tmpfs() {
	requires_fuse
	fs=$scratch/fs store=$fs/store mnt=$scratch/mnt
	mkdir "$fs"
	mount -t tmpfs -o size=200M none "$fs"
	at_exit "umount -l $fs"
	mkdir "$store"
	clients_stay_within_the_reserve 32
}

# Each of them allocates a log, too.
test_first_writes_of_fresh_clients_end_above_the_reserve() {
	local i

	small_store ext4
	vhdfs-img create --size 8M "$store/master.vhdx"
	for ((i = 1; i <= 32; i++)); do
		vhdfs-img create --parent "$store/master.vhdx" "$store/$i.vhdx"
	done
	images=32
	mount_store "$store" "$mnt" -o reserve=$reserve
	reach_reserve
}

test_first_write_of_an_image_counts_its_log() {
	small_store ext4
	make_images 2
	vhdfs-img create --size 8M --block-size 1M "$store/3.vhdx"
	fill_fs $((65536 + 200 * 1024))
	mount_store "$store" "$mnt" -o reserve=64K
	answers "$(printf 'ok\nENOSPC\nok')" "$mnt/3.vhdx.raw" answers rw \
		write 0 "$page"
	answers "$(printf 'ok\nok\nok\nok')" "$mnt/2.vhdx.raw" answers rw \
		write 0 "$page" write 528384 "$page"
}

# below_the_reserve: mounts the store while less than the reserve is free.
below_the_reserve() {
	make_images 2
	fill_fs $((reserve - M))
	mount_store "$store" "$mnt" -o reserve=$reserve
}

test_default_reserve_is_a_hundredth_of_the_file_system() {
	small_store ext4 500M
	make_images 2
	mount_store "$store" "$mnt"
	has_line "while less than 4\.[0-9]* MiB .* is free, .* reserve=SIZE" \
		"$mnt.log"
	fill_fs $((3 * M))
	all_clients write $((5 * M)) "$page" fsync
	all_answered "ok ENOSPC ok ok"
	unmount "$mnt"
	mount_store "$store" "$mnt" -o reserve=0
	all_clients write $((5 * M)) "$page" fsync
	all_answered "ok ok ok ok"
	has_no_line reserve "$mnt.log"
}

test_log_names_the_reserve_when_a_write_is_refused() {
	small_store ext4
	below_the_reserve
	all_clients write $((5 * M)) "$page"
	has_line "2\.vhdx: .*expected 16777216 bytes free (option reserve=SIZE), found [0-9]*; remove files" \
		"$mnt.log"
}

# Space that create allocated, and that no write has used: a hole for lseek.
test_fixed_image_is_written_below_the_reserve() {
	small_store ext4
	vhdfs-img create --fixed --size 4M "$store/3.vhd"
	below_the_reserve
	answers "$(printf 'ok\nok\nok\nok')" "$mnt/3.vhd.raw" answers rw \
		write $M "$page" fsync
}

# A copy shares the blocks of the file, and a write gets others.
test_image_with_shared_blocks_is_not_written_below_the_reserve() {
	small_store xfs
	below_the_reserve
	answers "$(printf 'ok\nok\nok\nok')" "$mnt/2.vhdx.raw" answers rw \
		write 0 "$page" fsync
	cp --reflink=always "$store/2.vhdx" "$fs/copy"
	sync -f "$store"
	answers "$(printf 'ok\nENOSPC\nok\nok')" "$mnt/2.vhdx.raw" answers rw \
		write 8192 "$page" fsync
}

zero_range=$((0x10 | 1)) punch=$((2 | 1))

test_zeroing_below_the_reserve_needs_the_space_of_holes_only() {
	small_store ext4
	below_the_reserve
	# In place; nothing below; punched; zeros over the empty half of a block.
	answers "$(printf 'ok\nok\nok\nok\nENOSPC\nok')" "$mnt/2.vhdx.raw" \
		answers rw fallocate $zero_range 0 65536 \
		fallocate $zero_range $((4 * M)) $((3 * M)) \
		fallocate $punch 131072 65536 \
		fallocate $zero_range 524288 524288
	# A part of a block that hides the parent's data needs tables.
	answers "$(printf 'ok\nok\nENOSPC\nok')" "$mnt/1.vhdx.raw" \
		answers rw fallocate $zero_range 0 65536 \
		fallocate $zero_range $((4 * M)) 65536
}

# Even if a client syncs after each write, which else copies the surroundings.
test_no_copy_up_below_the_reserve() {
	local before

	small_store ext4
	below_the_reserve
	before=$(stat -c %b "$store/1.vhdx")
	answers "$(printf 'ok\nok\nok\nok\nok\nENOSPC\nok\nok')" \
		"$mnt/1.vhdx.raw" answers rw write 0 "$page" fsync \
		write 8192 "$page" fsync write 528384 "$page" fsync
	equal blocks "$before" "$(stat -c %b "$store/1.vhdx")"
}

test_snapshot_verbs_work_below_the_reserve() {
	small_store ext4
	make_images 1
	vhdfs-img snapshot "$store/1.vhdx" a
	disk-io "$store/1.vhdx" write $((3 * M)) 65536 6
	vhdfs-img snapshot "$store/1.vhdx" b
	fill_fs $((reserve - M))
	mount_store "$store" "$mnt" -o reserve=$reserve
	vhdfs-img revert --discard "$store/1.vhdx" a
	vhdfs-img delete-snapshot "$store/1.vhdx" b
	unmount "$mnt"
	disk-io "$store/1.vhdx" verify 0 524288 5 verify $((3 * M)) 65536 1
}

# A worker's death leaves logs; another mount replays them.
test_images_are_replayed_below_the_reserve() {
	small_store ext4
	make_images 8
	mount_store "$store" "$mnt" -o reserve=$reserve
	all_clients write $((5 * M)) "$page" fsync
	all_answered "ok ok ok ok"
	for ((i = 1; i <= images; i++)); do
		exec {view}<>"$mnt/$i.vhdx.raw"
	done
	all_clients write $((6 * M)) "$page" fsync
	fill_fs $((reserve - M))
	lose_mount "$mnt"
	mount_store "$store" "$mnt" -o reserve=$reserve
	all_clients write $((6 * M)) "$page" fsync write $((7 * M)) "$page"
	all_answered "ok ok ok ENOSPC ok"
	for ((i = 1; i <= images; i++)); do
		equal "page of $i" "$page" "$(file-io "$mnt/$i.vhdx.raw" ro \
			read $((5 * M)) 4096)"
	done
}

run_tests
