#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# publish: the disk of a client becomes a version, and the client goes on.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/versions.sh"

# publishes ENDING: the first publish, of a client with snapshots, beside other
# children of the master.
publishes() {
	local e=$1 before

	start_plain "$e" pc1 pc2 pc3 </dev/null
	write_disk "clients/pc1.$e" first
	vhdfs-img snapshot "$scratch/store/clients/pc1.$e" one
	printf second | dd of="$scratch/mnt/clients/pc1.$e.raw" bs=512 seek=99 \
		conv=notrunc,fsync,sync status=none
	write_disk "clients/pc2.$e" mine
	vhdfs-img snapshot "$scratch/store/clients/pc2.$e" mine
	expect 0 glue reset pc2
	hold_session pc3
	works write 5
	cp "$scratch/mnt/clients/pc1.$e.raw" "$scratch/expected"
	# pc3 writes all along.
	seq -f 'write %g' 100 1 1999 >&"$holder"
	expect 0 glue publish pc1 masters/win11 --note "with updates"
	did "^masters/win11.$e: version 2, of pc1, is under test"
	wait_until 60 held_has_more_than 1901
	! grep -v -e 'status 0' -e ready "$held_out" ||
		fail "expected every write of pc3 to succeed"
	works read 5
	works write 6
	equal "links" "win11@1.$e win11@2.$e none" "$(links | xargs)"
	cmp "$scratch/expected" "$scratch/mnt/masters/win11@2.$e.raw"
	cmp "$scratch/expected" "$scratch/mnt/clients/pc1.$e.raw"
	cmp "$scratch/expected" "$scratch/mnt/masters/win11@test.$e.raw"
	equal "the master" old "$(disk "masters/win11.$e")"
	equal "parent of version 2" "masters/win11@1.$e" \
		"$(parent "masters/win11@2.$e")"
	equal "parent of pc1" "masters/win11@2.$e" "$(parent "clients/pc1.$e")"
	equal "parent of pc3" "masters/win11@1.$e" "$(parent "clients/pc3.$e")"
	# None names the plain name any more.
	equal "images that name the link" "" "$(name_the_link)"
	no_leftovers
	expect 0 glue check
	# The client goes on, and stays on what it has published.
	write_disk "clients/pc1.$e" third
	end_session
	expect 0 glue apply
	equal "parent of pc1" "masters/win11@2.$e" "$(parent "clients/pc1.$e")"
	equal "parent of pc2" "masters/win11@1.$e" "$(parent "clients/pc2.$e")"
	expect 0 vhdfs-img check "$scratch/store/masters/win11@2.$e"
	expect 0 vhdfs-img check "$scratch/store/masters/win11@1.$e"
}

test_publish_makes_a_version_of_a_vhdx() {
	publishes vhdx
}

test_publish_makes_a_version_of_a_vhd() {
	publishes vhd
}

test_child_that_names_the_link_finds_its_version() {
	start_plain vhdx pc1 pc2 </dev/null
	# A copy from before the versions, as from a backup.
	cp "$scratch/store/clients/pc2.vhdx" "$scratch/old.vhdx"
	write_disk clients/pc1.vhdx new
	expect 0 glue publish pc1 masters/win11
	expect 0 glue promote masters/win11
	cp "$scratch/old.vhdx" "$scratch/store/clients/old.vhdx"
	wait_until 5 test -s "$scratch/mnt/clients/old.vhdx.raw"
	equal "the disk" old "$(disk clients/old.vhdx)"
	equal "its parent" masters/win11@1.vhdx "$(parent clients/old.vhdx)"
	echo '[client old]' >>"$scratch/fleet.conf"
	expect 0 glue plan
	did '^old: target: make it '
	equal "clients of version 1" "old pc2" \
		"$(glue versions masters/win11 --json |
			jq -r '.[0].clients | sort | join(" ")')"
}

test_publisher_without_new_data_stays_on_its_version() {
	start_versions pc1 pc2 </dev/null
	write_disk clients/pc1.vhdx new
	expect 0 glue publish pc1 masters/win11
	expect 0 glue apply
	is_on pc1 3
	is_on pc2 1
	# It goes over to a later one.
	write_disk clients/pc2.vhdx newer
	expect 0 glue publish pc2 masters/win11
	expect 0 glue promote masters/win11 4
	expect 0 glue apply
	is_on pc1 4
	equal "the disk" newer "$(disk clients/pc1.vhdx)"
}

test_publisher_with_update_reset_stays_on_its_version() {
	start_versions pc1 pc2 </dev/null
	sed -i '/^\[defaults\]/a update = reset' "$scratch/fleet.conf"
	write_disk clients/pc1.vhdx new
	expect 0 glue publish pc1 masters/win11
	write_disk clients/pc1.vhdx newer
	expect 0 glue apply
	is_on pc1 3
	equal "the disk" newer "$(disk clients/pc1.vhdx)"
	# It goes over to a later one.
	write_disk clients/pc2.vhdx newest
	expect 0 glue publish pc2 masters/win11
	expect 0 glue promote masters/win11 4
	expect 0 glue apply
	is_on pc1 4
}

test_publish_refuses_a_client_that_is_in_use() {
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx new
	hold_session pc1
	expect_error 1 'tgt-glue: pc1: logged in: .* from 127.0.0.1; shut it down' \
		glue publish pc1 masters/win11
	end_session
	exec 8<"$scratch/mnt/clients/pc1.vhdx.raw"
	expect_error 1 'pc1: its disk is open: ' glue publish pc1 masters/win11
	exec 8<&-
	expect_error 1 'expected one of fleet.conf' glue publish pc9 masters/win11
	expect_error 1 'MASTER: expected the path of a master' \
		glue versions masters/none
	equal "versions" 2 "$(glue versions win11 --json | jq length)"
	expect 0 glue publish pc1 win11
	expect_error 1 'expected a disk with changes, found that it equals masters/win11@1' \
		glue_for_fresh_client
}

glue_for_fresh_client() {
	echo '[client pc2]' >>"$scratch/fleet.conf"
	glue apply >/dev/null 2>&1
	glue publish pc2 masters/win11
}

test_publish_to_a_master_of_another_format_is_refused() {
	start_versions pc1 </dev/null
	vhdfs-img create --size 64M "$scratch/store/masters/old.vhd"
	write_disk clients/pc1.vhdx new
	expect_error 1 'clients/pc1.vhdx: format: expected vhd as masters/old.vhd, found vhdx' \
		glue publish pc1 masters/old
	expect_error 1 "MASTER: expected the path of a master .*found a name with @" \
		glue publish pc1 masters/a@b
	expect_error 1 "MASTER: expected the path of a master .*found another text" \
		glue publish pc1 ../x
	# The names of versions and channels stand for their master.
	ln -s win11@2.vhdx "$scratch/store/masters/win11@test.vhdx"
	expect 0 glue publish pc1 masters/win11@test
	did '^masters/win11.vhdx: version 3'
	# .avhdx is an ending of the format, too.
	mv "$scratch/store/masters/old.vhd" "$scratch/old.vhd"
	vhdfs-img create --size 64M --format vhdx "$scratch/store/masters/odd.avhdx"
	write_disk clients/pc1.vhdx newer
	expect 0 glue publish pc1 masters/odd
	did '^masters/odd.avhdx: version 2, '
	equal "the disk" newer "$(disk masters/odd@test.avhdx)"
}

test_publish_twice_makes_one_version() {
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx new
	expect 0 glue publish pc1 masters/win11
	expect 0 glue publish pc1 masters/win11
	did 'version 3, of pc1'
	equal "versions" 3 "$(glue versions masters/win11 --json | jq length)"
}

test_publish_makes_the_first_version_of_a_new_master() {
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx new
	expect 0 glue publish pc1 masters/other
	equal "the disk" new "$(disk masters/other@1.vhdx)"
	equal "its parent" masters/win11@1.vhdx "$(parent masters/other@1.vhdx)"
	expect 0 glue promote masters/other
	equal "the disk" new "$(disk masters/other.vhdx)"
}

# put_file_system IMAGE: the disk has a partition with an ext4 of a Linux machine.
put_file_system() {
	local view=$scratch/mnt/$1.raw root=$scratch/root

	requires debugfs sfdisk partx
	mkdir -p "$root/etc/ssh"
	echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
	echo room7 >"$root/etc/hostname"
	echo key >"$root/etc/ssh/ssh_host_rsa_key.pub"
	truncate -s 64M "$scratch/disk"
	echo 'start=2048, size=40960' | sfdisk -q "$scratch/disk"
	mkfs.ext4 -q -d "$root" -E offset=1048576 "$scratch/disk" 20M
	dd if="$scratch/disk" of="$view" bs=1M conv=notrunc,fsync status=none
}

# tune IMAGE REQUEST: changes the file system.
tune() {
	debugfs -w -R "$2" "$scratch/disk?offset=1048576" 2>"$scratch/debugfs"
	dd if="$scratch/disk" of="$scratch/mnt/$1.raw" bs=1M conv=notrunc,fsync \
		status=none
}

test_publish_refuses_an_unclean_file_system_and_names_the_identity() {
	start_versions pc1 </dev/null
	put_file_system clients/pc1.vhdx
	tune clients/pc1.vhdx 'ssv state 0'
	expect_error 1 "the disk of pc1: expected file systems that were unmounted, found: partition 1 ext4 its state is 'not clean'; start the machine .* add --unclean" \
		glue publish pc1 masters/win11
	tune clients/pc1.vhdx 'feature needs_recovery'
	tune clients/pc1.vhdx 'ssv state 1'
	expect_error 1 'partition 1 ext4 it was not unmounted' \
		glue publish pc1 masters/win11
	equal "versions" 2 "$(glue versions win11 --json | jq length)"
	tune clients/pc1.vhdx 'feature -needs_recovery'
	expect 0 glue publish pc1 masters/win11
	said 'what identifies pc1: machine-id 0123456789abcdef0123456789abcdef; hostname room7; ssh-host-key /etc/ssh/ssh_host_rsa_key.pub$'
	tune clients/pc1.vhdx 'ssv state 0'
	expect 0 glue publish pc1 masters/win11 --unclean
	did 'version 4, of pc1'
}

test_publish_refuses_an_ntfs_that_was_not_unmounted() {
	requires mkntfs ntfsfix ntfsinfo losetup
	start_versions pc1 </dev/null
	truncate -s 64M "$scratch/disk"
	mkntfs -q -F -f "$scratch/disk" >"$scratch/mkntfs" 2>&1
	# It marks the file system as dirty, as Windows does when it mounts it.
	ntfsfix "$scratch/disk" >"$scratch/ntfsfix"
	dd if="$scratch/disk" of="$scratch/mnt/clients/pc1.vhdx.raw" bs=1M \
		conv=notrunc,fsync status=none
	expect 1 glue publish pc1 masters/win11
	said 'expected file systems that were unmounted, found: partition 0 ntfs it was not unmounted'
	ntfsfix -d "$scratch/disk" >"$scratch/ntfsfix"
	dd if="$scratch/disk" of="$scratch/mnt/clients/pc1.vhdx.raw" bs=1M \
		conv=notrunc,fsync status=none
	expect 0 glue publish pc1 masters/win11
	! losetup --noheadings --output BACK-FILE --all | grep -F "$scratch" ||
		fail "expected no loop device"
}

test_publish_names_what_it_cannot_check() {
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx new
	VHDFS_LOOK_INTO=$scratch/none expect 0 glue publish pc1 masters/win11
	said 'warning: the file systems of pc1 were not checked: .*/none: No such file'
	write_disk clients/pc1.vhdx newer
	printf '#!/bin/sh\necho unchecked 2 ntfs install ntfs-3g\n' \
		>"$scratch/look"
	chmod 755 "$scratch/look"
	VHDFS_LOOK_INTO=$scratch/look expect 0 glue publish pc1 masters/win11
	said 'the disk of pc1: not checked: partition 2 ntfs install ntfs-3g$'
}

run_tests
