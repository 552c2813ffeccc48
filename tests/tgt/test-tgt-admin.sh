#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tgt-admin: each of its commands works with the output of generate, and after a
# restart of tgtd a disk has the same identity.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# tgt_admin OPTION...: runs tgt-admin with the test's tgtd and targets-file.
tgt_admin() {
	tgt-admin -C "$port" -c "$scratch/targets.conf" "$@"
}

start_fleet() {
	requires_initiator
	start_server
	vhdfs-img create --format vhd --size 64M "$scratch/store/masters/old.vhd"
	vhdfs-img create --size 64M --sector-size 4096 \
		"$scratch/store/masters/large.vhdx"
	write_fleet plain <<-END
		[client locked]
		secret = secretsecret1
		mutual-user = server
		mutual-secret = secretsecret2
		[client named]
		address = 10.0.0.1
		initiator = iqn.2026-01.lan:one
		write-cache = no
		[client readonly]
		readonly = yes
		master = masters/old
		[client large]
		master = masters/large
		thin = yes
		tid = 7
	END
	clients="plain locked named readonly large"
	expect 0 glue apply
}

# url_of CLIENT: prints the URL for the initiator that fleet.conf admits.
url_of() {
	case $1 in
	locked) url locked locked%secretsecret1@ ;;
	*) url "$1" ;;
	esac
}

# Prints the properties by which an initiator recognises a disk: serial number,
# designators, size, sectors, cache page; and the initiators that are admitted.
seen_by_initiators() {
	local client page

	for client in $clients; do
		[ $client != named ] || continue
		echo "$client:"
		for page in 128 131 176 178; do # 80h, 83h, b0h, b2h
			iscsi-inq -e 1 -c $page "$(url_of $client)"
		done
		iscsi-inq "$(url_of $client)"
		initiator scsi "$(url_of $client)" |
			grep -E '^(read capacity|block|provisioning|caching)'
	done
	for client in $clients; do
		for name in one two; do
			initiator -i iqn.2026-01.lan:$name login "$(url $client)" \
				2>&1 && echo "$client admits $name"
			initiator -i iqn.2026-01.lan:$name login \
				"$(url_of $client)" 2>&1 &&
				echo "$client admits $name with a secret"
		done
	done || true
}

serial() {
	sed -n "/^<target .*:$1>/,/^<.target/s/.*scsi_sn //p" \
		"$scratch/targets.conf"
}

test_restart_of_tgtd_changes_no_property_of_a_disk() {
	start_fleet
	seen_by_initiators >"$scratch/seen"
	everything >"$scratch/before"
	# The comparison has all properties.
	for words in "vhdfs-$(serial plain)" "vhdfs-$(serial large)" \
		'named admits one' 'locked admits two with a secret'; do
		grep -q "$words" "$scratch/seen" ||
			fail "expected '$words', found: $(cat "$scratch/seen")"
	done
	! grep 'named admits two\|locked admits one$' "$scratch/seen" ||
		fail "expected fewer initiators to be admitted"
	kill_tgtd
	umount "$scratch/mnt"
	wait "${mount_pid[$scratch/mnt]}" || true
	unset "mount_pid[$scratch/mnt]"
	mount_store "$scratch/store" "$scratch/mnt"
	start_tgtd
	tgt_admin --execute
	everything | diff "$scratch/before" -
	seen_by_initiators | diff "$scratch/seen" -
	expect 0 glue plan
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	# The mount ends before tgtd.
	end_tgtd
}

test_update_all_changes_nothing_and_ends_no_session() {
	start_fleet
	everything | sort >"$scratch/before"
	expect 0 tgt_admin --update ALL
	everything | sort | diff "$scratch/before" -
	hold_session plain
	expect 0 tgt_admin --update ALL
	! grep 'cut off' "$scratch/hold-plain.out" ||
		fail "expected the session to continue, found it cut off"
	end_session
	wait_until 5 everything_is_as_before
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
}

everything_is_as_before() {
	everything | sort | cmp -s "$scratch/before" -
}

test_update_of_one_target_applies_the_new_targets_file() {
	start_fleet
	sed -i 's/^tid = 7/&\naddress = 10.0.0.9/' "$scratch/fleet.conf"
	glue generate >"$scratch/targets.conf"
	expect 0 tgt_admin --update "$iqn_prefix:large"
	shown large | grep -q '10.0.0.9'
	expect 0 glue plan
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
}

test_show_lists_every_client() {
	local client

	start_fleet
	expect 0 tgt_admin --show
	for client in $clients; do
		grep -q "^Target [0-9]*: $iqn_prefix:$client$" "$scratch/stdout" ||
			fail "expected $client in the output"
	done
}

# --dump omits secrets, initiators' names, and settings of a disk.
test_dump_has_every_target_its_file_and_addresses() {
	local keys='^<target|initiator-address|backing-store|incominguser|outgoinguser'

	start_fleet
	expect 0 tgt_admin --dump
	grep -E "$keys" "$scratch/stdout" |
		sed 's/ PLEASE.*//; s/^[\t ]*//; s/>$//' | sort >"$scratch/dumped"
	grep -E "${keys/backing/<backing}" "$scratch/targets.conf" |
		sed 's/^[\t ]*//; s/>$//; s/^<backing/backing/
			s/^\(incominguser\|outgoinguser\) \([^ ]*\).*/\1 \2/' |
		sort | diff - "$scratch/dumped"
	equal "targets" 5 "$(grep -c '^<target' "$scratch/dumped")"
	! grep secretsecret "$scratch/stdout" ||
		fail "expected no secret in the output"
}

test_delete_removes_a_target_without_a_session_only() {
	start_fleet
	everything | sort >"$scratch/before"
	hold_session plain
	tgt_admin --delete "$iqn_prefix:plain" || true
	[ -n "$(shown plain)" ] ||
		fail "expected the target of a logged-in client to be kept"
	! grep 'cut off' "$scratch/hold-plain.out" ||
		fail "expected the session to continue, found it cut off"
	end_session
	expect 0 tgt_admin --delete "$iqn_prefix:plain"
	[ -z "$(shown plain)" ] ||
		fail "expected no target, found: $(shown plain)"
	[ -n "$(shown large)" ] || fail "expected the other target"
	expect 0 glue apply
	everything | sort | diff "$scratch/before" -
}

run_tests
