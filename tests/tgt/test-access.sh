#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Access to targets: a real initiator logs in, or is refused.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

start_fleet() {
	requires_initiator
	start_server
	write_fleet
	cat >>"$scratch/fleet.conf"
	expect 0 glue apply
}

# The initiator is always at 127.0.0.1.
test_client_admits_its_addresses_only() {
	start_fleet <<-END
		[client same]
		address = 127.0.0.1
		[client same-32]
		address = 127.0.0.1/32
		[client other]
		address = 127.0.0.2
		[client other-32]
		address = 127.0.0.2/32
		[client network]
		address = 127.0.0.0/8
		[client host-bits]
		address = 127.0.0.77/24
		[client other-network]
		address = 127.0.1.0/24
		[client two]
		address = 10.0.0.1
		address = 127.0.0.1
		[client six]
		address = fd00::/64
	END
	for client in same same-32 network host-bits two; do
		admits login "$(url $client)"
	done
	for client in other other-32 other-network six; do
		refuses login "$(url $client)"
	done
}

test_client_admits_its_initiator_names_only() {
	start_fleet <<-END
		[client named]
		address = 10.0.0.1
		initiator = iqn.2026-01.lan:one
		initiator = iqn.2026-01.lan:two
	END
	admits -i iqn.2026-01.lan:one login "$(url named)"
	admits -i iqn.2026-01.lan:two login "$(url named)"
	refuses -i iqn.2026-01.lan:three login "$(url named)"
	refuses -i iqn.2026-01.lan:One login "$(url named)"
}

# tgt-admin opens a target with names alone to every initiator, so the
# targets-file must not contain such a target.
test_target_with_names_alone_is_closed_after_a_restart_too() {
	start_fleet <<-END
		[client named]
		initiator = iqn.2026-01.lan:one
	END
	# A client's initiator names do not replace the addresses of the
	# defaults.
	sed -i '/^address/d' "$scratch/fleet.conf"
	expect 0 glue apply
	admits -i iqn.2026-01.lan:one login "$(url named)"
	refuses -i iqn.2026-01.lan:two login "$(url named)"
	kill_tgtd
	start_tgtd
	tgt-admin -C "$port" -c "$scratch/targets.conf" --execute
	admits -i iqn.2026-01.lan:one login "$(url named)"
	refuses -i iqn.2026-01.lan:two login "$(url named)"
}

test_open_target_admits_every_initiator() {
	start_fleet <<-END
		[client any]
		open = yes
	END
	sed -i '/^address/d' "$scratch/fleet.conf"
	expect 0 glue apply
	admits -i iqn.2026-01.lan:unknown login "$(url any)"
}

test_chap_admits_the_right_secret_only() {
	start_fleet <<-END
		[client locked]
		user = me
		secret = rightsecret123
		[client other]
		user = other
		secret = othersecret123
	END
	admits login "$(url locked me%rightsecret123@)"
	refuses login "$(url locked me%wrongsecret1234@)"
	refuses login "$(url locked you%rightsecret123@)"
	refuses login "$(url locked other%othersecret123@)"
	refuses login "$(url locked)"
}

# A wrong address is refused with the right secret too.
test_chap_does_not_replace_the_address() {
	start_fleet <<-END
		[client elsewhere]
		address = 127.0.0.2
		secret = rightsecret123
	END
	refuses login "$(url elsewhere elsewhere%rightsecret123@)"
}

test_mutual_chap_checks_the_server_too() {
	local mutual

	start_fleet <<-END
		[client both]
		user = me
		secret = rightsecret123
		mutual-user = server
		mutual-secret = serversecret12
	END
	mutual="?target_user=server&target_password"
	admits login "$(url both me%rightsecret123@)$mutual=serversecret12"
	! initiator login "$(url both me%rightsecret123@)$mutual=wrongsecret123" ||
		fail "expected the initiator to refuse a server with another secret"
	refuses login "$(url both me%wrongsecret123@)$mutual=serversecret12"
	# The server's secret admits no initiator.
	refuses login "$(url both server%serversecret12@)"
}

test_secret_is_read_from_a_file() {
	(umask 077 && echo secretinfile1 >"$scratch/one.secret")
	start_fleet <<-END
		[client filed]
		secret-file = one.secret
	END
	admits login "$(url filed filed%secretinfile1@)"
	refuses login "$(url filed filed%secretinfile2@)"
	# tgt-glue makes a new secret.
	expect 0 glue secret filed
	! grep -q secretinfile1 "$scratch/one.secret" ||
		fail "expected a new secret, found the same one"
	equal "mode" 600 "$(stat -c %a "$scratch/one.secret")"
	expect 0 glue apply
	refuses login "$(url filed filed%secretinfile1@)"
	admits login "$(url filed "filed%$(cat "$scratch/one.secret")@")"
}

test_discovery_lists_admitted_targets_only() {
	start_fleet <<-END
		[client mine]
		[client theirs]
		address = 127.0.0.2
	END
	iscsi-ls "iscsi://127.0.0.1:$port" >"$scratch/ls"
	grep -q "Target:$iqn_prefix:mine " "$scratch/ls" ||
		fail "iscsi-ls: expected other targets, found: $(cat "$scratch/ls")"
	iscsi-inq "$(url mine)" | grep -q 'Peripheral Device Type:DIRECT_ACCESS'
}

run_tests
