#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# All access rules: a client for each combination of the access keys of
# fleet.conf, and initiators with each combination of address, name and secret.
# tgtd must admit exactly the initiators that fleet.conf admits.
#
# A client's address is 127.0.0.1, or one that no initiator has; its initiator
# name is "one" or not set.  Initiators are at 127.0.0.1 or at 127.0.0.3, in a
# network namespace of the test.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

one=iqn.2026-01.lan:one

own_network() {
	unshare --net sleep 1000 &
	network=$!
	at_exit "kill $network; wait $network"
	wait_until 5 network_is_own
	nsenter -t $network -n ip link set lo up
}

network_is_own() {
	[ ! /proc/self/ns/net -ef "/proc/$network/ns/net" ]
}

# tgtd of the test's network namespace; only in the background, as start_tgtd
# runs it.
tgtd() {
	exec nsenter -t "$network" -n tgtd "$@"
}

# move_to ADDRESS: the source address of all following initiators.
move_to() {
	nsenter -t "$network" -n ip route replace table local local 127.0.0.1 \
		dev lo src "$1"
	at=$1
}

all_clients() {
	local address name chap

	for address in none right wrong; do
		for name in none one; do
			for chap in none way mutual; do
				client_section "$address-$name-$chap"
			done
		done
	done
}

# client_section CLIENT: prints that client's section of fleet.conf.
client_section() {
	local address name chap

	IFS=- read -r address name chap <<<"$1"
	echo "[client $1]"
	case $address in
	right) echo "address = 127.0.0.1" ;;
	wrong) echo "address = 127.0.0.2" ;;
	esac
	[ "$name" = none ] || echo "initiator = $one"
	[ "$chap" = none ] || echo "secret = secretof${chap}12"
	[ "$chap" != mutual ] ||
		echo "mutual-user = server-$1
mutual-secret = serversecret12"
	[ "$1" != none-none-none ] || echo "open = yes"
}

# must_admit CLIENT NAME KEY: succeeds if this login must be admitted.
must_admit() {
	local address name chap

	IFS=- read -r address name chap <<<"$1"
	[ "$address-$name" = none-none ] ||
		[ "$address-$at" = right-127.0.0.1 ] ||
		[ "$name-$2" = "one-$one" ] || return 1
	# An initiator that checks the server's secret accepts only the right
	# one.
	case $chap-$3 in
	none-none | none-right | none-wrong | none-other) ;;
	way-right | mutual-right | mutual-mutual) ;;
	*) return 1 ;;
	esac
}

# credentials CLIENT KEY: the credentials of the initiator: none, the right
# secret, a wrong one, another client's; with the right and a wrong secret of
# the server.
credentials() {
	case $2 in
	right | mutual | impostor) echo "$1%secretof${1##*-}12@" ;;
	wrong) echo "$1%secretwrong12@" ;;
	other) echo "right-one-way%secretofway12@" ;;
	esac
}

login_as() {
	local url

	url=$(url "$1" "$(credentials "$1" "$3")")
	case $3 in
	mutual) url="$url?target_user=server-$1&target_password=serversecret12" ;;
	impostor) url="$url?target_user=server-$1&target_password=wrongsecret12" ;;
	esac
	nsenter -t "$network" -n initiator -i "$2" login "$url" 2>&1
}

# Tries every combination and counts the logins that were admitted.
try_every_login() {
	local client name key why n=0 in=0

	for at in 127.0.0.1 127.0.0.3; do
		move_to $at
		for client in $(all_clients | sed -n 's/^.client \(.*\).$/\1/p'); do
			for name in $one iqn.2026-01.lan:two; do
				for key in none right wrong other mutual impostor; do
					[ "$client-$key" != right-one-way-other ] || continue
					n=$((n + 1))
					if why=$(login_as $client $name $key); then
						in=$((in + 1))
						must_admit $client $name $key ||
							echo "$client: expected refused, found admitted: $name at $at with $key"
					elif must_admit $client $name $key; then
						echo "$client: expected admitted, found refused: $name at $at with $key: $why"
					fi
				done
			done
		done
	done >"$scratch/wrong"
	[ ! -s "$scratch/wrong" ] ||
		fail "unexpected logins: $(cat "$scratch/wrong")"
	remark "$in of $n logins were admitted"
	[ "$in" -gt 80 ] ||
		fail "expected more than 80 admitted logins, found $in"
}

start_all_clients() {
	requires_initiator
	requires unshare nsenter ip
	make_store
	mount_store "$scratch/store" "$scratch/mnt"
	own_network
	start_tgtd
	all_clients | write_fleet
	sed -i '/^address = 127.0.0.1$/{x;s/^/x/;/^x$/{x;d};x}' "$scratch/fleet.conf"
}

test_apply_admits_exactly_the_configured_initiators() {
	start_all_clients
	expect 0 glue apply
	try_every_login
}

# tgt-admin makes the targets when the server starts.
test_tgt_admin_admits_exactly_the_configured_initiators() {
	start_all_clients
	glue apply >/dev/null
	kill_tgtd
	start_tgtd
	glue generate >"$scratch/generated.conf"
	tgt-admin -C "$port" -c "$scratch/generated.conf" --execute
	try_every_login
}

run_tests
