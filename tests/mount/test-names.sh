#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The names of a mount: shown and hidden names, directories, symbolic and hard links.
. "${0%/*}/../lib.sh"
. "${0%/*}/common.sh"

# Prints all names below the mountpoint, sorted, in one line.
shown() {
	(cd "$mnt" && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort |
		paste -sd ' ')
}

test_image_endings_are_recognized_in_any_case() {
	empty_store
	for name in a.vhd b.VHDX c.avhd d.AvHdX e.Vhd; do
		make_disk "$scratch/x.vhdx"
		mv "$scratch/x.vhdx" "$store/$name"
	done
	mount_store "$store" "$mnt"
	equal "names" "a.vhd.raw b.VHDX.raw c.avhd.raw d.AvHdX.raw e.Vhd.raw" \
		"$(shown)"
	# The format is read from the file's contents.
	equal "format of a.vhd" vhdx \
		"$(getfattr --only-values -n user.vhdfs.format "$mnt/a.vhd.raw")"
}

test_directories_are_mirrored() {
	empty_store
	make_disk "$store/clients/lab 1/pc.vhdx"
	mkdir "$store/empty"
	mount_store "$store" "$mnt"
	equal "names" "clients clients/lab 1 clients/lab 1/pc.vhdx.raw empty" \
		"$(shown)"
}

test_other_names_are_not_shown() {
	empty_store
	make_disk "$store/a.vhdx"
	echo hello >"$store/readme.txt"
	echo hello >"$store/b.raw"
	echo hello >"$store/vhdx"
	cp "$store/a.vhdx" "$store/.vhdx"
	cp "$store/a.vhdx" "$store/.hidden.vhdx"
	cp "$store/a.vhdx" "$store/c.vhdx.20240101"
	mkdir "$store/.git"
	cp "$store/a.vhdx" "$store/.git/d.vhdx"
	mkfifo "$store/e.vhd"
	mount_store "$store" "$mnt"
	equal "names" "a.vhdx.raw" "$(shown)"
	local name
	for name in readme.txt b.raw a.vhdx .vhdx.raw .hidden.vhdx.raw .git \
		e.vhd.raw A.vhdx.raw a.vhdx.RAW nothing.vhdx.raw; do
		[ ! -e "$mnt/$name" ] || fail "expected no $name"
	done
}

test_directory_that_would_hide_a_view_is_not_shown() {
	empty_store
	make_disk "$store/a.vhdx"
	make_disk "$store/a.vhdx.raw/b.vhdx"
	make_disk "$store/c.vhdx.raw/d.vhdx"
	mount_store "$store" "$mnt"
	equal "names" "a.vhdx.raw c.vhdx.raw c.vhdx.raw/d.vhdx.raw" "$(shown)"
	[ -f "$mnt/a.vhdx.raw" ] || fail "expected a.vhdx.raw to be the view"
	grep -q '^vhdfs: a.vhdx.raw: directory not shown' "$mnt.log" ||
		fail "expected a line about a.vhdx.raw, found: $(cat "$mnt.log")"
	# Without the image no view has the name of the directory.
	rm "$store/a.vhdx"
	[ -f "$mnt/a.vhdx.raw/b.vhdx.raw" ] ||
		fail "expected the directory a.vhdx.raw without the image"
}

test_link_inside_the_store_is_followed() {
	empty_store
	make_disk "$store/masters/a.vhdx"
	ln -s masters/a.vhdx "$store/relative.vhdx"
	ln -s "$store/masters/a.vhdx" "$store/absolute.vhdx"
	ln -s masters "$store/linked"
	mount_store "$store" "$mnt"
	equal "names" "absolute.vhdx.raw linked linked/a.vhdx.raw masters \
masters/a.vhdx.raw relative.vhdx.raw" "$(shown)"
	local name
	for name in relative.vhdx.raw absolute.vhdx.raw linked/a.vhdx.raw; do
		[ -f "$mnt/$name" ] || fail "expected a file $name"
		equal "size of $name" 4194304 "$(size_of "$mnt/$name")"
	done
}

test_link_out_of_the_store_is_not_followed() {
	empty_store
	make_disk "$scratch/outside/a.vhdx"
	ln -s ../outside/a.vhdx "$store/relative.vhdx"
	ln -s "$scratch/outside/a.vhdx" "$store/absolute.vhdx"
	ln -s ../outside "$store/directory"
	ln -s nowhere.vhdx "$store/dangling.vhdx"
	ln -s loop.vhdx "$store/loop.vhdx"
	mount_store "$store" "$mnt"
	equal "names" "" "$(shown)"
	[ ! -e "$mnt/relative.vhdx.raw" ] || fail "expected no relative.vhdx.raw"
	[ ! -e "$mnt/directory" ] || fail "expected no directory"
	equal "lines of log" 2 "$(grep -c 'leads out of the store' "$mnt.log")"
}

test_links_between_directories_make_no_endless_tree() {
	empty_store
	make_disk "$store/a/x.vhdx"
	mkdir "$store/b"
	ln -s ../b "$store/a/to-b"
	ln -s ../a "$store/b/to-a"
	ln -s .. "$store/a/up"
	ln -s . "$store/self"
	mount_store "$store" "$mnt"
	[ -f "$mnt/b/to-a/x.vhdx.raw" ] || fail "expected b/to-a/x.vhdx.raw"
	[ ! -e "$mnt/self" ] || fail "expected no self"
	[ ! -e "$mnt/a/up" ] || fail "expected no a/up"
	timeout "$hang_seconds" find "$mnt" -type f >"$scratch/found" ||
		fail "expected find to end"
	equal "names of the image" 2 "$(wc -l <"$scratch/found")"
}

# The child names its parent from one of its directories.
test_image_with_hard_links_at_different_depths_finds_its_parent() {
	local name names="p.vhdx a/b/p.vhdx c/p.vhdx d/e/f/p.vhdx"

	empty_store
	make_disk "$store/m/base.vhdx"
	mkdir -p "$store/a/b" "$store/c" "$store/d/e/f"
	vhdfs-img create --parent "$store/m/base.vhdx" "$store/c/p.vhdx"
	for name in $names; do
		[ -e "$store/$name" ] || ln "$store/c/p.vhdx" "$store/$name"
	done
	mount_store "$store" "$mnt"
	for name in $names; do
		cmp "$mnt/m/base.vhdx.raw" "$mnt/$name.raw" ||
			fail "$name: expected the disk of the parent"
		file-io "$mnt/$name.raw" rw write 0 "$(head -c 5 \
			"$mnt/m/base.vhdx.raw" | tr -dc a-z)" fsync ||
			fail "$name: expected an open for writing"
	done
	# Each name but that one may go.
	for name in $names; do
		[ "$name" = c/p.vhdx ] || rm "$store/$name"
		file-io "$mnt/c/p.vhdx.raw" rw write 0 "" ||
			fail "expected an open without $name"
	done
}

# Two names of one file are one image: one inode number, contents and lock.
test_two_names_are_one_image() {
	empty_store
	make_disk "$store/a.vhdx"
	mkdir "$store/sub"
	ln "$store/a.vhdx" "$store/sub/b.vhdx"
	ln -s a.vhdx "$store/c.vhdx"
	mount_store "$store" "$mnt"
	equal "inode numbers" 1 "$(stat -c %i "$mnt/a.vhdx.raw" \
		"$mnt/sub/b.vhdx.raw" "$mnt/c.vhdx.raw" | sort -u | wc -l)"
	hold_view "$mnt/a.vhdx.raw" rw write 5000 hello
	file-io "$mnt/sub/b.vhdx.raw" rw write 5005 ' again'
	equal "contents" "hello again" \
		"$(file-io "$mnt/c.vhdx.raw" ro read 5000 11)"
}

test_name_too_long_for_a_view_is_not_shown() {
	empty_store
	local name
	name=$(printf 'n%.0s' $(seq 250)).vhdx
	make_disk "$store/a.vhdx"
	mv "$store/a.vhdx" "$store/$name"
	mount_store "$store" "$mnt"
	equal "names" "" "$(shown)"
	grep -q 'not shown' "$mnt.log" ||
		fail "expected 'not shown' in the log: $(cat "$mnt.log")"
}

# The name of a view does not depend on other files.
test_two_formats_of_one_stem_have_two_views() {
	empty_store
	make_disk "$store/a.vhdx"
	make_disk "$store/a.vhd" vhd
	mount_store "$store" "$mnt"
	equal "names" "a.vhd.raw a.vhdx.raw" "$(shown)"
}

run_tests
