#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Changes of the store by other programs: the mount shows them at once, without a
# remount.
. "${0%/*}/../lib.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/common.sh"

test_added_image_is_shown() {
	empty_store
	mount_store "$store" "$mnt"
	equal "names" "" "$(ls "$mnt")"
	make_disk "$store/a.vhdx"
	equal "names" "a.vhdx.raw" "$(ls "$mnt")"
	equal "size" 4194304 "$(size_of "$mnt/a.vhdx.raw")"
}

test_removed_image_is_not_shown() {
	empty_store
	make_disk "$store/a.vhdx"
	make_disk "$store/b.vhdx"
	mount_store "$store" "$mnt"
	stat "$mnt/a.vhdx.raw" >/dev/null
	rm "$store/a.vhdx"
	[ ! -e "$mnt/a.vhdx.raw" ] || fail "expected no a.vhdx.raw"
	equal "names" "b.vhdx.raw" "$(ls "$mnt")"
}

test_renamed_image_is_shown_by_its_new_name() {
	empty_store
	make_disk "$store/a.vhdx"
	disk-io "$store/a.vhdx" write 0 4096 7
	mount_store "$store" "$mnt"
	local hash
	hash=$(sha256_of "$mnt/a.vhdx.raw")
	mv "$store/a.vhdx" "$store/b.vhdx"
	[ ! -e "$mnt/a.vhdx.raw" ] || fail "expected no view by the old name"
	equal "hash" "$hash" "$(sha256_of "$mnt/b.vhdx.raw")"
}

test_image_replaced_by_rename_shows_the_new_disk() {
	empty_store
	make_disk "$store/a.vhdx"
	disk-io "$store/a.vhdx" write 0 4096 7
	mount_store "$store" "$mnt"
	sha256_of "$mnt/a.vhdx.raw" >/dev/null
	vhdfs-img create --size 8M "$scratch/new.vhdx"
	disk-io "$scratch/new.vhdx" write 0 4096 8
	mv "$scratch/new.vhdx" "$store/a.vhdx"
	equal "size" 8388608 "$(size_of "$mnt/a.vhdx.raw")"
	disk-io "$store/a.vhdx" read 0 - | cmp - "$mnt/a.vhdx.raw"
}

# A client that has the old image open keeps it; a later open gets the new one.
test_open_handle_keeps_the_image_that_was_replaced_by_rename() {
	empty_store
	make_disk "$store/a.vhdx"
	printf old | dd of="$scratch/old" status=none
	mount_store "$store" "$mnt"
	file-io "$mnt/a.vhdx.raw" rw write 0 old
	exec {fd}<"$mnt/a.vhdx.raw"
	make_disk "$scratch/new.vhdx"
	disk-io "$scratch/new.vhdx" load 0 <(printf new)
	mv "$scratch/new.vhdx" "$store/a.vhdx"
	equal "new" new "$(head -c 3 "$mnt/a.vhdx.raw")"
	equal "old" old "$(head -c 3 <&"$fd")"
	equal "new" new "$(file-io "$mnt/a.vhdx.raw" rw read 0 3)"
	exec {fd}<&-
}

test_write_by_another_program_is_shown() {
	empty_store
	make_disk "$store/a.vhdx"
	mount_store "$store" "$mnt"
	local before after
	before=$(attribute "$mnt/a.vhdx.raw" id)
	head -c 4096 "$mnt/a.vhdx.raw" >/dev/null
	disk-io "$store/a.vhdx" write 0 4096 3
	after=$(attribute "$mnt/a.vhdx.raw" id)
	[ "$before" != "$after" ] || fail "expected another id than $before"
	disk-io "$store/a.vhdx" read 0 - | cmp - "$mnt/a.vhdx.raw"
}

test_image_opens_when_its_copy_is_complete() {
	empty_store
	mount_store "$store" "$mnt"
	make_disk "$scratch/a.vhdx"
	head -c 100000 "$scratch/a.vhdx" >"$store/a.vhdx"
	equal "size of half an image" 0 "$(size_of "$mnt/a.vhdx.raw")"
	tail -c +100001 "$scratch/a.vhdx" >>"$store/a.vhdx"
	equal "size" 4194304 "$(size_of "$mnt/a.vhdx.raw")"
	expect 1 getfattr -n user.vhdfs.error "$mnt/a.vhdx.raw"
}

test_created_renamed_and_removed_directories_are_shown() {
	empty_store
	mount_store "$store" "$mnt"
	make_disk "$store/new/deep/a.vhdx"
	[ -f "$mnt/new/deep/a.vhdx.raw" ] || fail "expected new/deep/a.vhdx.raw"
	make_disk "$store/new/deep/b.vhdx"
	equal "names" "a.vhdx.raw b.vhdx.raw" \
		"$(ls "$mnt/new/deep" | paste -sd ' ')"
	mv "$store/new" "$store/other"
	[ ! -e "$mnt/new" ] || fail "expected no directory by the old name"
	make_disk "$store/other/deep/c.vhdx"
	equal "names" "a.vhdx.raw b.vhdx.raw c.vhdx.raw" \
		"$(ls "$mnt/other/deep" | paste -sd ' ')"
	rm -r "$store/other"
	equal "names" "" "$(ls "$mnt")"
	mkdir "$store/other"
	equal "names" other "$(ls "$mnt")"
	equal "names" "" "$(ls "$mnt/other")"
}

test_directory_moved_into_the_store_shows_its_images() {
	empty_store
	make_disk "$scratch/outside/deep/a.vhdx"
	mount_store "$store" "$mnt"
	mv "$scratch/outside" "$store/inside"
	[ -f "$mnt/inside/deep/a.vhdx.raw" ] ||
		fail "expected inside/deep/a.vhdx.raw"
	mv "$store/inside" "$scratch/outside"
	equal "names" "" "$(ls "$mnt")"
	make_disk "$scratch/outside/deep/b.vhdx"
	mv "$scratch/outside" "$store/inside"
	[ -f "$mnt/inside/deep/b.vhdx.raw" ] ||
		fail "expected inside/deep/b.vhdx.raw"
}

# names_are DIRECTORY NAME...: expects these names from ls, which is the only program
# that reads the mount.
names_are() {
	local dir=$1

	shift
	equal "names in $(basename "$dir")" "$*" "$(ls -U "$dir" | sort | paste -sd ' ')"
}

test_link_is_shown_while_its_target_exists() {
	empty_store
	mkdir "$store/e" "$store/t"
	mount_store "$store" "$mnt"
	ln -s ../t/a.vhdx "$store/e/a.vhdx"
	names_are "$mnt/e"
	make_disk "$store/t/a.vhdx"
	names_are "$mnt/e" a.vhdx.raw
	equal "size" 4194304 "$(size_of "$mnt/e/a.vhdx.raw")"
	mv "$store/t/a.vhdx" "$store/t/b.vhdx"
	names_are "$mnt/e"
	mv "$store/t/b.vhdx" "$store/t/a.vhdx"
	names_are "$mnt/e" a.vhdx.raw
	mv "$store/t" "$store/u"
	names_are "$mnt/e"
	mv "$store/u" "$store/t"
	names_are "$mnt/e" a.vhdx.raw
	rm "$store/e/a.vhdx"
	names_are "$mnt/e"
}

test_link_to_a_directory_is_shown_while_its_target_exists() {
	empty_store
	ln -s nod "$store/link"
	mount_store "$store" "$mnt"
	names_are "$mnt"
	mkdir "$store/nod"
	names_are "$mnt" link nod
	make_disk "$store/nod/a.vhdx"
	names_are "$mnt/link" a.vhdx.raw
	mv "$store/nod" "$store/other"
	names_are "$mnt" other
	[ ! -e "$mnt/link/a.vhdx.raw" ] || fail "expected no link/a.vhdx.raw"
	mkdir "$store/nod"
	make_disk "$store/nod/b.vhdx"
	names_are "$mnt/link" b.vhdx.raw
	rm -r "$store/nod"
	names_are "$mnt" other
}

# The link leads through a directory that the mount does not show.
test_link_into_a_hidden_directory_is_shown_while_its_target_exists() {
	empty_store
	mkdir "$store/.hidden"
	ln -s .hidden/a.vhdx "$store/a.vhdx"
	mount_store "$store" "$mnt"
	names_are "$mnt"
	make_disk "$store/.hidden/a.vhdx"
	names_are "$mnt" a.vhdx.raw
	rm "$store/.hidden/a.vhdx"
	names_are "$mnt"
}

# A link to a link to a directory that contains a link.
test_links_to_links_follow_each_change() {
	empty_store
	make_disk "$store/one/a.vhdx"
	make_disk "$store/two/b.vhdx"
	ln -s one "$store/current"
	ln -s current "$store/shown"
	ln -s ../current/a.vhdx "$store/two/x.vhdx"
	mount_store "$store" "$mnt"
	names_are "$mnt/shown" a.vhdx.raw
	names_are "$mnt/two" b.vhdx.raw x.vhdx.raw
	ln -s two "$scratch/new"
	mv -T "$scratch/new" "$store/current"
	names_are "$mnt/two" b.vhdx.raw
	names_are "$mnt/shown" b.vhdx.raw
	ln -sfn one "$store/current"
	names_are "$mnt/shown" a.vhdx.raw
	names_are "$mnt/two" b.vhdx.raw x.vhdx.raw
}

test_first_child_removes_the_write_bits_of_its_parent_at_once() {
	store_of_pair
	chmod 666 "$store/clients/pc.vhdx"
	mount_store "$store" "$mnt"
	equal "mode" 666 "$(stat -c %a "$child")"
	vhdfs-img create --parent "$store/clients/pc.vhdx" "$store/x.vhdx"
	chmod 666 "$store/clients/pc.vhdx"
	equal "mode with a child" 444 "$(stat -c %a "$child")"
	opens "$child" rw EACCES
	rm "$store/x.vhdx"
	equal "mode without" 666 "$(stat -c %a "$child")"
	opens "$child" rw ""
}

test_child_is_broken_while_its_parent_is_missing() {
	store_of_pair
	mount_store "$store" "$mnt"
	local hash
	hash=$(sha256_of "$child")
	mv "$store/master.vhdx" "$scratch/"
	equal "size" 0 "$(size_of "$child")"
	attribute "$child" error | grep -q 'parent' ||
		fail "expected an error about the parent, found:" \
			"$(attribute "$child" error)"
	opens "$child" ro EIO
	mv "$scratch/master.vhdx" "$store/"
	equal "hash" "$hash" "$(sha256_of "$child")"
}

# If no path of the locator exists, the parent is searched in the directory of the
# child.
test_parent_moved_to_the_directory_of_its_child_is_found() {
	store_of_pair
	mount_store "$store" "$mnt"
	equal "parent" master.vhdx "$(attribute "$child" parent)"
	mv "$store/master.vhdx" "$store/clients/"
	equal "parent" clients/master.vhdx "$(attribute "$child" parent)"
}

test_child_is_broken_when_another_image_replaces_its_parent() {
	store_of_pair
	mount_store "$store" "$mnt"
	vhdfs-img create --size 64M "$scratch/other.vhdx"
	mv "$scratch/other.vhdx" "$store/master.vhdx"
	equal "size" 0 "$(size_of "$child")"
	opens "$child" ro EIO
}

# The child names "maitre" with the accent in one code point.
test_parent_is_found_by_a_name_that_is_equal_in_ntfs() {
	local composed=$'Ma\xc3\xaetre.vhdx' decomposed=$'MAI\xcc\x82TRE.VHDX'

	empty_store
	make_disk "$store/$composed"
	vhdfs-img create --parent "$store/$composed" "$store/pc.vhdx"
	mount_store "$store" "$mnt"
	equal "parent" "$composed" "$(attribute "$mnt/pc.vhdx.raw" parent)"
	mv "$store/$composed" "$scratch/"
	equal "size without" 0 "$(size_of "$mnt/pc.vhdx.raw")"
	mv "$scratch/$composed" "$store/$decomposed"
	equal "size" 4194304 "$(size_of "$mnt/pc.vhdx.raw")"
	equal "parent" "$decomposed" "$(attribute "$mnt/pc.vhdx.raw" parent)"
}

test_child_opens_while_its_parent_is_in_a_parents_directory() {
	store_of_pair
	mkdir "$scratch/elsewhere"
	mv "$store/master.vhdx" "$scratch/elsewhere/"
	mount_store "$store" "$mnt" -o "parents=$scratch/elsewhere"
	equal "size" 67108864 "$(size_of "$child")"
	mv "$scratch/elsewhere/master.vhdx" "$scratch/"
	equal "size without" 0 "$(size_of "$child")"
	mv "$scratch/master.vhdx" "$scratch/elsewhere/"
	equal "size" 67108864 "$(size_of "$child")"
}

test_changed_mode_is_shown() {
	store_of_pair
	mount_store "$store" "$mnt"
	chmod 444 "$store/clients/pc.vhdx"
	equal "mode" 444 "$(stat -c %a "$child")"
	opens "$child" rw EACCES
	chmod 644 "$store/clients/pc.vhdx"
	opens "$child" rw ""
}

test_name_of_a_removed_open_image_is_free() {
	store_of_pair
	mount_store "$store" "$mnt"
	exec {fd}<>"$child"
	rm "$store/clients/pc.vhdx"
	[ ! -e "$child" ] || fail "expected no view of the removed image"
	printf hello | dd of=/dev/fd/"$fd" conv=notrunc status=none 2>/dev/null ||
		printf hello >&"$fd"
	exec {fd}>&-
	vhdfs-img create --parent "$store/master.vhdx" "$store/clients/pc.vhdx"
	cmp "$child" "$master"
}

# More changes between two requests than the kernel's event queue holds.
test_overflow_of_the_event_queue_loses_no_name() {
	empty_store
	mount_store "$store" "$mnt"
	local max i
	max=$(cat /proc/sys/fs/inotify/max_queued_events)
	[ "$max" -le 20000 ] || skip "a queue of $max events"
	make_disk "$store/a.vhdx"
	for ((i = 0; i < max / 2 + 10; i++)); do
		: >"$store/x$i"
	done
	make_disk "$store/b.vhdx"
	equal "names" "a.vhdx.raw b.vhdx.raw" "$(ls "$mnt" | paste -sd ' ')"
}

# mount_without_inotify STORE MOUNTPOINT: as where all instances are in use.
mount_without_inotify() {
	local real

	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	real=$(command -v vhdfs)
	mkdir "$scratch/bin"
	cat >"$scratch/bin/vhdfs" <<-END
		#!/bin/sh
		exec strace -f -qq -o /dev/null -e trace=inotify_init1 \
			-e inject=inotify_init1:error=EMFILE "$real" "\$@"
	END
	chmod +x "$scratch/bin/vhdfs"
	PATH=$scratch/bin:$PATH mount_store "$1" "$2"
	grep -q "inotify: Too many open files" "$2.log" ||
		fail "expected a mount without inotify"
}

# make_and_remove_kid PARENT: the mount has seen it, but not its end.
make_and_remove_kid() {
	vhdfs-img create --parent "$1" "$store/kid.vhdx"
	wait_until 5 test -e "$mnt/kid.vhdx.raw"
	head -c 1 "$mnt/kid.vhdx.raw" >"$scratch/byte"
	rm "$store/kid.vhdx"
}

# A look of the timer may be due just then, but not each time.
test_removed_child_prevents_no_open_where_inotify_is_missing() {
	local i

	empty_store
	make_disk "$store/m.vhdx"
	mount_without_inotify "$store" "$mnt"
	for i in 1 2 3 4; do
		make_and_remove_kid "$store/m.vhdx"
		chmod u+w "$store/m.vhdx"
		: <>"$mnt/m.vhdx.raw"
		wait_until 5 test ! -e "$mnt/kid.vhdx.raw"
	done
}

test_removed_child_keeps_no_snapshot_where_inotify_is_missing() {
	local i refused=

	empty_store
	make_disk "$store/m.vhdx"
	mount_without_inotify "$store" "$mnt"
	exec {fd}<>"$mnt/m.vhdx.raw"
	for i in 1 2 3 4; do
		vhdfs-img snapshot "$store/m.vhdx" s
		make_and_remove_kid "$store/m@s.vhdx"
		vhdfs-img delete-snapshot "$store/m.vhdx" s 2>"$scratch/why" ||
			refused=$i
		[ -z "$refused" ] || break
		wait_until 5 test ! -e "$mnt/kid.vhdx.raw"
	done
	# The mount ends only then.
	exec {fd}>&-
	[ -z "$refused" ] || fail "expected a removal, found: $(<"$scratch/why")"
}

run_tests
