#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What generate wrote is tgt-admin's: each of its commands works on it, and after
# a restart of the server a disk is the one that it was.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# tgt_admin OPTION...
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

# How the initiator that fleet.conf admits is called there.
url_of() {
	case $1 in
	locked) url locked locked%secretsecret1@ ;;
	*) url "$1" ;;
	esac
}

# All that an initiator knows a disk by: its serial number, its designators,
# its size and sectors, the cache page; and who is let in.
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

test_after_a_restart_of_the_server_all_is_as_before() {
	start_fleet
	seen_by_initiators >"$scratch/seen"
	everything >"$scratch/before"
	# It has what it is to compare.
	for words in "vhdfs-$(serial plain)" "vhdfs-$(serial large)" \
		'named admits one' 'locked admits two with a secret'; do
		grep -q "$words" "$scratch/seen" || fail "no '$words': $(cat "$scratch/seen")"
	done
	! grep 'named admits two\|locked admits one$' "$scratch/seen" ||
		fail "too many are let in"
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
	[ ! -s "$scratch/stdout" ] || fail "it would: $(cat "$scratch/stdout")"
	# The mount ends first.
	end_tgtd
}

test_update_all_changes_nothing_and_ends_no_session() {
	start_fleet
	everything | sort >"$scratch/before"
	expect 0 tgt_admin --update ALL
	everything | sort | diff "$scratch/before" -
	hold_session plain
	expect 0 tgt_admin --update ALL
	! grep 'cut off' "$scratch/hold-plain.out" || fail "it was cut off"
	end_session
	wait_until 5 everything_is_as_before
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] || fail "it did: $(cat "$scratch/stdout")"
}

everything_is_as_before() {
	everything | sort | cmp -s "$scratch/before" -
}

test_update_of_one_takes_what_generate_says_now() {
	start_fleet
	sed -i 's/^tid = 7/&\naddress = 10.0.0.9/' "$scratch/fleet.conf"
	glue generate >"$scratch/targets.conf"
	expect 0 tgt_admin --update "$iqn_prefix:large"
	shown large | grep -q '10.0.0.9'
	expect 0 glue plan
	[ ! -s "$scratch/stdout" ] || fail "it would: $(cat "$scratch/stdout")"
}

test_show_shows_all() {
	local client

	start_fleet
	expect 0 tgt_admin --show
	for client in $clients; do
		grep -q "^Target [0-9]*: $iqn_prefix:$client$" "$scratch/stdout" ||
			fail "$client is not shown"
	done
}

# But for secrets, initiators' names, and what belongs to a disk, which --dump
# does not have.
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
	! grep secretsecret "$scratch/stdout" || fail "a secret is shown"
}

test_delete_removes_one_that_is_not_in_use() {
	start_fleet
	everything | sort >"$scratch/before"
	hold_session plain
	tgt_admin --delete "$iqn_prefix:plain" || true
	[ -n "$(shown plain)" ] || fail "removed under its client"
	! grep 'cut off' "$scratch/hold-plain.out" || fail "it was cut off"
	end_session
	expect 0 tgt_admin --delete "$iqn_prefix:plain"
	[ -z "$(shown plain)" ] || fail "it is there: $(shown plain)"
	[ -n "$(shown large)" ] || fail "another one is gone"
	expect 0 glue apply
	everything | sort | diff "$scratch/before" -
}

run_tests
