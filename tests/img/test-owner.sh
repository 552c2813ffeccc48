#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img as a user other than root that owns the images: it writes to files without
# write permission, and they are without it afterwards.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq

# lent: the mode of a file with a lent write bit, which a crash left.
lent=1644

# make_images ENDING: a master m and its child pc1 with the snapshots one and two; the
# image is a child of one, too.  Disks are in NAME.model.  All belong to the user.
make_images() {
	local name

	e=$1
	store=$scratch/store
	make_user_directory "$store"
	cd "$store" || exit
	as_user vhdfs-img create --size 8M "m.$e"
	put m 3
	as_user vhdfs-img create --parent "m.$e" "pc1.$e"
	put pc1 3
	as_user vhdfs-img snapshot "pc1.$e" one
	put pc1 3
	as_user vhdfs-img snapshot "pc1.$e" two
	as_user vhdfs-img revert --discard "pc1.$e" one
	put pc1 3
	for name in m pc1 pc1@one pc1@two; do
		disk-io "$name.$e" read 0 - >"$scratch/$name.model"
	done
}

# put IMAGE N: N writes by the user.
put() {
	local i

	for ((i = 0; i < $2; i++)); do
		random_below 6000000
		as_user disk-io "$1.$e" write "$random" 300000 "$RANDOM"
	done
}

# The parents that exist have no write permission, and no lent one.
all_protected() {
	local name

	for name in "m.$e" pc[12]@*; do
		[ ! -e "$name" ] ||
			equal "mode of $name" 444 "$(stat -c %a "$name")"
	done
}

# shows FILE MODEL
shows() {
	same_disk "$1.$e" "$scratch/$2.model"
}

all_sound() {
	local file

	for file in *."$e"; do
		vhdfs-img check "$file" >"$scratch/check" ||
			fail "$file: $(cat "$scratch/check")"
	done
}

test_owner_deletes_a_snapshot_with_children() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_images $format
		as_user vhdfs-img delete-snapshot --copy "pc1.$e" one
		[ ! -e "pc1@one.$e" ] || fail "expected no snapshot one"
		shows pc1 pc1
		shows pc1@two pc1@two
		all_protected
		all_sound
		rm -r "$store"
	done
}

test_owner_deletes_a_snapshot_without_a_parent() {
	choose_seed
	make_images vhdx
	as_user vhdfs-img rebase --no-parent pc1@one.vhdx
	as_user vhdfs-img delete-snapshot --copy pc1.vhdx one
	shows pc1 pc1
	shows pc1@two pc1@two
	equal snapshots '["two"]' \
		"$(vhdfs-img snapshots --json pc1.vhdx | jq -c '[.[].name]')"
	all_protected
	all_sound
}

test_owner_renames_an_image_with_snapshots() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_images $format
		as_user vhdfs-img rename "pc1.$e" "pc2.$e"
		shows pc2 pc1
		shows pc2@one pc1@one
		shows pc2@two pc1@two
		equal snapshots '["one","two"]' "$(vhdfs-img snapshots --json \
			"pc2.$e" | jq -c '[.[].name] | sort')"
		all_protected
		all_sound
		rm -r "$store"
	done
}

test_owner_rebases_a_snapshot() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_images $format
		as_user vhdfs-img create --size 8M "n.$e"
		put n 3
		as_user vhdfs-img rebase --parent "n.$e" "pc1@one.$e"
		equal parent "n.$e" "$(key "pc1@one.$e" parent | sed 's/.*\///')"
		mv "n.$e" "moved.$e"
		as_user vhdfs-img rebase --unsafe --parent "moved.$e" \
			"pc1@one.$e"
		shows pc1@one pc1@one
		shows pc1@two pc1@two
		shows pc1 pc1
		all_protected
		all_sound
		rm -r "$store"
	done
}

# Just before its end it has the mode of the snapshot.
test_owner_removes_the_rest_of_a_killed_replacement() {
	make_images vhdx
	as_user cp pc1@two.vhdx .pc1@two.vhdx.leaf
	setfattr -n user.vhdfs.new-leaf -v 1 .pc1@two.vhdx.leaf
	chmod 444 .pc1@two.vhdx.leaf
	as_user vhdfs-img delete-snapshot --copy pc1.vhdx one
	equal hidden "" "$(find . -name '.?*')"
	shows pc1 pc1
	shows pc1@two pc1@two
	all_protected
}

test_snapshot_of_another_user_is_refused_and_stays() {
	make_images vhdx
	chown 0 pc1@one.vhdx pc1@two.vhdx
	expect_error 1 "pc1@two.vhdx: .*Permission denied" \
		as_user vhdfs-img delete-snapshot pc1.vhdx two
	all_protected
	shows pc1@two pc1@two
}

# A killed process has left it; no client may write to the parent.
test_lent_write_bit_is_no_write_permission() {
	make_images vhdx
	chmod $lent m.vhdx
	expect_error 1 "write permission: expected some, found none" \
		vhdfs-img snapshot m.vhdx s
	equal mode 444 "$(stat -c %a m.vhdx)"
}

test_list_of_snapshots_removes_a_lent_write_bit() {
	make_images vhdx
	chmod $lent pc1@*.vhdx
	as_user vhdfs-img snapshots pc1.vhdx
	all_protected
}

test_new_child_removes_a_lent_write_bit() {
	make_images vhdx
	chmod $lent m.vhdx
	as_user vhdfs-img create --parent m.vhdx child.vhdx
	all_protected
}

test_new_mount_removes_a_lent_write_bit() {
	make_images vhdx
	chmod $lent m.vhdx pc1@one.vhdx pc1@two.vhdx
	mount_store "$store" "$scratch/mnt"
	equal "mode of the view" 444 \
		"$(stat -c %a "$scratch/mnt/pc1@two.vhdx.raw")"
	all_protected
}

test_read_only_mount_shows_a_lent_write_bit_as_none() {
	make_images vhdx
	chmod $lent pc1@two.vhdx
	mount_store "$store" "$scratch/mnt" -o ro
	equal "mode of the view" 444 \
		"$(stat -c %a "$scratch/mnt/pc1@two.vhdx.raw")"
	equal "mode of the file" $lent "$(stat -c %a pc1@two.vhdx)"
}

test_next_command_writes_a_file_with_a_lent_write_bit() {
	make_images vhdx
	chmod $lent pc1@one.vhdx pc1@two.vhdx
	as_user vhdfs-img delete-snapshot pc1.vhdx two
	as_user vhdfs-img rename pc1.vhdx pc2.vhdx
	shows pc2 pc1
	shows pc2@one pc1@one
	all_protected
}

# A write bit that the administrator gave stays, with the sticky bit, too.
test_other_modes_are_no_lent_write_bits() {
	local mode

	make_images vhdx
	for mode in 644 664 1664 1666 1444; do
		chmod $mode pc1.vhdx
		as_user vhdfs-img snapshots pc1.vhdx >"$scratch/out"
		equal mode $mode "$(stat -c %a pc1.vhdx)"
	done
}

# lent-bit.h says why it cannot be told from a lent bit.
test_sticky_bit_of_a_user_costs_no_more_than_the_write_permission() {
	make_images vhdx
	chmod 1644 pc1.vhdx
	as_user vhdfs-img snapshots pc1.vhdx >"$scratch/out"
	equal mode 444 "$(stat -c %a pc1.vhdx)"
	chmod u+w pc1.vhdx
	as_user vhdfs-img snapshot pc1.vhdx later
	shows pc1 pc1
}

run_tests
