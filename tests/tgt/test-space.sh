#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A full store: resets, the spares that keep space for them, and the messages
# and the command of watch.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# start_fleet SIZE MKFS... <<REST
start_fleet() {
	requires_initiator
	small_store "$@"
	start_server
	write_fleet pc1 pc2
	expect 0 glue apply
}

spares() {
	find "$scratch/store/clients" -name '.vhdfs-spare.*'
}

# Fills the store to the last byte, with files and with the disk of pc2, and
# continues: freed space is used at once.
fill() {
	local n=0

	set +e
	trap - ERR
	dd if=/dev/zero of="$scratch/store/filler" bs=64K status=none
	while :; do
		dd if=/dev/zero of="$scratch/store/crumbs.$((n++ % 4))" bs=4K \
			oflag=append conv=notrunc status=none ||
			: >"$scratch/full"
		dd if=/dev/urandom bs=64K count=16 seek=$((n * 16 % 900)) \
			conv=notrunc of="$scratch/mnt/clients/pc2.vhdx.raw" \
			status=none
	done
}

start_filling() {
	fill 2>/dev/null &
	filler=$!
	at_exit kill "$filler"
	wait_until 120 test -e "$scratch/full"
}

stop_filling() {
	kill "$filler"
	wait "$filler" || true
}

# begins_with CLIENT TEXT: the first sector of a client's disk, as its initiator
# reads it.
begins_with() {
	[ "$(head -c 512 "$scratch/mnt/clients/$1.vhdx.raw" | tr -d '\0')" = "$2" ]
}

old_of() {
	find "$scratch/store/clients" -name ".$1.vhdx.*Z" -printf '%P\n'
}

reset_on_full_store() {
	printf used | dd of="$scratch/mnt/clients/pc1.vhdx.raw" bs=512 \
		conv=notrunc,fsync,sync status=none
	equal "spares" 4 "$(spares | wc -l)"
	start_filling
	expect 0 glue reset pc1
	said "the store has [0-9.]*[BKM] free"
	said "\`rm $scratch/store/clients/\.pc1\.vhdx\..*Z' gives it back"
	begins_with pc1 "" || fail "expected a fresh disk of pc1"
	equal "old images" 1 "$(old_of pc1 | wc -l)"
	equal "spares" 3 "$(spares | wc -l)"
	admits login "$(url pc1)"
	# A second reset: several spares exist.
	stop_filling
	rm "$scratch/store/filler" "$scratch/store/clients/$(old_of pc1)"
	expect 0 glue apply
	equal "spares" 4 "$(spares | wc -l)"
	begins_with pc1 "" || fail "expected a fresh disk of pc1"
	printf again | dd of="$scratch/mnt/clients/pc1.vhdx.raw" bs=512 \
		conv=notrunc,fsync,sync status=none
	begins_with pc1 again || fail "expected the disk to accept a write"
}

# Less is free than the mount keeps, and the client has noticed it.
test_reset_below_the_reserve_makes_a_fresh_disk() {
	local disk=$scratch/mnt/clients/pc1.vhdx.raw room

	start_fleet 500M mkfs.ext4 -F -q -m 0 </dev/null
	printf used | dd of="$disk" bs=512 conv=notrunc,fsync,sync status=none
	room=$(($(stat -f -c '%a * %S' "$scratch/store")))
	fallocate -l $((room - (3 << 20))) "$scratch/store/filler"
	expect 1 dd if=/dev/zero of="$disk" bs=4K count=512 seek=2000 \
		conv=notrunc,fsync status=none
	has_line 'No space left' "$scratch/stderr"
	expect 0 glue reset pc1
	begins_with pc1 "" || fail "expected a fresh disk"
	equal "old images" 1 "$(old_of pc1 | wc -l)"
}

# kill_at_spare CALL [STEP]: kills reset at calls of that kind while a store is
# full, and runs it again.
kill_at_spare() {
	local n=0 status=137

	while [ "$status" = 137 ]; do
		next_call ${2:+"$2"}
		printf used | dd of="$scratch/mnt/clients/pc1.vhdx.raw" bs=512 \
			conv=notrunc,fsync,sync status=none
		rm -f "$scratch/full"
		start_filling
		status=0
		strace -f -qq -o "$scratch/trace" -e trace="$1" \
			-e inject="$1:signal=SIGKILL:when=$n" \
			tgt-glue --config "$scratch/fleet.conf" reset pc1 \
			>"$scratch/killed.out" 2>&1 || status=$?
		expect 0 glue reset pc1
		begins_with pc1 "" || fail "$1 $n: expected a fresh disk of pc1"
		equal "old images after $1 $n" 1 "$(old_of pc1 | wc -l)"
		stop_filling
		vhdfs-img check "$scratch/store/clients/pc1.vhdx" >/dev/null
		equal "the old disk after $1 $n" used "$(disk-io \
			"$scratch/store/clients/$(old_of pc1)" read 0 4)"
		rm "$scratch/store/filler" "$scratch/store/clients/$(old_of pc1)"
		expect 0 glue apply
		equal "spares after $1 $n" 4 "$(spares | wc -l)"
		admits login "$(url pc1)"
	done
	equal "the last one's exit status" 0 "$status"
	remark "killed up to call $n of $1"
}

test_reset_killed_while_a_spare_becomes_a_disk_is_completed() {
	local call

	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	start_fleet 96M mkfs.ext4 -F -q -m 0 </dev/null
	choose_calls
	kill_at_spare renameat2
	kill_at_spare ftruncate
	[ -n "${VHDFS_LONG:-}" ] || return 0
	for call in renameat fsync fdatasync pwrite64 unlinkat; do
		kill_at_spare $call
	done
}

test_reset_works_on_a_full_ext4_store() {
	start_fleet 96M mkfs.ext4 -F -q -m 0 </dev/null
	reset_on_full_store
}

test_reset_works_on_a_full_xfs_store() {
	start_fleet 320M mkfs.xfs -q </dev/null
	reset_on_full_store
}

# btrfs copies on write: a write to a spare needs space, and the removal of a
# spare frees its own.
test_reset_works_on_a_full_btrfs_store() {
	start_fleet 200M mkfs.btrfs -q </dev/null
	echo used | dd of="$scratch/mnt/clients/pc1.vhdx.raw" \
		conv=notrunc,fsync status=none
	dd if=/dev/zero of="$scratch/store/ballast" bs=64k 2>/dev/null || true
	dd if=/dev/zero of="$scratch/store/ballast2" bs=4k 2>/dev/null || true
	sync -f "$scratch/store"
	expect 0 glue reset pc1
	equal "old images" 1 "$(find "$scratch/store/clients" \
		-name '.pc1.vhdx.*Z' | wc -l)"
	vhdfs-img check "$scratch/store/clients/pc1.vhdx"
}

# start_watching END: watch, with a command that records its arguments and then
# runs END.
start_watching() {
	cat >"$scratch/tell" <<-END
		#!/bin/sh
		echo "\$*" >>"$scratch/told"
		$1
	END
	chmod +x "$scratch/tell"
	requires_root
	small_store 96M mkfs.ext4 -F -q -m 0
	start_server
	write_fleet pc1 pc2 </dev/null
	sed -i "/^\[fleet\]/a min-free = 30M\non-low-space = $scratch/tell a  b" \
		"$scratch/fleet.conf"
	tgt-glue --config "$scratch/fleet.conf" watch >"$scratch/watch.out" 2>"$scratch/watch.err" &
	watcher=$!
	at_exit kill "$watcher"
	wait_until 30 grep -q pc2 "$scratch/targets.conf"
}

take_room() {
	fallocate -l "$1" "$scratch/store/filler"
}

times() {
	grep -Ec -e "$1" "$scratch/watch.err" || true
}

test_watch_runs_the_command_when_min_free_is_crossed() {
	start_watching "exit 3"
	sleep 2
	[ ! -e "$scratch/told" ] ||
		fail "expected no run of the command, found: $(cat "$scratch/told")"
	take_room 50M
	wait_until 30 grep -Eq "^a b low $scratch/store [0-9]+ 31457280\$" \
		"$scratch/told"
	wait_until 30 grep -Eq 'on-low-space: .*/tell a  b: exit status 3$' \
		"$scratch/watch.err"
	rm "$scratch/store/filler"
	wait_until 30 grep -Eq "^a b ok $scratch/store [0-9]+ 31457280\$" \
		"$scratch/told"
	equal "runs of the command" 2 "$(wc -l <"$scratch/told")"
	equal "low" 1 "$(times "^tgt-glue: warning: $scratch/store: .* free, expected at least 30.0M")"
	equal "enough" 1 "$(times "^tgt-glue: $scratch/store: .* free, which is enough again")"
}

test_command_that_hangs_does_not_block_watch() {
	start_watching "exec sleep 1000"
	take_room 50M
	wait_until 30 test -e "$scratch/told"
	at_exit pkill -P "$watcher"
	rm "$scratch/store/filler"
	wait_until 30 grep -q 'which is enough again' "$scratch/watch.err"
	wait_until 30 grep -Eq 'on-low-space: .*: process [0-9]+ still runs' \
		"$scratch/watch.err"
	echo '[client pc3]' >>"$scratch/fleet.conf"
	wait_until 30 grep -q pc3 "$scratch/targets.conf"
	pkill -P "$watcher" sleep
	wait_until 30 grep -q '^a b ok ' "$scratch/told"
	grep -q 'on-low-space: .*: ended by signal 15$' "$scratch/watch.err" ||
		fail "expected the signal in a message, found: $(cat "$scratch/watch.err")"
}

test_missing_command_is_reported() {
	start_watching "exit 0"
	rm "$scratch/tell"
	take_room 50M
	wait_until 30 grep -q 'on-low-space: .*: No such file' \
		"$scratch/watch.err"
	kill -0 "$watcher" || fail "expected watch to continue"
}

# The rename of a spare into the directory of the data disk takes no space.
test_data_disk_is_reset_on_a_full_store() {
	local i disk=$scratch/mnt/disks/games/pc1.vhdx.raw

	requires_root
	small_store 96M mkfs.ext4 -F -q -m 0
	start_server
	write_fleet pc1 <<-END
		disks = games
		[disk games]
		lun = 2
		master = masters/win11
	END
	expect 0 glue apply
	printf used | dd of="$disk" bs=512 conv=notrunc,fsync,sync status=none
	# Another name of a spare keeps its space when the spare is removed.
	for i in $(spares); do
		ln "$i" "$scratch/store/$(stat -c %i "$i")"
	done
	dd if=/dev/zero of="$scratch/store/filler" bs=4K status=none || true
	expect 0 glue reset pc1 --disk games
	[ "$(head -c 512 "$disk" | tr -d '\0')" = "" ] ||
		fail "expected a fresh disk"
	[ -e "$scratch/store/$(stat -c %i "$scratch/store/disks/games/pc1.vhdx")" ] ||
		fail "expected that a spare became the disk"
	equal "spares" 3 "$(spares | wc -l)"
	vhdfs-img check "$scratch/store/disks/games/pc1.vhdx" >/dev/null
}

test_spares_are_large_enough_for_data_disks() {
	local i

	start_server
	vhdfs-img create --size 64T "$scratch/store/masters/large.vhdx"
	write_fleet pc1 pc2 <<-END
		disks = games
		[disk games]
		lun = 2
		master = masters/large
	END
	expect 0 glue apply
	for i in $(spares); do
		[ "$(stat -c %s "$i")" -ge \
			"$(stat -c %s "$scratch/store/disks/games/pc2.vhdx")" ] ||
			fail "expected room for a disk of games, found: $(ls -l "$i")"
	done
}

test_number_of_spares_follows_fleet_conf() {
	requires_tgtd
	apply_fleet pc1
	equal "spares" 4 "$(find "$scratch/store/clients" -name '.vhdfs-spare.*' -size +4095k | wc -l)"
	sed -i '/^\[fleet\]/a spares = 2' "$scratch/fleet.conf"
	expect 0 glue apply
	equal "spares" 2 "$(spares | wc -l)"
	# A spare that was overwritten is made again.
	echo more | dd of="$(spares | head -n 1)" conv=notrunc status=none
	truncate -s 1M "$(spares | tail -n 1)"
	expect 0 glue apply
	spares | while read -r i; do
		cmp -n 4194304 "$i" /dev/zero ||
			fail "expected $i to be a spare: all zeros"
	done
	sed -i 's/^spares = 2/spares = 0/' "$scratch/fleet.conf"
	expect 0 glue apply
	equal "spares" 0 "$(spares | wc -l)"
}

# reserves SIZE: a mount that keeps that much free.
reserves() {
	mount_store "$scratch/store" "$scratch/mnt" -o "reserve=$1"
}

test_reserve_of_the_mount_is_compared_with_fleet_conf() {
	make_store
	reserves 8M
	start_tgtd
	write_fleet pc1 </dev/null
	sed -i 's/^mount/reserve = 16M\n&/' "$scratch/fleet.conf"
	expect 0 glue check
	said "warning: reserve: expected that the mount at $scratch/mnt keeps 16M free, found 8.0M; add reserve=16M to OPTIONS in .*mnt.mount and type .systemctl restart vhdfs@.*mnt"
	expect 0 glue apply
	said 'warning: reserve: expected that the mount'
	equal "status" $((8 << 20)) "$(glue status --json | jq .reserve)"
	kill_tgtd # it has the view open
	unmount "$scratch/mnt"
	expect 0 glue check
	equal "without a mount" "" "$(cat "$scratch/stderr")"
	reserves 16384K
	start_tgtd
	for command in check apply; do
		expect 0 glue "$command"
		equal "message of $command" "" "$(cat "$scratch/stderr")"
	done
}

# A mount of another program, or of an earlier version.
test_mount_that_does_not_tell_its_reserve_is_named() {
	requires_root
	make_store
	write_fleet pc1 </dev/null
	sed -i 's/^mount/reserve = 16M\n&/' "$scratch/fleet.conf"
	mkdir "$scratch/mnt"
	mount -t tmpfs none "$scratch/mnt"
	at_exit umount "$scratch/mnt"
	expect 0 glue check
	said "reserve: expected a mount at $scratch/mnt that tells its reserve, found none"
	sed -i 's/^reserve.*/reserve = much/' "$scratch/fleet.conf"
	expect 1 glue check
	said 'reserve: expected a size such as 4G, or 0, found .much'
}

run_tests
