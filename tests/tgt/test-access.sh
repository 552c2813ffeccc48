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

# login_in_two_steps KEYS: an initiator that is asked for CHAP prints "asked",
# waits for a line, sends these keys of the next stage, and prints tgtd's status.
login_in_two_steps() {
	perl -MIO::Socket::INET -e '
		my ($port, $iqn, @keys) = @ARGV;
		my $s = IO::Socket::INET->new("127.0.0.1:$port") or die;
		sub ask {
			my ($flags, @keys) = @_;
			my $data = join "", map { "$_\0" } @keys;
			my $size = length $data;
			$s->syswrite(pack("C2x2NH12nN4x16", 0x43, $flags, $size,
				"800102030000", 0, 1, 0, 1, 0) . $data .
				"\0" x (-$size & 3));
			my $answer = "";
			while (length $answer < 48) {
				$s->sysread($answer, 48 - length $answer,
					length $answer) or return "none";
			}
			my $rest = unpack("N", substr $answer, 4, 4) + 3 & ~3;
			$s->sysread(my $text, $rest) if $rest;
			return unpack "H4", substr $answer, 36, 2;
		}
		$| = 1;
		ask(0, "InitiatorName=iqn.2026-01.lan:x", "TargetName=$iqn",
			"SessionType=Normal", "AuthMethod=CHAP,None") eq "0000" or
			die "expected to be asked for CHAP";
		print "asked\n";
		readline STDIN;
		print ask(0x81, @keys), "\n";' \
		"$port" "$iqn_prefix:locked" "$@"
}

# apply deletes an account under logins that have begun.
test_login_in_progress_is_refused_when_its_account_is_deleted() {
	local keys

	requires perl
	for keys in '' AuthMethod=None; do
		[ -z "${tgtd_pid:-}" ] || expect 0 glue apply
		[ -n "${tgtd_pid:-}" ] || start_fleet <<-END
			[client locked]
			secret = rightsecret123
		END
		mkfifo "$scratch/go"
		login_in_two_steps ${keys:+"$keys"} <"$scratch/go" \
			>"$scratch/login" &
		exec 9>"$scratch/go"
		wait_until 10 grep -q asked "$scratch/login"
		adm --op unbind --mode target --initiator-address 127.0.0.1 \
			--tid "$(shown locked | sed -n 's/^Target \([0-9]*\):.*/\1/p')"
		adm --op delete --mode account --user locked
		echo >&9
		exec 9>&-
		wait $!
		equal "status after '$keys'" 0200 "$(tail -n 1 "$scratch/login")"
		rm "$scratch/go"
	done
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
