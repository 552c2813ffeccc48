#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Data disks: [disk NAME] and `disks', on a real tgtd with libiscsi clients.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# A server with the files of all kinds of disks.
start_disk_server() {
	requires_initiator
	start_server
	vhdfs-img create --size 16M "$scratch/store/masters/games.vhdx"
	vhdfs-img create --size 16M "$scratch/store/masters/maps.vhdx"
	mkdir "$scratch/store/iso"
	truncate -s 4M "$scratch/store/iso/setup.iso"
}

# sections: prints a section for a disk of each kind.
sections() {
	cat <<-END
		[disk home]
		lun = 2
		size = 20M
		[disk games]
		lun = 3
		master = masters/games
		[disk maps]
		lun = 4
		image = masters/maps
		[disk setup]
		lun = 5
		cdrom = iso/setup.iso
	END
}

# disks_of_all NAMES: writes a fleet.conf with clients pc1 and pc2 that have
# these disks, and the sections.
disks_of_all() {
	write_fleet pc1 pc2 </dev/null
	sed -i "/^\[defaults\]/a disks = $1" "$scratch/fleet.conf"
	sections >>"$scratch/fleet.conf"
}

# serve NAMES: a server whose clients have these disks.
serve() {
	start_disk_server
	disks_of_all "$1"
	expect 0 glue apply
}

# luns CLIENT: prints the numbers of its LUNs in tgtd, without the controller.
luns() {
	shown "$1" | sed -n 's/^        LUN: \([1-9][0-9]*\)$/\1/p' | xargs
}

# serial CLIENT LUN: prints the serial number that tgtd has.
serial() {
	shown "$1" | sed -n "/^        LUN: $2\$/,/SCSI SN/s/.*SCSI SN: //p"
}

# inquiry CLIENT LUN: prints the device type that an initiator sees.
inquiry() {
	lun=$2
	iscsi-inq "$(url "$1")" | sed -n 's/^Peripheral Device Type://p'
	unset lun
}

# write_sector CLIENT LUN: a session writes sector 5.
write_sector() {
	lun=$2
	hold_session "$1"
	works write 5
	end_session
	rm "$scratch/hold-$1"
	unset lun
}

# sector VIEW: prints the first letter of sector 5.
sector() {
	dd if="$scratch/mnt/$1.raw" bs=512 skip=5 count=1 status=none |
		head -c 1 | tr '\0' 0
}

disk_of() {
	glue status --json | jq -r ".clients[] | select(.name == \"$1\") |
		.disks[] | select(.name == \"$2\") | $3"
}

test_each_client_gets_its_disks() {
	serve 'setup maps games home'
	equal "LUNs" "1 2 3 4 5" "$(luns pc1)"
	equal "LUNs" "1 2 3 4 5" "$(luns pc2)"
	did '^pc1: disk home: image: make disks/home/pc1.vhdx, of 20.0M$'
	did '^pc1: disk games: image: make disks/games/pc1.vhdx, a child of masters/games.vhdx$'
	expect 0 glue apply
	equal "output of the second apply" "" "$(cat "$scratch/stdout")"
	[ ! -e "$scratch/store/disks/maps" ] ||
		fail "expected no image of a shared disk"
}

# All numbers that an initiator names in one byte.
test_client_has_255_disks() {
	local i

	start_disk_server
	write_fleet pc1 </dev/null
	for ((i = 2; i <= 255; i++)); do
		sed -i "/^\[defaults\]/a disks = d$i" "$scratch/fleet.conf"
	done
	for ((i = 2; i < 255; i++)); do
		printf '[disk d%d]\nlun = %d\nimage = masters/maps\n' $i $i
	done >>"$scratch/fleet.conf"
	printf '[disk d255]\nlun = 255\nsize = 20M\n' >>"$scratch/fleet.conf"
	expect 0 glue apply
	equal "LUNs" "$(seq -s ' ' 1 255)" "$(luns pc1)"
	equal "LUNs of an initiator" 255 \
		"$(iscsi-ls -s "iscsi://127.0.0.1:$port" | grep -c '^Lun:[1-9]')"
	write_sector pc1 255
	equal "disk 255" w "$(sector disks/d255/pc1.vhdx)"
	expect 0 glue apply
	equal "output of the second apply" "" "$(cat "$scratch/stdout")"
	sed -i 's/^lun = 255/lun = 256/' "$scratch/fleet.conf"
	expect_error 1 "lun: expected a number from 2 to 255, found '256'" \
		glue check
}

# url_of_lun LUN: prints the URL of that disk of pc1.
url_of_lun() {
	lun=$1
	url pc1
	unset lun
}

test_largest_disk_of_each_format_is_written_at_its_end() {
	local end ending lun=2

	requires qemu-io
	start_disk_server
	write_fleet pc1 <<-END
		disks = a b
		[disk a]
		lun = 2
		size = 2040G
		format = vhd
		[disk b]
		lun = 3
		size = 64T
	END
	expect 0 glue apply
	for end in a/pc1.vhd:2:2190433320960 b/pc1.vhdx:3:70368744177664; do
		IFS=: read -r ending lun end <<<"$end"
		equal "size" "$end" "$(qemu-img info --output=json -f raw \
			"$(url_of_lun "$lun")" | jq '."virtual-size"')"
		qemu-io -f raw -c "write -P 0x77 $((end - 512)) 512" -c flush \
			"$(url_of_lun "$lun")" >/dev/null
		equal "last sector" "$(head -c 512 /dev/zero | tr '\0' w)" \
			"$(dd if="$scratch/mnt/disks/$ending.raw" bs=512 \
				skip=$((end - 512)) iflag=skip_bytes status=none)"
	done
	sed -i 's/^size = 2040G/size = 2041G/; s/pc1/pc2/' "$scratch/fleet.conf"
	expect 1 glue apply
	said '^tgt-glue: pc2: disk a: .*2040 GiB'
}

test_disks_of_several_lines_are_added_up() {
	start_disk_server
	disks_of_all 'home'
	printf '[client pc3]\ndisks = games setup\ndisks = maps\n' \
		>>"$scratch/fleet.conf"
	expect 0 glue apply
	equal "LUNs" "1 2" "$(luns pc1)"
	equal "LUNs" "1 3 4 5" "$(luns pc3)"
	printf 'disks = none\n' >>"$scratch/fleet.conf"
	expect_error 1 "disks: expected disks .*, or none, found 'none'" \
		glue check
}

test_disks_of_a_client_replace_those_of_defaults() {
	start_disk_server
	disks_of_all 'home games'
	sed -i '/^\[client pc2\]/a disks = none' "$scratch/fleet.conf"
	expect 0 glue apply
	equal "LUNs" "1 2 3" "$(luns pc1)"
	equal "LUNs" "1" "$(luns pc2)"
}

test_device_types() {
	serve 'home setup'
	equal "type of LUN 2" DIRECT_ACCESS "$(inquiry pc1 2)"
	equal "type of LUN 5" MMC "$(inquiry pc1 5)"
}

test_content_survives_a_reset_of_the_system_disk() {
	serve 'home games'
	write_sector pc1 1
	write_sector pc1 2
	write_sector pc1 3
	expect 0 glue reset pc1
	equal "system disk" 0 "$(sector clients/pc1.vhdx)"
	equal "home" w "$(sector disks/home/pc1.vhdx)"
	equal "games" w "$(sector disks/games/pc1.vhdx)"
	equal "LUNs" "1 2 3" "$(luns pc1)"
}

test_content_survives_a_new_master() {
	serve home
	write_sector pc1 2
	vhdfs-img create --size 32M "$scratch/store/masters/new.vhdx"
	sed -i 's/^master = masters\/win11/master = masters\/new/' \
		"$scratch/fleet.conf"
	expect 0 glue reset pc1
	equal "home" w "$(sector disks/home/pc1.vhdx)"
}

test_a_new_size_keeps_existing_images() {
	serve home
	write_sector pc1 2
	sed -i 's/^size = 20M/size = 40M/' "$scratch/fleet.conf"
	expect 0 glue apply
	equal "output" "" "$(cat "$scratch/stdout")"
	equal "size" 20971520 "$(stat -c %s "$scratch/mnt/disks/home/pc1.vhdx.raw")"
	equal "home" w "$(sector disks/home/pc1.vhdx)"
}

# The numbers are those that the first release with data disks gave.
test_serial_numbers_never_change() {
	serve 'home games'
	equal "system disk" f2359c1f635ead9b "$(serial pc2 1)"
	equal "home" b4e130478d2a534d "$(serial pc2 2)"
	equal "games" 94c7931d8f94b34b "$(serial pc2 3)"
	sed -i 's/^disks = .*/disks = games/' "$scratch/fleet.conf"
	expect 0 glue apply
	equal "games" 94c7931d8f94b34b "$(serial pc2 3)"
}

test_disk_is_added_under_a_session() {
	serve home
	hold_session pc1
	works write 7
	disks_of_all 'home games setup'
	expect 0 glue plan
	did '^pc1: target: add its disks \(disk games: expected LUN 3, found none\)$'
	equal "LUNs after plan" "1 2" "$(luns pc1)"
	expect 0 glue apply
	did '^pc1: target: added its disks'
	equal "LUNs" "1 2 3 5" "$(luns pc1)"
	# tgtd reports each new LUN once: REPORTED LUNS DATA HAS CHANGED.
	for _i in 1 2; do
		held read 7 >"$scratch/answer"
		grep -Eq 'status 2 sense 6/3f0e' "$scratch/answer" ||
			fail "expected news of a LUN: $(cat "$scratch/answer")"
	done
	works read 7
	equal "type of LUN 5" MMC "$(inquiry pc1 5)"
	expect 0 glue apply
	equal "output of the second apply" "" "$(cat "$scratch/stdout")"
	end_session
}

test_removal_waits_for_the_logout() {
	serve 'home games'
	hold_session pc1
	disks_of_all home
	expect 4 glue apply
	said '^tgt-glue: pc1: skipped: logged in: '
	equal "LUNs under the session" "1 2 3" "$(luns pc1)"
	equal "LUNs of another client" "1 2" "$(luns pc2)"
	end_session
	expect 0 glue apply
	equal "LUNs" "1 2" "$(luns pc1)"
	[ -e "$scratch/store/disks/games/pc1.vhdx" ] ||
		fail "expected that the image stays"
}

test_change_waits_for_the_logout() {
	serve home
	hold_session pc1
	sed -i '/^size = 20M/a readonly = yes' "$scratch/fleet.conf"
	expect 4 glue apply
	said '^tgt-glue: pc1: skipped: logged in: '
	end_session
	expect 0 glue apply
	shown pc1 | sed '1,/LUN: 2/d' | grep -q 'Readonly: Yes' ||
		fail "expected a read-only disk: $(shown pc1)"
}

test_write_cache_of_a_disk_is_recorded() {
	serve home
	sed -i '/^size = 20M/a write-cache = no' "$scratch/fleet.conf"
	expect 0 glue apply
	did '^pc1: target: made again \(disk home: write cache'
	expect 0 glue apply
	equal "output of the second apply" "" "$(cat "$scratch/stdout")"
}

test_disk_and_access_change_in_one_pass() {
	serve home
	disks_of_all 'home games'
	sed -i 's/^address = .*/address = 127.0.0.0\/8/' "$scratch/fleet.conf"
	expect 0 glue apply
	did '^pc1: target: changed its access rules'
	equal "LUNs" "1 2 3" "$(luns pc1)"
	expect 0 glue apply
	equal "output of the second apply" "" "$(cat "$scratch/stdout")"
}

# The block size is valid for fleet.conf, and not for a VHDX.
test_target_stays_if_a_disk_cannot_be_made() {
	serve home
	disks_of_all 'home games'
	sed -i '/^master = masters\/games/a block-size = 4096' \
		"$scratch/fleet.conf"
	expect 1 glue apply
	said '^tgt-glue: pc1: disk games: .*block size'
	equal "LUNs" "1 2" "$(luns pc1)"
	admits login "$(url pc1)"
	write_sector pc1 2
}

test_access_changes_though_a_disk_cannot_be_made() {
	serve home
	disks_of_all 'home games'
	sed -i '/^master = masters\/games/a block-size = 4096
		s/^address = .*/address = 127.0.0.9/' "$scratch/fleet.conf"
	expect 1 glue apply
	said '^tgt-glue: pc1: target: .*block size'
	refuses login "$(url pc1)"
	equal "LUNs" "1 2" "$(luns pc1)"
}

# tgtd opens a file for writing first, which a running program does not allow.
test_disk_that_tgtd_does_not_open_is_undone() {
	serve home
	disks_of_all 'home games setup'
	cp "$(command -v sleep)" "$scratch/store/iso/setup.iso"
	chmod +x "$scratch/store/iso/setup.iso"
	"$scratch/store/iso/setup.iso" 1000 &
	program=$!
	at_exit "kill $program 2>/dev/null || true"
	hold_session pc1
	expect 1 glue apply
	said '^tgt-glue: pc1: target: disk setup: tgtd: '
	equal "LUNs" "1 2" "$(luns pc1)"
	kill "$program"
	wait "$program" || true
	end_session
	admits login "$(url pc1)"
	expect 0 glue apply
	equal "LUNs" "1 2 3 5" "$(luns pc1)"
}

test_new_target_is_not_made_without_all_disks() {
	start_disk_server
	disks_of_all 'home games'
	sed -i '/^master = masters\/games/a block-size = 4096' \
		"$scratch/fleet.conf"
	expect 1 glue apply
	said '^tgt-glue: pc1: target: .*block size'
	is_gone pc1 || fail "expected no target: $(shown pc1)"
}

# The recovery gives an image the write permission that the snapshot took.
test_shared_image_whose_snapshot_was_killed_gets_no_write_permission() {
	local image=$scratch/store/masters/maps.vhdx other=$scratch/other status=0

	[ -z "${VHDFS_SANITIZED:-}" ] ||
		skip "built with a sanitizer, whose allocator is its own"
	start_disk_server
	disks_of_all maps
	# Elsewhere: the mount would take the snapshot.
	mkdir "$other"
	mv "$image" "$other"
	printf '%-127s\n%-127s\n' "1 kill once 2 rename" "" >"$scratch/control"
	FAULTS=$scratch/control LD_PRELOAD=$top_builddir/tests/tools/faults.so \
		vhdfs-img snapshot "$other/maps.vhdx" s 2>"$scratch/killed" ||
		status=$?
	equal status 137 "$status"
	mv "$other"/* "$other"/.maps* "${image%/*}"
	[ -e "${image%/*}/.maps.vhdx.intent" ] || fail "expected an intent"
	expect 0 glue apply
	[ ! -e "${image%/*}/.maps.vhdx.intent" ] || fail "expected a recovery"
	equal mode 444 "$(stat -c %a "$image")"
}

test_shared_image_refuses_writes() {
	serve maps
	[ ! -w "$scratch/store/masters/maps.vhdx" ] ||
		[ "$(stat -c %A "$scratch/store/masters/maps.vhdx" |
			tr -cd w)" = "" ] ||
		fail "expected no write permission"
	did '^disk maps: image: masters/maps.vhdx has no write permission now'
	lun=4
	hold_session pc1
	held write 5 >"$scratch/answer"
	end_session
	grep -q 'status 2' "$scratch/answer" ||
		fail "expected a refusal, found: $(cat "$scratch/answer")"
	hold_session pc2
	works read 5
	end_session
}

test_cdrom_refuses_writes() {
	local sum

	serve setup
	sum=$(sha256sum <"$scratch/store/iso/setup.iso")
	lun=5
	hold_session pc1
	held write 5 >"$scratch/answer"
	end_session
	grep -q 'status 2' "$scratch/answer" ||
		fail "expected a refusal, found: $(cat "$scratch/answer")"
	equal "content" "$sum" "$(sha256sum <"$scratch/store/iso/setup.iso")"
}

test_replaced_cdrom_is_exported() {
	serve setup
	truncate -s 6M "$scratch/store/iso/new.iso"
	mv "$scratch/store/iso/new.iso" "$scratch/store/iso/setup.iso"
	expect 0 glue apply
	did '^pc1: target: made again \(disk setup: expected the image that is at its path now'
	shown pc1 | grep -q 'Size: 6 MB' || fail "expected the new file"
}

# pc2 has the new file then, at the same path.
test_replaced_cdrom_waits_for_the_logout_of_each_client() {
	serve setup
	hold_session pc1
	truncate -s 6M "$scratch/store/iso/new.iso"
	mv "$scratch/store/iso/new.iso" "$scratch/store/iso/setup.iso"
	expect 4 glue apply
	did '^pc2: target: made again .disk setup: '
	expect 4 glue apply
	equal "output of the second apply" "" "$(cat "$scratch/stdout")"
	end_session
	glue status --json >"$scratch/status"
	equal "targets" "differs ok" \
		"$(jq -r '[.clients[].target] | join(" ")' "$scratch/status")"
	expect 0 glue apply
	did '^pc1: target: made again .disk setup: expected the image that is at its path now'
	shown pc1 | grep -q 'Size: 6 MB' || fail "expected the new file"
	expect 0 glue apply
	equal "output of the last apply" "" "$(cat "$scratch/stdout")"
}

test_reset_of_a_data_disk() {
	serve 'home games'
	write_sector pc1 1
	write_sector pc1 3
	expect 0 glue reset --disk games pc1
	did '^pc1: disk games: image: disks/games/pc1.vhdx is fresh; the old one is disks/games/.pc1.vhdx.2'
	equal "system disk" w "$(sector clients/pc1.vhdx)"
	equal "games" 0 "$(sector disks/games/pc1.vhdx)"
	equal "LUNs" "1 2 3" "$(luns pc1)"
	equal "old images" 1 "$(find "$scratch/store/disks/games" -name '.pc1.*' |
		wc -l)"
	expect 0 glue apply
	equal "output" "" "$(cat "$scratch/stdout")"
}

test_disk_of_its_own_is_never_reset() {
	serve home
	write_sector pc1 2
	expect 1 glue reset --disk home pc1
	said 'expected a disk with a master, found disk home of client pc1'
	expect 1 glue reset --disk nothing pc1
	said "expected a data disk of the client, found 'nothing'"
	equal "home" w "$(sector disks/home/pc1.vhdx)"
}

test_reset_of_a_data_disk_waits_for_the_logout() {
	serve games
	write_sector pc1 3
	hold_session pc1
	expect 4 glue reset --disk games pc1
	said '`tgt-glue reset --disk games pc1'
	equal "games" w "$(sector disks/games/pc1.vhdx)"
	end_session
}

test_foreign_export_of_a_data_disk_blocks_it() {
	serve home
	disks_of_all 'home games'
	expect 0 glue plan # makes nothing
	mkdir -p "$scratch/store/disks/games"
	vhdfs-img create --parent "$scratch/store/masters/games.vhdx" \
		"$scratch/store/disks/games/pc1.vhdx"
	wait_until 10 test -e "$scratch/mnt/disks/games/pc1.vhdx.raw"
	adm --op new --mode target --tid 7 -T iqn.2026-01.other:x
	adm --op new --mode logicalunit --tid 7 --lun 1 --bstype rdwr \
		-b "$scratch/mnt/disks/games/pc1.vhdx.raw"
	expect 4 glue apply
	said '^tgt-glue: pc1: skipped: its disk .*disks/games/pc1.vhdx.raw is exported for writing by target iqn.2026-01.other:x'
	equal "LUNs" "1 2" "$(luns pc1)"
	equal "LUNs of another client" "1 2 3" "$(luns pc2)"
	! grep -q 'games/pc1' "$scratch/targets.conf" ||
		fail "expected the disk in no targets-file"
	grep -q 'home/pc1' "$scratch/targets.conf" ||
		fail "expected the client's other disks in the targets-file"
	adm --op delete --mode target --tid 7
	expect 0 glue apply
	equal "LUNs" "1 2 3" "$(luns pc1)"
}

test_disks_under_a_session_get_their_files_again() {
	serve 'home maps'
	lun=2
	hold_session pc1
	works write 7
	stop_mount "$scratch/mnt"
	held read 7 | grep -q 'status 2 sense 3/' ||
		fail "expected a read error after the mount ended"
	return_mount
	expect 0 glue apply
	did '^pc1: disk: given its file again'
	did '^pc1: disk home: given its file again'
	did '^pc1: disk maps: given its file again'
	works read 7
	works write 8
	! grep 'cut off' "$held_out" ||
		fail "expected the session to continue, found it cut off"
	end_session
	expect 0 glue apply
	equal "output" "" "$(cat "$scratch/stdout")"
}

# Nothing is lost on the system disk, which is read-only.
test_lost_writes_of_a_data_disk_end_the_session() {
	start_disk_server
	disks_of_all home
	sed -i '/^\[defaults\]/a readonly = yes' "$scratch/fleet.conf"
	expect 0 glue apply
	lun=2
	hold_session pc1
	write_much
	lose_mount "$scratch/mnt"
	return_mount
	expect 0 glue apply
	wait_until 30 grep -q 'cut off' "$held_out"
	said '^tgt-glue: pc1: restart it: '
	equal "restart" true "$(glue status --json | jq '.clients[0].restart')"
}

test_tgt_admin_makes_the_same_disks() {
	serve 'home games maps setup'
	adm --op show --mode target >"$scratch/before"
	end_tgtd
	start_tgtd
	adm --op update --mode sys --name State -v ready || true
	tgt-admin -C "$port" -c "$scratch/targets.conf" -e >"$scratch/admin" 2>&1 ||
		fail "tgt-admin: $(cat "$scratch/admin")"
	adm --op show --mode target >"$scratch/after"
	diff -u <(sort "$scratch/before") <(sort "$scratch/after") ||
		fail "expected the same targets"
	expect 0 glue apply
	equal "output" "" "$(cat "$scratch/stdout")"
}

# Nor does it read the images: a disk that has its file has its sector size.
test_unchanged_disks_need_no_request_to_tgtd() {
	local before

	requires strace
	serve none
	before=$(requests_of apply)
	disks_of_all 'home games maps setup'
	expect 0 glue apply
	equal "requests" "$before" "$(requests_of apply)"
	ASAN_OPTIONS=detect_leaks=0 strace -f -qq -e trace=openat2 \
		-o "$scratch/trace" \
		tgt-glue --config "$scratch/fleet.conf" apply
	! grep '"disks/home/pc1.vhdx"' "$scratch/trace" ||
		fail "expected that apply does not open the image"
}

# An image that was replaced while tgtd has the old one is read again.
test_sector_size_of_a_replaced_image_is_read() {
	serve home
	vhdfs-img create --size 20M --sector-size 4096 "$scratch/new.vhdx"
	mv "$scratch/new.vhdx" "$scratch/store/disks/home/pc1.vhdx"
	wait_until 10 mount_shows_new_home
	expect 0 glue apply
	did '^pc1: target: made again \(disk home: expected the image that is at its path now'
	equal "sectors" "4096" "$(shown pc1 | sed -n '/LUN: 2/,$s/.*Block size: //p')"
}

mount_shows_new_home() {
	[ "$(getfattr --only-values -n user.vhdfs.inode \
		"$scratch/mnt/disks/home/pc1.vhdx.raw")" = \
		"$(stat -c %i "$scratch/store/disks/home/pc1.vhdx")" ]
}

test_status_shows_the_disks() {
	serve 'home games maps setup'
	# A write that is flushed.
	dd if=/dev/urandom of="$scratch/mnt/disks/games/pc1.vhdx.raw" bs=4k \
		count=1 conv=notrunc,fsync status=none
	equal "lun" 2 "$(disk_of pc1 home .lun)"
	equal "kind" size "$(disk_of pc1 home .kind)"
	equal "image" disks/home/pc1.vhdx "$(disk_of pc1 home .image)"
	equal "exported" true "$(disk_of pc1 home .exported)"
	equal "master" masters/games.vhdx "$(disk_of pc1 games .master)"
	equal "blocks" 1 "$(disk_of pc1 games .blocks)"
	equal "blocks of another client" 0 "$(disk_of pc2 games .blocks)"
	equal "disk use of a shared one" null "$(disk_of pc1 maps '."disk-use"')"
	equal "kind" cdrom "$(disk_of pc1 setup .kind)"
	equal "view" "$scratch/store/iso/setup.iso" "$(disk_of pc1 setup .view)"
	glue status >"$scratch/table"
	grep -Eq '^    home +LUN 2 +[0-9.]+[KM] +-$' "$scratch/table" ||
		fail "expected a line for home: $(cat "$scratch/table")"
	glue status --prometheus >"$scratch/metrics"
	grep -q '^tgt_glue_client_disk_use_bytes{client="pc1",disk="home"} ' \
		"$scratch/metrics" || fail "expected a metric of home"
	grep -q '^tgt_glue_client_disk_use_bytes{client="pc1"} ' \
		"$scratch/metrics" || fail "expected a metric of the system disk"
}

# mistaken TEXT LINE...: check reports that mistake of these lines.
mistaken() {
	write_fleet pc1 </dev/null
	printf '\t%s\n' "${@:2}" >>"$scratch/fleet.conf"
	expect 1 glue check
	said "^$scratch/fleet.conf:[0-9]+: $1"
}

test_mistakes_are_reported() {
	name_store
	touch "$scratch/store/masters/games.vhdx"
	mistaken "client pc1: disks: expected disks .*found 'home'" \
		'disks = home'
	mistaken '\[disk home\]: expected lun, found none' \
		'[disk home]' 'size = 1G'
	mistaken "lun: expected a number from 2 to 255, found '1'" \
		'[disk home]' 'lun = 1' 'size = 1G'
	mistaken '\[disk b\]: lun: expected a number of its own, found 2, which disk a also has' \
		'[disk a]' 'lun = 2' 'size = 1G' '[disk b]' 'lun = 2' 'size = 1G'
	mistaken '\[disk a\]: expected one of size, master, image and cdrom, found none' \
		'[disk a]' 'lun = 2'
	mistaken '\[disk a\]: expected one of .*, found master and size' \
		'[disk a]' 'lun = 2' 'size = 1G' 'master = masters/games'
	mistaken '\[disk a\]: reset: expected none for a disk with size' \
		'[disk a]' 'lun = 2' 'size = 1G' 'reset = boot'
	mistaken '\[disk a\]: update: expected none for a disk with image' \
		'[disk a]' 'lun = 2' 'image = masters/games' 'update = reset'
	mistaken 'update: expected reset or keep, found' \
		'[disk a]' 'lun = 2' 'master = masters/games' 'update = yes'
	mistaken '\[disk a\]: readonly: expected yes' \
		'[disk a]' 'lun = 2' 'image = masters/games' 'readonly = no'
	mistaken '\[disk a\]: master: expected an image masters/none.* found' \
		'[disk a]' 'lun = 2' 'master = masters/none'
	mistaken '\[disk a\]: cdrom: expected a file iso/none in .*, found nothing' \
		'[disk a]' 'lun = 2' 'cdrom = iso/none'
	mistaken 'cdrom: expected a file.s path in the store that tgt-admin can read' \
		'[disk a]' 'lun = 2' 'cdrom = iso/a,b'
	mistaken '\[disk a\]: expected once, found again' \
		'[disk a]' 'lun = 2' 'size = 1G' '[disk a]' 'lun = 3' 'size = 1G'
	mistaken 'size: expected a size from 1M to 64T' \
		'[disk a]' 'lun = 2' 'size = 1K'
	mistaken '\[disk none\]: expected another name' \
		'[disk none]' 'lun = 2' 'size = 1G'
	mistaken "\[disk a\]: expected lun, .* or thin, found 'mac'" \
		'[disk a]' 'mac = 1'
}

test_an_image_of_a_client_is_no_shared_image() {
	start_disk_server
	disks_of_all home
	expect 0 glue apply
	sed -i 's/^image = .*/image = clients\/pc2.vhdx/; s/^disks = .*/disks = maps/' \
		"$scratch/fleet.conf"
	expect 1 glue check
	said "image: expected an image that is no client's, found clients/pc2.vhdx, which client pc2"
}

test_image_in_another_spelling_is_reported() {
	serve home
	mv "$scratch/store/disks/home/pc1.vhdx" \
		"$scratch/store/disks/home/PC1.vhdx"
	expect 1 glue check
	said 'expected its image disks/home/pc1.vhdx, found disks/home/PC1.vhdx'
}

run_tests
