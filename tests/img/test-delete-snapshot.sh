#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img delete-snapshot: a snapshot goes, its children keep their disks.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq

# make_client ENDING [root]: pc1.ENDING with the snapshots a, b and c, one after
# the other, and random writes between; NAME.model has the disk of each, "model"
# that of the image.  root: pc1 has no parent, and so has a.
make_client() {
	e=$1
	cd "$scratch" || exit
	rm -rf ./* .[!.]*
	make_model model 20M
	if [ $# = 2 ]; then
		vhdfs-img create --size 20M "pc1.$e"
	else
		vhdfs-img create --size 20M "m.$e"
		put_random "m.$e" model 20
		vhdfs-img create --parent "m.$e" "pc1.$e"
	fi
	for name in a b c; do
		put_random "pc1.$e" model 10
		cp model $name.model
		vhdfs-img snapshot "pc1.$e" $name
	done
	put_random "pc1.$e" model 10
}

# shows NAME...: these snapshots, and the image, have their disks.
shows() {
	local name

	same_disk "pc1.$e" model
	for name; do
		same_disk "pc1@$name.$e" "$name.model"
	done
	equal snapshots "$*" "$(vhdfs-img snapshots --json "pc1.$e" |
		jq -r '[.[].name] | sort | join(" ")')"
	# No parent has another time stamp than its child records.
	vhdfs-img info --chain "pc1.$e" >/dev/null 2>warnings
	[ ! -s warnings ] || fail "$(cat warnings)"
	equal hidden "" "$(find . -name '.?*')"
}

test_children_keep_their_disks() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_client $format
		expect 0 vhdfs-img delete-snapshot "pc1.$e" b
		shows a c
		expect 0 vhdfs-img delete-snapshot "pc1.$e" c
		shows a
		expect 0 vhdfs-img delete-snapshot "pc1.$e" a
		shows
		equal depth 1 "$(key "pc1.$e" depth)"
		put_random "pc1.$e" model 10
		shows
	done
}

test_identity_and_mode_of_a_child_that_is_a_parent_stay() {
	local format before

	for format in vhd vhdx; do
		make_client $format
		before=$(key "pc1@b.$e" id)
		vhdfs-img delete-snapshot "pc1.$e" a
		equal id "$before" "$(key "pc1@b.$e" id)"
		equal mode 444 "$(stat -c %a "pc1@b.$e")"
		shows b c
	done
}

test_snapshot_without_children_goes_at_once() {
	make_client vhdx
	vhdfs-img revert --discard pc1.vhdx a
	cp a.model model
	expect 0 vhdfs-img delete-snapshot pc1.vhdx c
	shows a b
	expect 0 vhdfs-img delete-snapshot pc1.vhdx b
	shows a
}

# A snapshot without a child goes without a copy.
test_copied_bytes_are_printed_as_json() {
	make_client vhdx
	vhdfs-img snapshot "pc1.$e" d
	disk-io "pc1.$e" write 0 4096 3
	vhdfs-img snapshot "pc1.$e" e
	expect 0 vhdfs-img delete-snapshot --json "pc1.$e" e
	equal output '{"copied":4096}' "$(jq -c . stdout)"
	vhdfs-img snapshot "pc1.$e" unused
	vhdfs-img revert --discard "pc1.$e" d
	expect 0 vhdfs-img delete-snapshot --json "pc1.$e" unused
	equal output '{"copied":0}' "$(jq -c . stdout)"
	expect 1 vhdfs-img delete-snapshot --json "pc1.$e" missing
	equal output "" "$(cat stdout)"
}

test_several_children_need_copy() {
	local format

	for format in vhd vhdx; do
		make_client $format
		vhdfs-img revert --discard "pc1.$e" b
		cp b.model model
		put_random "pc1.$e" model 10
		expect_error 1 'has 2 children; removing it copies up to .* add --copy' \
			vhdfs-img delete-snapshot "pc1.$e" b
		shows a b c
		expect 0 vhdfs-img delete-snapshot --copy "pc1.$e" b
		shows a c
	done
}

test_child_that_was_put_aside_is_kept() {
	make_client vhdx
	cp model aside.model
	vhdfs-img revert pc1.vhdx a
	cp a.model model
	vhdfs-img delete-snapshot pc1.vhdx c
	same_disk .pc1.vhdx.2* aside.model
	rm .pc1.vhdx.2*
	shows a b
}

test_child_in_another_directory_of_the_store_is_found() {
	make_client vhdx
	mkdir sub
	vhdfs-img create --parent pc1@c.vhdx sub/other.vhdx
	expect_error 1 'pc1@c.vhdx: is the parent of sub/other.vhdx' \
		vhdfs-img --store . delete-snapshot pc1.vhdx c
	[ -e pc1@c.vhdx ] || fail "the snapshot is gone"
	same_disk sub/other.vhdx c.model
	vhdfs-img rebase --parent pc1@b.vhdx sub/other.vhdx
	expect 0 vhdfs-img --store . delete-snapshot pc1.vhdx c
	shows a b
	same_disk sub/other.vhdx c.model
}

test_child_that_cannot_be_read_keeps_the_snapshot() {
	local format

	for format in vhd vhdx; do
		make_client $format
		vhdfs-img create --parent "pc1@c.$e" "other.$e"
		gzip -c "other.$e" >sound.gz
		# The metadata of the VHDX, the dynamic header of the VHD.
		dd if=/dev/zero of="other.$e" bs=512 seek=1 count=2 \
			conv=notrunc status=none
		[ $format = vhd ] || dd if=/dev/zero of="other.$e" bs=1M seek=2 \
			count=1 conv=notrunc status=none
		expect_error 1 "may be the parent of a file .*other.$e" \
			vhdfs-img delete-snapshot "pc1.$e" c
		same_disk "pc1.$e" model
		[ -e "pc1@c.$e" ] || fail "the snapshot is gone"
		gzip -dc sound.gz >"other.$e"
		same_disk "other.$e" c.model
	done
}

# make_damaged_child PARENT: other.ENDING, whose headers can be read.
make_damaged_child() {
	vhdfs-img create --parent "$1" "other.$e"
	disk-io "other.$e" write 0 15000000 7
	truncate -s 8000000 "other.$e"
	expect 1 vhdfs-img info "other.$e"
}

# A file whose headers can be read, and name another parent, is no child.
test_damaged_image_of_another_parent_keeps_no_snapshot() {
	local format

	for format in vhd vhdx; do
		make_client $format
		make_damaged_child "m.$e"
		vhdfs-img delete-snapshot --copy "pc1.$e" c
		same_disk "pc1.$e" model
		[ ! -e "pc1@c.$e" ] || fail "the snapshot is there"
	done
}

test_damaged_child_is_refused_before_anything_is_copied() {
	local format

	for format in vhd vhdx; do
		make_client $format
		make_damaged_child "pc1@c.$e"
		sha256sum ./*."$e" >before
		expect_error 1 "pc1@c.$e: is the parent of other.$e, which is damaged" \
			vhdfs-img delete-snapshot --copy "pc1.$e" c
		sha256sum -c --quiet before
	done
}

# Its log, which is not replayed, may name another parent.
test_damaged_image_with_a_log_keeps_the_snapshot() {
	make_client vhdx
	vhdfs-img create --parent m.vhdx other.vhdx
	hold other.vhdx "write 0 15000000 7 flush"
	cp other.vhdx crashed.vhdx
	release
	rm other.vhdx
	truncate -s 8000000 crashed.vhdx
	expect_error 1 "may be the parent of a file .*crashed.vhdx" \
		vhdfs-img delete-snapshot --copy pc1.vhdx c
	[ -e pc1@c.vhdx ] || fail "the snapshot is gone"
}

# A client that is logged in does not keep snapshots of others.
test_image_of_another_client_may_be_in_use() {
	make_client vhdx
	vhdfs-img create --parent m.vhdx pc2.vhdx
	hold pc2.vhdx open
	expect 0 vhdfs-img delete-snapshot pc1.vhdx b
	release
	rm pc2.vhdx
	shows a c
}

# is_alone FILE MODEL: the file is a sound dynamic image, in whose directory
# nothing else is needed for its disk.
is_alone() {
	equal type dynamic "$(key "$1" type)"
	mkdir alone
	cp "$1" alone
	same_disk "alone/$1" "$2"
	rm -r alone
}

test_child_of_a_snapshot_without_a_parent_becomes_dynamic() {
	local format id

	choose_seed
	for format in vhd vhdx; do
		make_client $format root
		id=$(key "pc1@b.$e" id)
		expect 0 vhdfs-img delete-snapshot "pc1.$e" a
		shows b c
		is_alone "pc1@b.$e" b.model
		equal id "$id" "$(key "pc1@b.$e" id)"
		equal mode 444 "$(stat -c %a "pc1@b.$e")"
		expect 0 vhdfs-img delete-snapshot "pc1.$e" b
		expect 0 vhdfs-img delete-snapshot "pc1.$e" c
		shows
		is_alone "pc1.$e" model
		put_random "pc1.$e" model 10
		shows
	done
}

test_children_of_a_fixed_image_become_dynamic() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_client $format root
		vhdfs-img convert --fixed model "f.$e"
		vhdfs-img snapshot "f.$e" s
		cp model f.model
		put_random "f.$e" f.model 10
		expect 0 vhdfs-img delete-snapshot "f.$e" s
		is_alone "f.$e" f.model
	done
}

test_several_children_without_a_parent_stay_snapshots() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_client $format root
		vhdfs-img revert --discard "pc1.$e" a
		cp a.model model
		put_random "pc1.$e" model 10
		expect_error 1 'has 2 children; removing it copies up to .* add --copy' \
			vhdfs-img delete-snapshot "pc1.$e" a
		expect 0 vhdfs-img delete-snapshot --copy "pc1.$e" a
		shows b c
		is_alone "pc1.$e" model
		is_alone "pc1@b.$e" b.model
		# Not related by the next one either.
		expect 0 vhdfs-img delete-snapshot "pc1.$e" b
		shows c
		is_alone "pc1@c.$e" c.model
		vhdfs-img revert --discard "pc1.$e" c
		cp c.model model
		shows c
	done
}

# As after a crash: the child has lost its parent, and the snapshot is there.
test_removal_that_was_interrupted_goes_on() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_client $format root
		cp "pc1@a.$e" kept
		setfattr -n user.vhdfs.snapshot -v "$(getfattr \
			--absolute-names --only-values \
			-n user.vhdfs.snapshot "pc1@a.$e")" kept
		vhdfs-img delete-snapshot "pc1.$e" a
		mv kept "pc1@a.$e"
		shows a b c
		expect 0 vhdfs-img delete-snapshot "pc1.$e" a
		shows b c
	done
}

test_image_without_a_common_ancestor_is_no_snapshot() {
	make_client vhdx root
	vhdfs-img delete-snapshot pc1.vhdx a
	setfattr -x user.vhdfs.origin pc1@b.vhdx
	vhdfs-img create --size 20M other.vhdx
	mv other.vhdx pc1.vhdx
	equal snapshots "[]" "$(vhdfs-img snapshots --json pc1.vhdx | jq -c .)"
}

test_unrelated_snapshot_is_removed_with_the_option() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_client $format
		mv "pc1.$e" ".pc1.$e.20260131T235959.000001Z"
		vhdfs-img create --size 20M "other.$e"
		vhdfs-img create --parent "other.$e" "pc1.$e"
		expect_error 1 "has no snapshot 'c'; .*add --unrelated" \
			vhdfs-img delete-snapshot "pc1.$e" c
		expect 0 vhdfs-img delete-snapshot --unrelated "pc1.$e" c
		[ ! -e "pc1@c.$e" ] || fail "expected no pc1@c.$e"
		mv ".pc1.$e.20260131T235959.000001Z" "pc1.$e"
		shows a b
	done
}

test_missing_snapshot() {
	make_client vhdx
	cp a.model pc1@x.vhdx
	expect_error 1 "has no snapshot 'x'" \
		vhdfs-img delete-snapshot pc1.vhdx x
	[ -e pc1@x.vhdx ] || fail "a file that is no snapshot is gone"
}

test_image_in_use_is_refused() {
	make_client vhdx
	hold pc1.vhdx open
	expect_error 1 "in use by disk-io .process $hold_pid" \
		vhdfs-img delete-snapshot pc1.vhdx c
	release
	shows a b c
}

# walk ENDING [root]: random steps on a client of make_client.
walk() {
	local names=() step steps=25 name

	make_client "$@"
	names=(a b c)
	[ -z "${VHDFS_SAMPLE:-}" ] || steps=12
	for ((step = 1; step <= steps; step++)); do
		random_below 4
		case $random in
		0)
			name=s$step
			vhdfs-img snapshot "pc1.$e" $name
			cp model $name.model
			names+=("$name")
			;;
		1)
			[ ${#names[@]} -gt 0 ] || continue
			random_below ${#names[@]}
			name=${names[random]}
			vhdfs-img revert --discard "pc1.$e" "$name"
			cp "$name.model" model
			;;
		2)
			[ ${#names[@]} -gt 0 ] || continue
			random_below ${#names[@]}
			name=${names[random]}
			vhdfs-img delete-snapshot --copy "pc1.$e" "$name"
			unset "names[$random]"
			names=("${names[@]}")
			;;
		3) put_random "pc1.$e" model 5 ;;
		esac
		mapfile -t names < <(printf '%s\n' "${names[@]}" |
			sed '/^$/d' | sort)
		shows "${names[@]}"
	done
}

test_random_walk() {
	local format

	choose_seed
	for format in vhd vhdx; do
		[ -n "${VHDFS_SAMPLE:-}" ] && [ $((VHDFS_SEED % 2)) = 1 ] ||
			walk $format
		[ -n "${VHDFS_SAMPLE:-}" ] && [ $((VHDFS_SEED % 2)) = 0 ] ||
			walk $format root
	done
}

test_child_in_a_directory_beside_that_of_the_image_keeps_the_snapshot() {
	mkdir -p "$scratch/store/masters" "$scratch/store/clients"
	vhdfs-img create --size 8M "$scratch/store/masters/lab.vhdx"
	vhdfs-img snapshot "$scratch/store/masters/lab.vhdx" gold
	vhdfs-img create --parent "$scratch/store/masters/lab@gold.vhdx" \
		"$scratch/store/clients/pc1.vhdx"
	expect_error 1 "is the parent of clients/pc1.vhdx" \
		vhdfs-img delete-snapshot "$scratch/store/masters/lab.vhdx" gold
	vhdfs-img check "$scratch/store/clients/pc1.vhdx"
}

# left_copy FROM TO: the copy of an image as a replacement that was killed leaves it.
left_copy() {
	cp "$1" "$2"
	setfattr -n user.vhdfs.new-leaf -v 1 "$2"
}

test_unfinished_replacement_of_a_snapshot_is_removed() {
	vhdfs-img create --size 8M "$scratch/p.vhdx"
	vhdfs-img snapshot "$scratch/p.vhdx" s1
	vhdfs-img snapshot "$scratch/p.vhdx" s2
	left_copy "$scratch/p@s2.vhdx" "$scratch/.p@s2.vhdx.leaf"
	vhdfs-img delete-snapshot "$scratch/p.vhdx" s2
	[ ! -e "$scratch/.p@s2.vhdx.leaf" ] || fail "expected no such file"
}

test_unfinished_replacement_is_no_child() {
	cd "$scratch" || exit
	vhdfs-img create --size 8M p.vhdx
	vhdfs-img snapshot p.vhdx s1
	vhdfs-img snapshot p.vhdx s2
	left_copy p@s2.vhdx .p@s2.vhdx.leaf
	expect 0 vhdfs-img delete-snapshot p.vhdx s1
	vhdfs-img check p.vhdx
}

test_image_with_the_name_of_an_unfinished_replacement_stays() {
	local kept

	cd "$scratch" || exit
	vhdfs-img create --size 8M p.vhdx
	vhdfs-img snapshot p.vhdx s1
	vhdfs-img snapshot p.vhdx s2
	vhdfs-img create --size 8M other.vhdx
	mv other.vhdx .other.leaf
	cp -a p@s2.vhdx .p@s2.vhdx.leaf
	cp -a p.vhdx .p.vhdx.leaf
	vhdfs-img create --parent p@s1.vhdx .kid.vhdx.leaf
	kept=$(sha256sum .other.leaf .p.vhdx.leaf)
	expect 0 vhdfs-img delete-snapshot --copy p.vhdx s1
	equal contents "$kept" "$(sha256sum .other.leaf .p.vhdx.leaf)"
	expect 0 vhdfs-img compare .p@s2.vhdx.leaf p@s2.vhdx
	expect 0 vhdfs-img compare .kid.vhdx.leaf p@s2.vhdx
}

test_name_of_a_new_leaf_that_is_taken_is_told() {
	cd "$scratch" || exit
	vhdfs-img create --size 8M p.vhdx
	echo mine >.p.vhdx.leaf
	expect_error 1 "/\\.p\\.vhdx\\.leaf: was not made by vhdfs" \
		vhdfs-img snapshot p.vhdx s1
	equal file mine "$(cat .p.vhdx.leaf)"
	: >.p.vhdx.leaf
	expect 0 vhdfs-img snapshot p.vhdx s1
	equal attributes "" "$(getfattr -m new-leaf p.vhdx)"
}

test_name_of_a_new_leaf_that_no_file_has_is_told() {
	local make

	cd "$scratch" || exit
	vhdfs-img create --size 8M p.vhdx
	for make in "ln -s p.vhdx" "ln -s nothing" mkdir mkfifo; do
		$make .p.vhdx.leaf
		expect_error 1 "/\\.p\\.vhdx\\.leaf: was not made by vhdfs" \
			vhdfs-img snapshot p.vhdx s1
		rm -d .p.vhdx.leaf
	done
	expect 0 vhdfs-img snapshot p.vhdx s1
}

run_tests
