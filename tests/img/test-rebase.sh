#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img rebase: a child shows what it showed, on another parent or without one.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq

# A master of 20 MiB with random contents in $scratch, and its child; the child's
# disk is in "model".  Sets $e, the ending of the names.
make_child() {
	e=$1
	cd "$scratch" || exit
	rm -f ./*
	make_model model 20M
	vhdfs-img create --size 20M "old.$e"
	put_random "old.$e" model 30
	cp model old.model
	vhdfs-img create --parent "old.$e" "child.$e"
	put_random "child.$e" model 10
}

parent_of() {
	key "$1" parent
}

# The child names the parent, is sound, and shows the model.
expect_child() {
	equal "parent" "$(realpath "$1")" "$(realpath "$(parent_of "child.$e")")"
	same_disk "child.$e" model
}

# copied PARENT [OPTION...]: rebases the child; prints the bytes copied.
copied() {
	vhdfs-img rebase --json --parent "$@" "child.$e" | jq .copied
}

test_child_shows_the_same_on_another_parent() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_child $format
		cp "old.$e" "new.$e"
		chmod u+w "new.$e"
		cp old.model new.model
		put_random "new.$e" new.model 20
		[ "$(copied "new.$e")" -gt 0 ] || fail "nothing was copied"
		expect_child "new.$e"
		[ ! -w "new.$e" ] || [ "$EUID" = 0 ] || fail "writable parent"
		equal "mode of the parent" 444 "$(stat -c %a "new.$e")"
		rm "old.$e"
		same_disk "child.$e" model
	done
}

test_equal_parent_copies_nothing() {
	local format

	for format in vhd vhdx; do
		make_child $format
		cp "old.$e" "new.$e"
		equal copied 0 "$(copied "new.$e")"
		expect_child "new.$e"
		# Another image with the same contents.
		vhdfs-img convert "old.$e" "other.$e"
		equal copied 0 "$(copied "other.$e")"
		expect_child "other.$e"
	done
}

test_child_shows_the_same_without_a_parent() {
	local format id

	choose_seed
	for format in vhd vhdx; do
		make_child $format
		id=$(key "child.$e" id)
		vhdfs-img create --parent "child.$e" "grandchild.$e"
		vhdfs-img rebase --json --no-parent "child.$e" >out
		equal parent null "$(jq .parent out)"
		[ "$(jq .copied out)" -gt 0 ] || fail "nothing was copied"
		equal type dynamic "$(key "child.$e" type)"
		equal id "$id" "$(key "child.$e" id)"
		rm "old.$e"
		same_disk "child.$e" model
		same_disk "grandchild.$e" model
		expect_error 1 'type: expected differencing, found dynamic' \
			vhdfs-img rebase --no-parent "child.$e"
	done
}

test_parents_parent_leaves_out_one_of_the_chain() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_child $format
		vhdfs-img create --parent "child.$e" "grandchild.$e"
		mv "child.$e" "middle.$e"
		mv "grandchild.$e" "child.$e"
		vhdfs-img rebase --unsafe --parent "middle.$e" "child.$e"
		put_random "child.$e" model 10
		copied "old.$e" >/dev/null
		rm "middle.$e"
		expect_child "old.$e"
		equal depth 1 "$(key "child.$e" depth)"
	done
}

test_identity_and_attributes_of_the_child_stay() {
	local format before

	for format in vhd vhdx; do
		make_child $format
		chmod 640 "child.$e"
		before=$(key "child.$e" id)
		cp "old.$e" "new.$e"
		copied "new.$e"
		equal id "$before" "$(key "child.$e" id)"
		equal mode 640 "$(stat -c %a "child.$e")"
	done
}

test_unsafe_follows_a_parent_that_was_renamed() {
	local format

	for format in vhd vhdx; do
		make_child $format
		mkdir -p sub
		mv "old.$e" "sub/renamed.$e"
		expect_error 1 'rebase --unsafe --search' vhdfs-img info "child.$e"
		expect 0 vhdfs-img rebase --unsafe --parent "sub/renamed.$e" \
			"child.$e"
		expect_child "sub/renamed.$e"
		rm -r sub
	done
}

test_search_finds_the_parent_by_its_identity() {
	local format

	for format in vhd vhdx; do
		make_child $format
		mkdir -p a/b
		vhdfs-img create --size 20M "a/other.$e"
		echo text >"a/text.$e"
		mv "old.$e" "a/b/renamed.$e"
		expect 0 vhdfs-img rebase --unsafe --search a "child.$e"
		expect_child "a/b/renamed.$e"
		rm "a/b/renamed.$e"
		expect_error 1 'no image in a has the identity' \
			vhdfs-img rebase --unsafe --search a "child.$e"
		rm -r a
	done
}

test_link_is_followed_and_stays() {
	make_child vhdx
	cp old.vhdx new.vhdx
	ln -s child.vhdx link.vhdx
	expect 0 vhdfs-img rebase --parent new.vhdx link.vhdx
	[ -L link.vhdx ] || fail "the link was replaced"
	expect_child new.vhdx
}

test_unsuitable_parents_are_refused() {
	make_child vhdx
	cp child.vhdx before
	vhdfs-img create --size 20M other.vhd
	vhdfs-img create --size 20M --sector-size 4096 other.vhdx
	vhdfs-img create --size 20M other2.vhdx
	vhdfs-img create --parent child.vhdx grandchild.vhdx
	expect_error 1 'format: expected vhdx' \
		vhdfs-img rebase --parent other.vhd child.vhdx
	expect_error 1 'sector size: expected 512' \
		vhdfs-img rebase --parent other.vhdx child.vhdx
	for option in "" --unsafe; do
		# shellcheck disable=SC2086
		expect_error 1 'is a child of child.vhdx' vhdfs-img rebase \
			$option --parent grandchild.vhdx child.vhdx
		# shellcheck disable=SC2086
		expect_error 1 'is a child of child.vhdx, or the same file' \
			vhdfs-img rebase $option --parent child.vhdx child.vhdx
	done
	expect_error 1 'no.vhdx: No such file' \
		vhdfs-img rebase --parent no.vhdx child.vhdx
	expect_error 1 'type: expected differencing' \
		vhdfs-img rebase --parent other2.vhdx old.vhdx
	cmp before child.vhdx
}

test_usage() {
	make_child vhdx
	expect_error 2 'one of --parent, --search and --no-parent' vhdfs-img rebase child.vhdx
	expect_error 2 'one of --parent, --search and --no-parent' vhdfs-img rebase \
		--parent old.vhdx --search . child.vhdx
	expect_error 2 'one of --parent, --search and --no-parent' \
		vhdfs-img rebase --parent old.vhdx --no-parent child.vhdx
	expect_error 2 '--unsafe needs --parent' \
		vhdfs-img rebase --no-parent --unsafe child.vhdx
	expect_error 2 'search needs --unsafe' \
		vhdfs-img rebase --search . child.vhdx
}

test_image_in_use_is_refused_and_its_holder_named() {
	make_child vhdx
	cp old.vhdx new.vhdx
	chmod u+w new.vhdx
	hold child.vhdx open
	expect_error 1 "in use by disk-io .process $hold_pid" \
		vhdfs-img rebase --parent new.vhdx child.vhdx
	expect_error 1 "in use by disk-io .process $hold_pid" \
		vhdfs-img rebase --unsafe --parent new.vhdx child.vhdx
	equal "mode of the parent" 644 "$(stat -c %a new.vhdx)"
	release
	hold new.vhdx open
	expect_error 1 "in use by disk-io .process $hold_pid" \
		vhdfs-img rebase --parent new.vhdx child.vhdx
	release
}

test_many_changes_of_the_parent_do_not_grow_the_file() {
	local format size

	for format in vhd vhdx; do
		make_child $format
		cp "old.$e" "new.$e"
		copied "new.$e"
		copied "old.$e"
		size=$(size_of "child.$e")
		for _ in 1 2 3 4 5 6 7 8; do
			copied "new.$e"
			copied "old.$e"
		done
		equal size "$size" "$(size_of "child.$e")"
		expect_child "old.$e"
	done
}

# A child VHD records the modification time of its parent's file: a rebase of the
# parent changes no child, neither one that was put aside.
test_rebase_of_a_parent_gives_its_children_no_warning() {
	local options image

	cd "$scratch" || exit
	for options in --no-parent "--parent equal.vhd" \
		"--unsafe --parent equal.vhd"; do
		rm -f ./*.vhd ./.*.vhd
		vhdfs-img create --size 8M old.vhd
		cp old.vhd equal.vhd
		vhdfs-img create --parent old.vhd image.vhd
		touch -d 2026-01-02T03:04:05Z image.vhd
		vhdfs-img create --parent image.vhd child.vhd
		vhdfs-img create --parent child.vhd grandchild.vhd
		cp child.vhd .child.vhd.20260102T030405Z.vhd
		# shellcheck disable=SC2086 # two options
		expect 0 vhdfs-img rebase $options image.vhd
		equal "parent" "${options##* }" \
			"$(key image.vhd parent | sed 's|.*/||; s/^null$/--no-parent/')"
		for image in child.vhd grandchild.vhd .child.vhd.*; do
			expect 0 vhdfs-img check "$image"
			equal "$options" "$image: sound" "$(<"$scratch/stdout")"
		done
	done
}

# An image with write bits is no parent: programs that copy what is new see its
# change.
test_rebase_of_an_image_with_write_bits_sets_its_time() {
	cd "$scratch" || exit
	vhdfs-img create --size 8M old.vhd
	vhdfs-img create --parent old.vhd image.vhd
	touch -d 2026-01-02T03:04:05Z image.vhd
	expect 0 vhdfs-img rebase --no-parent image.vhd
	[ image.vhd -nt old.vhd ] || fail "the time is the one before"
}

# killed_at_write N COMMAND...: the command is killed at its N-th write to a file.
killed_at_write() {
	local status=0

	strace -f -qq -o "$scratch/trace" -e trace=pwrite64 \
		-e inject=pwrite64:signal=KILL:when="$1" "${@:2}" || status=$?
	equal "status of the killed command" 137 "$status"
}

test_time_of_a_parent_is_kept_by_the_rebase_after_a_killed_one() {
	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	make_child vhd
	touch -d 2026-01-02T03:04:05Z child.vhd
	vhdfs-img create --parent child.vhd kid.vhd
	killed_at_write 4 vhdfs-img rebase --no-parent child.vhd
	killed_at_write 4 vhdfs-img rebase --no-parent child.vhd
	[ "$(date -ur child.vhd +%F)" != 2026-01-02 ] ||
		fail "expected another time after the killed rebase"
	expect 0 vhdfs-img rebase --no-parent child.vhd
	equal "time" 2026-01-02T03:04:05 "$(date -ur child.vhd +%FT%T)"
	expect 0 vhdfs-img check kid.vhd
	equal "kid" "kid.vhd: sound" "$(<"$scratch/stdout")"
	equal "attributes" "" "$(getfattr -m kept-time child.vhd)"
}

# The time of a killed rebase is that of an image that has not been written since.
test_time_that_a_killed_rebase_kept_ends_with_a_write() {
	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	make_child vhd
	touch -d 2026-01-02T03:04:05Z child.vhd
	chmod a-w child.vhd
	killed_at_write 4 vhdfs-img rebase --no-parent child.vhd
	chmod u+w child.vhd
	disk-io child.vhd write 0 512 1
	chmod a-w child.vhd
	expect 0 vhdfs-img rebase --no-parent child.vhd
	[ "$(date -ur child.vhd +%F)" != 2026-01-02 ] ||
		fail "expected the time of the write"
}

run_tests
