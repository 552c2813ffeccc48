#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Advice in messages: a message about a failure or a skipped client names the
# command to type next.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# advises STATUS COMMAND -- PROGRAM...: a line that the program writes to
# standard error names that command in quotes.
advises() {
	local status=$1 command=$2

	shift 3
	expect "$status" "$@"
	grep -Fq -e "\`$command'" "$scratch/stderr" ||
		fail "$*: expected the command '$command', found:" \
			"$(cat "$scratch/stderr")"
}

test_skipped_logged_in_client_is_named_with_a_command() {
	requires_initiator
	apply_fleet pc1 pc2
	hold_session pc1
	advises 4 'tgt-glue reset pc1' -- glue reset pc1
	sed -i 's/^address/readonly = yes\naddress/' "$scratch/fleet.conf"
	advises 4 'tgt-glue apply --force pc1' -- glue apply
	expect 0 glue plan
	grep -q 'skipped: .*`tgt-glue apply --force pc1' "$scratch/stdout" ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	write_fleet pc2 </dev/null
	advises 4 'tgt-glue apply --force pc1' -- glue apply
	end_session
}

test_disk_in_use_is_reported_with_a_command() {
	apply_fleet pc1 pc2
	tail -f "$scratch/mnt/clients/pc1.vhdx.raw" >/dev/null &
	at_exit kill $!
	advises 4 'tgt-glue reset pc1' -- glue reset pc1
	chmod a-w "$scratch/store/clients/pc2.vhdx"
	advises 4 "chmod u+w $scratch/store/clients/pc2.vhdx" -- glue reset pc2
}

test_foreign_target_is_reported_with_a_command() {
	start_server
	write_fleet pc1 <<<'tid = 77
		user = me
		secret = secretsecret'
	adm --op new --mode target --tid 77 -T iqn.2026-01.other:disk
	advises 1 'tid = NUMBER' -- glue apply
	sed -i 's/^tid.*//' "$scratch/fleet.conf"
	adm --op new --mode account --user me --password othersecret1
	adm --op bind --mode account --tid 77 --user me
	advises 4 'tgt-glue apply' -- glue apply
	adm --op delete --mode account --user me
	expect 0 glue apply
	adm --op new --mode logicalunit --tid 77 --lun 1 \
		-b "$scratch/mnt/clients/pc1.vhdx.raw"
	sed -i 's/^user.*/readonly = no/; s/^secret.*/thin = no/' \
		"$scratch/fleet.conf"
	advises 4 "tgt-admin -C $port --delete iqn.2026-01.other:disk" -- \
		glue apply
	advises 4 'tgt-glue apply' -- glue apply
}

test_missing_mount_is_reported_with_a_command() {
	apply_fleet pc1 pc2
	adm --op delete --force --mode target --tid "$(adm --op show \
		--mode target | sed -n 's/^Target \([0-9]*\):.*pc1/\1/p')"
	lose_mount "$scratch/mnt"
	advises 1 "mount $scratch/mnt" -- glue apply
	grep -Fq "\`vhdfs $scratch/store $scratch/mnt'" "$scratch/stderr"
	advises 1 "mount $scratch/mnt" -- glue reset pc1
	return_mount
}

test_missing_tgtd_is_reported_with_a_command() {
	requires_tgtd
	make_store
	port=$(free_port)
	write_fleet pc1 </dev/null
	advises 1 'systemctl start tgt' -- glue apply
	advises 1 'systemctl start tgt' -- glue status
	sed -i 's/^mount/shards = 2\nmount/' "$scratch/fleet.conf"
	advises 1 'systemctl start vhdfs-tgtd@1' -- glue apply
}

test_damaged_image_is_reported_with_a_command() {
	start_server
	mkdir -p "$scratch/store/clients"
	write_fleet pc1 </dev/null
	expect 0 glue apply
	rm "$scratch/store/clients/pc1.vhdx"
	echo broken >"$scratch/store/clients/pc1.vhdx"
	advises 1 'tgt-glue reset pc1' -- glue apply
	grep -Fq "\`vhdfs-img check $scratch/store/clients/pc1.vhdx'" \
		"$scratch/stderr"
}

test_unknown_name_is_reported_with_a_command() {
	make_store
	mkdir "$scratch/mnt"
	write_fleet pc1 </dev/null
	advises 1 'tgt-glue status' -- glue reset pc7
	advises 1 'tgt-glue status' -- glue ipxe pc7
	advises 1 'tgt-glue status' -- glue secret pc7
	advises 2 'tgt-glue --help' -- glue nonsense
	advises 2 'tgt-glue status --help' -- glue status --nonsense
}

test_file_readable_by_others_is_reported_with_a_command() {
	make_store
	write_fleet pc1 <<<'user = me
		secret = secretsecret'
	chmod 644 "$scratch/fleet.conf"
	expect 1 glue check
	grep -q "chmod 600 $scratch/fleet.conf" "$scratch/stderr" ||
		fail "expected the command chmod 600, found: $(cat "$scratch/stderr")"
	# A file of another program lies at the path of a boot script.
	chmod 600 "$scratch/fleet.conf"
	mkdir "$scratch/tftp"
	echo '#!ipxe' >"$scratch/tftp/boot.ipxe"
	advises 4 "tgt-glue ipxe --all $scratch/tftp" -- \
		glue ipxe --all "$scratch/tftp"
}

test_vhdfs_names_a_command() {
	requires_fuse
	cd "$scratch"
	mkdir store mnt
	vhdfs-img create --size 8M store/a.vhdx
	advises 1 'mkdir -p none' -- vhdfs none mnt
	advises 1 'mkdir -p none' -- vhdfs store none
	expect_error 1 'Not a directory; name the directory' \
		vhdfs store/a.vhdx mnt
	expect_error 2 'unknown option .*; see vhdfs --help' vhdfs store mnt -o no
	expect_error 2 'expected STORE and MOUNTPOINT; see vhdfs --help' vhdfs store
	mount_store "$scratch/store" "$scratch/mnt"
	advises 1 "umount $scratch/mnt" -- vhdfs store mnt -o ro
}

test_vhdfs_img_names_a_command() {
	cd "$scratch"
	vhdfs-img create --size 8M p.vhdx
	vhdfs-img create --parent p.vhdx c.vhdx
	expect_error 1 'exists; .*: remove it with rm first' \
		vhdfs-img create --size 8M c.vhdx
	advises 1 'mkdir -p' -- vhdfs-img create --size 8M none/c.vhdx
	expect_error 2 "unknown option --nonsense; see .vhdfs-img info --help'" \
		vhdfs-img info --nonsense c.vhdx
	expect_error 2 "unknown command 'repair'; see .vhdfs-img --help'" \
		vhdfs-img repair c.vhdx
	mkdir other
	mv p.vhdx other
	expect_error 1 'parent .* is missing; .*--parents DIR' \
		vhdfs-img info c.vhdx
	expect 0 vhdfs-img info --parents other c.vhdx
}

# A command in a message can be copied and run as it is printed.
test_commands_have_paths_in_quotes() {
	local file="$scratch/fleet's own.conf"

	name_store
	write_fleet pc1 <<<'secret = secretsecret1'
	cp "$scratch/fleet.conf" "$file"
	chmod 644 "$file"
	expect 1 tgt-glue --config "$file" check
	sed -n 's/.*; run: //p' "$scratch/stderr" >"$scratch/command"
	[ -s "$scratch/command" ] || fail "expected a command to run"
	sh "$scratch/command"
	expect 0 tgt-glue --config "$file" check
}

run_tests
