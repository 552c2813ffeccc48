#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# backup: clients' disks, and what they need, are copied while clients write.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

dir=backup # of $scratch

# write_all_along CLIENT: an initiator that writes the sectors of the disk one
# after the other, over and over, each when the one before was answered, until
# stop_writing.
write_all_along() {
	local fifo=$scratch/writer-$1

	mkfifo "$fifo"
	initiator hold "$(url "$1")" <"$fifo" >"$fifo.out" &
	initiator_pid=$!
	writer_out=$fifo.out
	for ((i = 0; ; i = (i + 1) % 120000)); do
		echo "write $i"
	done >"$fifo" 2>/dev/null &
	writer_pid=$!
	wait_until 30 has_written 100
}

has_written() {
	[ "$(grep -c '^write' "$writer_out")" -gt "$1" ]
}

stop_writing() {
	kill "$writer_pid"
	wait "$writer_pid" || true
	wait "$initiator_pid" || true
	has_no_line -v 'ready\|^write [0-9]*: status 0' "$writer_out"
}

# goes_on: expects that the initiator still writes.
goes_on() {
	wait_until 30 has_written "$(($(grep -c '^write' "$writer_out") + 50))"
}

# prefix_of IMAGE: prints how many sectors were written; expects that these are
# the first ones: the image is the disk at one moment.
prefix_of() {
	local bytes

	vhdfs-img convert "$1" "$scratch/disk.raw"
	bytes=$(tr -d '\0' <"$scratch/disk.raw" | wc -c)
	equal "bytes of another sector" 0 \
		"$(head -c "$bytes" "$scratch/disk.raw" | tr -d w | wc -c)"
	equal "part of a sector" 0 $((bytes % 512))
	rm "$scratch/disk.raw"
	echo $((bytes / 512))
}

# use_disk CLIENT TEXT [SECTOR]: writes to the disk, as the client's machine does.
use_disk() {
	printf %s "$2" | dd of="$scratch/mnt/clients/$1.vhdx.raw" bs=512 \
		seek="${3:-9}" conv=notrunc,fsync,sync status=none
}

# same_disk PATH: expects that the image in the backup shows what the mount shows.
same_disk() {
	vhdfs-img convert "$scratch/$dir/$1" "$scratch/disk.raw"
	cmp "$scratch/disk.raw" "$scratch/mnt/$1.raw" ||
		fail "$1: expected the disk of the store"
	rm "$scratch/disk.raw"
}

# sound DIR: expects that each image of the directory is sound, and that nothing
# unfinished is there.
sound() {
	local image

	while read -r image; do
		vhdfs-img check --store "$1" "$image" >"$scratch/checked" ||
			fail "$image: $(cat "$scratch/checked")"
	done < <(find "$1" -name '*.vhdx*')
	equal "unfinished files" "" "$(find "$1" -name '*.new')"
}

# no_snapshot: expects that the store has no snapshot of a backup.
no_snapshot() {
	equal "snapshots" "" "$(find "$scratch/store" -name '*@*')"
}

earlier() {
	find "$scratch/$dir/clients" -name ".$1.vhdx.*Z" -printf '%f\n' | sort
}

start_fleet() {
	requires_initiator
	apply_fleet "$@"
}

test_backup_of_a_writing_client_is_its_disk_at_one_moment() {
	local before after found

	start_fleet pc1 pc2
	write_all_along pc1
	before=$(grep -c '^write' "$writer_out")
	expect 0 glue backup "$scratch/$dir"
	did '^pc1: clients/pc1.vhdx is backed up, .* copied$'
	did '^pc2: clients/pc2.vhdx is backed up, .* copied$'
	after=$(grep -c '^write' "$writer_out")
	goes_on
	stop_writing
	sound "$scratch/$dir"
	no_snapshot
	found=$(prefix_of "$scratch/$dir/clients/pc1.vhdx")
	[ "$found" -ge "$before" ] && [ "$found" -le "$after" ] ||
		fail "expected $before to $after sectors, found $found"
}

# watch sees the snapshot come and go.
test_backup_changes_nothing_for_watch_and_status() {
	local watch_pid

	start_fleet pc1 pc2
	use_disk pc1 one
	tgt-glue --config "$scratch/fleet.conf" watch >"$scratch/watch.out" 2>&1 &
	watch_pid=$!
	at_exit kill "$watch_pid"
	hold_session pc2
	works write 9
	everything | sed '/Nexus/,/Connection/d' >"$scratch/before"
	expect 0 glue backup "$scratch/$dir"
	expect 0 glue backup "$scratch/$dir" pc1
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	works read 9
	everything | sed '/Nexus/,/Connection/d' | cmp - "$scratch/before"
	end_session
	expect 0 glue status
	did '^all is as fleet.conf says'
	equal "messages of watch" "" "$(cat "$scratch/watch.out")"
}

test_backup_is_a_store_that_a_mount_shows() {
	start_fleet pc1
	use_disk pc1 hello
	expect 0 glue backup "$scratch/$dir"
	mkdir "$scratch/shown"
	mount_store "$scratch/$dir" "$scratch/shown" -o ro
	cmp "$scratch/shown/clients/pc1.vhdx.raw" \
		"$scratch/mnt/clients/pc1.vhdx.raw"
	cmp "$scratch/shown/masters/win11.vhdx.raw" \
		"$scratch/mnt/masters/win11.vhdx.raw"
}

test_second_backup_copies_only_the_layers_of_clients() {
	local master written

	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	make_store 64M
	mkdir -p "$scratch/filled"
	mount_store "$scratch/store" "$scratch/filled"
	head -c 20M /dev/urandom | dd of="$scratch/filled/masters/win11.vhdx.raw" \
		bs=1M conv=notrunc,fsync status=none
	unmount "$scratch/filled"
	mount_store "$scratch/store" "$scratch/mnt"
	start_tgtd
	write_fleet pc1 pc2 </dev/null
	expect 0 glue apply
	use_disk pc1 first
	expect 0 glue backup "$scratch/$dir"
	did '^masters/win11.vhdx: copying it to '
	master=$(stat -c %i.%Y "$scratch/$dir/masters/win11.vhdx")
	use_disk pc1 second
	expect 0 strace -f -qq -o "$scratch/trace" \
		-e trace=pwrite64,copy_file_range -e signal=none \
		tgt-glue --config "$scratch/fleet.conf" backup "$scratch/$dir" pc1
	has_no_line copying "$scratch/stdout"
	equal "the master" "$master" \
		"$(stat -c %i.%Y "$scratch/$dir/masters/win11.vhdx")"
	# The layer is one block of 2 MiB and tables, copied, and copied once
	# more when the snapshot is removed.
	written=$(sed -n 's/.*= \([0-9]*\)$/\1/p' "$scratch/trace" |
		awk '{ n += $1 } END { print n + 0 }')
	[ "$written" -lt $((16 << 20)) ] ||
		fail "expected less than 16 MiB, found $written bytes"
	sound "$scratch/$dir"
	same_disk clients/pc1.vhdx
}

test_file_system_that_can_shares_the_space_of_a_copy() {
	requires_root
	requires mkfs.xfs
	truncate -s 600M "$scratch/fs"
	mkfs.xfs -q "$scratch/fs"
	mkdir "$scratch/one"
	mount -o loop "$scratch/fs" "$scratch/one" 2>/dev/null ||
		skip "no loop device"
	mkdir "$scratch/one/store"
	ln -s one/store "$scratch/store"
	make_store
	mkdir "$scratch/store/clients"
	vhdfs-img create --parent "$scratch/store/masters/win11.vhdx" \
		"$scratch/store/clients/pc1.vhdx"
	write_fleet pc1 </dev/null
	dir=one/backup
	expect 0 glue backup "$scratch/$dir"
	did '^pc1: clients/pc1.vhdx is backed up, 0B copied$'
	sound "$scratch/$dir"
	umount "$scratch/one"
}

test_holes_of_an_image_are_holes_of_its_copy() {
	requires_root
	make_store 900M --fixed
	cp --sparse=always "$scratch/store/masters/win11.vhdx" "$scratch/sparse"
	mv "$scratch/sparse" "$scratch/store/masters/win11.vhdx"
	mkdir "$scratch/store/clients"
	vhdfs-img create --parent "$scratch/store/masters/win11.vhdx" \
		"$scratch/store/clients/pc1.vhdx"
	write_fleet pc1 </dev/null
	mkdir "$scratch/small"
	mount -t tmpfs -o size=100M none "$scratch/small"
	dir=small/it
	expect 0 glue backup "$scratch/$dir"
	equal "size" "$(size_of "$scratch/store/masters/win11.vhdx")" \
		"$(size_of "$scratch/$dir/masters/win11.vhdx")"
	sound "$scratch/$dir"
	umount "$scratch/small"
}

test_earlier_backups_stay_as_keep_says() {
	start_fleet pc1
	for text in one two three; do
		use_disk pc1 "$text"
		expect 0 glue backup --keep 2 "$scratch/$dir"
	done
	equal "earlier backups" 2 "$(earlier pc1 | wc -l)"
	cp "$scratch/$dir/clients/$(earlier pc1 | head -n 1)" \
		"$scratch/$dir/clients/old.vhdx"
	vhdfs-img convert "$scratch/$dir/clients/old.vhdx" "$scratch/old.raw"
	equal "the oldest" one "$(tr -d '\0' <"$scratch/old.raw")"
	use_disk pc1 four
	expect 0 glue backup "$scratch/$dir"
	equal "earlier backups" 1 "$(earlier pc1 | wc -l)"
	expect 0 glue backup --keep 0 "$scratch/$dir"
	equal "earlier backups" 0 "$(earlier pc1 | wc -l)"
	same_disk clients/pc1.vhdx
	expect 2 glue backup --keep no "$scratch/$dir"
}

# A backup was interrupted when the image had its second name.
test_second_name_of_the_image_is_used_by_the_next_backup() {
	start_fleet pc1
	for text in one two; do
		use_disk pc1 "$text"
		expect 0 glue backup --keep 2 "$scratch/$dir"
	done
	ln "$scratch/$dir/clients/pc1.vhdx" \
		"$scratch/$dir/clients/.pc1.vhdx.99980101T000000.000000Z"
	expect 0 glue backup --keep 2 "$scratch/$dir"
	equal "earlier backups" 2 "$(earlier pc1 | wc -l)"
	equal "disks" 2 "$(cd "$scratch/$dir/clients" &&
		earlier pc1 | xargs stat -c %i | sort -u | wc -l)"
	cp "$scratch/$dir/clients/$(earlier pc1 | head -n 1)" \
		"$scratch/$dir/clients/old.vhdx"
	vhdfs-img convert "$scratch/$dir/clients/old.vhdx" "$scratch/old.raw"
	equal "the oldest" one "$(tr -d '\0' <"$scratch/old.raw")"
}

test_unfinished_files_of_any_client_are_removed() {
	start_fleet pc1
	mkdir -p "$scratch/$dir/clients" "$scratch/$dir/config/secrets"
	touch "$scratch/$dir/clients/pc7.vhdx.new" \
		"$scratch/$dir/clients/pc7@s.vhd.new" \
		"$scratch/$dir/config/secrets/pc7.new" \
		"$scratch/$dir/clients/notes.new"
	expect 0 glue backup "$scratch/$dir"
	equal "files" "$scratch/$dir/clients/notes.new" \
		"$(find "$scratch/$dir" -name '*.new')"
}

test_snapshots_of_a_client_are_copied_with_it() {
	start_fleet pc1
	use_disk pc1 one
	vhdfs-img snapshot --note "before the update" \
		"$scratch/store/clients/pc1.vhdx" before
	use_disk pc1 two
	expect 0 glue backup "$scratch/$dir"
	sound "$scratch/$dir"
	equal "snapshot" "before before the update" \
		"$(vhdfs-img snapshots --json "$scratch/$dir/clients/pc1.vhdx" |
			jq -r '.[] | "\(.name) \(.note)"')"
	same_disk clients/pc1@before.vhdx
	[ -e "$scratch/store/clients/pc1@before.vhdx" ] || fail "it is gone"
}

test_changed_master_takes_the_place_of_the_one_before() {
	start_fleet pc1
	use_disk pc1 one
	expect 0 glue backup "$scratch/$dir"
	end_tgtd
	unmount "$scratch/mnt"
	rm -r "$scratch/store"
	make_store 32M
	mount_store "$scratch/store" "$scratch/mnt"
	start_tgtd
	expect 0 glue apply
	use_disk pc1 two
	expect 0 glue backup "$scratch/$dir"
	same_disk clients/pc1.vhdx
	equal "masters that were put aside" 1 \
		"$(find "$scratch/$dir/masters" -name '.win11.vhdx.*Z' | wc -l)"
}

test_configuration_and_secrets_are_copied() {
	local mode

	start_server
	mkdir "$scratch/secrets"
	(
		umask 077
		echo secretsecret1 >"$scratch/secrets/pc1"
		echo secretsecret2 >"$scratch/../elsewhere.$$"
	)
	at_exit rm -f "$scratch/../elsewhere.$$"
	write_fleet <<-END
		[client pc1]
		secret-file = secrets/pc1
		[client pc2]
		secret-file = $scratch/../elsewhere.$$
	END
	expect 0 glue apply
	expect 0 glue backup "$scratch/$dir"
	cmp "$scratch/fleet.conf" "$scratch/$dir/config/fleet.conf"
	cmp "$scratch/secrets/pc1" "$scratch/$dir/config/secrets/pc1"
	cmp "$scratch/../elsewhere.$$" \
		"$scratch/$dir/config/other$(realpath "$scratch/..")/elsewhere.$$"
	mode=$(stat -c %a "$scratch/$dir/config/secrets/pc1" \
		"$scratch/$dir" | tr '\n' ' ')
	equal "modes" "600 700 " "$mode"
}

test_client_without_an_image_is_skipped_and_named() {
	start_fleet pc1
	echo "[client pc2]" >>"$scratch/fleet.conf"
	expect 4 glue backup "$scratch/$dir"
	said '^tgt-glue: pc2: skipped: it has no image; '
	sound "$scratch/$dir"
	[ -e "$scratch/$dir/clients/pc1.vhdx" ] || fail "pc1 is missing"
	expect 1 glue backup "$scratch/$dir" pc9
	said "expected a client of .*, found 'pc9'"
}

test_directory_in_the_store_is_refused() {
	start_fleet pc1
	mkdir "$scratch/store/backup"
	expect_error 1 'outside the store' glue backup "$scratch/store/backup"
	expect_error 1 'outside the store' glue backup "$scratch"
	equal "files" "" "$(find "$scratch/store/backup" -type f)"
}

test_two_backups_to_one_directory_exclude_each_other() {
	start_fleet pc1
	mkdir "$scratch/$dir"
	exec 8<"$scratch/$dir"
	flock 8
	expect_error 1 'another backup to it' glue backup "$scratch/$dir"
	exec 8<&-
	expect 0 glue backup "$scratch/$dir"
}

# The full directory keeps the backup before; the snapshot is removed.
test_full_directory_keeps_the_backup_before() {
	start_fleet pc1
	mkdir "$scratch/small"
	mount -t tmpfs -o size=12M none "$scratch/small" || skip "no tmpfs"
	use_disk pc1 one
	dir=small/it
	expect 0 glue backup "$scratch/$dir"
	vhdfs-img convert "$scratch/$dir/clients/pc1.vhdx" "$scratch/before.raw"
	head -c 16M /dev/urandom | dd of="$scratch/mnt/clients/pc1.vhdx.raw" \
		bs=1M conv=notrunc,fsync status=none
	expect 1 glue backup "$scratch/$dir"
	said 'pc1: not backed up: .*No space'
	sound "$scratch/$dir"
	no_snapshot
	vhdfs-img convert "$scratch/$dir/clients/pc1.vhdx" "$scratch/after.raw"
	cmp "$scratch/before.raw" "$scratch/after.raw"
	umount "$scratch/small"
}

# fail_verb VERB STATUS: makes $scratch/bin/vhdfs-img, of which this verb fails.
fail_verb() {
	mkdir -p "$scratch/bin"
	cat >"$scratch/bin/vhdfs-img" <<-END
		#!/bin/sh
		[ "\$1" != $1 ] || exit $2
		exec $(type -P vhdfs-img) "\$@"
	END
	chmod +x "$scratch/bin/vhdfs-img"
}

test_snapshot_that_stays_is_named_and_removed_by_the_next_backup() {
	start_fleet pc1
	use_disk pc1 one
	fail_verb delete-snapshot 1
	PATH=$scratch/bin:$PATH expect 1 glue backup "$scratch/$dir"
	said '^tgt-glue: pc1: warning: its snapshot clients/pc1@tgt-glue-backup.vhdx stays: .*vhdfs-img delete-snapshot'
	same_disk clients/pc1.vhdx
	expect 0 glue backup "$scratch/$dir"
	no_snapshot
	sound "$scratch/$dir"
}

# The client is reset to another master: the file is no snapshot of its image.
# A file that cannot be read may be a child of the snapshot.
test_unreadable_image_of_no_client_is_named_and_all_clients_are_copied() {
	local junk=$scratch/store/clients/junk.vhdx text

	start_fleet pc1
	{
		printf vhdxfile
		head -c 100000 /dev/zero
	} >"$junk"
	for text in one two; do
		use_disk pc1 $text
		expect 1 glue backup "$scratch/$dir"
		did '^pc1: clients/pc1.vhdx is backed up, '
		said 'its snapshot clients/pc1@tgt-glue-backup.vhdx stays: .*junk\.vhdx'
	done
	same_disk clients/pc1.vhdx
	rm "$junk"
	expect 0 glue backup "$scratch/$dir"
	no_snapshot
}

test_backup_goes_on_beside_a_snapshot_from_before_a_reset() {
	local left=clients/pc1@tgt-glue-backup.vhdx

	start_fleet pc1
	use_disk pc1 one
	fail_verb delete-snapshot 1
	PATH=$scratch/bin:$PATH expect 1 glue backup "$scratch/$dir"
	use_disk pc1 two
	vhdfs-img create --size 64M "$scratch/store/masters/other.vhdx"
	sed -i '/client pc1/a master = masters/other' "$scratch/fleet.conf"
	expect 0 glue reset pc1
	use_disk pc1 three
	expect 0 glue backup "$scratch/$dir"
	said "^tgt-glue: pc1: warning: $left, of an interrupted backup, is no snapshot of its image any more; clients/.pc1.vhdx.* needs it: it stays"
	[ -e "$scratch/store/$left" ] || fail "expected that $left stays"
	sound "$scratch/$dir"
	equal "snapshots" "$left" "$(cd "$scratch/store" &&
		find clients -name '*@*')"
	rm "$scratch"/store/clients/.pc1.vhdx.*Z
	expect 0 glue backup "$scratch/$dir"
	said 'no image needs it: `rm .*/clients/pc1@tgt-glue-backup.vhdx'
}

# The damage of an image is found before its copy takes the place of the backup
# before.
test_unsound_image_does_not_replace_its_backup() {
	start_fleet pc1
	use_disk pc1 one
	expect 0 glue backup "$scratch/$dir"
	vhdfs-img convert "$scratch/$dir/clients/pc1.vhdx" "$scratch/before.raw"
	fail_verb check 3
	use_disk pc1 two
	PATH=$scratch/bin:$PATH expect 1 glue backup "$scratch/$dir"
	said 'pc1: not backed up: .*expected that its copy is sound'
	no_snapshot
	vhdfs-img convert "$scratch/$dir/clients/pc1.vhdx" "$scratch/after.raw"
	cmp "$scratch/before.raw" "$scratch/after.raw"
	equal "unfinished files" "" "$(find "$scratch/$dir" -name '*.new')"
}

# interrupted SIGNAL CALL N: a backup that gets a signal at its N-th such call;
# false: it ended before.
interrupted() {
	local status=0

	strace -f -qq -o "$scratch/trace" -e trace="$2" \
		-e inject="$2:signal=$1:when=$3" \
		tgt-glue --config "$scratch/fleet.conf" backup "$scratch/$dir" \
		>"$scratch/killed.out" 2>&1 || status=$?
	[ "$status" != 0 ]
}

# interrupt_at CALL STEP COUNT [new]: kills backups of a writing client at such
# calls, of tgt-glue and of vhdfs-img, and runs each again; at least COUNT times.
# new: the first backup to the directory, else a later one.
interrupt_at() {
	local n=0 kills=0

	choose_calls
	next_call "$2"
	while [ "${4:-}" != new ] || rm -rf "${scratch:?}/$dir"; interrupted KILL "$1" "$n"; do
		expect 0 glue backup "$scratch/$dir"
		sound "$scratch/$dir"
		no_snapshot
		prefix_of "$scratch/$dir/clients/pc1.vhdx" >"$scratch/sectors"
		[ "$(earlier pc1 | wc -l)" -le 1 ] ||
			fail "killed at $1 $n: expected one earlier backup"
		kills=$((kills + 1))
		next_call "$2"
	done
	echo "killed at $1: $kills times"
	[ "$kills" -ge "$3" ] ||
		fail "$1: expected at least $3 interrupted backups, found $kills"
}

test_backup_killed_at_any_change_of_a_file_is_completed_by_the_next() {
	local kinds=("renameat 1 1" "fsync 1 1" "linkat 1 1" "unlinkat 1 1"
		"pwrite64 20 1" "mkdirat 1 1 new" "renameat 1 1 new"
		"fsync 3 1 new") first=0 count=8 at

	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	start_fleet pc1
	write_all_along pc1
	expect 0 glue backup "$scratch/$dir"
	choose_calls
	[ -z "${VHDFS_SAMPLE:-}" ] || first=$((RANDOM % 6)) count=3
	for at in "${kinds[@]:first:count}"; do
		# shellcheck disable=SC2086
		interrupt_at $at
	done
	goes_on
	stop_writing
}

test_interrupted_backup_removes_its_snapshot_and_unfinished_file() {
	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	start_fleet pc1
	use_disk pc1 one
	expect 0 glue backup "$scratch/$dir"
	rm "$scratch/$dir/masters/win11.vhdx"
	! strace -qq -o "$scratch/trace" -e trace=pwrite64 \
		-e inject=pwrite64:signal=INT:when=2 \
		tgt-glue --config "$scratch/fleet.conf" backup "$scratch/$dir" \
		>"$scratch/stdout" 2>"$scratch/stderr" ||
		fail "expected an interrupt"
	said interrupted
	[ ! -e "$scratch/$dir/masters/win11.vhdx" ] ||
		fail "expected the end before the master is copied"
	no_snapshot
	equal "unfinished files" "" "$(find "$scratch/$dir" -name '*.new')"
	expect 0 glue backup "$scratch/$dir"
	sound "$scratch/$dir"
}

run_tests
