#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# reset: a client gets a fresh disk, and its old image is kept.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# old_images CLIENT: prints the kept images of a client, the oldest first.
old_images() {
	find "$scratch/store/clients" -name ".$1.vhd*.[0-9]*T*Z" -printf '%f\n' |
		sort
}

# use_disk CLIENT: writes to the client's disk, as its machine does.
use_disk() {
	printf %s "${2:-used}" | dd of="$scratch/mnt/clients/$1.vhdx.raw" \
		bs=512 seek=9 conv=notrunc,fsync,sync status=none
}

has() {
	[ "$(dd if="$1" bs=512 skip=9 count=1 status=none |
		tr -d '\0')" = "$2" ]
}

is_fresh() {
	has "$scratch/mnt/clients/$1.vhdx.raw" "" ||
		fail "$1: expected a fresh disk"
	admits login "$(url "$1")"
}

start_fleet() {
	requires_initiator
	apply_fleet "$@"
}

test_reset_makes_a_fresh_disk_and_keeps_the_old_image() {
	start_fleet pc1 pc2
	use_disk pc1
	use_disk pc2
	everything >"$scratch/before"
	expect 0 glue reset pc1
	grep -Eq '^pc1: image: clients/pc1.vhdx is fresh; the old one is clients/\.pc1\.vhdx\.[0-9]{8}T[0-9]{6}\.[0-9]{6}Z$' \
		"$scratch/stdout" ||
		fail "unexpected output: $(cat "$scratch/stdout")"
	is_fresh pc1
	has "$scratch/mnt/clients/pc2.vhdx.raw" used ||
		fail "expected the old disk of pc2, found it reset"
	everything | sort | cmp - <(sort "$scratch/before")
	glue generate | cmp - "$scratch/targets.conf"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	# The old image is complete.
	cp "$scratch/store/clients/$(old_images pc1)" "$scratch/store/clients/old.vhdx"
	wait_until 5 has "$scratch/mnt/clients/old.vhdx.raw" used
}

test_several_clients_are_reset_at_once() {
	start_fleet pc1 pc2 pc3
	use_disk pc1
	use_disk pc3
	expect 0 glue reset pc1 pc3 pc1
	is_fresh pc1
	is_fresh pc3
	equal "old images" "1 0 1" \
		"$(old_images pc1 | wc -l) $(old_images pc2 | wc -l) $(old_images pc3 | wc -l)"
}

test_logged_in_client_is_skipped() {
	start_fleet pc1 pc2
	use_disk pc1
	use_disk pc2
	everything >"$scratch/before"
	hold_session pc1
	expect 4 glue reset pc1 pc2
	said '^tgt-glue: pc1: skipped: logged in: iqn.* from 127.0.0.1; shut it down, then type .tgt-glue reset pc1.$'
	is_fresh pc2
	has "$scratch/mnt/clients/pc1.vhdx.raw" used ||
		fail "expected the old disk, found it reset"
	equal "old images" "" "$(old_images pc1)"
	end_session
	everything | sort | cmp - <(sort "$scratch/before")
	expect 0 glue reset pc1
	is_fresh pc1
}

test_client_with_an_open_view_is_skipped() {
	local pid

	start_fleet pc1
	use_disk pc1
	everything >"$scratch/before"
	tail -f <"$scratch/mnt/clients/pc1.vhdx.raw" >/dev/null &
	pid=$!
	wait_until 5 test "/proc/$pid/fd/0" -ef "$scratch/mnt/clients/pc1.vhdx.raw"
	wait_until 5 grep -q tail "/proc/$pid/comm"
	expect 4 glue reset pc1
	said "^tgt-glue: pc1: skipped: its disk is open: tail \(process $pid\); end that program, then type .tgt-glue reset pc1.$"
	everything | cmp - "$scratch/before"
	kill "$pid"
	wait "$pid" || true
	expect 0 glue reset pc1
	is_fresh pc1
}

# An open by the kernel, which no process shows: the target gets its old disk
# again.
test_view_opened_by_the_kernel_is_skipped() {
	local loop

	requires losetup
	start_fleet pc1
	use_disk pc1
	everything >"$scratch/before"
	loop=$(losetup -f --show "$scratch/mnt/clients/pc1.vhdx.raw") ||
		skip "no loop device"
	at_exit losetup -d "$loop"
	expect 4 glue reset pc1
	said '^tgt-glue: pc1: image: skipped: .*in use.*vhdfs'
	everything | sort | cmp - <(sort "$scratch/before")
	admits login "$(url pc1)"
	has "$scratch/mnt/clients/pc1.vhdx.raw" used ||
		fail "expected the old disk, found it reset"
	equal "old images" "" "$(old_images pc1)"
}

test_image_with_children_is_skipped() {
	start_fleet pc1
	use_disk pc1
	end_tgtd
	vhdfs-img create --parent "$scratch/store/clients/pc1.vhdx" \
		"$scratch/store/clients/pc1-more.vhdx"
	expect 4 glue reset pc1
	said 'pc1: .*may be the parent of another image'
	equal "old images" "" "$(old_images pc1)"
}

test_unknown_client_is_refused() {
	start_fleet pc1
	use_disk pc1
	expect 1 glue reset pc1 pc9
	said "^tgt-glue: reset: expected a client of .*fleet.conf, found 'pc9'; .tgt-glue status. lists the clients$"
	equal "old images" "" "$(old_images pc1)"
	expect_error 2 'expected CLIENT..., found 0 operands' glue reset
}

test_reset_of_an_unused_disk_changes_nothing() {
	start_fleet pc1
	expect 0 glue reset pc1
	equal "old images" "" "$(old_images pc1)"
	is_fresh pc1
}

# After a snapshot the image is empty, and shows what the snapshot holds.
test_reset_of_an_empty_child_of_a_snapshot_makes_a_fresh_disk() {
	start_fleet pc1
	use_disk pc1
	vhdfs-img snapshot "$scratch/store/clients/pc1.vhdx" monday
	expect 0 glue reset pc1
	is_fresh pc1
	equal "old images" 1 "$(old_images pc1 | wc -l)"
}

# What the image shows is in the snapshot, which stays.
test_old_image_without_data_takes_the_place_of_none_with_data() {
	local first

	start_fleet pc1
	echo 'keep = 1' >>"$scratch/fleet.conf"
	use_disk pc1 first
	expect 0 glue reset pc1
	first=$(old_images pc1)
	use_disk pc1 second
	vhdfs-img snapshot "$scratch/store/clients/pc1.vhdx" monday
	expect 0 glue reset pc1
	equal "old images" 2 "$(old_images pc1 | wc -l)"
	equal "the older one" "$first" "$(old_images pc1 | head -n 1)"
	use_disk pc1 third
	expect 0 glue reset pc1
	equal "old images" 1 "$(old_images pc1 | wc -l)"
}

# The format of the master has changed: the client keeps its disk and boots from
# it, after a restart too, until it is reset.
test_client_of_a_master_in_another_format_keeps_its_disk_until_reset() {
	start_fleet pc1
	use_disk pc1
	vhdfs-img create --size 64M "$scratch/store/masters/next.vhd"
	everything >"$scratch/before"
	sed -i 's/^master = .*/master = masters\/next.vhd/' "$scratch/fleet.conf"
	expect 4 glue apply
	said '^tgt-glue: pc1: skipped: its image clients/pc1.vhdx is in another format.*; `tgt-glue reset pc1. gives it a fresh disk$'
	everything | cmp - "$scratch/before"
	grep -q "backing-store $scratch/mnt/clients/pc1.vhdx.raw" \
		"$scratch/targets.conf" ||
		fail "expected the old backing store, found: $(cat "$scratch/targets.conf")"
	expect 0 glue plan
	! grep -q 'make it' "$scratch/stdout" ||
		fail "expected no new image, found: $(cat "$scratch/stdout")"
	expect 0 glue reset pc1
	equal "disk" "$scratch/mnt/clients/pc1.vhd.raw" \
		"$(shown pc1 | sed -n 's/.*Backing store path: \(\/.*\)/\1/p')"
	admits login "$(url pc1)"
	expect 0 glue apply
	[ -n "$(old_images pc1)" ] || fail "expected an old image of pc1"
}

# An image in the other format next to it is not this client's.
test_image_in_the_other_format_is_not_used() {
	start_fleet pc1
	use_disk pc1
	vhdfs-img create --size 64M "$scratch/store/clients/pc1.vhd"
	expect 0 glue reset pc1
	is_fresh pc1
	[ -f "$scratch/store/clients/pc1.vhd" ] ||
		fail "expected the other image"
}

test_keep_0_keeps_no_old_image() {
	start_fleet pc1
	echo 'keep = 0' >>"$scratch/fleet.conf"
	use_disk pc1
	expect 0 glue reset pc1
	grep -q 'the old one is removed (keep = 0)$' "$scratch/stdout" ||
		fail "expected that the old image is removed, found: $(cat "$scratch/stdout")"
	equal "old images" "" "$(old_images pc1)"
	is_fresh pc1
}

test_keep_limits_the_number_of_old_images() {
	local first

	start_fleet pc1
	echo 'keep = 2' >>"$scratch/fleet.conf"
	: >"$scratch/store/clients/.pc1.vhdx.mine"
	: >"$scratch/store/clients/.pc1.vhdx.20200101T000000.000000Zx"
	: >"$scratch/store/clients/.pc11.vhdx.20200101T000000.000000Z"
	for i in 1 2 3 4; do
		use_disk pc1 "$i"
		expect 0 glue reset pc1
		[ "$i" != 3 ] || first=$(old_images pc1 | tail -n 1)
	done
	for i in pc1.vhdx.mine pc1.vhdx.20200101T000000.000000Zx \
		pc11.vhdx.20200101T000000.000000Z; do
		[ -e "$scratch/store/clients/.$i" ] ||
			fail "expected $i to be kept"
	done
	old_images pc1 >"$scratch/kept"
	equal "kept" 2 "$(wc -l <"$scratch/kept")"
	equal "the older one" "$first" "$(head -n 1 "$scratch/kept")"
	sed -i 's/keep = 2/keep = 0/' "$scratch/fleet.conf"
	expect 0 glue reset pc1
	equal "old images" "" "$(old_images pc1)"
}

test_one_old_image_is_kept_by_default() {
	start_fleet pc1
	for i in 1 2; do
		use_disk pc1 "$i"
		expect 0 glue reset pc1
	done
	cp "$scratch/store/clients/$(old_images pc1)" "$scratch/store/clients/old.vhdx"
	wait_until 5 has "$scratch/mnt/clients/old.vhdx.raw" 2
}

# The clock was set back after the last reset, or an image has a wrong date: the
# image kept last is the newest, and is not removed.
test_newest_old_image_is_kept_with_any_clock() {
	local stamp old

	start_fleet pc1
	for stamp in 20990101T000000.000000Z 20991231T235959.999999Z; do
		use_disk pc1 "$stamp"
		expect 0 glue reset pc1
		old=$(old_images pc1)
		mv "$scratch/store/clients/$old" \
			"$scratch/store/clients/.pc1.vhdx.$stamp"
		use_disk pc1 newest
		expect 0 glue reset pc1
		equal "old images" 1 "$(old_images pc1 | wc -l)"
		expr "$(old_images pc1)" '>' ".pc1.vhdx.$stamp" >/dev/null ||
			fail "expected a stamp greater than $stamp, found $(old_images pc1)"
		cp "$scratch/store/clients/$(old_images pc1)" \
			"$scratch/store/clients/$stamp.vhdx"
		wait_until 30 has \
			"$scratch/mnt/clients/$stamp.vhdx.raw" newest
		rm "$scratch/store/clients/$(old_images pc1)"
	done
}

test_reset_with_a_clock_set_back_gives_increasing_stamps() {
	requires faketime
	start_fleet pc1
	export ASAN_OPTIONS=detect_leaks=0
	use_disk pc1 1
	expect 0 glue reset pc1
	use_disk pc1 2
	expect 0 faketime '2020-01-01 00:00:00' tgt-glue \
		--config "$scratch/fleet.conf" reset pc1
	cp "$scratch/store/clients/$(old_images pc1)" "$scratch/store/clients/old.vhdx"
	wait_until 30 has "$scratch/mnt/clients/old.vhdx.raw" 2
}

# Names of other clients begin with this client's name; a stamp that is not a
# date is not a stamp.
test_only_the_clients_own_old_images_are_removed() {
	local name all

	start_fleet pc1
	all=$scratch/store/clients
	for name in .pc10.vhdx.20200101T000000.000000Z \
		.pc1.vhdx.x.vhdx.20200101T000000.000000Z \
		.pc1.vhdx.20200101T000000.000000Z.vhd.20200101T000000.000000Z \
		.pc1.vhdx.20201301T000000.000000Z \
		.pc1.vhdx.20200230T000000.000000Z \
		.pc1.vhdx.99999999T999999.999999Z .pc1.vhdx.12345678.new; do
		: >"$all/$name"
	done
	use_disk pc1
	expect 0 glue reset pc1
	for name in .pc10.vhdx.20200101T000000.000000Z \
		.pc1.vhdx.x.vhdx.20200101T000000.000000Z .pc1.vhdx.12345678.new; do
		[ -e "$all/$name" ] || fail "expected $name to be kept"
		! grep -F "$name" "$scratch/stderr" ||
			fail "expected no message about $name"
	done
	for name in 20201301T000000.000000Z 20200230T000000.000000Z \
		99999999T999999.999999Z; do
		[ -e "$all/.pc1.vhdx.$name" ] ||
			fail "expected $name to be kept"
		said "^tgt-glue: pc1: image: clients/.pc1.vhdx.$name stays: expected a stamp"
	done
}

test_old_image_with_children_is_kept() {
	local old

	start_fleet pc1
	use_disk pc1
	expect 0 glue reset pc1
	old=$(old_images pc1)
	vhdfs-img create --parent "$scratch/store/clients/$old" \
		"$scratch/store/clients/more.vhdx"
	use_disk pc1
	expect 0 glue reset pc1
	said "^tgt-glue: pc1: image: clients/$old: not removed: .*more than .keep = 1. old images exist"
	equal "old images" 2 "$(old_images pc1 | wc -l)"
}

# Only the contents of a child lead to its parent: the permissions of the
# parent, and the child's name, folder and permissions are changed.
test_old_image_with_hidden_children_is_kept() {
	local store=$scratch/store old

	start_fleet pc1
	use_disk pc1
	expect 0 glue reset pc1
	old=$store/clients/$(old_images pc1)
	mkdir "$store/.attic"
	vhdfs-img create --parent "$old" "$store/clients/visible.vhdx"
	chmod u+w "$old"
	echo 'keep = 0' >>"$scratch/fleet.conf"
	use_disk pc1
	expect 0 glue reset pc1
	said "clients/${old##*/}: not removed: .* the parent of clients/visible.vhdx;"
	equal "old images" "${old##*/}" "$(old_images pc1)"

	# In this folder the child does not find its parent.
	mv "$store/clients/visible.vhdx" "$store/.attic/.child"
	use_disk pc1
	expect 0 glue reset pc1
	said "clients/${old##*/}: not removed: .* the parent of .attic/.child;"

	# The child's parent cannot be read: its metadata has no table.
	dd if=/dev/zero of="$store/.attic/.child" bs=1 count=8 conv=notrunc \
		status=none seek="$(grep -abo metadata "$store/.attic/.child" |
			head -n 1 | cut -d: -f1)"
	use_disk pc1
	expect 0 glue reset pc1
	said "clients/${old##*/}: not removed: .* the parent of .attic/.child;"
	grep -q 'the old one is clients/' "$scratch/stdout" ||
		fail "expected no message of a removal, found: $(cat "$scratch/stdout")"
	[ -e "$old" ] || fail "expected the parent to be kept"

	# Without a child all old images are removed.
	rm "$store/.attic/.child"
	use_disk pc1
	expect 0 glue reset pc1
	equal "old images" "" "$(old_images pc1)"
}

test_image_with_children_is_skipped_with_any_permissions() {
	start_fleet pc1
	use_disk pc1
	end_tgtd
	vhdfs-img create --parent "$scratch/store/clients/pc1.vhdx" \
		"$scratch/store/masters/.more"
	chmod u+w "$scratch/store/clients/pc1.vhdx"
	expect 4 glue reset pc1
	said 'pc1: .*it is the parent of masters/.more; '
	equal "old images" "" "$(old_images pc1)"
}

# A new master with other sectors: the disk and the targets-file change with it.
test_reset_follows_a_new_master() {
	start_fleet pc1 pc2
	use_disk pc1
	vhdfs-img create --size 64M --sector-size 4096 \
		"$scratch/store/masters/win12.vhdx"
	sed -i 's/client pc1./&\nmaster = masters\/win12/' "$scratch/fleet.conf"
	expect 4 glue apply
	expect 0 glue reset pc1
	is_fresh pc1
	shown pc1 | grep -q 'Block size: 4096'
	glue generate | cmp - "$scratch/targets.conf"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
}

# Other changes of fleet.conf wait for apply.
test_reset_does_not_change_other_clients() {
	start_fleet pc1 pc2
	use_disk pc1
	cp "$scratch/targets.conf" "$scratch/file.before"
	shown pc2 >"$scratch/before"
	echo 'thin = yes' >>"$scratch/fleet.conf"
	echo '[client pc3]' >>"$scratch/fleet.conf"
	expect 0 glue reset pc1
	shown pc2 | cmp - "$scratch/before"
	cmp "$scratch/targets.conf" "$scratch/file.before"
	[ ! -e "$scratch/store/clients/pc3.vhdx" ] ||
		fail "expected no image of pc3"
}

test_reset_without_tgtd_changes_the_images() {
	start_fleet pc1
	use_disk pc1
	end_tgtd
	expect 0 glue reset pc1
	said '^tgt-glue: no tgtd runs: the images alone are reset$'
	equal "old images" 1 "$(old_images pc1 | wc -l)"
	start_tgtd
	expect 0 glue apply
	is_fresh pc1
}

# reset is killed at calls of all kinds that change something, and run again.
test_interrupted_reset_is_completed_by_the_next() {
	local call n status

	choose_calls
	requires strace
	start_fleet pc1
	export ASAN_OPTIONS=detect_leaks=0
	everything | sort >"$scratch/wanted"
	for call in connect renameat2 rename fsync unlinkat; do
		n=0 status=137
		while [ "$status" = 137 ]; do
			# It removes many files.
			next_call "$([ $call != unlinkat ] || echo 20)"
			find "$scratch/store/clients" -name '.pc1*' -delete
			use_disk pc1 "$call$n"
			status=0
			strace -f -qq -o "$scratch/trace" -e trace=$call \
				-e inject=$call:signal=SIGKILL:when=$n \
				tgt-glue --config "$scratch/fleet.conf" \
				reset pc1 >"$scratch/killed.out" 2>&1 ||
				status=$?
			expect 0 glue reset pc1
			is_fresh pc1
			everything | sort | diff "$scratch/wanted" -
			equal "old images after $call $n" 1 "$(old_images pc1 | wc -l)"
			cp "$scratch/store/clients/$(old_images pc1)" \
				"$scratch/store/clients/old$call$n.vhdx"
			wait_until 5 has \
				"$scratch/mnt/clients/old$call$n.vhdx.raw" \
				"$call$n"
		done
		equal "the last one's exit status" 0 "$status"
		echo "killed up to call $n of $call"
	done
}

# stamped_image TIME: an old image of pc1 with the stamp of that time.
stamped_image() {
	cp "$scratch/store/clients/pc1.vhdx" \
		"$scratch/store/clients/.pc1.vhdx.$(date -u -d "$1" \
			+%Y%m%dT%H%M%S.000000Z)"
}

test_keep_age_removes_only_beyond_keep_and_older() {
	start_fleet pc1
	printf 'keep = 2\nkeep-age = 7d\n' >>"$scratch/fleet.conf"
	for days in 1 6 8 20; do
		stamped_image "$days days ago"
	done
	use_disk pc1
	expect 0 glue reset pc1
	# That of now, and those of 1 and 6 days.
	equal "old images" 3 "$(old_images pc1 | wc -l)"
	# As many as keep says stay, however old they are.
	rm "$scratch"/store/clients/.pc1.vhdx.*Z
	stamped_image "30 days ago"
	use_disk pc1
	expect 0 glue reset pc1
	equal "old images within keep" 2 "$(old_images pc1 | wc -l)"
	sed -i 's/^keep-age.*/keep-age = soon/' "$scratch/fleet.conf"
	expect_error 1 "keep-age: expected a number and h, d or w, such as 7d, found 'soon'" \
		glue check
}

# A clock that goes on, or was set, makes no image old.  The reset of a fresh
# image gives no newer stamp.
test_keep_age_does_not_follow_the_clock() {
	start_fleet pc1
	printf 'keep = 1\nkeep-age = 1d\n' >>"$scratch/fleet.conf"
	stamped_image "2400 hours ago"
	stamped_image "2404 hours ago"
	expect 0 glue reset pc1
	equal "old images" 2 "$(old_images pc1 | wc -l)"
	# An old image of another client has the newest stamp.
	: >"$scratch/store/clients/.pc2.vhdx.$(date -u +%Y%m%dT%H%M%S.000000Z)"
	expect 0 glue reset pc1
	equal "old images" 1 "$(old_images pc1 | wc -l)"
}

run_tests
