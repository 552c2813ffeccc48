#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ipxe and dnsmasq: boot scripts, and the configuration of DHCP and TFTP.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/../boot-sector.sh"

# has LINE...: expects each line in standard output.
has() {
	local line

	for line; do
		grep -Fxq -e "$line" "$scratch/stdout" ||
			fail "expected the line '$line' in: $(cat "$scratch/stdout")"
	done
}

portals() {
	local portal

	for portal; do
		sed -i "s/^mount/portal = $portal\n&/" "$scratch/fleet.conf"
	done
}

test_script_boots_the_clients_disk() {
	name_store
	write_fleet <<-END
		[machines]
		pc1 = 52:54:00:12:34:01
	END
	portals 10.0.0.1
	expect 0 glue ipxe pc1
	equal "first line" '#!ipxe' "$(head -n 1 "$scratch/stdout")"
	has "set initiator-iqn $iqn_prefix:initiator:pc1" "set keep-san 1" \
		"set netX/gateway 0.0.0.0 ||" "clear netX/gateway ||" \
		"sanboot iscsi:10.0.0.1::3260:1:$iqn_prefix:pc1 ||"
	! grep -E 'username|password' "$scratch/stdout" ||
		fail "expected no CHAP"
}

test_script_sets_user_and_secret() {
	name_store
	write_fleet <<-END
		[client pc1]
		secret = secretsecret1
		[client pc2]
		user = me
		secret = secretsecret2
		mutual-user = server
		mutual-secret = secretsecret3
	END
	expect 0 glue ipxe pc1
	has "set username pc1" "set password secretsecret1"
	! grep reverse "$scratch/stdout" || fail "expected no mutual CHAP"
	expect 0 glue ipxe pc2
	has "set username me" "set password secretsecret2" \
		"set reverse-username server" \
		"set reverse-password secretsecret3"
}

# A client that admits names admits the one in the script.
test_script_sets_an_admitted_initiator_name() {
	name_store
	write_fleet <<-END
		[client pc1]
		initiator = iqn.2026-01.lan:first
		initiator = iqn.2026-01.lan:second
	END
	expect 0 glue ipxe pc1
	has "set initiator-iqn iqn.2026-01.lan:first"
}

test_script_opens_all_portals() {
	name_store
	write_fleet pc1 </dev/null
	portals 10.0.0.1:3262 '[fd00::1]:3261'
	expect 0 glue ipxe pc1
	has "sanboot iscsi:10.0.0.1::3262:1:$iqn_prefix:pc1 iscsi:[fd00::1]::3261:1:$iqn_prefix:pc1 ||"
}

# An address that no machine can reach is replaced by that of the boot server.
test_script_uses_next_server_without_a_reachable_portal() {
	local portal

	name_store
	write_fleet pc1 </dev/null
	expect 0 glue ipxe pc1
	has "sanboot iscsi:\${next-server}::3260:1:$iqn_prefix:pc1 ||"
	for portal in 0.0.0.0:3261 127.0.0.1:3261 '[::]:3261'; do
		write_fleet pc1 </dev/null
		portals "$portal" 127.0.0.2:3261
		expect 0 glue ipxe pc1
		has "sanboot iscsi:\${next-server}::3261:1:$iqn_prefix:pc1 ||"
	done
}

test_wrong_usage_is_reported() {
	name_store
	write_fleet pc1 </dev/null
	expect_error 1 "client: expected one of fleet.conf, found 'pc9'" \
		glue ipxe pc9
	expect_error 2 "expected CLIENT, found 0 operands" glue ipxe
	expect_error 2 "unexpected operand 'pc1'" glue ipxe --all "$scratch" pc1
	expect_error 2 "not an option of 'dnsmasq'" glue dnsmasq --all "$scratch"
	expect_error 1 "^tgt-glue: --all: $scratch/none: No such file" \
		glue ipxe --all "$scratch/none"
	expect_error 1 "--all: expected a directory, found a file" \
		glue ipxe --all "$scratch/fleet.conf"
}

three_machines() {
	name_store
	write_fleet admin <<-END
		[machines]
		pc1 = 52:54:00:AB:34:01
		pc2 = 52:54:00:ab:34:02
		[client pc2]
		secret = secretsecret1
	END
	mkdir -p "$scratch/tftp"
}

test_all_writes_a_script_for_each_mac() {
	three_machines
	umask 077
	expect 0 glue ipxe --all "$scratch/tftp"
	equal "files" "52-54-00-ab-34-01.ipxe 52-54-00-ab-34-02.ipxe boot.ipxe" \
		"$(cd "$scratch/tftp" && echo * .[a-z]* | sed 's/ \.\[.*//')"
	said '^tgt-glue: admin: no script: fleet.conf names no mac'
	glue ipxe pc1 | cmp - "$scratch/tftp/52-54-00-ab-34-01.ipxe"
	grep -Fq 'chain --replace ${netX/mac:hexhyp}.ipxe' \
		"$scratch/tftp/boot.ipxe"
	ls -l --full-time "$scratch/tftp" >"$scratch/before"
	expect 0 glue ipxe --all "$scratch/tftp"
	[ ! -s "$scratch/stdout" ] || fail "expected no second write"
	ls -l --full-time "$scratch/tftp" | cmp - "$scratch/before"
}

# The TFTP server runs as another user.
test_scripts_with_secrets_are_for_the_group_only() {
	requires_root
	three_machines
	chgrp 12 "$scratch/tftp"
	umask 077
	expect 0 glue ipxe --all "$scratch/tftp"
	equal "modes" "644 0 640 12 644 0" "$(stat -c '%a %g' \
		"$scratch"/tftp/*.ipxe | paste -sd ' ')"
	said 'warning: .*/tftp: 1 script holds a CHAP secret, readable for group 12'
	chgrp 13 "$scratch/tftp"
	expect 0 glue ipxe --all "$scratch/tftp"
	equal "group" 13 "$(stat -c %g "$scratch/tftp/52-54-00-ab-34-02.ipxe")"
}

test_all_removes_scripts_of_removed_machines() {
	three_machines
	expect 0 glue ipxe --all "$scratch/tftp"
	echo mine >"$scratch/tftp/52-54-00-ab-34-99.ipxe"
	echo mine >"$scratch/tftp/other.ipxe"
	sed -i '/^pc1/d' "$scratch/fleet.conf"
	expect 0 glue ipxe --all "$scratch/tftp"
	equal "files" "52-54-00-ab-34-02.ipxe 52-54-00-ab-34-99.ipxe boot.ipxe other.ipxe" \
		"$(cd "$scratch/tftp" && echo *)"
	has "$scratch/tftp/52-54-00-ab-34-01.ipxe: removed"
}

test_file_of_another_program_is_skipped() {
	three_machines
	printf '#!ipxe\nshell\n' >"$scratch/tftp/52-54-00-ab-34-01.ipxe"
	expect 4 glue ipxe --all "$scratch/tftp"
	said '34-01.ipxe: skipped: expected a script of tgt-glue'
	equal "script" shell "$(tail -n 1 "$scratch/tftp/52-54-00-ab-34-01.ipxe")"
	[ -f "$scratch/tftp/52-54-00-ab-34-02.ipxe" ] ||
		fail "expected the script of the other client"
}

test_all_with_mistakes_changes_nothing() {
	three_machines
	expect 0 glue ipxe --all "$scratch/tftp"
	ls -l --full-time "$scratch/tftp" >"$scratch/before"
	sed -i 's/^pc1.*/pc1 = nonsense/' "$scratch/fleet.conf"
	expect_error 1 "mac: expected a MAC address" glue ipxe --all "$scratch/tftp"
	ls -l --full-time "$scratch/tftp" | cmp - "$scratch/before"
}

# Killed at each system call that changes a file.
test_all_killed_at_any_call_leaves_whole_files() {
	local n call

	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	three_machines
	expect 0 glue ipxe --all "$scratch/tftp"
	cp -r "$scratch/tftp" "$scratch/old"
	sed -i 's/secretsecret1/secretsecret2/' "$scratch/fleet.conf"
	portals 10.0.0.1
	for call in write rename; do
		for n in 1 2 3; do
			rm -rf "$scratch/tftp"
			cp -r "$scratch/old" "$scratch/tftp"
			strace -f -qq -o "$scratch/trace" -e trace=$call \
				-e inject="$call:signal=SIGKILL:when=$n" \
				tgt-glue --config "$scratch/fleet.conf" ipxe \
				--all "$scratch/tftp" >/dev/null 2>&1 || true
			for file in "$scratch"/tftp/*.ipxe; do
				tail -n 1 "$file" | grep -q '^goto start$' ||
					fail "$call $n: expected a complete script, found $file"
			done
		done
	done
	expect 0 glue ipxe --all "$scratch/tftp"
	glue ipxe pc2 | cmp - "$scratch/tftp/52-54-00-ab-34-02.ipxe"
}

lab() {
	name_store
	write_fleet admin <<-END
		[machines]
		pc1 = 52:54:00:AB:34:01 10.0.0.7
		pc2 = 52:54:00:ab:34:02 10.0.0.8/32
		pc3 = 52:54:00:ab:34:03
		12h = 52:54:00:ab:34:04 10.0.0.9
		10.0.0.77 = 52:54:00:ab:34:05 10.0.0.10
		ignore = 52:54:00:ab:34:06 10.0.0.11
		[client pc4]
		mac = 52:54:00:ab:34:08
		address = 10.0.0.0/24
	END
	sed -i 's/^address = 127.*/address = 10.0.0.200/' "$scratch/fleet.conf"
}

test_dnsmasq_has_hosts_ranges_and_boot_files() {
	lab
	expect 0 glue dnsmasq
	has "dhcp-range=10.0.0.0,static" \
		"dhcp-host=52:54:00:ab:34:01,10.0.0.7,pc1" \
		"dhcp-host=52:54:00:ab:34:02,10.0.0.8,pc2" \
		"dhcp-host=52:54:00:ab:34:03,pc3" \
		"dhcp-host=52:54:00:ab:34:04,10.0.0.9" \
		"dhcp-host=52:54:00:ab:34:05,10.0.0.10" \
		"dhcp-host=52:54:00:ab:34:06,10.0.0.11" \
		"dhcp-host=52:54:00:ab:34:08,pc4" \
		"dhcp-boot=tag:ipxe,boot.ipxe" "tftp-root=/srv/tftp" \
		"dhcp-boot=tag:!ipxe,tag:uefi,ipxe.efi" \
		"dhcp-boot=tag:!ipxe,tag:!uefi,undionly.kpxe"
	! grep '^[^#].*admin' "$scratch/stdout" ||
		fail "expected no line for a client without a MAC"
	portals 10.0.0.1 127.0.0.1
	expect 0 glue dnsmasq --tftp-root "$scratch/tftp"
	has "dhcp-range=10.0.0.1,static" "tftp-root=$scratch/tftp"
	equal "ranges" 1 "$(grep -c ^dhcp-range "$scratch/stdout")"
}

test_dnsmasq_accepts_the_configuration() {
	requires dnsmasq
	lab
	mkdir "$scratch/tftp"
	glue dnsmasq --tftp-root "$scratch/tftp" >"$scratch/conf"
	expect 0 dnsmasq --test -C "$scratch/conf"
	sed -i 's/^dhcp-host=.*07/&/; $ a dhcp-hast=1' "$scratch/conf"
	expect 1 dnsmasq --test -C "$scratch/conf"
}

# The remaining tests boot a virtual machine with iPXE as its firmware.

bootable_master() {
	boot_sector >"$scratch/disk"
	truncate -s 8M "$scratch/disk"
	mkdir -p "$scratch/store/masters"
	vhdfs-img convert "$scratch/disk" "$scratch/store/masters/win11.vhdx"
}

# start_machine MAC: starts a virtual machine; its screen goes to
# $scratch/screen.
start_machine() {
	qemu-system-x86_64 -accel tcg -m 128 -nographic -serial stdio \
		-monitor none -no-reboot -boot n \
		-netdev "user,id=n,tftp=$scratch/tftp,bootfile=boot.ipxe" \
		-device "virtio-net,netdev=n,mac=$1" \
		</dev/null >"$scratch/screen" 2>&1 &
	machine_pid=$!
	at_exit stop_machine
}

stop_machine() {
	kill "$machine_pid" 2>/dev/null || true
	wait "$machine_pid" || true
	sed 's/\x1b\[[0-9;?]*[a-zA-Z]//g' "$scratch/screen"
}

# sees PATTERN: waits until the screen shows a line with the pattern.
sees() {
	wait_until 90 screen_has "$1"
}

screen_has() {
	tr -d '\r\n' <"$scratch/screen" | grep -Eaq -e "$1"
}

start_lab() {
	requires qemu-system-x86_64
	requires_fuse
	bootable_master
	mount_store "$scratch/store" "$scratch/mnt"
	start_tgtd
	write_fleet
	cat >>"$scratch/fleet.conf"
	portals "127.0.0.1:$port"
	mkdir "$scratch/tftp"
	expect 0 glue apply
	expect 0 glue ipxe --all "$scratch/tftp"
}

test_machine_boots_with_mutual_chap() {
	start_lab <<-END
		[client pc1]
		mac = 52:54:00:00:00:01
		user = me
		secret = secretsecret1
		mutual-user = server
		mutual-secret = secretsecret2
	END
	start_machine 52:54:00:00:00:01
	sees 'BOOTED FROM THE MASTER'
	wait "$machine_pid"
}

# The firmware's own initiator name is not admitted.
test_machine_boots_with_its_initiator_name() {
	start_lab <<-END
		[client pc1]
		mac = 52:54:00:00:00:01
		address = 10.9.9.9
		initiator = iqn.2026-01.lan:one
	END
	start_machine 52:54:00:00:00:01
	sees 'BOOTED FROM THE MASTER'
}

test_unknown_machine_shows_its_mac() {
	start_lab <<-END
		[client pc1]
		mac = 52:54:00:00:00:01
	END
	start_machine 52:54:00:00:00:09
	sees 'The boot server has no disk for this machine, 52:54:00:00:00:09'
	sees 'Trying again in 30 seconds. Press s for a shell'
}

# After a power cut, tgtd may start later than the machines.
test_machine_retries_until_its_disk_exists() {
	start_lab <<-END
		[client pc1]
		mac = 52:54:00:00:00:01
	END
	kill_tgtd
	start_machine 52:54:00:00:00:01
	sees 'pc1: the disk did not boot'
	start_tgtd
	tgt-admin -C "$port" -c "$scratch/targets.conf" --execute
	sees 'BOOTED FROM THE MASTER'
}

# keep-san holds the disk; the next attempt must open it again.
test_machine_retries_a_disk_that_does_not_boot() {
	start_lab <<-END
		[client pc1]
		mac = 52:54:00:00:00:01
	END
	dd if=/dev/zero of="$scratch/mnt/clients/pc1.vhdx.raw" bs=512 count=1 \
		conv=notrunc,fsync status=none
	start_machine 52:54:00:00:00:01
	sees 'pc1: the disk did not boot.*(Registered SAN device.*){2}pc1: the disk did not boot'
	! grep -a 'Could not open SAN' "$scratch/screen" ||
		fail "expected the machine to open the disk again"
}

run_tests
