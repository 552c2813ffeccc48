#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# status: what an administrator, and a program, is told.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/tgt.sh"

# field CLIENT KEY: of status --json.
field() {
	glue status --json |
		jq -r ".clients[] | select(.name == \"$1\") | .\"$2\""
}

test_before_and_after_apply() {
	start_server
	write_fleet pc1 </dev/null
	equal "target" missing "$(field pc1 target)"
	equal "child" missing "$(field pc1 child-state)"
	equal "agrees" false "$(field pc1 agrees)"
	expect 0 glue apply
	equal "target" ok "$(field pc1 target)"
	equal "child" ready "$(field pc1 child-state)"
	equal "agrees" true "$(field pc1 agrees)"
	equal "iqn" "$iqn_prefix:pc1" "$(field pc1 iqn)"
	equal "master" masters/win11.vhdx "$(field pc1 master)"
	equal "view" "$scratch/mnt/clients/pc1.vhdx.raw" "$(field pc1 view)"
	expect 0 glue status
	grep -Eq '^pc1 +ok .*masters/win11.vhdx$' "$scratch/stdout"
}

test_who_is_logged_in() {
	requires_initiator
	start_server
	write_fleet pc1 pc2 </dev/null
	expect 0 glue apply
	hold_session pc1
	equal "address" 127.0.0.1 \
		"$(field pc1 sessions | jq -r '.[0].address')"
	equal "initiator" "$iqn_prefix:initiator" \
		"$(field pc1 sessions | jq -r '.[0].initiator')"
	equal "nobody" 0 "$(field pc2 sessions | jq length)"
	expect 0 glue status
	grep -Eq '^pc1 .* 127.0.0.1 ' "$scratch/stdout"
	grep -Eq '^pc2 .* - ' "$scratch/stdout"
	end_session
}

test_disk_use_is_what_the_image_takes() {
	start_server
	write_fleet pc1 </dev/null
	expect 0 glue apply
	dd if=/dev/urandom of="$scratch/mnt/clients/pc1.vhdx.raw" bs=1M count=8 \
		conv=notrunc,fsync status=none
	equal "disk use" \
		"$((512 * $(stat -c %b "$scratch/store/clients/pc1.vhdx")))" \
		"$(field pc1 disk-use)"
	[ "$(field pc1 disk-use)" -ge $((8 << 20)) ] || fail "too little"
}

test_what_differs() {
	start_server
	write_fleet pc1 </dev/null
	expect 0 glue apply
	echo "thin = yes" >>"$scratch/fleet.conf"
	equal "target" differs "$(field pc1 target)"
	field pc1 difference | grep -q 'expected UNMAP, found none'
	expect 0 glue status
	grep -q '^  disk: expected UNMAP, found none' "$scratch/stdout"
	# A secret that was not applied, which tgtd does not tell.
	sed -i 's/^thin.*/secret = secretsecret1/' "$scratch/fleet.conf"
	expect 0 glue apply
	equal "target" ok "$(field pc1 target)"
	sed -i 's/secretsecret1/secretsecret2/' "$scratch/fleet.conf"
	equal "target" differs "$(field pc1 target)"
}

test_removed_client_is_extra() {
	start_server
	write_fleet pc1 pc2 </dev/null
	expect 0 glue apply
	write_fleet pc1 </dev/null
	equal "extra" "$iqn_prefix:pc2" \
		"$(glue status --json | jq -r '.extra[]')"
	expect 0 glue status
	grep -q '^pc2 .*not in fleet.conf' "$scratch/stdout"
}

test_little_free_space() {
	start_server
	write_fleet pc1 </dev/null
	expect 0 glue status
	[ ! -s "$scratch/stderr" ] || fail "$(cat "$scratch/stderr")"
	sed -i 's/^mount/min-free = 100%\n&/' "$scratch/fleet.conf"
	expect 0 glue status
	grep -Eq 'warning: .*/store: .* free, expected at least ' \
		"$scratch/stderr"
}

test_without_tgtd() {
	make_store
	port=$(free_port)
	write_fleet pc1 </dev/null
	expect 1 glue status --json
	equal "target" unknown "$(jq -r '.clients[0].target' "$scratch/stdout")"
	equal "tgtd" false "$(jq .tgtd "$scratch/stdout")"
	grep -q 'no tgtd answers' "$scratch/stderr"
}

test_lines_fit_a_terminal() {
	start_server
	write_fleet pc017 workstation-12 </dev/null
	expect 0 glue apply
	expect 0 glue status
	awk 'length > 80' "$scratch/stdout" | grep . && fail "lines too long"
	return 0
}

test_no_secret_is_shown() {
	start_server
	write_fleet <<-END
		[client pc1]
		secret = secretsecret1
	END
	expect 0 glue apply
	glue status --json >"$scratch/all"
	glue status >>"$scratch/all"
	! grep secretsecret "$scratch/all" || fail "a secret is shown"
}

run_tests
