#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Space of the store's file system: the reserve that writes leave free, and the quota
# of one disk.
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

# client N COMMAND...: runs these commands of file-io on image N.
client() {
	file-io "$mnt/$1.vhdx.raw" answers rw "${@:2}" >"$scratch/answer/$1"
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
	[ "$(sort -u "$scratch/answers")" = "$1" ] ||
		fail "expected '$1' of $images clients, found:" \
			"$(sort "$scratch/answers" | uniq -c);" \
			"log: $(grep -v 'expected .* bytes free' "$mnt.log")"
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
	has_line "2\.vhdx: .*expected 1[78][0-9]* bytes free (16777216 of them by option reserve=SIZE), found [0-9]*; remove files" \
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

# The quota of a disk.

# pair_with_quota SIZE: the views $a and $b of two images; the file of $a may take so
# much more than it has.
pair_with_quota() {
	empty_store
	make_images 3
	a=$mnt/1.vhdx.raw b=$mnt/3.vhdx.raw file=$store/1.vhdx
	mount_store "$store" "$mnt"
	quota=$(($(stat -c '%b * 512' "$file") + $1))
	setfattr -n user.vhdfs.quota -v $quota "$a"
}

# write_until_full VIEW: prints the number of pages that were written.
write_until_full() {
	local i writes=()

	for ((i = 0; i < 256; i++)); do
		writes+=(write $((2 * M + i * 16384)) "$page")
	done
	file-io "$1" answers rw "${writes[@]}" fsync | grep -c '^ok$'
}

test_quota_stops_one_disk_at_its_blocks() {
	local n

	pair_with_quota 524288
	n=$(write_until_full "$a") || true
	[ "$n" -gt 40 ] && [ "$n" -lt 140 ] ||
		fail "expected about 100 pages, found $n"
	[ "$(stat -c '%b * 512' "$file")" ] &&
		[ $(($(stat -c '%b * 512' "$file"))) -le $quota ] ||
		fail "expected $quota bytes, found $(stat -c %b "$file") blocks"
	has_line "1\.vhdx: expected at most .* on the disk (user\.vhdfs\.quota), found [0-9]*; raise the quota" \
		"$mnt.log"
	# What it has is written and flushed; another disk has no quota.
	answers "$(printf 'ok\nok\nENOSPC\nok\nok')" "$a" answers rw \
		write 4096 "$page" write $((7 * M)) "$page" fsync
	equal "pages of another disk" 259 "$(write_until_full "$b")"
}

test_quota_is_shown_and_kept_in_the_file() {
	pair_with_quota 524288
	equal shown $quota "$(attribute "$a" quota)"
	equal "of the file" $quota "$(attribute "$file" quota)"
	getfattr --absolute-names -d "$a" >"$scratch/list"
	has_line '^user.vhdfs.quota="' "$scratch/list"
	setfattr -n user.vhdfs.quota -v 3G "$a"
	equal shown 3221225472 "$(attribute "$a" quota)"
	equal "of the file" 3221225472 "$(attribute "$file" quota)"
	setfattr -n user.vhdfs.quota -v 0 "$a"
	expect 1 attribute "$a" quota
	expect 1 attribute "$file" quota
	setfattr -n user.vhdfs.quota -v 0 "$a"
	setfattr -n user.vhdfs.quota -v 5M "$a"
	setfattr -x user.vhdfs.quota "$a"
	expect 1 attribute "$file" quota
	expect 1 setfattr -x user.vhdfs.quota "$a"
	has_line 'No such attribute' "$scratch/stderr"
}

# By the mount, or by another program on the file.
test_change_of_a_quota_shows_at_once() {
	local at

	pair_with_quota 0
	hold_view "$a" rw
	for at in "$a" "$file"; do
		answers "$(printf 'ok\nENOSPC\nok')" "$a" answers rw \
			write $((3 * M)) "$page"
		setfattr -n user.vhdfs.quota -v 1G "$at"
		answers "$(printf 'ok\nok\nok')" "$a" answers rw \
			write $((3 * M)) "$page"
		setfattr -n user.vhdfs.quota -v 4096 "$at"
		answers "$(printf 'ok\nENOSPC\nok')" "$a" answers rw \
			write $((4 * M)) "$page"
		setfattr -x user.vhdfs.quota "$at"
		answers "$(printf 'ok\nok\nok')" "$a" answers rw \
			write $((4 * M)) "$page"
		file-io "$a" rw fallocate $punch $((3 * M)) $((2 * M))
		setfattr -n user.vhdfs.quota -v 4096 "$at"
	done
	release_view
}

test_quota_holds_after_a_restart() {
	pair_with_quota 0
	unmount "$mnt"
	mount_store "$store" "$mnt"
	answers "$(printf 'ok\nok\nENOSPC\nok')" "$a" answers rw \
		write 0 "$page" write $((3 * M)) "$page"
}

# The disk has a new file then.
test_quota_holds_after_a_snapshot_of_an_open_image() {
	pair_with_quota 0
	hold_view "$a" rw write 0 x
	vhdfs-img snapshot "$file" s
	equal shown $quota "$(attribute "$a" quota)"
	equal "of the file" $quota "$(attribute "$file" quota)"
	answers "$(printf 'ok\nok\nok')" "$a" answers rw write $((3 * M)) "$page"
	setfattr -n user.vhdfs.quota -v 4096 "$a"
	answers "$(printf 'ok\nok\nENOSPC\nok')" "$a" answers rw \
		write $((3 * M)) "$page" write $((4 * M)) "$page"
	equal "of the file" 4096 "$(attribute "$file" quota)"
	release_view
}

# cannot_set VALUE MESSAGE [VIEW]
cannot_set() {
	expect 1 setfattr -n user.vhdfs.quota -v "$1" "${3:-$a}"
	has_line "$2" "$scratch/stderr"
}

test_quota_is_a_size() {
	local value

	pair_with_quota 0
	for value in '' ten 10X -1 1.5G '1 G' 99999999999999999999 16777215T; do
		cannot_set "$value" 'Invalid argument'
	done
	equal quota $quota "$(attribute "$a" quota)"
	# On the file, any text may be written.
	setfattr -n user.vhdfs.quota -v much "$file"
	answers "$(printf 'ok\nok\nok')" "$a" answers rw write $((3 * M)) "$page"
	expect 1 attribute "$a" quota
	has_line '1.vhdx: attribute user.vhdfs.quota: expected a size .* no quota applies' \
		"$mnt.log"
}

test_quota_is_set_by_the_owner_and_root_with_write_permission() {
	requires setpriv
	pair_with_quota 0
	unmount "$mnt"
	chown 1234:4321 "$file"
	chmod 660 "$file"
	chmod 755 "$scratch" "${scratch%/*}"
	mount_store "$store" "$mnt" -o allow_other
	setpriv --reuid 1234 --regid 1234 --clear-groups \
		setfattr -n user.vhdfs.quota -v 10M "$a"
	equal quota 10485760 "$(attribute "$a" quota)"
	# The group may write, and is not the owner.
	expect 1 setpriv --reuid 1 --regid 4321 --clear-groups \
		setfattr -n user.vhdfs.quota -v 11M "$a"
	has_line 'Operation not permitted' "$scratch/stderr"
	expect 1 setpriv --reuid 1 --regid 1 --clear-groups \
		setfattr -n user.vhdfs.quota -v 11M "$a"
	has_line 'Permission denied' "$scratch/stderr"
	equal quota 10485760 "$(attribute "$a" quota)"
	cannot_set 1G 'Permission denied' "$mnt/master.vhdx.raw"
	unmount "$mnt"
	mount_store "$store" "$mnt" -o ro
	cannot_set 1G 'Read-only file system'
}

test_zeros_and_copies_of_shared_blocks_are_within_the_quota() {
	small_store xfs
	make_images 2
	mount_store "$store" "$mnt"
	setfattr -n user.vhdfs.quota -v 4096 "$mnt/2.vhdx.raw"
	cp --reflink=always "$store/2.vhdx" "$fs/copy"
	# The file does not grow when its shared blocks become its own.
	answers "$(printf 'ok\nok\nok\nENOSPC\nok\nok')" "$mnt/2.vhdx.raw" \
		answers rw write 0 "$page" fallocate $zero_range 65536 65536 \
		fallocate $zero_range 524288 524288 fsync
}

# writes_in_place TYPE: a full file system of this type takes writes that need no
# space, also those that begin the log.
writes_in_place() {
	local image

	small_store "$1"
	make_images 2
	vhdfs-img create --size 8M "$store/1.vhd"
	disk-io "$store/1.vhd" write 0 524288 5 flush
	sync -f "$store"
	mount_store "$store" "$mnt" -o reserve=0
	fill_fs 65536
	for image in 1.vhdx 2.vhdx 1.vhd; do
		answers "$(printf 'ok\nok\nok\nok')" "$mnt/$image.raw" \
			answers rw write 8192 "$page" fsync
	done
	unmount "$mnt"
	for image in 1.vhdx 2.vhdx 1.vhd; do
		expect 0 vhdfs-img check "$store/$image"
	done
}

test_a_full_ext4_takes_writes_in_place() {
	writes_in_place ext4
}

# XFS cannot allocate a range that has its space already.
test_a_full_xfs_takes_writes_in_place() {
	writes_in_place xfs
}

run_tests
