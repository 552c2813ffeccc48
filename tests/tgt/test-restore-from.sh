#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# restore --from: clients' disks come back from a backup.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

dir=backup # of $scratch

# use_disk CLIENT TEXT: writes to the disk, as the client's machine does.
use_disk() {
	printf %s "$2" | dd of="$scratch/mnt/clients/$1.vhdx.raw" bs=512 \
		seek=9 conv=notrunc,fsync,sync status=none
}

# shows CLIENT TEXT: expects this text on the disk.
shows() {
	equal "disk of $1" "$2" \
		"$(dd if="$scratch/mnt/clients/$1.vhdx.raw" bs=512 skip=9 \
			count=1 status=none | tr -d '\0')"
}

# start_fleet CLIENT...: of which each has its name on its disk, and a backup.
start_fleet() {
	local client

	requires_initiator
	apply_fleet "$@"
	for client; do
		use_disk "$client" "$client"
	done
	expect 0 glue backup "$scratch/$dir"
}

# lose_store: the server ends, and its store is gone; the server of a new one has
# the name of the old one.
lose_store() {
	end_tgtd
	unmount "$scratch/mnt"
	mv "$scratch/store" "$scratch/lost"
	mkdir "$scratch/store"
}

start_again() {
	mount_store "$scratch/store" "$scratch/mnt"
	start_tgtd
	expect 0 glue apply
}

old_images() {
	find "$scratch/store/clients" -name ".$1.vhdx.*Z" | sort
}

# nothing_unfinished: expects no file that a restore did not finish.
nothing_unfinished() {
	equal "unfinished files" "" "$(find "$scratch/store" -name '*.new')"
}

test_empty_store_gets_everything_back() {
	local client

	start_fleet pc1 pc2
	vhdfs-img snapshot "$scratch/store/clients/pc1.vhdx" before
	use_disk pc1 later
	expect 0 glue backup "$scratch/$dir"
	for client in pc1 pc2; do
		cp "$scratch/mnt/clients/$client.vhdx.raw" "$scratch/$client"
	done
	find "$scratch/$dir" -type f -exec md5sum {} + | sort >"$scratch/before"
	lose_store
	expect 0 glue restore --from "$scratch/$dir"
	did '^pc1: clients/pc1.vhdx is restored, .* copied$'
	nothing_unfinished
	start_again
	for client in pc1 pc2; do
		cmp "$scratch/mnt/clients/$client.vhdx.raw" "$scratch/$client"
		admits login "$(url $client)"
		vhdfs-img check "$scratch/store/clients/$client.vhdx" >/dev/null
	done
	equal "snapshots" before \
		"$(vhdfs-img snapshots --json "$scratch/store/clients/pc1.vhdx" |
			jq -r '.[].name')"
	find "$scratch/$dir" -type f -exec md5sum {} + | sort |
		cmp - "$scratch/before"
	expect 0 glue restore --from "$scratch/$dir"
	did '^pc2: clients/pc2.vhdx is that of the backup already$'
}

test_present_disk_is_put_aside_and_can_come_back() {
	local stamp

	start_fleet pc1 pc2
	use_disk pc1 newer
	use_disk pc2 newer
	expect 0 glue restore --from "$scratch/$dir" pc1
	did '^pc1: image: clients/pc1.vhdx is .* again; the one before is clients/\.pc1\.vhdx\.'
	shows pc1 pc1
	shows pc2 newer
	admits login "$(url pc1)"
	nothing_unfinished
	equal "old images" 1 "$(old_images pc1 | wc -l)"
	stamp=$(old_images pc1)
	expect 0 glue restore pc1 "${stamp##*vhdx.}"
	shows pc1 newer
}

# use_file VIEW TEXT: as use_disk, of any view.
use_file() {
	printf %s "$2" | dd of="$scratch/mnt/$1" bs=512 seek=9 \
		conv=notrunc,fsync,sync status=none
}

test_data_disks_come_back_if_they_are_lost_and_stay_if_they_are_not() {
	local view=disks/home/pc1.vhdx.raw

	requires_initiator
	start_server
	vhdfs-img create --size 4M "$scratch/store/masters/maps.vhdx"
	write_fleet pc1 <<-END
		disks = home maps
		[disk home]
		lun = 2
		size = 4M
		[disk maps]
		lun = 3
		image = masters/maps
	END
	expect 0 glue apply
	use_file $view letters
	expect 0 glue backup "$scratch/$dir"
	did '^pc1: disk home: disks/home/pc1.vhdx is backed up, '
	cp "$scratch/mnt/$view" "$scratch/home"
	use_file $view newer
	cp "$scratch/mnt/$view" "$scratch/newer"
	expect 4 glue restore --from "$scratch/$dir"
	said 'pc1: skipped: disks/home/pc1.vhdx: expected no image in the store'
	said "type .tgt-glue restore --from $scratch/$dir --disk home pc1'"
	cmp "$scratch/mnt/$view" "$scratch/newer"
	lose_store
	expect 0 glue restore --from "$scratch/$dir"
	did '^pc1: disks/home/pc1.vhdx is restored, '
	nothing_unfinished
	start_again
	cmp "$scratch/mnt/$view" "$scratch/home"
	[ -f "$scratch/store/masters/maps.vhdx" ] ||
		fail "expected the shared image"
	vhdfs-img check "$scratch/store/disks/home/pc1.vhdx" >/dev/null
}

test_data_disk_comes_back_by_its_name_and_the_present_one_is_put_aside() {
	local view=disks/home/pc1.vhdx.raw which

	requires_initiator
	start_server
	write_fleet pc2 pc1 <<-END
		disks = home
		[disk home]
		lun = 2
		size = 4M
	END
	expect 0 glue apply
	use_file $view letters
	use_file clients/pc1.vhdx.raw system
	expect 0 glue backup "$scratch/$dir"
	cp "$scratch/mnt/$view" "$scratch/home"
	use_file $view newer
	use_file clients/pc1.vhdx.raw changed
	cp "$scratch/mnt/$view" "$scratch/newer"
	cp "$scratch/mnt/clients/pc1.vhdx.raw" "$scratch/system"
	hold_session pc1
	expect 4 glue restore --from "$scratch/$dir" --disk home pc1
	cmp "$scratch/mnt/$view" "$scratch/newer"
	end_session
	wait_until 10 expect 0 glue restore --from "$scratch/$dir" --disk home pc1
	cmp "$scratch/mnt/$view" "$scratch/home"
	cmp "$scratch/mnt/clients/pc1.vhdx.raw" "$scratch/system"
	nothing_unfinished
	expect 0 glue restore --from "$scratch/$dir" --disk home
	did '^pc1: disks/home/pc1.vhdx is that of the backup already'
	which=$(glue disks --disk home --json pc1 |
		jq -r '.[] | select(.kind == "put-aside").which')
	expect 0 glue restore --disk home pc1 "$which"
	cmp "$scratch/mnt/$view" "$scratch/newer"
}

# The first disk is in the store, the second is not.
test_lost_data_disk_comes_back_beside_one_that_stays() {
	requires_initiator
	start_server
	write_fleet pc1 <<-END
		disks = home more
		[disk home]
		lun = 2
		size = 4M
		[disk more]
		lun = 3
		size = 4M
	END
	expect 0 glue apply
	use_file disks/more/pc1.vhdx.raw letters
	cp "$scratch/mnt/disks/more/pc1.vhdx.raw" "$scratch/more"
	expect 0 glue backup "$scratch/$dir"
	use_file disks/home/pc1.vhdx.raw newer
	end_tgtd
	unmount "$scratch/mnt"
	rm "$scratch/store/disks/more/pc1.vhdx"
	expect 4 glue restore --from "$scratch/$dir" pc1
	start_again
	cmp "$scratch/mnt/disks/more/pc1.vhdx.raw" "$scratch/more"
}

test_logged_in_client_is_skipped_and_another_run_restores_it() {
	start_fleet pc1 pc2
	use_disk pc1 newer
	use_disk pc2 newer
	hold_session pc1
	expect 4 glue restore --from "$scratch/$dir"
	said '^tgt-glue: pc1: skipped: logged in: '
	shows pc1 newer
	shows pc2 pc2
	end_session
	expect 0 glue restore --from "$scratch/$dir"
	shows pc1 pc1
	equal "old images" "1 1" \
		"$(old_images pc1 | wc -l) $(old_images pc2 | wc -l)"
}

test_old_images_of_the_store_stay() {
	start_fleet pc1
	use_disk pc1 first
	expect 0 glue reset pc1
	use_disk pc1 second
	expect 0 glue restore --from "$scratch/$dir" pc1
	shows pc1 pc1
	equal "old images" 2 "$(old_images pc1 | wc -l)"
}

test_old_images_of_a_master_stay() {
	local i

	start_fleet pc1
	lose_store
	mkdir "$scratch/store/masters"
	for i in 1 2; do
		touch "$scratch/store/masters/.win11.vhdx.2026010${i}T000000.000000Z"
	done
	expect 0 glue restore --from "$scratch/$dir" pc1
	equal "old images" 2 \
		"$(find "$scratch/store/masters" -name '.win11*' | wc -l)"
}

test_master_with_another_identity_is_not_replaced() {
	local before

	start_fleet pc1
	lose_store
	make_store 32M
	before=$(md5sum <"$scratch/store/masters/win11.vhdx")
	expect 1 glue restore --from "$scratch/$dir" pc1
	said 'pc1: not restored: .*masters/win11.vhdx: expected the same image'
	equal "master" "$before" \
		"$(md5sum <"$scratch/store/masters/win11.vhdx")"
	[ ! -e "$scratch/store/clients/pc1.vhdx" ] ||
		fail "expected no image without its parent"
	nothing_unfinished
}

test_client_that_the_backup_does_not_have_is_skipped() {
	start_fleet pc1
	echo "[client pc2]" >>"$scratch/fleet.conf"
	expect 4 glue restore --from "$scratch/$dir" pc1 pc2
	said '^tgt-glue: pc2: skipped: .*expected an image of it in clients, found none'
	expect 1 glue restore --from "$scratch/$dir" pc9
	said "expected a client of .*, found 'pc9'"
	expect 1 glue restore --from "$scratch/nothing"
}

test_damaged_backup_is_not_restored() {
	start_fleet pc1
	use_disk pc1 newer
	dd if=/dev/zero of="$scratch/$dir/clients/pc1.vhdx" bs=64K count=16 \
		conv=notrunc status=none
	expect 1 glue restore --from "$scratch/$dir" pc1
	said 'pc1: not restored: '
	shows pc1 newer
	equal "old images" 0 "$(old_images pc1 | wc -l)"
}

test_copy_that_is_not_sound_is_not_restored() {
	start_fleet pc1
	use_disk pc1 newer
	mkdir "$scratch/bin"
	cat >"$scratch/bin/vhdfs-img" <<-END
		#!/bin/sh
		[ "\$1" != check ] || exit 3
		exec $(type -P vhdfs-img) "\$@"
	END
	chmod +x "$scratch/bin/vhdfs-img"
	PATH=$scratch/bin:$PATH expect 1 glue restore --from "$scratch/$dir"
	said 'pc1: not restored: .*expected that its copy is sound'
	shows pc1 newer
	equal "old images" 0 "$(old_images pc1 | wc -l)"
	nothing_unfinished
}

# The next restore may be of a later backup, with another stamp.
test_unfinished_file_of_a_killed_restore_is_removed_by_the_next() {
	local left=$scratch/store/clients/.pc1.vhdx.20260101T000000.000000Z.new

	start_fleet pc1
	mkdir -p "$scratch/store/disks/home"
	touch "$left" "$scratch/store/disks/home/${left##*/}" \
		"$scratch/store/clients/.mine.new" \
		"$scratch/store/clients/.pc1.vhdx.next.new"
	exec 5<"$left"
	flock --shared 5
	expect 0 glue restore --from "$scratch/$dir" pc1
	did "^disks/home/.pc1.vhdx.*.new: removed; an interrupted restore left it"
	[ -e "$left" ] || fail "expected that a file which is locked stays"
	exec 5<&-
	expect 0 glue restore --from "$scratch/$dir" pc1
	equal "files" ".mine.new .pc1.vhdx.next.new" \
		"$(find "$scratch/store" -name '*.new' -printf '%f\n' | sort | paste -sd ' ')"
}

# The master in fleet.conf may be a link to the file that images name.
test_link_to_a_master_is_backed_up_and_restored() {
	requires_initiator
	start_server
	ln -s win11.vhdx "$scratch/store/masters/production.vhdx"
	write_fleet pc1 <<-END
		master = masters/production
	END
	expect 0 glue apply
	use_disk pc1 pc1
	expect 0 glue backup "$scratch/$dir"
	lose_store
	expect 0 glue restore --from "$scratch/$dir"
	equal "link" win11.vhdx \
		"$(readlink "$scratch/store/masters/production.vhdx")"
	start_again
	shows pc1 pc1
}

# interrupted CALL N: a restore that is killed at its N-th such call; false: it
# ended before.
interrupted() {
	local status=0

	strace -f -qq -o "$scratch/trace" -e trace="$1" \
		-e inject="$1:signal=KILL:when=$2" \
		tgt-glue --config "$scratch/fleet.conf" restore \
		--from "$scratch/$dir" >"$scratch/killed.out" 2>&1 || status=$?
	[ "$status" != 0 ]
}

# interrupt_at CALL COUNT COMMAND...: kills restores at such calls, after the
# command each, and runs each again; at least COUNT times.
interrupt_at() {
	local call=$1 count=$2 n=0 kills=0

	shift 2
	choose_calls
	next_call 2
	while "$@" && interrupted "$call" "$n"; do
		expect 0 glue restore --from "$scratch/$dir"
		nothing_unfinished
		[ "$(old_images pc1 | wc -l)" -le 1 ] ||
			fail "killed at $call $n: expected one old image"
		vhdfs-img convert "$scratch/store/clients/pc1.vhdx" \
			"$scratch/disk.raw"
		cmp "$scratch/disk.raw" "$scratch/wanted.raw"
		rm "$scratch/disk.raw"
		kills=$((kills + 1))
		next_call 2
	done
	echo "killed at $call: $kills times"
	[ "$kills" -ge "$count" ] ||
		fail "$call: expected at least $count interrupted restores, found $kills"
}

empty_store() {
	rm -rf "${scratch:?}/store"
	mkdir "$scratch/store"
}

other_disk() {
	rm -f "$scratch"/store/clients/.pc1.* "$scratch/store/clients/pc1.vhdx"
	vhdfs-img create --parent "$scratch/store/masters/win11.vhdx" \
		"$scratch/store/clients/pc1.vhdx"
}

test_restore_killed_at_any_change_of_a_file_is_completed_by_the_next() {
	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	start_fleet pc1
	end_tgtd
	unmount "$scratch/mnt"
	vhdfs-img convert "$scratch/$dir/clients/pc1.vhdx" "$scratch/wanted.raw"
	interrupt_at renameat 1 empty_store
	interrupt_at renameat2 1 empty_store
	interrupt_at fsync 1 empty_store
	interrupt_at mkdirat 1 empty_store
	interrupt_at renameat 1 other_disk
	interrupt_at linkat 1 other_disk
	interrupt_at fsync 1 other_disk
}

run_tests
