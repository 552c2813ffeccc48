#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The start and the stop of tgtd by the units: tgtd accepts their options, has few
# threads, and ends at a stop.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/systemd.sh"

drop_in=$top_srcdir/contrib/systemd/tgt.service.d/vhdfs.conf

# start_as LINE: starts a private tgtd with the options of a line ExecStart.
start_as() {
	local line=$1

	requires_tgtd
	port=$(free_port)
	line=${line/ -C \${CONTROL_PORT\}/}
	line=${line/\${ISCSI\},/}
	line="${line#ExecStart=} -C $port"
	# shellcheck disable=SC2086
	${line/--iscsi /--iscsi portal=127.0.0.1:$port,} \
		>"$scratch/tgtd.log" 2>&1 &
	tgtd_pid=$!
	at_exit end_tgtd
	wait_until 30 adm --op show --mode sys
}

# Expects that tgtd has two threads for each LUN, and sends NOP-Ins to its clients.
check_tgtd() {
	local i before

	before=$(ls "/proc/$tgtd_pid/task" | wc -l)
	for ((i = 1; i <= 20; i++)); do
		truncate -s 1M "$scratch/$i"
		adm --op new --mode target --tid "$i" -T "iqn.2026-01.x:$i"
		adm --op new --mode logicalunit --tid "$i" --lun 1 \
			-b "$scratch/$i"
	done
	equal "threads of 20 LUNs" 40 \
		$(($(ls "/proc/$tgtd_pid/task" | wc -l) - before))
	adm --op show --mode target --tid 1 >"$scratch/shown"
	grep -qx 'nop_interval=5' "$scratch/shown"
	grep -qx 'nop_count=6' "$scratch/shown"
}

test_tgtd_runs_with_the_options_of_the_drop_in() {
	start_as "$(grep '^ExecStart=/' "$drop_in")"
	check_tgtd
}

test_tgtd_runs_with_the_options_of_the_unit_of_a_shard() {
	start_as "$(grep '^ExecStart=/' \
		"$top_builddir/contrib/systemd/vhdfs-tgtd@.service")"
	check_tgtd
}

# stop_as UNIT: runs the lines ExecStop of a unit as systemd does: a line that fails is
# the last one, unless it begins with "-".
stop_as() {
	local line

	sed -n 's/^ExecStop=//p' "$1" | sed "s/\${CONTROL_PORT}/$port/g" \
		>"$scratch/stop"
	grep -q tgt-admin "$scratch/stop"
	while read -r line; do
		bash -c "${line#-}" <&- || [[ $line = -* ]] || return 0
	done <"$scratch/stop"
}

# Replaces tgtadm by a script: at the first end of a session the session ends before
# tgtadm can end it, as if the client had logged out.
end_a_session_first() {
	mkdir "$scratch/bin"
	cat >"$scratch/bin/tgtadm" <<-END
		#!/bin/sh
		case "\$*" in
		*"--op delete --mode conn"*)
			[ -e "$scratch/ended" ] || /usr/sbin/tgtadm "\$@"
			touch "$scratch/ended"
			;;
		esac
		exec /usr/sbin/tgtadm "\$@"
	END
	chmod +x "$scratch/bin/tgtadm"
	PATH=$scratch/bin:$PATH
}

tgtd_has_ended() {
	! kill -0 "$tgtd_pid"
}

test_unit_stops_tgtd_while_clients_log_out() {
	local unit=$top_builddir/contrib/systemd/vhdfs-tgtd@.service name

	requires_initiator
	equal "ExecStop of tgt.service and of a shard" \
		"$(grep ^ExecStop=. "$drop_in")" \
		"$(grep ^ExecStop=. "$unit" | sed 's/ -C ${CONTROL_PORT}//g')"
	start_as "$(grep '^ExecStart=/' "$unit")"
	for name in pc1 pc2; do
		truncate -s 1M "$scratch/$name"
		adm --op new --mode target --tid "${name#pc}" -T "$iqn_prefix:$name"
		adm --op new --mode logicalunit --tid "${name#pc}" --lun 1 \
			-b "$scratch/$name"
		adm --op bind --mode target --tid "${name#pc}" -I ALL
		hold_session "$name"
	done
	end_a_session_first
	stop_as "$unit" >"$scratch/stopped" 2>&1
	[ -e "$scratch/ended" ] || fail "expected the stop to end a session"
	wait_until 30 tgtd_has_ended
}

test_systemd_accepts_the_drop_in() {
	requires systemd-analyze
	mkdir "$scratch/units"
	cp /lib/systemd/system/tgt.service "$scratch/units/"
	cp -r "$(dirname "$drop_in")" "$scratch/units/"
	SYSTEMD_UNIT_PATH=$scratch/units: systemd-analyze verify --man=no \
		"$scratch/units/tgt.service" >"$scratch/verify" 2>&1 ||
		fail "expected a valid unit: $(cat "$scratch/verify")"
	[ ! -s "$scratch/verify" ] ||
		fail "expected no warnings: $(cat "$scratch/verify")"
	# The drop-in replaces this line of tgt's unit in Debian 12.
	grep -qx 'ExecStart=/usr/sbin/tgtd -f' "$scratch/units/tgt.service"
	sed -i 's/-t 2/-t 2 --wrong/; s/^ExecStart=$/ExecStar=/' \
		"$scratch/units/tgt.service.d/vhdfs.conf"
	SYSTEMD_UNIT_PATH=$scratch/units: systemd-analyze verify --man=no \
		"$scratch/units/tgt.service" >"$scratch/verify" 2>&1 || true
	[ -s "$scratch/verify" ] ||
		fail "expected an error about the damaged drop-in, found none"
}

test_drop_in_is_installed() {
	make -s -C "$top_builddir" install-systemdtgtDATA \
		DESTDIR="$scratch/root" >"$scratch/out" 2>&1 ||
		fail "expected success of make: $(cat "$scratch/out")"
	find "$scratch/root" -path '*/systemd/system/tgt.service.d/vhdfs.conf' |
		grep . || fail "expected tgt.service.d/vhdfs.conf, found:" \
			"$(find "$scratch/root")"
}

run_tests
