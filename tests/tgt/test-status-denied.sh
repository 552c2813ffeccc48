#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# status for a user with permission to read fleet.conf, and not all of the fleet: what the
# user has no permission to know is unknown, not dead.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# start_denied: a fleet without errors, whose fleet.conf everybody may read.
start_denied() {
	make_user_directory "$scratch/home"
	apply_fleet pc1
	chmod 644 "$scratch/fleet.conf"
}

# user ARGUMENT...: tgt-glue of another user than root.
user() {
	as_user tgt-glue --config "$scratch/fleet.conf" "$@"
}

management_socket() {
	echo "${TGT_IPC_SOCKET:-/var/run/tgtd/socket}.$port"
}

# whole FILTER: prints a value of the user's status --json.
whole() {
	user status --json 2>/dev/null >"$scratch/status.json" || true
	jq -c "$1" "$scratch/status.json"
}

# denies: the user's status fails for the permission alone.
denies() {
	expect 1 user status
	said 'no permission to read all of the fleet: run as root, or type .systemctl enable --now tgt-glue-status.socket. as root, and be in the group adm'
	did '^no permission to read all: '
	! grep -Eq 'does not answer|no tgtd answers|nothing is mounted|is gone' \
		"$scratch/stdout" "$scratch/stderr" ||
		fail "expected nothing to be dead, found: $(cat "$scratch/stdout" "$scratch/stderr")"
}

test_tgtd_that_answers_root_alone_is_unknown() {
	start_denied
	denies
	said 'tgtd: no permission for its management socket '
	equal "tgtd" 'null' "$(whole .tgtd)"
	equal "shard" 'null' "$(whole '.shards[0].tgtd')"
	equal "denied" '[true,true]' "$(whole '[.denied, .clients[0].denied]')"
	equal "agrees" '[null,null]' "$(whole '[.agrees, .clients[0].agrees]')"
	equal "target" '"unknown"' "$(whole '.clients[0].target')"
}

# tgtd looks at the user id of the asking process, and closes the connection.
test_tgtd_that_closes_the_connection_is_unknown() {
	start_denied
	chmod 777 "$(management_socket)"
	denies
	equal "tgtd" null "$(whole .tgtd)"
}

test_mount_that_only_root_may_enter_is_unknown() {
	start_denied
	denies
	said 'mnt: no permission for the mount'
	equal "mounted" '[null,null]' "$(whole '[.mounted, ."mount-problem"]')"
}

test_image_that_cannot_be_read_is_unknown() {
	start_denied
	chmod 700 "$scratch/store/clients"
	denies
	equal "image" '[null,null,null]' "$(whole '.clients[0] |
		[."child-state", ."child-why", ."disk-use"]')"
	equal "orphans" '[null,null]' "$(whole '.orphans | [.images, .size]')"
}

test_watch_whose_lock_cannot_be_read_is_unknown() {
	start_denied
	equal "without watch" false "$(whole .watch)"
	tgt-glue --config "$scratch/fleet.conf" watch >/dev/null 2>&1 &
	at_exit "kill $!"
	wait_until 10 test -e "$scratch/targets.conf.watch"
	equal "watch" null "$(whole .watch)"
}

# Without a socket no tgtd listens; one that a killed tgtd left tells nothing.
test_dead_tgtd_and_lost_mount_are_said_to_every_user() {
	start_denied
	kill_tgtd
	rm "$(management_socket)"
	umount -l "$scratch/mnt"
	expect 1 user status
	said 'no tgtd answers at its management socket'
	said 'nothing is mounted at'
	equal "state" '[false,false,false]' "$(whole '[.tgtd, .mounted, .agrees]')"
}

test_store_that_cannot_be_entered_is_no_missing_master() {
	start_denied
	chmod 700 "$scratch/store"
	expect 1 user status
	said 'master: .*found none that this user may see: Permission denied; run as root'
}

test_root_is_denied_nothing() {
	start_denied
	equal "root" '[false,true,true,true]' "$(glue status --json |
		jq -c '[.denied, .tgtd, .mounted, .agrees]')"
}

run_tests
