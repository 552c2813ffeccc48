#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img snapshot, snapshots and revert.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq getfattr setfattr

# make_client ENDING: clients/pc1.ENDING, a child of masters/m.ENDING, in the
# working directory; its disk is in "model".  Sets $e and $image.
make_client() {
	e=$1
	cd "$scratch" || exit
	rm -rf ./*
	mkdir masters clients
	make_model model 20M
	vhdfs-img create --size 20M "masters/m.$e"
	put_random "masters/m.$e" model 20
	image=clients/pc1.$e
	vhdfs-img create --parent "masters/m.$e" "$image"
	put_random "$image" model 5
}

# snapshots FILTER: of the list's JSON.
snapshots() {
	vhdfs-img snapshots --json "$image" | jq -c "$1"
}

hidden() {
	find . -name '.?*' -type f
}

test_snapshot_keeps_the_present_disk() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_client $format
		expect 0 vhdfs-img snapshot "$image" before
		[ ! -s stdout ] || fail "expected no output"
		cp model before.model
		same_disk "$image" model
		put_random "$image" model 10
		same_disk "$image" model
		same_disk "clients/pc1@before.$e" before.model
		equal hidden "" "$(hidden)"
	done
}

test_snapshot_of_an_image_without_a_parent() {
	local image

	cd "$scratch" || exit
	for image in a.vhd b.vhdx c.vhdx; do
		make_model "$image.model" 20M
		if [ $image = c.vhdx ]; then
			vhdfs-img create --fixed --size 20M $image
		else
			vhdfs-img create --size 20M $image
		fi
		put $image $image.model write 1000 500000 1
		vhdfs-img snapshot $image s
		put $image $image.model write 1000 500000 2
		same_disk $image $image.model
		equal type differencing "$(key $image type)"
		vhdfs-img revert --discard $image s
		disk-io $image verify 1000 500000 1
	done
}

test_snapshot_is_read_only_and_keeps_the_identity() {
	local format before

	for format in vhd vhdx; do
		make_client $format
		chmod 664 "$image"
		before=$(key "$image" id)
		vhdfs-img snapshot "$image" s
		equal id "$before" "$(key "clients/pc1@s.$e" id)"
		[ "$before" != "$(key "$image" id)" ] ||
			fail "the image has the snapshot's identity"
		equal mode 444 "$(stat -c %a "clients/pc1@s.$e")"
		equal mode 664 "$(stat -c %a "$image")"
	done
}

test_new_leaf_has_owner_mode_attributes_and_block_size() {
	requires_root
	make_client vhdx
	rm -f "$image"
	vhdfs-img create --block-size 4M --parent masters/m.vhdx "$image"
	chown 1234:2345 "$image"
	chmod 620 "$image"
	setfattr -n user.vhdfs.quota -v 10G "$image"
	! command -v setfacl >/dev/null || setfacl -m u:77:r "$image"
	getfattr -d -m '^user|^system.posix' "$image" | tail -n +2 >before
	expect 0 vhdfs-img snapshot "$image" s
	equal owner 1234:2345:620 "$(stat -c %u:%g:%a "$image" |
		sed 's/:6.0$/:620/')"
	getfattr -d -m '^user|^system.posix' "$image" | tail -n +2 | diff before -
	equal "block size" 4194304 "$(key "$image" block-size)"
}

test_list_shows_the_tree() {
	make_client vhdx
	equal empty '[]' "$(snapshots .)"
	vhdfs-img snapshot --note "first, by hand" "$image" a
	vhdfs-img snapshot "$image" b
	vhdfs-img revert --discard "$image" a
	vhdfs-img snapshot "$image" c
	equal names '[["a",null],["b","a"],["c","a"]]' \
		"$(snapshots 'sort_by(.name) | map([.name, .parent])')"
	equal children '[2,0,1]' "$(snapshots 'sort_by(.name) | map(.children)')"
	equal current '[true,false,true]' \
		"$(snapshots 'sort_by(.name) | map(.current)')"
	equal notes '["first, by hand",null,null]' \
		"$(snapshots 'sort_by(.name) | map(.note)')"
	equal files '["pc1@a.vhdx","pc1@b.vhdx","pc1@c.vhdx"]' \
		"$(snapshots 'sort_by(.name) | map(.file)')"
	equal dates true "$(snapshots 'all(.date |
		test("^2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z$"))')"
	equal size "$(($(stat -c %b clients/pc1@a.vhdx) * 512))" \
		"$(snapshots '.[] | select(.name == "a") | .size')"
	equal id "$(key clients/pc1@a.vhdx id)" \
		"$(snapshots '.[] | select(.name == "a") | .id' | tr -d '"')"
	expect 0 vhdfs-img snapshots "$image"
	grep -Eq '^NAME +DATE +KIB +CHILDREN +NOTE$' stdout
	grep -Eq '^a +2.*Z +[0-9]+ +2  \* first, by hand$' stdout
	grep -Eq '^  c +2.*Z +[0-9]+ +1  \*$' stdout
}

# A hidden image, and one that is put aside, are children, too.
test_children_are_found_by_content() {
	make_client vhd
	vhdfs-img snapshot "$image" a
	equal children 1 "$(snapshots '.[0].children')"
	vhdfs-img create --parent clients/pc1@a.vhd clients/x.vhd
	mv clients/x.vhd clients/.hidden
	equal children 2 "$(snapshots '.[0].children')"
	vhdfs-img revert "$image" a
	equal children 3 "$(snapshots '.[0].children')"
}

test_name_alone_makes_no_snapshot() {
	make_client vhdx
	vhdfs-img create --parent masters/m.vhdx clients/pc1@fake.vhdx
	vhdfs-img create --parent masters/m.vhdx clients/pc2.vhdx
	vhdfs-img snapshot clients/pc2.vhdx s
	cp -a clients/pc2@s.vhdx clients/pc1@other.vhdx
	equal none '[]' "$(snapshots .)"
	expect_error 1 "has no snapshot 'fake'; .vhdfs-img snapshots " \
		vhdfs-img revert "$image" fake
	expect_error 1 "has no snapshot 'other'" \
		vhdfs-img revert "$image" other
}

# make_earlier ENDING: the image is a fresh child of another master; of its
# earlier image, a child of masters/m, there is the snapshot a, with the disk
# "a.model".
make_earlier() {
	make_client "$1"
	vhdfs-img snapshot --note 'of the first' "$image" a
	mv model a.model
	vhdfs-img create --size 40M "masters/n.$e"
	rm "$image"
	vhdfs-img create --parent "masters/n.$e" "$image"
	make_model model 40M
	put_random "$image" model 5
}

test_snapshot_of_an_earlier_image_is_unrelated() {
	make_earlier vhdx
	vhdfs-img snapshot "$image" b
	equal related '[["b",true]]' "$(snapshots 'map([.name, .related])')"
	equal all '[["b",true,null],["a",false,"of the first"]]' \
		"$(vhdfs-img snapshots --unrelated --json "$image" |
			jq -c 'map([.name, .related, .note])')"
	expect 0 vhdfs-img snapshots --unrelated "$image"
	grep -Eq '^a +2.*Z +[0-9]+ +0  - of the first$' stdout
	grep -Eq '^b +2.*Z +[0-9]+ +1  \*$' stdout
	vhdfs-img create --parent masters/m.vhdx clients/pc1@fake.vhdx
	vhdfs-img snapshot clients/pc1@fake.vhdx other
	equal all '["b","a"]' \
		"$(vhdfs-img snapshots --unrelated --json "$image" |
			jq -c 'map(.name)')"
}

test_revert_to_an_unrelated_snapshot_needs_the_option() {
	local format aside

	choose_seed
	for format in vhd vhdx; do
		make_earlier $format
		cp "$image" before
		expect_error 1 "has no snapshot 'a'; .*pc1@a.$e is one of an earlier image of this name, and has no common ancestor with it: add --unrelated" \
			vhdfs-img revert "$image" a
		cmp before "$image"
		expect 0 vhdfs-img revert --unrelated "$image" a
		same_disk "$image" a.model
		aside=$(hidden)
		same_disk "$aside" model
	done
}

test_revert_takes_the_disk_back() {
	local format aside

	choose_seed
	for format in vhd vhdx; do
		make_client $format
		vhdfs-img snapshot "$image" a
		cp model a.model
		put_random "$image" model 10
		vhdfs-img snapshot "$image" b
		cp model b.model
		put_random "$image" model 10
		chmod 640 "$image"
		expect 0 vhdfs-img revert "$image" a
		aside=$(hidden)
		equal output "$image: the state before is in ${aside##*/}" \
			"$(cat stdout)"
		[[ ${aside##*/} =~ ^\.pc1\.$e\.2[0-9]{7}T[0-9]{6}\.[0-9]{6}Z$ ]] ||
			fail "unexpected name $aside"
		same_disk "$image" a.model
		same_disk "$aside" model
		equal mode 640 "$(stat -c %a "$image")"
		# To a snapshot from which the image does not descend.
		vhdfs-img revert --discard "$image" b
		same_disk "$image" b.model
		same_disk "clients/pc1@a.$e" a.model
		equal hidden "$aside" "$(hidden)"
		put "$image" b.model write 5000 70000 3
		same_disk "$image" b.model
	done
}

test_each_state_put_aside_has_a_later_stamp() {
	make_client vhdx
	vhdfs-img snapshot "$image" a
	touch clients/.pc1.vhdx.29980131T235959.000001Z
	vhdfs-img revert "$image" a
	[ -e clients/.pc1.vhdx.29980131T235959.000002Z ] || fail "$(hidden)"
}

test_link_is_followed_and_stays() {
	make_client vhdx
	ln -s pc1.vhdx clients/link.vhdx
	expect 0 vhdfs-img snapshot clients/link.vhdx s
	[ -L clients/link.vhdx ] || fail "the link was replaced"
	[ -e clients/pc1@s.vhdx ] || fail "no pc1@s.vhdx"
	vhdfs-img revert --discard clients/link.vhdx s
	[ -L clients/link.vhdx ] || fail "the link was replaced"
	same_disk "$image" model
}

test_invalid_names_are_refused() {
	local name

	make_client vhdx
	expect_error 2 "expected one character or more, found ''" \
		vhdfs-img snapshot "$image" ''
	for name in 7 0123 test Test TEST '' .x a/b a@b $'a\nb' $'\x1b[1m' \
		"$(printf '%0200d' 0)x"; do
		expect_error 2 'snapshot name: expected' \
			vhdfs-img snapshot "$image" "$name"
	done
	expect_error 2 'note: expected' \
		vhdfs-img snapshot --note $'a\nb' "$image" s
	equal none '[]' "$(snapshots .)"
	for name in 7a tester 'with space' tést -- ; do
		expect 0 vhdfs-img snapshot "$image" -- "$name"
	done
	equal number 5 "$(snapshots length)"
}

test_existing_name_is_refused() {
	make_client vhdx
	echo text >clients/pc1@s.vhdx
	cp "$image" before
	expect_error 1 'pc1@s.vhdx: file exists' \
		vhdfs-img snapshot "$image" s
	cmp before "$image"
	equal text text "$(cat clients/pc1@s.vhdx)"
	equal hidden "" "$(hidden)"
}

test_existing_name_in_another_case_is_refused() {
	make_client vhdx
	vhdfs-img snapshot "$image" "Fußball"
	cp "$image" before
	expect_error 1 'pc1@FUSSBALL.vhdx: the file pc1@Fußball.vhdx exists' \
		vhdfs-img snapshot "$image" FUSSBALL
	cmp before "$image"
	equal number 1 "$(snapshots length)"
	equal hidden "" "$(hidden)"
}

test_columns_of_snapshots_are_aligned() {
	make_client vhdx
	vhdfs-img snapshot "$image" über
	vhdfs-img snapshot "$image" 日本
	vhdfs-img snapshots "$image" >table
	# As many columns of a terminal: a space less for each wide character.
	has_line "^über $(printf '%20s' '')20" table
	has_line "^  日本 $(printf '%18s' '')20" table
}

test_parent_is_refused() {
	make_client vhdx
	expect_error 1 'm.vhdx: write permission: expected some, found none' \
		vhdfs-img snapshot masters/m.vhdx s
	vhdfs-img create --parent "$image" clients/grandchild.vhdx
	expect_error 1 'pc1.vhdx: write permission' \
		vhdfs-img snapshot "$image" s
}

test_image_in_use_is_refused_and_its_holder_named() {
	make_client vhdx
	vhdfs-img snapshot "$image" s
	hold "$image" open
	expect_error 1 "in use by disk-io .process $hold_pid" \
		vhdfs-img snapshot "$image" t
	expect_error 1 "in use by disk-io .process $hold_pid" \
		vhdfs-img revert "$image" s
	expect 0 vhdfs-img snapshots "$image"
	release
	equal hidden "" "$(hidden)"
}

test_file_system_without_attributes_is_refused() {
	requires_root
	make_client vhdx
	mkdir mnt
	mount -t ramfs none mnt
	at_exit umount "$PWD/mnt"
	vhdfs-img create --size 20M mnt/a.vhdx
	cp mnt/a.vhdx before
	expect_error 1 'keeps no extended attributes' \
		vhdfs-img snapshot mnt/a.vhdx s
	cmp before mnt/a.vhdx
	equal files a.vhdx "$(ls -A mnt)"
	equal mode 644 "$(stat -c %a mnt/a.vhdx)"
}

test_store_confines_the_image() {
	make_client vhdx
	expect 0 vhdfs-img --store . snapshot "$image" s
	same_disk "$image" model
	expect_error 1 'outside the store' \
		vhdfs-img --store masters snapshot "$image" t
}

# An administrator's hard links are none of an interrupted snapshot.
test_hard_links_without_an_intent_stay() {
	make_client vhdx
	ln "$image" clients/pc1@mine.vhdx
	expect 0 vhdfs-img snapshot "$image" s
	[ -e clients/pc1@mine.vhdx ] || fail "the link is gone"
	equal inode "$(stat -c %i clients/pc1@s.vhdx)" \
		"$(stat -c %i clients/pc1@mine.vhdx)"
}

test_revert_prints_json() {
	make_client vhdx
	vhdfs-img snapshot "$image" a
	expect 0 vhdfs-img revert --json "$image" a
	equal keys put-aside "$(jq -r 'keys | join(" ")' stdout)"
	equal put-aside "$(hidden)" "./clients/$(jq -r '."put-aside"' stdout)"
	expect 0 vhdfs-img revert --json --discard "$image" a
	equal put-aside null "$(jq '."put-aside"' stdout)"
	expect 1 vhdfs-img revert --json "$image" missing
	equal output "" "$(cat stdout)"
}

# What is in a directory may be forged.
test_forged_intent_gives_no_other_mode_and_removes_no_other_file() {
	make_client vhdx
	chmod 640 "$image"
	cp "$image" clients/other.vhdx
	printf 'vhdfs leaf replacement 1\nmode 6777\nkeep other.vhdx\n' \
		>clients/.pc1.vhdx.intent
	expect 0 vhdfs-img snapshot "$image" s
	equal mode 640 "$(stat -c %a "$image")"
	[ -e clients/other.vhdx ] || fail "another file was removed"
	ln "$image" clients/pc1@t.vhdx
	printf 'vhdfs leaf replacement 1\nmode 6600\nkeep pc1@t.vhdx\n' \
		>clients/.pc1.vhdx.intent
	expect 0 vhdfs-img snapshot "$image" t
	equal mode 640 "$(stat -c %a "$image")"
	equal hidden "" "$(hidden)"
	printf 'text\n' >clients/.pc1.vhdx.intent
	expect_error 1 'intent: expected the record of an interrupted snapshot' \
		vhdfs-img snapshot "$image" u
	same_disk "$image" model
}

# As a crash after the write bits were removed leaves it.
test_interrupted_snapshot_of_a_strange_name_is_undone() {
	local name stem

	cd "$scratch" || exit
	for name in ' a b.vhdx' $'a\n.vhdx' $'\n\na.vhdx' $'a\n\n.vhdx'; do
		vhdfs-img create --size 8M "$name"
		stem=${name%.vhdx}
		ln "$name" "$stem@s.vhdx"
		chmod 444 "$name"
		printf 'vhdfs leaf replacement 1\nmode 644\nkeep %s\n' \
			"$stem@s.vhdx" >".$name.intent"
		expect 0 vhdfs-img snapshot "$name" s
		equal mode 644 "$(stat -c %a "$name")"
		equal "names of the snapshot" 1 "$(stat -c %h "$stem@s.vhdx")"
	done
}

test_image_whose_name_has_a_newline_keeps_its_snapshots() {
	local image=$scratch/$'a\nimage b.vhdx'

	vhdfs-img create --size 8M "$image"
	vhdfs-img snapshot "$image" s
	equal snapshots '["s"]' \
		"$(vhdfs-img snapshots --json "$image" | jq -c 'map(.name)')"
	vhdfs-img revert "$image" s
	vhdfs-img delete-snapshot --copy "$image" s
}

test_snapshot_of_an_image_with_256_parents_is_refused() {
	local i

	vhdfs-img create --size 4M "$scratch/p.vhd"
	for ((i = 1; i <= 256; i++)); do
		vhdfs-img snapshot "$scratch/p.vhd" "n$i"
	done
	expect_error 1 "expected fewer than 256 parents" \
		vhdfs-img snapshot "$scratch/p.vhd" more
	vhdfs-img check "$scratch/p.vhd"
	vhdfs-img delete-snapshot "$scratch/p.vhd" n100
	vhdfs-img snapshot "$scratch/p.vhd" more
}

test_snapshots_stay_those_of_an_image_after_a_rebase() {
	vhdfs-img create --size 8M "$scratch/a.vhdx"
	vhdfs-img create --size 8M "$scratch/b.vhdx"
	vhdfs-img create --parent "$scratch/a.vhdx" "$scratch/p.vhdx"
	vhdfs-img snapshot "$scratch/p.vhdx" mon
	vhdfs-img snapshot "$scratch/p.vhdx" tue
	vhdfs-img rebase --parent "$scratch/b.vhdx" "$scratch/p.vhdx"
	vhdfs-img delete-snapshot "$scratch/p.vhdx" tue
	vhdfs-img revert --discard "$scratch/p.vhdx" mon
	equal parent p@mon.vhdx "$(basename "$(key "$scratch/p.vhdx" parent)")"
}

# Many, as the order of the directory is any.
test_unfinished_replacement_hides_no_snapshot() {
	local i

	cd "$scratch" || exit
	vhdfs-img create --size 8M p.vhdx
	for i in s1 s2 s3; do
		vhdfs-img snapshot p.vhdx $i
	done
	cp p@s2.vhdx new.vhdx
	chmod u+w new.vhdx
	vhdfs-img rebase --no-parent new.vhdx
	equal identity "$(key p@s2.vhdx id)" "$(key new.vhdx id)"
	for i in 1 2 3 4 5 6 7 8; do
		cp new.vhdx ".p@s$i.vhdx.leaf"
	done
	rm new.vhdx
	equal snapshots 3 "$(vhdfs-img snapshots --json p.vhdx | jq length)"
}

# long_name N: the file name of an image, of that many bytes.
long_name() {
	printf '%*s.vhdx' $(($1 - 5)) '' | tr ' ' x
}

test_limits_of_names_are_told_and_nothing_is_changed() {
	local name

	cd "$scratch" || exit
	name=$(long_name 244)
	vhdfs-img create --size 8M "$name"
	expect_error 1 "$name: file name: expected at most 243 bytes, .* found 244" \
		vhdfs-img snapshot "$name" s
	equal "files" "$name" "$(ls -A -I stdout -I stderr)"
	rm "$name"
	name=$(long_name 240)
	vhdfs-img create --size 8M "$name"
	expect 0 vhdfs-img snapshot "$name" s
	expect_error 1 "$name: file name: expected at most 255 bytes, found 265" \
		vhdfs-img revert "$name" s
	expect_error 1 "$name: file name: expected at most 255 bytes, found 257" \
		vhdfs-img snapshot "$name" "$(printf '%015d' 0)a"
	equal "files" 2 "$(ls -A -I stdout -I stderr | wc -l)"
	expect 0 vhdfs-img delete-snapshot "$name" s
}

run_tests
