#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The key quota: apply gives it to the images.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# quota_of CLIENT: prints the attribute of its image; nothing without one.
quota_of() {
	getfattr --only-values -n user.vhdfs.quota \
		"$scratch/store/clients/$1.vhdx" 2>/dev/null || true
}

# set_quota VALUE: of all clients.
set_quota() {
	sed -i '/^quota =/d' "$scratch/fleet.conf"
	sed -i "s/^\[defaults\]/&\nquota = $1/" "$scratch/fleet.conf"
}

test_apply_sets_the_quota_and_removes_it() {
	apply_fleet pc1 pc2
	equal "quota without the key" "" "$(quota_of pc1)"
	set_quota 20G
	echo 'quota = 1M' >>"$scratch/fleet.conf"
	expect 0 glue plan
	did '^pc1: quota: set it to 20.0G .now none.$'
	did '^pc2: quota: set it to 1.0M .now none.$'
	equal "quota after plan" "" "$(quota_of pc1)"
	expect 0 glue apply
	did '^pc1: quota: set to 20.0G$'
	equal "quotas" "$((20 << 30)) $((1 << 20))" \
		"$(quota_of pc1) $(quota_of pc2)"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	set_quota no
	expect 0 glue apply
	did '^pc1: quota: set to none$'
	equal "quota" "" "$(quota_of pc1)"
}

test_quota_that_fleet_conf_does_not_set_stays() {
	apply_fleet pc1
	setfattr -n user.vhdfs.quota -v 5G "$scratch/mnt/clients/pc1.vhdx.raw"
	expect 0 glue apply
	equal "quota" $((5 << 30)) "$(quota_of pc1)"
}

test_fresh_and_new_images_have_the_quota() {
	apply_fleet pc1
	set_quota 20G
	expect 0 glue apply
	printf used | dd of="$scratch/mnt/clients/pc1.vhdx.raw" bs=512 \
		conv=notrunc,fsync,sync status=none
	expect 0 glue reset pc1
	did 'is fresh'
	equal "quota after reset" $((20 << 30)) "$(quota_of pc1)"
	# Not after the creation: a client could write before.
	! grep 'quota: set' "$scratch/stdout" ||
		fail "expected the quota at the creation"
	echo '[client pc2]' >>"$scratch/fleet.conf"
	expect 0 glue apply
	equal "quota of pc2" $((20 << 30)) "$(quota_of pc2)"
}

test_quota_of_a_client_that_is_logged_in_holds_at_once() {
	requires_initiator
	apply_fleet pc1
	hold_session pc1
	works write 5
	set_quota 1
	expect 0 glue apply
	held write 100000 >"$scratch/answer"
	! grep -q 'status 0' "$scratch/answer" ||
		fail "expected no space for a write beyond the quota"
	# Its sector has space already.
	works write 5
	set_quota no
	expect 0 glue apply
	works write 100000
	end_session
}

# home_quota: prints the quota of pc1's data disk.
home_quota() {
	getfattr --only-values -n user.vhdfs.quota \
		"$scratch/store/disks/home/pc1.$1" 2>/dev/null || true
}

# A data disk of its own, of each format, with the lines of standard input.
write_home() {
	write_fleet pc1 </dev/null
	sed -i '/^\[defaults\]/a disks = home games' "$scratch/fleet.conf"
	printf '[disk home]\nlun = 2\nsize = 20M\n' >>"$scratch/fleet.conf"
	cat >>"$scratch/fleet.conf"
	printf '[disk games]\nlun = 3\nmaster = masters/win11\nreset = boot\n' \
		>>"$scratch/fleet.conf"
}

test_data_disk_has_a_quota_of_its_own() {
	requires jq
	start_server
	write_home </dev/null
	expect 0 glue apply
	write_home <<<'quota = 20G'
	echo 'quota = 5M' >>"$scratch/fleet.conf"
	expect 0 glue plan
	did '^pc1: disk home: quota: set it to 20.0G .now none.$'
	expect 0 glue apply
	did '^pc1: disk home: quota: set to 20.0G$'
	did '^pc1: disk games: quota: set to 5.0M$'
	equal "quota of home" $((20 << 30)) "$(home_quota vhdx)"
	equal "quota of the system disk" "" "$(quota_of pc1)"
	expect 0 glue apply
	equal "output of the second apply" "" "$(cat "$scratch/stdout")"
	equal "in JSON" "[$((20 << 30)),$((5 << 20))]" "$(glue status --json |
		jq -c '[.clients[0].disks[].quota]')"
	glue status --prometheus |
		grep -Fx "tgt_glue_client_quota_bytes{client=\"pc1\",disk=\"home\"} $((20 << 30))"
	dd if=/dev/urandom of="$scratch/mnt/disks/games/pc1.vhdx.raw" bs=64K \
		count=256 conv=notrunc,fsync status=none || true
	expect 0 glue status
	did '^    games .*M'
	did '^    its image takes [0-9.]+M of its quota of 5.0M$'
	write_home <<<'quota = no'
	expect 0 glue apply
	equal "quota of home" "" "$(home_quota vhdx)"
}

test_new_data_disk_has_its_quota_before_it_is_used() {
	start_server
	write_home <<<'quota = 1'
	expect 0 glue apply
	! grep 'quota: set' "$scratch/stdout" ||
		fail "expected the quota at the creation"
	expect 1 dd if=/dev/zero of="$scratch/mnt/disks/home/pc1.vhdx.raw" \
		bs=64K count=8 conv=notrunc,fsync status=none
}

# The image of an earlier `format'.
test_data_disk_in_another_format_has_its_quota() {
	start_server
	write_home <<<'format = vhd'
	expect 0 glue apply
	write_home <<<'quota = 3G'
	expect 0 glue apply
	equal "quota" $((3 << 30)) "$(home_quota vhd)"
}

test_shared_disk_has_no_quota() {
	name_store
	write_fleet pc1 <<-END
		[disk maps]
		lun = 2
		image = masters/win11
		quota = 1G
	END
	expect_error 1 'quota: expected none for a disk with image, found one' \
		glue check
}

test_invalid_quota_is_refused() {
	name_store
	for value in 0 x 5% -1 9999999999T; do
		write_fleet pc1 <<<"quota = $value"
		expect_error 1 "quota: expected a size such as 20G, or no, found '$value'" \
			glue check
	done
	write_fleet pc1 <<<'quota = no'
	expect 0 glue check
}

run_tests
