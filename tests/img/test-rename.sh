#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img rename: an image gets another name with its snapshots, and `snapshots'
# says what to type where it was renamed without them.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq getfattr setfattr

# make_client ENDING: pc1.ENDING in clients, a child of masters/m.ENDING, with the
# snapshots a and b (a child of a), and c (another child of a), to which it was
# reverted.  Sets $e and $image.
make_client() {
	local name seed=0

	e=$1
	cd "$scratch" || exit
	rm -rf ./*
	mkdir masters clients
	vhdfs-img create --size 8M "masters/m.$e"
	image=clients/pc1.$e
	vhdfs-img create --parent "masters/m.$e" "$image"
	for name in a b; do
		disk-io "$image" write 1000000 300000 "$((seed += 1))"
		vhdfs-img snapshot --note "note $name" "$image" $name
	done
	vhdfs-img revert "$image" a
	disk-io "$image" write 2000000 300000 3
	vhdfs-img snapshot "$image" c
	disk-io "$image" write 3000000 300000 4
	keep_models pc1
}

# keep_models STEM: what each image shows.
keep_models() {
	local name

	for name in "" @a @b @c; do
		disk-io "clients/$1$name.$e" read 0 - >"model$name"
	done
}

# shows_models STEM: all images show what they showed, without a warning.
shows_models() {
	local name file

	for name in "" @a @b @c; do
		file=clients/$1$name.$e
		disk-io "$file" read 0 - | cmp - "model$name" ||
			fail "$file shows another disk"
		equal "warning of $file" null "$(key "$file" warning)"
	done
	equal snapshots "a b c" "$(names "clients/$1.$e")"
	vhdfs-img check "clients/$1.$e"
}

names() {
	vhdfs-img snapshots --json "$1" | jq -r '[.[].name] | sort | join(" ")'
}

list() {
	find clients -type f -printf '%f %i\n' | sed 's/2[0-9TZ.]* /STAMP /' | sort
}

# make_older CHILD PARENT: the parent is as of long ago, and the child knows this: so
# that any change of the parent shows.
make_older() {
	touch -d 2026-01-01 "clients/$2"
	vhdfs-img rebase --unsafe --parent "clients/$2" "clients/$1"
}

test_image_is_renamed_with_its_snapshots_and_old_images() {
	local format before

	for format in vhd vhdx; do
		make_client $format
		before=$(list | sed "s/pc1/pc2/")
		make_older "pc1@b.$e" "pc1@a.$e"
		make_older "pc1@c.$e" "pc1@a.$e"
		make_older "pc1.$e" "pc1@c.$e"
		expect 0 vhdfs-img rename "$image" "clients/pc2.$e"
		[ ! -s stdout ] || fail "expected no output"
		equal files "$before" "$(list)"
		shows_models pc2
		equal note '"note b"' "$(vhdfs-img snapshots --json \
			"clients/pc2.$e" | jq '.[] | select(.name == "b").note')"
		equal parent "pc2@c.$e" \
			"$(basename "$(key "clients/pc2.$e" parent)")"
		vhdfs-img revert "clients/pc2.$e" b
		vhdfs-img delete-snapshot "clients/pc2.$e" c
		equal snapshots "a b" "$(names "clients/pc2.$e")"
	done
}

# fresh_image: pc1 is a fresh child of another master.
fresh_image() {
	vhdfs-img create --size 8M "masters/n.$e"
	rm "$image"
	vhdfs-img create --parent "masters/n.$e" "$image"
	disk-io "$image" read 0 - >model
}

all_names() {
	vhdfs-img snapshots --unrelated --json "$1" |
		jq -r '[.[].name] | sort | join(" ")'
}

test_snapshots_of_an_earlier_image_are_renamed_too() {
	local format name

	for format in vhd vhdx; do
		make_client $format
		fresh_image
		expect 0 vhdfs-img rename "$image" "clients/pc2.$e"
		equal snapshots "a b c" "$(all_names "clients/pc2.$e")"
		for name in a b c; do
			disk-io "clients/pc2@$name.$e" read 0 - |
				cmp - "model@$name"
		done
		equal files "" "$(find clients -name 'pc1*')"
	done
}

# Which image they belong to is unknown, if their name is all that they share.
test_hand_rename_leaves_snapshots_of_an_earlier_image() {
	make_client vhdx
	fresh_image
	vhdfs-img snapshot "$image" own
	mv "$image" clients/pc2.vhdx
	expect 0 vhdfs-img rename "$image" clients/pc2.vhdx
	equal snapshots own "$(all_names clients/pc2.vhdx)"
	equal files 3 "$(find clients -name 'pc1@*' | wc -l)"
}

test_hand_renamed_image_is_told_of_its_snapshots() {
	make_client vhdx
	mv "$image" clients/pc2.vhdx
	expect 0 vhdfs-img snapshots clients/pc2.vhdx
	grep -q "type .vhdfs-img rename $PWD/clients/pc1.vhdx $PWD/clients/pc2.vhdx" \
		stderr || fail "expected a command, found $(cat stderr)"
	expect_error 1 "vhdfs-img rename" vhdfs-img revert clients/pc2.vhdx a
	expect_error 1 "vhdfs-img rename" \
		vhdfs-img delete-snapshot clients/pc2.vhdx a
}

test_hand_rename_is_completed() {
	local format

	for format in vhd vhdx; do
		make_client $format
		mv "$image" "clients/pc2.$e"
		expect 0 vhdfs-img rename "$image" "clients/pc2.$e"
		shows_models pc2
		expect 0 vhdfs-img snapshots "clients/pc2.$e"
		[ ! -s stderr ] || fail "expected no message"
		expect_error 1 "descends from no snapshot" \
			vhdfs-img rename "$image" "clients/pc2.$e"
	done
}

test_hand_rename_before_a_snapshot_is_completed() {
	make_client vhdx
	mv "$image" clients/pc2.vhdx
	vhdfs-img snapshot clients/pc2.vhdx later
	vhdfs-img rename "$image" clients/pc2.vhdx
	equal snapshots "a b c later" "$(names clients/pc2.vhdx)"
	vhdfs-img delete-snapshot clients/pc2.vhdx later
	shows_models pc2
}

test_clone_is_not_told_of_snapshots_of_another_image() {
	make_client vhdx
	vhdfs-img create --parent clients/pc1@a.vhdx clients/clone.vhdx
	expect 0 vhdfs-img snapshots clients/clone.vhdx
	[ ! -s stderr ] || fail "expected no message, found $(cat stderr)"
}

# Several, as a directory lists a child before or behind its parent.
test_clones_of_a_snapshot_and_their_own_snapshots_name_it_anew() {
	local format clone

	for format in vhd vhdx; do
		make_client $format
		for clone in clone{1..6}; do
			vhdfs-img create --parent "clients/pc1@a.$e" \
				"clients/$clone.$e"
			vhdfs-img snapshot "clients/$clone.$e" own
			make_older "$clone.$e" "$clone@own.$e"
		done
		vhdfs-img rename "$image" "clients/pc2.$e"
		shows_models pc2
		for clone in clone{1..6}; do
			disk-io "clients/$clone.$e" read 0 - | cmp - model@a
			equal warning null "$(key "clients/$clone.$e" warning)"
			equal parent "pc2@a.$e" "$(basename \
				"$(key "clients/$clone@own.$e" parent)")"
			equal snapshots own "$(names "clients/$clone.$e")"
		done
	done
}

test_child_of_a_copy_keeps_its_parent() {
	make_client vhdx
	cp --preserve=xattr clients/pc1@a.vhdx clients/copy.vhdx
	vhdfs-img create --parent clients/copy.vhdx clients/other.vhdx
	vhdfs-img rename "$image" clients/pc2.vhdx
	equal parent copy.vhdx "$(basename "$(key clients/other.vhdx parent)")"
	shows_models pc2
}

# refused MESSAGE COMMAND...: and nothing is changed.
refused() {
	local before

	before=$(list; getfattr -d -R --absolute-names clients; sha256sum clients/*)
	expect_error 1 "$1" "${@:2}"
	diff <(echo "$before") <(list; getfattr -d -R --absolute-names clients
		sha256sum clients/*) >&2 || fail "$*: expected no change"
}

test_existing_names_are_refused() {
	make_client vhdx
	vhdfs-img create --size 1M clients/pc2.vhdx
	refused "pc2.vhdx: file exists" \
		vhdfs-img rename "$image" clients/pc2.vhdx
	mv clients/pc2.vhdx clients/pc2@b.vhdx
	refused "pc2@b.vhdx: file exists" \
		vhdfs-img rename "$image" clients/pc2.vhdx
}

test_wrong_names_are_refused() {
	local name

	make_client vhdx
	for name in clients/pc2.vhd clients/.pc2.vhdx clients/pc2@x.vhdx clients/ \
		clients/pc1.vhdx masters/pc2.vhdx; do
		refused expected vhdfs-img rename "$image" $name
	done
	refused "expected a file name" vhdfs-img rename clients/pc1@a.vhdx \
		clients/pc2.vhdx
	refused "No such file" vhdfs-img rename clients/pc7.vhdx clients/pc8.vhdx
	ln -s "$PWD/$image" link.vhdx
	refused "symbolic link" vhdfs-img rename link.vhdx pc2.vhdx
}

test_child_in_another_directory_is_refused() {
	make_client vhdx
	mkdir others
	vhdfs-img create --parent clients/pc1@b.vhdx others/child.vhdx
	refused "is the parent of others/child.vhdx" \
		vhdfs-img rename "$image" clients/pc2.vhdx
}

# The rename would make it name its parent as from the directory of the link.
test_child_in_another_directory_is_refused_although_a_link_is_beside_the_image() {
	local link

	make_client vhdx
	mkdir others
	vhdfs-img create --parent clients/pc1@b.vhdx others/child.vhdx
	for link in "ln -s ../others" "ln -s $PWD/others" "ln $PWD/others"; do
		$link/child.vhdx clients/link.vhdx
		refused "is the parent of others/child.vhdx|link.vhdx: is a link to" \
			vhdfs-img rename "$image" clients/pc2.vhdx
		vhdfs-img check others/child.vhdx
		rm clients/link.vhdx
	done
}

test_link_to_a_child_beside_the_image_is_no_child_elsewhere() {
	make_client vhdx
	mkdir others
	vhdfs-img create --parent clients/pc1@b.vhdx clients/child.vhdx
	ln -s ../clients/child.vhdx others/link.vhdx
	ln -s child.vhdx clients/again.vhdx
	expect 0 vhdfs-img rename "$image" clients/pc2.vhdx
	vhdfs-img check clients/child.vhdx
	vhdfs-img check others/link.vhdx
}

test_file_that_cannot_be_read_is_refused() {
	make_client vhdx
	cp "$image" clients/damaged.vhdx
	truncate -s 1000000 clients/damaged.vhdx
	refused "damaged.vhdx" vhdfs-img rename "$image" clients/pc2.vhdx
}

test_image_in_use_is_refused_and_its_holder_named() {
	local file

	make_client vhdx
	for file in clients/pc1.vhdx clients/pc1@b.vhdx; do
		hold "$file" "verify 0 0 0"
		refused "in use by disk-io .process $hold_pid" \
			vhdfs-img rename "$image" clients/pc2.vhdx
		release
	done
}

test_store_confines_the_image() {
	make_client vhdx
	expect 0 vhdfs-img rename --store . "$image" clients/pc2.vhdx
	shows_models pc2
}

run_tests
