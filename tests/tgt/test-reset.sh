#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# reset: a fresh disk, and the old one put aside.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# What was put aside of a client, the oldest first.
aside() {
	find "$scratch/store/clients" -name ".$1.vhd*.[0-9]*T*Z" -printf '%f\n' |
		sort
}

# Something in the client's image, as its machine writes it.
use_disk() {
	printf %s "${2:-used}" | dd of="$scratch/mnt/clients/$1.vhdx.raw" \
		bs=512 seek=9 conv=notrunc,fsync,sync status=none
}

has() {
	[ "$(dd if="$1" bs=512 skip=9 count=1 status=none |
		tr -d '\0')" = "$2" ]
}

is_fresh() {
	has "$scratch/mnt/clients/$1.vhdx.raw" "" || fail "$1 is not fresh"
	admits login "$(url "$1")"
}

start_fleet() {
	requires_initiator
	apply_fleet "$@"
}

test_fresh_disk_and_the_old_one_aside() {
	start_fleet pc1 pc2
	use_disk pc1
	use_disk pc2
	everything >"$scratch/before"
	expect 0 glue reset pc1
	grep -Eq '^pc1: image: clients/pc1.vhdx is fresh; the old one is clients/\.pc1\.vhdx\.[0-9]{8}T[0-9]{6}\.[0-9]{6}Z$' \
		"$scratch/stdout" || fail "it said: $(cat "$scratch/stdout")"
	is_fresh pc1
	has "$scratch/mnt/clients/pc2.vhdx.raw" used || fail "pc2 was reset"
	everything | sort | cmp - <(sort "$scratch/before")
	glue generate | cmp - "$scratch/targets.conf"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] || fail "it did: $(cat "$scratch/stdout")"
	# The old one is whole.
	cp "$scratch/store/clients/$(aside pc1)" "$scratch/store/clients/old.vhdx"
	wait_until 5 has "$scratch/mnt/clients/old.vhdx.raw" used
}

test_several_clients_at_once() {
	start_fleet pc1 pc2 pc3
	use_disk pc1
	use_disk pc3
	expect 0 glue reset pc1 pc3 pc1
	is_fresh pc1
	is_fresh pc3
	equal "put aside" "1 0 1" \
		"$(aside pc1 | wc -l) $(aside pc2 | wc -l) $(aside pc3 | wc -l)"
}

test_client_that_is_logged_in_is_left() {
	start_fleet pc1 pc2
	use_disk pc1
	use_disk pc2
	everything >"$scratch/before"
	hold_session pc1
	expect 4 glue reset pc1 pc2
	said '^tgt-glue: pc1: skipped: logged in: iqn.* from 127.0.0.1; shut it down, then type .tgt-glue reset pc1.$'
	is_fresh pc2
	has "$scratch/mnt/clients/pc1.vhdx.raw" used || fail "it was reset"
	equal "put aside" "" "$(aside pc1)"
	end_session
	everything | sort | cmp - <(sort "$scratch/before")
	expect 0 glue reset pc1
	is_fresh pc1
}

test_client_whose_view_is_open_is_left() {
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

# A holder that no process shows: the target gets its old disk back.
test_view_that_the_kernel_holds_is_left() {
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
	has "$scratch/mnt/clients/pc1.vhdx.raw" used || fail "it was reset"
	equal "put aside" "" "$(aside pc1)"
}

test_image_that_others_build_on_is_left() {
	start_fleet pc1
	use_disk pc1
	end_tgtd
	vhdfs-img create --parent "$scratch/store/clients/pc1.vhdx" \
		"$scratch/store/clients/pc1-more.vhdx"
	expect 4 glue reset pc1
	said 'pc1: .*may be the parent of another image'
	equal "put aside" "" "$(aside pc1)"
}

test_name_that_is_no_client() {
	start_fleet pc1
	use_disk pc1
	expect 1 glue reset pc1 pc9
	said "^tgt-glue: reset: expected a client of .*fleet.conf, found 'pc9'; .tgt-glue status. lists them$"
	equal "put aside" "" "$(aside pc1)"
	expect_error 2 'expected CLIENT..., found 0 operands' glue reset
}

test_unused_disk_is_fresh_already() {
	start_fleet pc1
	expect 0 glue reset pc1
	equal "put aside" "" "$(aside pc1)"
	is_fresh pc1
}

# The master is of another format now: the client keeps its disk and boots from
# it, also after a restart, until it is reset.
test_master_of_another_format() {
	start_fleet pc1
	use_disk pc1
	vhdfs-img create --size 64M "$scratch/store/masters/next.vhd"
	everything >"$scratch/before"
	sed -i 's/^master = .*/master = masters\/next.vhd/' "$scratch/fleet.conf"
	expect 4 glue apply
	said '^tgt-glue: pc1: skipped: its image clients/pc1.vhdx is in another format.*; `tgt-glue reset pc1. gives it a fresh disk$'
	everything | cmp - "$scratch/before"
	grep -q "backing-store $scratch/mnt/clients/pc1.vhdx.raw" \
		"$scratch/targets.conf" || fail "$(cat "$scratch/targets.conf")"
	expect 0 glue plan
	! grep -q 'make it' "$scratch/stdout" || fail "$(cat "$scratch/stdout")"
	expect 0 glue reset pc1
	equal "disk" "$scratch/mnt/clients/pc1.vhd.raw" \
		"$(shown pc1 | sed -n 's/.*Backing store path: \(\/.*\)/\1/p')"
	admits login "$(url pc1)"
	expect 0 glue apply
	[ -n "$(aside pc1)" ] || fail "expected the old image aside"
}

# An image of the other format that lies there is not this client's any more.
test_image_of_the_other_format_beside() {
	start_fleet pc1
	use_disk pc1
	vhdfs-img create --size 64M "$scratch/store/clients/pc1.vhd"
	expect 0 glue reset pc1
	is_fresh pc1
	[ -f "$scratch/store/clients/pc1.vhd" ] || fail "the other one is gone"
}

test_nothing_is_kept_where_keep_is_0() {
	start_fleet pc1
	echo 'keep = 0' >>"$scratch/fleet.conf"
	use_disk pc1
	expect 0 glue reset pc1
	grep -q 'the old one is removed (keep = 0)$' "$scratch/stdout" ||
		fail "$(cat "$scratch/stdout")"
	equal "images aside" "" "$(aside pc1)"
	is_fresh pc1
}

test_keep_says_how_many_old_ones_stay() {
	local first

	start_fleet pc1
	echo 'keep = 2' >>"$scratch/fleet.conf"
	: >"$scratch/store/clients/.pc1.vhdx.mine"
	: >"$scratch/store/clients/.pc1.vhdx.20200101T000000.000000Zx"
	: >"$scratch/store/clients/.pc11.vhdx.20200101T000000.000000Z"
	for i in 1 2 3 4; do
		use_disk pc1 "$i"
		expect 0 glue reset pc1
		[ "$i" != 3 ] || first=$(aside pc1 | tail -n 1)
	done
	for i in pc1.vhdx.mine pc1.vhdx.20200101T000000.000000Zx \
		pc11.vhdx.20200101T000000.000000Z; do
		[ -e "$scratch/store/clients/.$i" ] || fail "$i was removed"
	done
	aside pc1 >"$scratch/kept"
	equal "kept" 2 "$(wc -l <"$scratch/kept")"
	equal "the older one" "$first" "$(head -n 1 "$scratch/kept")"
	sed -i 's/keep = 2/keep = 0/' "$scratch/fleet.conf"
	expect 0 glue reset pc1
	equal "kept" "" "$(aside pc1)"
}

test_one_old_one_stays_unless_said_otherwise() {
	start_fleet pc1
	for i in 1 2; do
		use_disk pc1 "$i"
		expect 0 glue reset pc1
	done
	cp "$scratch/store/clients/$(aside pc1)" "$scratch/store/clients/old.vhdx"
	wait_until 5 has "$scratch/mnt/clients/old.vhdx.raw" 2
}

# The clock went back after the last reset, or an image is dated wrongly: what
# was put aside last is the newest, and stays.
test_image_just_put_aside_stays_whatever_the_clock_says() {
	local stamp old

	start_fleet pc1
	for stamp in 20990101T000000.000000Z 20991231T235959.999999Z; do
		use_disk pc1 "$stamp"
		expect 0 glue reset pc1
		old=$(aside pc1)
		mv "$scratch/store/clients/$old" \
			"$scratch/store/clients/.pc1.vhdx.$stamp"
		use_disk pc1 newest
		expect 0 glue reset pc1
		equal "images aside" 1 "$(aside pc1 | wc -l)"
		expr "$(aside pc1)" '>' ".pc1.vhdx.$stamp" >/dev/null ||
			fail "$(aside pc1) is not greater than $stamp"
		cp "$scratch/store/clients/$(aside pc1)" \
			"$scratch/store/clients/$stamp.vhdx"
		wait_until 30 has \
			"$scratch/mnt/clients/$stamp.vhdx.raw" newest
		rm "$scratch/store/clients/$(aside pc1)"
	done
}

test_clock_that_goes_back() {
	requires faketime
	start_fleet pc1
	export ASAN_OPTIONS=detect_leaks=0
	use_disk pc1 1
	expect 0 glue reset pc1
	use_disk pc1 2
	expect 0 faketime '2020-01-01 00:00:00' tgt-glue \
		--config "$scratch/fleet.conf" reset pc1
	cp "$scratch/store/clients/$(aside pc1)" "$scratch/store/clients/old.vhdx"
	wait_until 30 has "$scratch/mnt/clients/old.vhdx.raw" 2
}

# Names of other clients begin with this one's, and stamps that are no dates
# are no stamps.
test_only_its_own_old_images_are_removed() {
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
		[ -e "$all/$name" ] || fail "$name was removed"
		! grep -F "$name" "$scratch/stderr" || fail "it tells of $name"
	done
	for name in 20201301T000000.000000Z 20200230T000000.000000Z \
		99999999T999999.999999Z; do
		[ -e "$all/.pc1.vhdx.$name" ] || fail "$name was removed"
		said "^tgt-glue: pc1: image: clients/.pc1.vhdx.$name stays: expected a stamp"
	done
}

test_old_image_that_others_build_on_stays() {
	local old

	start_fleet pc1
	use_disk pc1
	expect 0 glue reset pc1
	old=$(aside pc1)
	vhdfs-img create --parent "$scratch/store/clients/$old" \
		"$scratch/store/clients/more.vhdx"
	use_disk pc1
	expect 0 glue reset pc1
	said "^tgt-glue: pc1: image: clients/$old stays"
	equal "images aside" 2 "$(aside pc1 | wc -l)"
}

# What makes children findable by anything but their own contents is taken
# away: permissions of the parent, their name, their place, their readability.
test_old_image_with_children_stays_whatever_hides_them() {
	local store=$scratch/store old

	start_fleet pc1
	use_disk pc1
	expect 0 glue reset pc1
	old=$store/clients/$(aside pc1)
	mkdir "$store/.attic"
	vhdfs-img create --parent "$old" "$store/clients/visible.vhdx"
	chmod u+w "$old"
	echo 'keep = 0' >>"$scratch/fleet.conf"
	use_disk pc1
	expect 0 glue reset pc1
	said "clients/${old##*/} stays, .* the parent of clients/visible.vhdx;"
	equal "images aside" "${old##*/}" "$(aside pc1)"

	# Where it does not find its parent.
	mv "$store/clients/visible.vhdx" "$store/.attic/.child"
	use_disk pc1
	expect 0 glue reset pc1
	said "clients/${old##*/} stays, .* the parent of .attic/.child;"

	# Whose child it is cannot be read any more: metadata without its table.
	dd if=/dev/zero of="$store/.attic/.child" bs=1 count=8 conv=notrunc \
		status=none seek="$(grep -abo metadata "$store/.attic/.child" |
			head -n 1 | cut -d: -f1)"
	use_disk pc1
	expect 0 glue reset pc1
	said "clients/${old##*/} stays, .* the parent of .attic/.child;"
	grep -q 'the old one is clients/' "$scratch/stdout" ||
		fail "it stays, but was told to be removed: $(cat "$scratch/stdout")"
	[ -e "$old" ] || fail "the parent was removed"

	# And without any it goes, all of them do.
	rm "$store/.attic/.child"
	use_disk pc1
	expect 0 glue reset pc1
	equal "images aside" "" "$(aside pc1)"
}

test_image_with_children_is_left_whatever_its_permissions() {
	start_fleet pc1
	use_disk pc1
	end_tgtd
	vhdfs-img create --parent "$scratch/store/clients/pc1.vhdx" \
		"$scratch/store/masters/.more"
	chmod u+w "$scratch/store/clients/pc1.vhdx"
	expect 4 glue reset pc1
	said 'pc1: .*it is the parent of masters/.more; '
	equal "put aside" "" "$(aside pc1)"
}

# A new master, with other sectors: the disk and the targets-file follow.
test_new_master() {
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
	[ ! -s "$scratch/stdout" ] || fail "it did: $(cat "$scratch/stdout")"
}

# What else is new in fleet.conf waits for apply.
test_other_clients_are_as_they_were() {
	start_fleet pc1 pc2
	use_disk pc1
	cp "$scratch/targets.conf" "$scratch/file.before"
	shown pc2 >"$scratch/before"
	echo 'thin = yes' >>"$scratch/fleet.conf"
	echo '[client pc3]' >>"$scratch/fleet.conf"
	expect 0 glue reset pc1
	shown pc2 | cmp - "$scratch/before"
	cmp "$scratch/targets.conf" "$scratch/file.before"
	[ ! -e "$scratch/store/clients/pc3.vhdx" ] || fail "pc3 was made"
}

test_without_tgtd_the_images_alone() {
	start_fleet pc1
	use_disk pc1
	end_tgtd
	expect 0 glue reset pc1
	said '^tgt-glue: no tgtd runs: the images alone are reset$'
	equal "put aside" 1 "$(aside pc1 | wc -l)"
	start_tgtd
	expect 0 glue apply
	is_fresh pc1
}

# Killed at steps of all kinds that leave something behind, and run again.
test_interrupted_anywhere_it_ends_in_the_same_state() {
	local call n status

	choose_calls
	requires strace
	start_fleet pc1
	export ASAN_OPTIONS=detect_leaks=0
	everything | sort >"$scratch/wanted"
	for call in connect renameat2 rename fsync unlinkat; do
		n=0 status=137
		while [ "$status" = 137 ]; do
			# It asks for many files to be removed.
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
			equal "put aside after $call $n" 1 "$(aside pc1 | wc -l)"
			cp "$scratch/store/clients/$(aside pc1)" \
				"$scratch/store/clients/old$call$n.vhdx"
			wait_until 5 has \
				"$scratch/mnt/clients/old$call$n.vhdx.raw" \
				"$call$n"
		done
		equal "the last one's exit status" 0 "$status"
		echo "killed up to call $n of $call"
	done
}

run_tests
