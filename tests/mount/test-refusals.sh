#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Requests that a mount refuses: opens of views for writing, changes of names and of
# sizes.
. "${0%/*}/../lib.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/common.sh"

test_root_cannot_open_a_parent_for_writing() {
	store_of_pair
	chmod 666 "$store/master.vhdx"
	mount_store "$store" "$mnt"
	opens "$master" rw EACCES
	opens "$master" ro ""
}

test_file_without_write_bits_cannot_be_opened_for_writing() {
	store_of_pair
	chmod 444 "$store/clients/pc.vhdx"
	mount_store "$store" "$mnt"
	opens "$child" rw EACCES
}

# truncated FILE BYTES: removes this many bytes at the file's end.
truncated() {
	chmod u+w "$1"
	truncate -s "-$2" "$1"
}

test_truncated_image_is_shown_as_broken() {
	local format

	empty_store
	for format in vhd vhdx; do
		vhdfs-img create --size 64M "$store/$format.$format"
		disk-io "$store/$format.$format" write 0 5000000 1
		vhdfs-img create --parent "$store/$format.$format" \
			"$store/child.$format"
		truncated "$store/$format.$format" 100000
	done
	mount_store "$store" "$mnt"
	for view in {vhd,child}.vhd.raw {vhdx,child}.vhdx.raw; do
		equal "$view" "0 0" "$(stat -c '%s %a' "$mnt/$view")"
		attribute "$mnt/$view" error |
			grep -q 'the file was truncated; copy it again' ||
			fail "$view: expected 'the file was truncated', found:" \
				"$(attribute "$mnt/$view" error)"
		opens "$mnt/$view" ro EIO
	done
	grep -q 'vhdx\.vhdx: .*the file was truncated' "$mnt.log" ||
		fail "expected 'the file was truncated' in the log:" \
			"$(cat "$mnt.log")"
}

# is_for_reading VIEW PATTERN: expects a view without write bits, and a
# readonly-reason that matches.
is_for_reading() {
	equal "mode" 444 "$(stat -c %a "$1")"
	opens "$1" rw EACCES
	opens "$1" ro ""
	attribute "$1" readonly-reason | grep -Eq "$2" ||
		fail "expected a reason '$2', found:" \
			"$(attribute "$1" readonly-reason)"
	grep -Eq "$2" "$mnt.log" ||
		fail "expected '$2' in the log: $(cat "$mnt.log")"
	! attribute "$1" error 2>/dev/null || fail "expected no error"
}

# header_bytes IMAGE OFFSET BYTES: changes both headers of a VHDX, with their
# checksums.
header_bytes() {
	python3 - "$@" <<-'EOF'
		import sys, struct
		path, off, value = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3])
		def crc(b):
		    c = 0xffffffff
		    for x in b:
		        c ^= x
		        for _ in range(8):
		            c = c >> 1 ^ (0x82f63b78 if c & 1 else 0)
		    return c ^ 0xffffffff
		with open(path, "r+b") as f:
		    for at in 65536, 131072:
		        f.seek(at)
		        h = bytearray(f.read(4096))
		        h[off:off + len(value)] = value
		        h[4:8] = bytes(4)
		        h[4:8] = struct.pack("<I", crc(h))
		        f.seek(at)
		        f.write(h)
	EOF
}

test_read_only_image_has_a_readonly_reason() {
	requires python3
	empty_store
	for name in nolog version overlap; do
		vhdfs-img create --size 8M --block-size 1M "$store/$name.vhdx"
		disk-io "$store/$name.vhdx" write 0 2097152 1
	done
	header_bytes "$store/nolog.vhdx" 68 00000000
	header_bytes "$store/version.vhdx" 64 0100
	dd if="$store/overlap.vhdx" of="$store/overlap.vhdx" bs=1 \
		skip=3145728 seek=3145736 count=8 conv=notrunc status=none
	vhdfs-img create --size 8M "$store/overlap.vhd"
	disk-io "$store/overlap.vhd" write 0 4194304 1
	dd if="$store/overlap.vhd" of="$store/overlap.vhd" bs=1 skip=1536 \
		seek=1540 count=4 conv=notrunc status=none
	chmod 644 "$store"/*
	mount_store "$store" "$mnt"
	is_for_reading "$mnt/nolog.vhdx.raw" 'log length at offset .* a log'
	is_for_reading "$mnt/version.vhdx.raw" 'log version at offset'
	is_for_reading "$mnt/overlap.vhdx.raw" 'two entries that share it'
	is_for_reading "$mnt/overlap.vhd.raw" 'blocks that do not overlap'
	equal "info" false "$(vhdfs-img info --json "$store/nolog.vhdx" |
		jq '.["readonly-reason"] == null')"
}

test_ro_mount_answers_erofs() {
	store_of_pair
	mount_store "$store" "$mnt" -o ro
	opens "$child" rw EROFS
	opens "$master" rw EROFS
	opens "$child" ro ""
}

test_ro_mount_changes_nothing() {
	store_of_pair
	mount_store "$store" "$mnt" -o ro
	sha256sum "$store"/*.vhdx "$store"/*/*.vhdx >"$scratch/before"
	cat "$child" >/dev/null
	unmount "$mnt"
	sha256sum --quiet -c "$scratch/before"
}

test_image_that_another_mount_writes_answers_ebusy() {
	store_of_pair
	mount_store "$store" "$mnt"
	mount_store "$store" "$scratch/other"
	hold_view "$child" rw
	opens "$scratch/other/clients/pc.vhdx.raw" rw EBUSY
	opens "$scratch/other/clients/pc.vhdx.raw" ro EBUSY
	grep -q "in use by vhdfs (process ${mount_pid[$mnt]})" \
		"$scratch/other.log" ||
		fail "expected the holder's process in the log:" \
			"$(cat "$scratch/other.log")"
	release_view
	wait_until 5 file-io "$scratch/other/clients/pc.vhdx.raw" rw
}

test_image_that_another_mount_reads_can_be_read_and_not_written() {
	store_of_pair
	mount_store "$store" "$mnt"
	mount_store "$store" "$scratch/other"
	hold_view "$child" ro
	opens "$scratch/other/clients/pc.vhdx.raw" ro ""
	opens "$scratch/other/clients/pc.vhdx.raw" rw EBUSY
	# After a refusal the other mount's reader still reads.
	opens "$child" ro ""
}

test_image_that_another_program_holds_answers_ebusy() {
	store_of_pair
	mount_store "$store" "$mnt"
	hold "$store/clients/pc.vhdx" open
	opens "$child" rw EBUSY
	release
	opens "$child" rw ""
}

# The store is behind a bind mount that changes from read-only to writable.
test_image_on_a_read_only_file_system_is_read_only() {
	store_of_pair
	chmod 644 "$store/clients/pc.vhdx"
	mkdir "$scratch/bind"
	mount --bind "$store" "$scratch/bind" || skip "no bind mounts"
	at_exit "umount -l $scratch/bind"
	mount -o remount,bind,ro "$scratch/bind"
	mount_store "$scratch/bind" "$mnt"
	equal "mode" 444 "$(stat -c %a "$child")"
	opens "$child" rw EACCES
	opens "$child" ro ""
	mount -o remount,bind,rw "$scratch/bind"
	equal "mode, writable" 644 "$(stat -c %a "$child")"
	file-io "$child" rw write 0 hello
}

test_immutable_image_is_read_only() {
	store_of_pair
	requires chattr
	chmod 644 "$store/clients/pc.vhdx"
	chattr +i "$store/clients/pc.vhdx" || skip "no immutable files"
	at_exit "chattr -i $store/clients/pc.vhdx"
	mount_store "$store" "$mnt"
	equal "mode" 444 "$(stat -c %a "$child")"
	opens "$child" rw EACCES
	opens "$child" ro ""
	chattr -i "$store/clients/pc.vhdx"
	opens "$child" rw ""
}

# A reader of a view continues when a writer is refused.
test_reader_continues_when_a_writer_is_refused() {
	store_of_pair
	mount_store "$store" "$mnt"
	exec {fd}<"$child"
	hold "$store/clients/pc.vhdx" "verify 0 0 0"
	opens "$child" rw EBUSY
	head -c 100000 <&"$fd" | cmp - <(head -c 100000 "$master")
	exec {fd}<&-
	release
	opens "$child" rw ""
}

test_broken_image_answers_eio() {
	store_of_pair
	rm "$store/master.vhdx"
	mount_store "$store" "$mnt"
	opens "$child" ro EIO
	opens "$child" rw EIO
}

test_image_open_for_writing_gets_no_child() {
	store_of_pair
	mount_store "$store" "$mnt"
	hold_view "$child" rw
	expect 1 vhdfs-img create --parent "$store/clients/pc.vhdx" \
		"$store/x.vhdx"
	grep -q 'in use by vhdfs' "$scratch/stderr" ||
		fail "expected 'in use by vhdfs', found: $(cat "$scratch/stderr")"
	[ ! -e "$store/x.vhdx" ] || fail "expected no child"
}

test_names_cannot_be_changed() {
	store_of_pair
	mount_store "$store" "$mnt"
	local command
	for command in "touch $mnt/new" "mkdir $mnt/new" "rm -f $child" \
		"rmdir $mnt/clients" "mv $child $mnt/x" "mv $child $master" \
		"ln $child $mnt/x" "ln -s x $mnt/x" "mknod $mnt/x p" \
		"chmod 600 $child" "chown 1 $child" "truncate -s 1M $child" \
		"truncate -s 100M $child" "touch -d 2020-01-01 $child" \
		"chmod 700 $mnt/clients"; do
		# shellcheck disable=SC2086
		expect 1 $command
		grep -q 'Operation not permitted' "$scratch/stderr" ||
			fail "$command: expected EPERM, found:" \
				"$(cat "$scratch/stderr")"
	done
	equal "names" "clients clients/pc.vhdx.raw master.vhdx.raw" \
		"$(cd "$mnt" && find . -mindepth 1 -printf '%P\n' | sort |
			paste -sd ' ')"
}

test_size_cannot_be_changed_by_opening() {
	store_of_pair
	mount_store "$store" "$mnt"
	opens "$child" trunc EPERM
	sha256sum "$store/clients/pc.vhdx" >"$scratch/before"
	(: >"$child") 2>"$scratch/stderr" &&
		fail "expected EPERM for an open with O_TRUNC, found success"
	grep -q 'Operation not permitted' "$scratch/stderr" ||
		fail "open with O_TRUNC: expected EPERM, found:" \
			"$(cat "$scratch/stderr")"
	sha256sum --quiet -c "$scratch/before"
	equal "size" $((64 << 20)) "$(size_of "$child")"
	cmp "$child" "$master"
}

test_truncate_to_the_same_size_succeeds() {
	store_of_pair
	mount_store "$store" "$mnt"
	file-io "$child" rw truncate $((64 << 20))
	truncate -s 64M "$child"
}

test_write_past_the_end_does_not_change_the_size() {
	store_of_pair
	mount_store "$store" "$mnt"
	answers EFBIG "$child" rw write $((64 << 20)) hello
	answers EFBIG "$child" append hello
	answers "short: 3" "$child" rw write $(((64 << 20) - 3)) hello
	equal "size" $((64 << 20)) "$(size_of "$child")"
	equal "last bytes" hel "$(tail -c 3 "$child")"
}

# Another user has the permissions of the file's owner and mode.
test_allow_other_applies_the_permissions_of_the_file() {
	requires setpriv
	store_of_pair
	chmod 755 "$scratch"/.. "$scratch"
	vhdfs-img create --parent "$store/master.vhdx" "$store/clients/b.vhdx"
	chown 1000:1000 "$store/clients/pc.vhdx"
	chmod 600 "$store"/clients/*.vhdx
	mount_store "$store" "$mnt" -o allow_other
	as_user() {
		setpriv --reuid=1000 --regid=1000 --clear-groups "$@"
	}
	as_user test -d "$mnt/clients" || skip "the directory is not reachable"
	as_user env PATH="$PATH" file-io "$child" rw write 0 hello
	equal "contents" hello "$(as_user head -c 5 "$child")"
	equal "another's" EACCES "$(as_user env PATH="$PATH" file-io \
		"$mnt/clients/b.vhdx.raw" ro || true)"
	as_user cat "$master" >/dev/null
}

test_other_users_cannot_enter_without_allow_other() {
	requires setpriv
	store_of_pair
	chmod 755 "$scratch"/.. "$scratch"
	mount_store "$store" "$mnt"
	! setpriv --reuid=1000 --regid=1000 --clear-groups ls "$mnt" ||
		fail "expected no access of another user to the mount"
}

# vhdfs-img convert reads a view of an image that another mount writes.
test_copy_of_an_image_that_another_mount_writes_fails() {
	store_of_pair
	mount_store "$store" "$mnt"
	mount_store "$store" "$scratch/second"
	hold_view "$child" rw write 0 abc
	expect_error 1 'another mount or program writes its image, which .vhdfs-img info. ' \
		vhdfs-img convert "$scratch/second/clients/pc.vhdx.raw" "$scratch/x.vhdx"
	release_view
}

run_tests
