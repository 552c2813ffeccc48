#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img convert with an NBD URI as SOURCE: reads, errors and signals.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq nbdkit qemu-nbd qemu-img
[[ $(vhdfs-img convert nbd://127.0.0.1:1/ /nowhere/a 2>&1) != *"no libnbd"* ]] ||
	skip "this build has no libnbd"

# uri NAME [EXPORT]: prints the URI of the server on socket NAME; EXPORT is
# percent-encoded.
uri() {
	echo "nbd+unix:///${2:-}?socket=$scratch/$1"
}

# listens SOCKET: a server listens on it (flag __SO_ACCEPTCON).  A socket that is
# only bound refuses connections.
listens() {
	grep -q " 00010000 .* $1\$" /proc/net/unix
}

# serve NAME COMMAND...: starts COMMAND, a server that listens on socket
# $scratch/NAME.  Its process is $server, its messages are in NAME.log.
serve() {
	local name=$1

	shift
	"$@" >"$scratch/$name.log" 2>&1 &
	server=$!
	at_exit "kill -CONT $server; kill -KILL $server; wait $server"
	wait_until 60 listens "$scratch/$name"
}

# serve_nbdkit NAME ARGUMENT...
serve_nbdkit() {
	serve "$1" nbdkit -f -U "$scratch/$1" "${@:2}"
}

# serve_qemu NAME FORMAT FILE [OPTION...]
serve_qemu() {
	serve "$1" qemu-nbd -r -t -k "$scratch/$1" -f "$2" "${@:4}" "$3"
}

make_raw() {
	choose_seed
	make_model "$scratch/m.raw" 20M
	put_random "$scratch/m.raw" "$scratch/m.raw" 30 >/dev/null
}

no_target_remains() {
	equal "files of the target" "" "$(find "$scratch" -name '*out.vhdx*')"
}

# Prints the numbers of the pieces of 64 KiB that IMAGE stores.
data_of() {
	vhdfs-img map --json "$1" | jq -c '[.[] | select(.data) |
		range(.start / 65536 | floor;
			(.start + .length - 1) / 65536 + 1 | floor)] | unique'
}

# same_as_of_raw OUT: OUT reads as the model, and stores the same pieces as an
# image that was converted from the model.
same_as_of_raw() {
	same_disk "$1" "$scratch/m.raw"
	vhdfs-img convert --format vhdx "$scratch/m.raw" "$scratch/raw.vhdx"
	equal "data" "$(data_of "$scratch/raw.vhdx")" "$(data_of "$1")"
	rm "$scratch/raw.vhdx"
}

test_disks_of_other_programs_are_converted() {
	local format

	make_raw
	truncate -s 200M "$scratch/m.raw"
	disk-io "$scratch/m.raw" write 150000000 3000000 1
	for format in qcow2 vmdk vdi; do
		qemu-img convert -f raw -O $format "$scratch/m.raw" \
			"$scratch/a.$format"
		serve_qemu $format $format "$scratch/a.$format"
		expect 0 vhdfs-img convert "$(uri $format)" "$scratch/out.vhdx"
		equal "output" "" "$(cat "$scratch/stdout" "$scratch/stderr")"
		qemu-img compare -q -f $format -F vhdx "$scratch/a.$format" \
			"$scratch/out.vhdx"
		same_as_of_raw "$scratch/out.vhdx"
		rm "$scratch/out.vhdx"
	done
}

test_each_target_format_is_written() {
	local target

	make_raw
	serve_nbdkit s file "$scratch/m.raw"
	for target in a.vhd a.vhdx; do
		vhdfs-img convert "$(uri s)" "$scratch/$target"
		same_disk "$scratch/$target" "$scratch/m.raw"
	done
	vhdfs-img convert "$(uri s)" "$scratch/a.raw"
	cmp "$scratch/a.raw" "$scratch/m.raw"
	vhdfs-img convert --format vhd --fixed "$(uri s)" "$scratch/b"
	same_disk "$scratch/b" "$scratch/m.raw"
	equal "format and type" "vhd fixed" \
		"$(vhdfs-img info --json "$scratch/b" | jq -r '"\(.format) \(.type)"')"
}

test_sparse_disk_of_1_tib_takes_less_than_16_mib() {
	local begun=$SECONDS at

	qemu-img create -q -f qcow2 "$scratch/a.qcow2" 1T
	qemu-io -f qcow2 -c 'write -P 7 0 64k' -c 'write -P 8 600G 64k' \
		-c 'write -z 700G 1G' -c 'write -P 9 1099511562240 64k' \
		"$scratch/a.qcow2" >/dev/null
	serve_qemu s qcow2 "$scratch/a.qcow2"
	timeout "$hang_seconds" vhdfs-img convert "$(uri s)" "$scratch/b.vhdx"
	remark "a sparse disk of 1 TiB: $((SECONDS - begun)) s"
	equal "virtual size" $((1 << 40)) \
		"$(vhdfs-img info --json "$scratch/b.vhdx" | jq '.["virtual-size"]')"
	[ "$(stat -c %b "$scratch/b.vhdx")" -lt $((16 << 11)) ] ||
		fail "expected less than 16 MiB, found" \
			"$(stat -c %b "$scratch/b.vhdx") blocks of 512 bytes"
	equal "pieces with data" "[0,9830400,16777215]" \
		"$(data_of "$scratch/b.vhdx")"
	equal "data" 070809 "$(for at in 0 644245094400 \
		1099511562240; do
		disk-io "$scratch/b.vhdx" read $at 65536 | tr -s '\7\10\11'
	done | od -An -v -t x1 | tr -d ' \n')"
}

# reads_of LOG: prints offset and length of each read in the server's log.
reads_of() {
	sed -n 's/.* Read id=[0-9]* offset=\(0x[0-9a-f]*\) count=\(0x[0-9a-f]*\) .*/\1 \2/p' \
		"$1" | while read -r off len; do
		echo $((off)) $((len))
	done
}

test_zeros_are_not_read() {
	truncate -s 64M "$scratch/m.raw"
	disk-io "$scratch/m.raw" write 1048576 65536 1 write 33554432 131072 2
	serve_nbdkit s --filter=log file "$scratch/m.raw" \
		logfile="$scratch/requests"
	vhdfs-img convert "$(uri s)" "$scratch/out.vhdx"
	same_as_of_raw "$scratch/out.vhdx"
	equal "reads" "1048576 65536
33554432 131072" "$(reads_of "$scratch/requests")"
}

# No block status: alone, and because structured replies are disabled.
test_server_without_block_status_is_read_whole() {
	local i=0 options

	make_raw
	for options in --filter=noextents --no-sr --filter=nozero --mask-handshake=0; do
		serve_nbdkit s$((++i)) $options file "$scratch/m.raw"
		vhdfs-img convert "$(uri s$i)" "$scratch/out.vhdx"
		same_as_of_raw "$scratch/out.vhdx"
		rm "$scratch/out.vhdx"
	done
}

test_server_that_fails_block_status_is_read_whole() {
	make_raw
	serve_nbdkit s --filter=error file "$scratch/m.raw" \
		error-extents-rate=100%
	vhdfs-img convert "$(uri s)" "$scratch/out.vhdx"
	same_as_of_raw "$scratch/out.vhdx"
}

test_requests_have_the_block_sizes_of_the_server() {
	local off len

	make_raw
	serve_nbdkit s --filter=blocksize-policy --filter=log file \
		"$scratch/m.raw" blocksize-minimum=4096 \
		blocksize-preferred=4096 blocksize-maximum=64k \
		blocksize-error-policy=error logfile="$scratch/requests"
	vhdfs-img convert "$(uri s)" "$scratch/out.vhdx"
	same_as_of_raw "$scratch/out.vhdx"
	reads_of "$scratch/requests" >"$scratch/reads"
	[ -s "$scratch/reads" ] || fail "expected reads in the log"
	while read -r off len; do
		[ $((off % 4096)) = 0 ] && [ $((len % 4096)) = 0 ] &&
			[ "$len" -le 65536 ] ||
			fail "expected reads of 4096 to 65536 bytes, aligned to" \
				"4096, found $len at $off"
	done <"$scratch/reads"
}

test_odd_size_is_padded() {
	make_raw
	disk-io "$scratch/m.raw" write 900000 200000 3
	truncate -s 1000001 "$scratch/m.raw"
	cp "$scratch/m.raw" "$scratch/served"
	truncate -s 1000448 "$scratch/m.raw"
	serve_nbdkit s file "$scratch/served"
	vhdfs-img convert "$(uri s)" "$scratch/out.vhdx"
	same_disk "$scratch/out.vhdx" "$scratch/m.raw"
}

test_empty_export_is_refused() {
	serve_nbdkit s memory 0
	expect_error 1 "socket=.*: export size: expected at least one sector, found 0" \
		vhdfs-img convert "$(uri s)" "$scratch/out.vhdx"
	no_target_remains
}

test_uri_selects_the_export() {
	local port

	make_raw
	serve_qemu s raw "$scratch/m.raw" -x 'lab disk/1 50%'
	vhdfs-img convert "$(uri s lab%20disk%2F1%2050%25)" "$scratch/b.vhdx"
	same_disk "$scratch/b.vhdx" "$scratch/m.raw"
	expect_error 1 "///other.*: NBD server: .*'other'.*; nbdinfo --list" \
		vhdfs-img convert "$(uri s other)" "$scratch/out.vhdx"
	no_target_remains
	port=$(free_port)
	nbdkit -f -i 127.0.0.1 -p "$port" --filter=exportname file \
		"$scratch/m.raw" exportname-strict=true exportname=lab \
		>"$scratch/tcp.log" 2>&1 &
	at_exit "kill $!"
	wait_until 10 bash -c ": <'/dev/tcp/127.0.0.1/$port'"
	vhdfs-img convert "nbd://127.0.0.1:$port/lab" "$scratch/c.vhdx"
	same_disk "$scratch/c.vhdx" "$scratch/m.raw"
}

test_missing_server_is_an_error() {
	expect_error 1 'nbd://127.0.0.1:1/lab: NBD server: .*refused; start the server' \
		vhdfs-img convert nbd://127.0.0.1:1/lab "$scratch/out.vhdx"
	expect_error 1 'socket=.*none: NBD server: .*No such file.*; start the server' \
		vhdfs-img convert "$(uri none)" "$scratch/out.vhdx"
	expect_error 1 'NBD server: .*No such file.*; start the server' \
		vhdfs-img convert "nbds+unix:///?socket=$scratch/none" \
		"$scratch/out.vhdx"
	: >"$scratch/file"
	expect_error 1 'socket=.*file: NBD server: .*; start the server' \
		vhdfs-img convert "$(uri file)" "$scratch/out.vhdx"
	no_target_remains
}

test_invalid_uri_is_an_error() {
	local uri

	for uri in nbd+unix:/// nbd+foo://x/ 'nbd://[zz/x' 'nbd://h/a b'; do
		expect_error 1 'NBD server: .*; an NBD URI is nbd://HOST' \
			vhdfs-img convert "$uri" "$scratch/out.vhdx"
	done
	no_target_remains
}

test_password_is_not_shown() {
	local uri

	for uri in nbd://alice:hush@127.0.0.1:1/lab 'nbd://alice:hush@[zz/a b'; do
		expect_error 1 'nbd://alice:\*\*\*@.*: NBD server: ' \
			vhdfs-img convert "$uri" "$scratch/out.vhdx"
		! grep hush "$scratch/stderr" || fail "expected no password"
	done
	expect_error 1 'nbd://alice:\*\*\*@.*: Connection refused; start' \
		vhdfs-img convert nbd://alice:hush@127.0.0.1:1/lab \
		"$scratch/out.vhdx"
	expect_error 1 'nbd://h/a:b@c: ' vhdfs-img convert --store "$scratch" \
		nbd://h/a:b@c "$scratch/out.vhdx"
	no_target_remains
}

test_tls_uri_authenticates_with_its_keys() {
	make_raw
	echo alice:0123456789abcdef >"$scratch/psk"
	serve_nbdkit s --tls=require --tls-psk="$scratch/psk" file \
		"$scratch/m.raw"
	vhdfs-img convert \
		"nbds+unix://alice@/?socket=$scratch/s&tls-psk-file=$scratch/psk" \
		"$scratch/b.vhdx"
	same_disk "$scratch/b.vhdx" "$scratch/m.raw"
	expect_error 1 'TLS.*; begin the URI with nbds, .*tls-psk-file' \
		vhdfs-img convert "$(uri s)" "$scratch/out.vhdx"
	expect_error 1 'nbds.*: NBD server: .*; check that the server takes TLS' \
		vhdfs-img convert "nbds+unix:///?socket=$scratch/s" \
		"$scratch/out.vhdx"
	expect_error 1 'nbds.*: NBD server: .*bob.*; .*the user name and keys' \
		vhdfs-img convert \
		"nbds+unix://bob@/?socket=$scratch/s&tls-psk-file=$scratch/psk" \
		"$scratch/out.vhdx"
	serve_nbdkit plain file "$scratch/m.raw"
	expect_error 1 'nbds.*: NBD server: .*; check that the server takes TLS' \
		vhdfs-img convert "nbds+unix:///?socket=$scratch/plain" \
		"$scratch/out.vhdx"
	no_target_remains
}

# Of 64 MiB, the third quarter cannot be read.
test_read_error_of_the_server_is_reported() {
	truncate -s 64M "$scratch/m.raw"
	disk-io "$scratch/m.raw" write 0 - 1
	printf '%s\n' '0x0 +' '0x0 0x2000000 +' \
		'0x2000000 0x1000000 -' '0x3000000 0x1000000 +' >"$scratch/map"
	serve_nbdkit s --filter=ddrescue file "$scratch/m.raw" \
		ddrescue-mapfile="$scratch/map"
	expect_error 1 'socket=.*: read of [0-9]+ bytes at offset 33554432: Input/output error; the NBD server failed to read' \
		vhdfs-img convert "$(uri s)" "$scratch/out.vhdx"
	no_target_remains
}

# libnbd reports success of such a read.
test_short_answer_is_a_protocol_error() {
	serve s nbd-short "$scratch/s" 16777216 4194304
	expect_error 1 'socket=.*: read of [0-9]+ bytes at offset [0-9]+: Protocol error; the NBD server sent less data' \
		vhdfs-img convert "$(uri s)" "$scratch/out.vhdx"
	no_target_remains
}

test_export_size_of_2_63_is_refused() {
	serve s nbd-short "$scratch/s" 0xfffffffffffff000 4096
	expect_error 1 'export size: expected less than 2\^63 bytes, found more' \
		vhdfs-img convert "$(uri s)" "$scratch/out.vhdx"
	no_target_remains
}

# convert_slowly: converts in the background process $client, from a slow
# server; returns when the target has its first data.
convert_slowly() {
	truncate -s 64M "$scratch/m.raw"
	disk-io "$scratch/m.raw" write 0 - 1
	serve_nbdkit s --filter=delay file "$scratch/m.raw" rdelay=200ms
	env --default-signal=INT,TERM,HUP vhdfs-img convert "$(uri s)" \
		"$scratch/out.vhdx" 2>"$scratch/stderr" &
	client=$!
	wait_until 10 compgen -G "$scratch/.out.vhdx.*"
}

test_death_of_the_server_is_reported() {
	local status=0

	convert_slowly
	kill -KILL "$server"
	wait "$client" || status=$?
	equal "exit status" 1 "$status"
	equal "lines of error" 1 "$(wc -l <"$scratch/stderr")"
	has_line 'socket=.*: read of .* at offset [0-9]*: Connection reset .*; the connection to the NBD server was lost' \
		"$scratch/stderr"
	no_target_remains
}

test_signal_ends_a_read_from_a_hung_server() {
	local signal status

	for signal in INT TERM HUP; do
		status=0
		convert_slowly
		kill -STOP "$server"
		kill -"$signal" "$client"
		wait "$client" || status=$?
		equal "exit status" $((128 + $(kill -l "$signal"))) "$status"
		no_target_remains
		kill -KILL "$server"
		rm "$scratch/s"
	done
}

has_socket() {
	find "/proc/$1/fd" -lname 'socket:*' | grep -q .
}

# The server accepts the connection and sends nothing.
test_signal_ends_the_wait_for_a_silent_server() {
	local status=0 client

	make_raw
	serve_nbdkit s file "$scratch/m.raw"
	kill -STOP "$server"
	env --default-signal=INT vhdfs-img convert "$(uri s)" \
		"$scratch/out.vhdx" &
	client=$!
	wait_until 10 has_socket "$client"
	kill -INT "$client"
	wait "$client" || status=$?
	equal "exit status" 130 "$status"
	no_target_remains
}

test_progress_is_shown_on_a_terminal() {
	requires script
	truncate -s 64M "$scratch/m.raw"
	disk-io "$scratch/m.raw" write 0 - 1
	serve_nbdkit s --filter=delay file "$scratch/m.raw" rdelay=50ms
	script -qec "vhdfs-img convert '$(uri s)' '$scratch/b.vhdx'" \
		"$scratch/typescript" >/dev/null
	grep -q ' %' "$scratch/typescript" || fail "expected a progress in percent"
}

# The server exports the file instead of the disk in the file.
test_containers_and_images_are_refused() {
	local format

	qemu-img create -q -f qcow2 "$scratch/a.qcow2" 10M
	qemu-img create -q -f vmdk "$scratch/a.vmdk" 10M
	vhdfs-img create --size 10M "$scratch/a.vhdx"
	vhdfs-img create --size 10M "$scratch/a.vhd"
	vhdfs-img create --size 10M --fixed --format vhd "$scratch/a.fixed"
	for format in qcow2 vmdk vhdx vhd fixed; do
		serve_nbdkit $format file "$scratch/a.$format"
		expect_error 1 "socket=.*: expected a disk, found a [A-Za-z0-9]* image; the server exports the file itself" \
			vhdfs-img convert "$(uri $format)" "$scratch/out.vhdx"
	done
	no_target_remains
}

test_uri_as_another_operand_is_refused() {
	make_raw
	expect_error 2 'TARGET: expected a file, found an NBD URI; only SOURCE' \
		vhdfs-img convert "$scratch/m.raw" nbd://127.0.0.1:1/out
	expect_error 2 'in-place changes a file; an NBD URI can only be SOURCE' \
		vhdfs-img convert --in-place nbd://127.0.0.1:1/out
	expect_error 1 "nbd://.*: lies outside the store $scratch" \
		vhdfs-img convert --store "$scratch" nbd://127.0.0.1:1/x \
		"$scratch/out.vhdx"
	# These names are files.
	mkdir -p "$scratch/nbd:/a"
	cp "$scratch/m.raw" "$scratch/nbd:/a/b"
	cd "$scratch"
	vhdfs-img convert nbd:/a/b c.vhdx
	vhdfs-img convert ./nbd://a/b d.vhdx
	same_disk d.vhdx m.raw
}

test_existing_target_is_refused() {
	make_raw
	serve_nbdkit s file "$scratch/m.raw"
	echo precious >"$scratch/a.vhdx"
	expect_error 1 'a\.vhdx: exists' vhdfs-img convert "$(uri s)" \
		"$scratch/a.vhdx"
	equal content precious "$(cat "$scratch/a.vhdx")"
}

run_tests
