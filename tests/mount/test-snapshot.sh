#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Snapshots of images in a mounted store: what the mount shows of them, and what it
# does about a snapshot that was interrupted.
. "${0%/*}/../lib.sh"
. "${0%/*}/common.sh"
. "$top_srcdir/tests/contents.sh"

requires jq

# make_store ENDING: a store with a master and its child pc1, whose disk is in
# $scratch/model; mounted.
make_store() {
	e=$1
	rm -rf "$scratch/store"
	empty_store
	make_model "$scratch/model" 20M
	vhdfs-img create --size 20M "$store/m.$e"
	vhdfs-img create --parent "$store/m.$e" "$store/pc1.$e"
	put_random "$store/pc1.$e" "$scratch/model" 10
}

test_snapshot_is_shown_read_only_beside_the_image() {
	local format

	choose_seed
	for format in vhd vhdx; do
		rm -f "$scratch/model"
		make_store $format
		mount_store "$store" "$mnt"
		vhdfs-img snapshot "$store/pc1.$e" before
		wait_until 10 [ -e "$mnt/pc1@before.$e.raw" ]
		equal mode 444 "$(stat -c %a "$mnt/pc1@before.$e.raw")"
		cp "$scratch/model" "$scratch/before"
		put "$mnt/pc1.$e.raw" "$scratch/model" write 4096 65536 7
		cmp "$mnt/pc1.$e.raw" "$scratch/model"
		cmp "$mnt/pc1@before.$e.raw" "$scratch/before"
		! dd if=/dev/zero of="$mnt/pc1@before.$e.raw" bs=512 count=1 \
			conv=notrunc 2>/dev/null || fail "a snapshot was written"
		equal parent "pc1@before.$e" \
			"$(attribute "$mnt/pc1.$e.raw" parent)"
		unmount "$mnt"
	done
}

test_snapshot_of_an_open_image_keeps_its_handle_inode_and_size() {
	local format inode

	choose_seed
	for format in vhd vhdx; do
		rm -f "$scratch/model"
		make_store $format
		mount_store "$store" "$mnt"
		exec 9<>"$mnt/pc1.$e.raw"
		inode=$(stat -L -c '%i %s' /dev/fd/9)
		vhdfs-img snapshot --note "with a client" "$store/pc1.$e" one
		equal "inode and size of the handle" "$inode" \
			"$(stat -L -c '%i %s' /dev/fd/9)"
		equal "inode and size of the view" "$inode" \
			"$(stat -c '%i %s' "$mnt/pc1.$e.raw")"
		[ "$(stat -c %i "$mnt/pc1@one.$e.raw")" != "${inode% *}" ] ||
			fail "expected another inode for the snapshot"
		cp "$scratch/model" "$scratch/before"
		put "$mnt/pc1.$e.raw" "$scratch/model" write 4096 65536 7
		cmp "$scratch/model" <&9
		cmp "$mnt/pc1@one.$e.raw" "$scratch/before"
		equal note "with a client" "$(vhdfs-img snapshots --json \
			"$store/pc1.$e" | jq -r '.[0].note')"
		exec 9>&-
		unmount "$mnt"
		same_disk "$store/pc1.$e" "$scratch/model"
	done
}

test_revert_of_an_open_image_gives_its_handles_the_earlier_disk() {
	local format inode

	choose_seed
	for format in vhd vhdx; do
		rm -f "$scratch/model"
		make_store $format
		mount_store "$store" "$mnt"
		vhdfs-img snapshot "$store/pc1.$e" one
		cp "$scratch/model" "$scratch/before"
		exec 8<"$mnt/pc1.$e.raw" 9<>"$mnt/pc1.$e.raw"
		inode=$(stat -L -c %i /dev/fd/9)
		put "$mnt/pc1.$e.raw" "$scratch/model" write 0 65536 7
		expect_error 1 "add --in-use" \
			vhdfs-img revert "$store/pc1.$e" one
		cmp "$mnt/pc1.$e.raw" "$scratch/model"
		# The reader's pages are in the kernel's cache.
		cmp "$scratch/model" <&8
		vhdfs-img revert --in-use "$store/pc1.$e" one >"$scratch/out"
		equal inode "$inode" "$(stat -L -c %i /dev/fd/9)"
		exec 7<"$mnt/pc1.$e.raw"
		cmp "$scratch/before" <&7
		cmp "$mnt/pc1.$e.raw" "$scratch/before"
		cp "$scratch/before" "$scratch/now"
		put "$mnt/pc1.$e.raw" "$scratch/now" write 4096 512 8
		exec 7<&- 8<&- 9>&-
		unmount "$mnt"
		same_disk "$store/pc1.$e" "$scratch/now"
		same_disk "$store/$(sed 's/.* is in //' "$scratch/out")" \
			"$scratch/model"
	done
}

test_disk_that_was_moved_survives_a_reload_and_a_restart_of_the_worker() {
	make_store vhdx
	mount_store "$store" "$mnt"
	coproc CLIENT {
		exec file-io "$mnt/pc1.vhdx.raw" rw serve "$scratch/model"
	}
	read -r reply <&"${CLIENT[0]}"
	vhdfs-img snapshot "$store/pc1.vhdx" one
	client write 0 8192 1
	kill -HUP "${mount_pid[$mnt]}"
	wait_until 30 grep -q upgraded "$mnt.log"
	client compare
	vhdfs-img snapshot "$store/pc1.vhdx" two
	client write 4096 8192 2
	kill -KILL "$(pgrep -P "${mount_pid[$mnt]}")"
	client compare
	client write 12288 8192 3
	client fsync
	client compare
	eval "exec ${CLIENT[1]}>&-"
	wait "$CLIENT_PID"
	unmount "$mnt"
	same_disk "$store/pc1.vhdx" "$scratch/model"
}

# client COMMAND...: a command of the client through its open descriptor.
client() {
	local reply

	echo "$*" >&"${CLIENT[1]}"
	read -r reply <&"${CLIENT[0]}"
	equal "answer to $1" ok "$reply"
}

test_handle_for_reading_may_not_ask_for_a_snapshot() {
	make_store vhdx
	chmod a-w "$store/pc1.vhdx"
	mount_store "$store" "$mnt"
	expect_error 1 "write permission" \
		vhdfs-img snapshot "$store/pc1.vhdx" s
}

test_image_that_another_program_has_locked_is_refused_and_its_holder_named() {
	make_store vhdx
	mount_store "$store" "$mnt"
	hold "$store/pc1.vhdx" open
	expect_error 1 "in use by" vhdfs-img snapshot "$store/pc1.vhdx" s
	release
	vhdfs-img snapshot "$store/pc1.vhdx" s
}

test_snapshot_through_a_symbolic_link_keeps_the_link() {
	make_store vhdx
	mkdir "$scratch/elsewhere"
	ln -s "$store/pc1.vhdx" "$scratch/elsewhere/link.vhdx"
	mount_store "$store" "$mnt"
	exec 9<>"$mnt/pc1.vhdx.raw"
	vhdfs-img snapshot "$scratch/elsewhere/link.vhdx" s
	exec 9>&-
	[ -L "$scratch/elsewhere/link.vhdx" ] || fail "expected the link"
	[ -e "$store/pc1@s.vhdx" ] || fail "expected the snapshot in the store"
}

# begin_rebase RATE: pc1, which a client has open, is being rebased to n; $pid does that.
begin_rebase() {
	make_store vhdx
	vhdfs-img create --size 20M "$store/n.vhdx"
	disk-io "$store/n.vhdx" write 4194304 16000000 5
	mount_store "$store" "$mnt"
	exec 9<>"$mnt/pc1.vhdx.raw"
	vhdfs-img rebase --rate "$1" --parent "$store/n.vhdx" \
		"$store/pc1.vhdx" &
	pid=$!
	wait_until 20 is_locked "$store/n.vhdx"
}

# is_locked IMAGE: does the mount have it open?
is_locked() {
	[ "$(vhdfs-img info --json "$1" | jq '.["in-use"]')" = true ]
}

test_new_parent_is_locked_against_writers_during_a_rebase() {
	begin_rebase 3M
	# Afterwards it is locked as any parent is.
	kill -0 "$pid" || fail "expected the lock while the rebase runs"
	! printf x | dd of="$mnt/n.vhdx.raw" conv=notrunc status=none ||
		fail "expected an error of a write to the new parent"
	wait "$pid"
	cmp "$mnt/pc1.vhdx.raw" "$scratch/model"
	exec 9>&-
}

test_blocks_trimmed_during_a_rebase_stay_zero() {
	local pid

	empty_store
	vhdfs-img create --size 16M --block-size 1M "$store/a.vhdx"
	cp "$store/a.vhdx" "$store/b.vhdx"
	disk-io "$store/b.vhdx" write 0 12582912 3
	vhdfs-img create --parent "$store/a.vhdx" --block-size 1M \
		"$store/kid.vhdx"
	disk-io "$store/kid.vhdx" write 8388608 4194304 4
	mount_store "$store" "$mnt"
	exec 9<>"$mnt/kid.vhdx.raw"
	# The mount has copied when vhdfs-img still waits, for the rate.
	vhdfs-img rebase --rate 3M --parent "$store/b.vhdx" \
		"$store/kid.vhdx" &
	pid=$!
	wait_until 20 is_locked "$store/b.vhdx"
	disk-io "$mnt/kid.vhdx.raw" punch 8388608 4194304
	kill -0 "$pid" || fail "expected a rebase that runs"
	wait "$pid"
	cmp "$mnt/kid.vhdx.raw" <(head -c 16777216 /dev/zero)
	exec 9>&-
}

test_rebase_that_was_interrupted_lets_the_parent_go() {
	begin_rebase 100K
	kill "$pid"
	wait "$pid" || true
	wait_until 20 eval '! is_locked "$store/n.vhdx"'
	printf x | dd of="$mnt/n.vhdx.raw" conv=notrunc status=none
	exec 9>&-
}

test_user_of_a_view_may_not_give_it_any_parent() {
	[ "$(id -u)" = 0 ] || skip "needs another user"
	make_store vhdx
	vhdfs-img create --size 20M "$store/n.vhdx"
	chmod 755 "$lib_dir" "$scratch" "$store"
	chmod 666 "$store/pc1.vhdx"
	chmod 644 "$store/n.vhdx"
	mount_store "$store" "$mnt" -o allow_other
	expect_error 1 "expected root, the owner of the mount, or a parent" \
		as_user vhdfs-img rebase --parent "$store/n.vhdx" \
		"$store/pc1.vhdx"
	equal mode 644 "$(stat -c %a "$store/n.vhdx")"
	# What the view's permissions allow: its own snapshots.
	as_user vhdfs-img snapshot "$store/pc1.vhdx" mine
	as_user vhdfs-img delete-snapshot "$store/pc1.vhdx" mine
	setfattr -n user.vhdfs.quota -v 10M "$mnt/pc1.vhdx.raw"
	expect_error 1 "has a quota" \
		as_user vhdfs-img snapshot "$store/pc1.vhdx" more
}

# killed_snapshot N [COMMAND]: a snapshot, run by the command, that is killed before its
# N-th call on a file; false: it has fewer.
killed_snapshot() {
	local control=$scratch/control status=0

	printf '%-127s\n%-127s\n' "1 kill once $1 -" "" >"$control"
	chmod 666 "$control"
	"${@:2}" env FAULTS="$control" \
		LD_PRELOAD="$top_builddir/tests/tools/faults.so" \
		vhdfs-img snapshot "$store/pc1.$e" s 2>/dev/null || status=$?
	[ $status != 0 ]
}

test_opening_an_image_finishes_or_undoes_an_interrupted_snapshot() {
	local format n

	[ -f "$top_builddir/tests/tools/faults.so" ] || fail "no faults.so"
	choose_seed
	for format in vhd vhdx; do
		n=1
		rm -f "$scratch/model"
		make_store $format
		while killed_snapshot $n; do
			mount_store "$store" "$mnt"
			# The reader's lock is the mount's own.
			exec 8<"$mnt/pc1.$e.raw"
			put "$mnt/pc1.$e.raw" "$scratch/model" \
				write $((n * 4096)) 512 $n
			cmp "$mnt/pc1.$e.raw" "$scratch/model"
			equal "hidden files after $n" "" \
				"$(find "$store" -name '.pc1*')"
			n=$((n + 3))
			exec 8<&-
			unmount "$mnt"
			[ ! -e "$store/pc1@s.$e" ] || break
		done
		[ $n -gt 20 ] || fail "expected more than 20 calls, found $n"
	done
}

# The kernel compares the view's mode with the user, before the mount recovers.
test_user_of_an_image_opens_it_after_an_interrupted_snapshot() {
	local n=1

	[ "$(id -u)" = 0 ] || skip "needs another user"
	[ -f "$top_builddir/tests/tools/faults.so" ] || fail "no faults.so"
	requires setpriv
	make_store vhdx
	chmod 755 "$lib_dir" "$scratch" "$store"
	chown 65534 "$store/pc1.vhdx"
	while killed_snapshot $n; do
		mount_store "$store" "$mnt" -o allow_other
		equal "mode after $n" 644 "$(stat -c %a "$mnt/pc1.vhdx.raw")"
		as_user bash -c ': <>"$1"' - "$mnt/pc1.vhdx.raw" ||
			fail "no open after $n"
		equal "mode of the file after $n" 644 \
			"$(stat -c %a "$store/pc1.vhdx")"
		unmount "$mnt"
		[ ! -e "$store/pc1@s.vhdx" ] || break
		n=$((n + 1))
	done
	[ $n -gt 20 ] || fail "expected more than 20 calls, found $n"
}

# make_store_of_user: a store of a user other than root, whose mounts mount_store makes.
make_store_of_user() {
	[ "$(id -u)" = 0 ] || skip "needs another user"
	make_store vhdx
	make_user_directory "$mnt"
	chown -R 65534:65534 "$store"
	as_user test -w /dev/fuse || skip "/dev/fuse is root's alone"
	mkdir "$scratch/bin"
	printf '#!/bin/sh\nexec setpriv %s %s "$@"\n' \
		"--reuid=65534 --regid=65534 --clear-groups" \
		"$(command -v vhdfs)" >"$scratch/bin/vhdfs"
	chmod 755 "$scratch/bin" "$scratch/bin/vhdfs"
	PATH=$scratch/bin:$PATH
}

test_mount_of_the_owner_deletes_a_snapshot_in_use() {
	make_store_of_user
	mount_store "$store" "$mnt"
	as_user bash -c 'exec 9<>"$1"
		vhdfs-img snapshot "$2" one
		vhdfs-img snapshot "$2" two
		vhdfs-img delete-snapshot "$2" one
		vhdfs-img snapshot "$2" three
		vhdfs-img delete-snapshot "$2" three' - \
		"$mnt/pc1.vhdx.raw" "$store/pc1.vhdx"
	equal files "pc1.vhdx pc1@two.vhdx" "$(cd "$store" && echo pc1*)"
	equal "mode of the snapshot" 444 "$(stat -c %a "$store/pc1@two.vhdx")"
	unmount "$mnt"
	same_disk "$store/pc1.vhdx" "$scratch/model"
	same_disk "$store/pc1@two.vhdx" "$scratch/model"
}

test_mount_of_the_owner_recovers_an_interrupted_snapshot() {
	local n=1

	[ -f "$top_builddir/tests/tools/faults.so" ] || fail "no faults.so"
	make_store_of_user
	while killed_snapshot $n as_user; do
		mount_store "$store" "$mnt"
		as_user bash -c ': <>"$1"' - "$mnt/pc1.vhdx.raw" ||
			fail "no open after $n"
		equal "mode of the file after $n" 644 \
			"$(stat -c %a "$store/pc1.vhdx")"
		unmount "$mnt"
		[ ! -e "$store/pc1@s.vhdx" ] || break
		n=$((n + 1))
	done
	[ $n -gt 20 ] || fail "expected more than 20 calls, found $n"
	equal "mode of the snapshot" 444 "$(stat -c %a "$store/pc1@s.vhdx")"
}

# Of another program that has the image locked, or of one whose rename was
# interrupted.
test_snapshot_that_cannot_be_undone_lets_no_user_write() {
	make_store vhdx
	ln "$store/pc1.vhdx" "$store/pc1@s.vhdx"
	chmod 444 "$store/pc1.vhdx"
	printf 'vhdfs leaf replacement 1\nmode 644\nkeep pc1@s.vhdx\n' \
		>"$store/.pc1.vhdx.intent"
	mount_store "$store" "$mnt"
	hold "$store/pc1.vhdx" "verify 0 0 0"
	opens "$mnt/pc1.vhdx.raw" rw EBUSY
	equal "mode of the file" 444 "$(stat -c %a "$store/pc1.vhdx")"
	release
	: >"$store/.pc1.vhdx.rename"
	opens "$mnt/pc1.vhdx.raw" rw EBUSY
	equal "mode of the file" 444 "$(stat -c %a "$store/pc1.vhdx")"
	rm "$store/.pc1.vhdx.rename"
	opens "$mnt/pc1.vhdx.raw" rw ""
	equal "mode of the file" 644 "$(stat -c %a "$store/pc1.vhdx")"
	equal "hidden files" "" "$(find "$store" -name '.pc1*')"
}

# The image is given by a path that is not in the store of the mount.
test_message_says_that_no_mount_was_found_that_has_the_image_in_use() {
	local command other=$scratch/other

	[ "$(id -u)" = 0 ] || skip "needs root"
	make_store vhdx
	vhdfs-img snapshot "$store/pc1.vhdx" s
	mkdir "$other"
	mount --bind "$store" "$other"
	at_exit "umount -l $other"
	mount_store "$store" "$mnt"
	exec 9<>"$mnt/pc1.vhdx.raw"
	for command in "snapshot $other/pc1.vhdx t" \
		"revert --in-use --discard $other/pc1.vhdx s" \
		"rebase --no-parent $other/pc1.vhdx" \
		"delete-snapshot $other/pc1.vhdx s"; do
		# shellcheck disable=SC2086 # words
		expect_error 1 "in use by vhdfs .*; no mount that this user can ask" \
			vhdfs-img $command
	done
	exec 9>&-
}

test_opening_an_image_removes_an_unfinished_intent() {
	make_store vhdx
	: >"$store/.pc1.vhdx.intent.new"
	mount_store "$store" "$mnt"
	exec 9<>"$mnt/pc1.vhdx.raw"
	exec 9>&-
	equal "hidden files" "" "$(find "$store" -name '.pc1*')"
}

# The mount opens an image by the first of its names.
test_image_with_a_hard_link_elsewhere_is_snapshotted() {
	local format

	choose_seed
	for format in vhd vhdx; do
		rm -rf "$scratch/store" "$scratch/model"
		make_store $format
		mkdir "$store/m" "$store/a" "$store/c"
		vhdfs-img create --size 20M "$store/m/base.$e"
		vhdfs-img create --parent "$store/m/base.$e" "$store/c/p.$e"
		rm -f "$scratch/p.model"
		make_model "$scratch/p.model" 20M
		put_random "$store/c/p.$e" "$scratch/p.model" 5
		cp "$scratch/p.model" "$scratch/before"
		ln "$store/c/p.$e" "$store/a/p.$e"
		mount_store "$store" "$mnt"
		exec 9<>"$mnt/c/p.$e.raw"
		expect 0 vhdfs-img snapshot "$store/c/p.$e" one
		put "$mnt/c/p.$e.raw" "$scratch/p.model" write 4096 65536 7
		cmp "$mnt/c/p.$e.raw" "$scratch/p.model"
		cmp "$mnt/a/p.$e.raw" "$scratch/before"
		exec 9>&-
		unmount "$mnt"
		same_disk "$store/c/p.$e" "$scratch/p.model"
		same_disk "$store/c/p@one.$e" "$scratch/before"
	done
}

# The names of the request are those of another directory than the one by which the
# mount opened the image.
test_snapshot_of_an_image_with_hard_links_elsewhere_is_deleted_in_use() {
	make_store vhdx
	mkdir -p "$store/m" "$store/a/b" "$store/c" "$store/z"
	vhdfs-img create --size 20M "$store/m/base.vhdx"
	vhdfs-img create --parent "$store/m/base.vhdx" "$store/c/p.vhdx"
	vhdfs-img snapshot "$store/c/p.vhdx" one
	for name in a/b/q.vhdx z/p.vhdx p.vhdx; do
		ln "$store/c/p.vhdx" "$store/$name"
	done
	choose_seed
	rm -f "$scratch/p.model"
	make_model "$scratch/p.model" 20M
	mount_store "$store" "$mnt"
	exec 9<>"$mnt/c/p.vhdx.raw"
	put "$mnt/c/p.vhdx.raw" "$scratch/p.model" write 4096 65536 7
	expect_error 1 "no snapshot" \
		vhdfs-img delete-snapshot "$store/a/b/q.vhdx" one
	expect 0 vhdfs-img delete-snapshot "$store/c/p.vhdx" one
	[ ! -e "$store/c/p@one.vhdx" ] || fail "expected no snapshot"
	cmp "$mnt/z/p.vhdx.raw" "$scratch/p.model"
	exec 9>&-
}

# The old parent, which is found from no other name, is not in use any more.
test_image_with_a_hard_link_elsewhere_is_rebased() {
	make_store vhdx
	mkdir -p "$store/m" "$store/a/b" "$store/c" "$store/z"
	vhdfs-img create --size 20M "$store/m/base.vhdx"
	cp "$store/m/base.vhdx" "$store/m/new.vhdx"
	vhdfs-img create --parent "$store/m/base.vhdx" "$store/c/p.vhdx"
	ln "$store/c/p.vhdx" "$store/a/b/p.vhdx"
	ln "$store/c/p.vhdx" "$store/p.vhdx"
	ln "$store/c/p.vhdx" "$store/z/p.vhdx"
	mount_store "$store" "$mnt"
	exec 9<>"$mnt/c/p.vhdx.raw"
	for name in c a/b z; do
		vhdfs-img rebase --unsafe --parent "$store/m/new.vhdx" \
			"$store/$name/p.vhdx"
		chmod u+w "$store/m/base.vhdx"
		expect 0 disk-io "$store/m/base.vhdx" write 0 512 1
		rm "$store/m/base.vhdx"
		mv "$store/m/new.vhdx" "$store/m/base.vhdx"
		cp "$store/m/base.vhdx" "$store/m/new.vhdx"
		chmod u+w "$store/m/new.vhdx"
	done
	exec 9>&-
}

run_tests
