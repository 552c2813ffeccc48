# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests that kill vhdfs, or the file system below it, under load;
# after lib.sh and tgt/tgt.sh.  The program load writes the clients' disks; its
# records lie outside the store and say which data each disk must have.
#
# VHDFS_LONG=MINUTES is about the time that a script runs.  VHDFS_SEED repeats a
# run, except for its timing.

test_timeout=${VHDFS_TEST_TIMEOUT:-$((1200 + ${VHDFS_LONG:-0} * 60))}
seed=${VHDFS_SEED:-$((RANDOM * 32768 + RANDOM))}

# Of every mount that is not read-only.
mount_options=()

# begin: starts a test: its folders, its seed, its counters.
begin() {
	requires_fuse
	requires jq
	store=$scratch/store mnt=$scratch/mnt
	kills=0 rounds=0 began=$SECONDS
	RANDOM=$((seed % 32768))
	load_seed=$seed
	echo "VHDFS_SEED=$seed"
	mkdir -p "$scratch/records" "$scratch/runs"
}

# more DEFAULT SHARE: succeeds while another round is to be done.
# SHARE is the number of tests that share the time of VHDFS_LONG.
more() {
	rounds=$((rounds + 1))
	if [ -n "${VHDFS_LONG:-}" ]; then
		[ $((SECONDS - began)) -lt $((VHDFS_LONG * 60 / $2)) ]
	else
		[ "$rounds" -le "$1" ]
	fi
}

# make_clients FORMAT [OPTION...]: makes in $store a master of 16 MiB, a child
# of it with changes of its own, and three clients: two of the master, one of
# the child.  The options are those of create, for the master.  The function
# ${mount_with:-mount_store} mounts the store for the clients.
make_clients() {
	local format=$1

	shift
	clients="c1 c2 c3"
	ending=$format
	mkdir -p "$store/masters" "$store/clients"
	vhdfs-img create --size "${disk_size:-16M}" "$@" "$store/masters/lab.$ending"
	mount_store "$store" "$mnt" "${mount_options[@]}"
	load fill "$mnt/masters/lab.$ending.raw" "$seed"
	unmount "$mnt"
	vhdfs-img create --parent "$store/masters/lab.$ending" \
		"$store/masters/room.$ending"
	mount_store "$store" "$mnt" "${mount_options[@]}"
	load fill "$mnt/masters/room.$ending.raw" $((seed + 1))
	unmount "$mnt"
	make_client c1 lab
	make_client c2 lab
	make_client c3 room
	"${mount_with:-mount_store}" "$store" "$mnt" "${mount_options[@]}"
	for _client in $clients; do
		load record "$(record "$_client")" "$(view "$_client")" "${_client#c}"
	done
	masters=$(masters_sum)
}

make_client() {
	vhdfs-img create --parent "$store/masters/$2.$ending" \
		"$(image "$1")"
}

image() {
	echo "$store/clients/$1.$ending"
}

view() {
	echo "$mnt/clients/$1.$ending.raw"
}

record() {
	echo "$scratch/records/$1"
}

masters_sum() {
	cat "$store/masters/"* | sha256_of -
}

# Prints a number of operations after which an event happens: at once, soon, or
# late.
some_operations() {
	local most=(5 60 600 2500)

	echo $((1 + RANDOM % most[RANDOM % 4]))
}

# load_all STATUS COMMAND [OPTION...]: runs load for every client at once, on
# ${disk[CLIENT]} or else its view; after some operations of one of them it runs
# the command.  Each load must exit with that status: 3 for a lost disk, or 0.
load_all() {
	local want=$1 command=$2 client status pids=() first at

	shift 2
	at=$((RANDOM % 3 + 1))
	rm -f "$scratch/ready"
	for client in $clients; do
		first=()
		[ "$client" != "c$at" ] ||
			first=(-n "$(some_operations)" "$command")
		[ -z "${load_events:-}" ] ||
			first+=(-e "$(events "$client")")
		load run -s 20 -w "$scratch/ready" 3 "${first[@]}" "$@" \
			"$(record "$client")" \
			"${disk[$client]:-$(view "$client")}" \
			$((load_seed += 1)) >"$scratch/runs/$client" 2>&1 &
		pids+=($!)
	done
	for client in $clients; do
		status=0
		wait "${pids[0]}" || status=$?
		pids=("${pids[@]:1}")
		cat "$scratch/runs/$client"
		[ "$status" = "$want" ] || fail "client $client, round $rounds:" \
			"expected its load to exit with $want, got $status:" \
			"$(cat "$scratch/runs/$client")" \
			"log of vhdfs: $(tail -n 10 "$mnt.log")"
	done
}
declare -A disk=()

# export_clients: exports each client's disk by a tgtd of the test's own.
export_clients() {
	local client tid=0

	start_tgtd
	for client in $clients; do
		tid=$((tid + 1))
		adm --op new --mode target --tid $tid --targetname "$iqn_prefix:$client"
		adm --op new --mode logicalunit --tid $tid --lun 1 \
			--backing-store "$(view "$client")"
		adm --op update --mode logicalunit --tid $tid --lun 1 \
			--params thin_provisioning=1
		adm --op bind --mode target --tid $tid --initiator-address ALL
		disk[$client]=$(url "$client")
	done
}

# Removes the mount of a vhdfs that was killed.
remove_killed_mount() {
	local status=0

	wait "${mount_pid[$mnt]}" || status=$?
	equal "the end of vhdfs ($(cat "$mnt.log"))" 137 "$status"
	unset "mount_pid[$mnt]"
	kills=$((kills + 1))
	umount_soon "$mnt"
}

# umount_soon DIR: unmounts, and waits for killed processes to close their
# files.
umount_soon() {
	wait_until 10 umount "$1"
}

# The images have no errors, except for a log that needs a replay, and the
# footer behind the last block of a VHD, which has a copy: it is not written yet
# while the file grows.
# shellcheck disable=SC2120
check_images() {
	local client status

	for client in $clients; do
		status=0
		vhdfs-img check --json "$(image "$client")" \
			>"$scratch/check" 2>&1 || status=$?
		case $status in
		0) ;;
		3)
			jq -e '.errors | all(
				(.found | test("entries that wait to be replayed"))
				or .structure == "footer")' \
				"$scratch/check" >"$scratch/jq" ||
				fail "client $client, round $rounds: check" \
					"found damage: $(cat "$scratch/check")"
			[ "${1:-}" != replayed ] ||
				fail "client $client: expected no errors after a replay"
			;;
		*)
			fail "check of client $client: expected exit status 0 or 3," \
				"found $status: $(cat "$scratch/check")"
			;;
		esac
	done
}

# verify_all HOW: runs load HOW on every view.
verify_all() {
	local client

	for client in $clients; do
		load "$1" "$(record "$client")" "$(view "$client")" \
			>>"$scratch/verified" 2>"$scratch/wrong" ||
			fail "client $client, round $rounds:" \
				"$(cat "$scratch/wrong" "$mnt.log")"
	done
	equal "the masters' hash" "$masters" "$(masters_sum)"
}

# look_read_only: now and then, reads the disk as it is through a read-only
# mount.
look_read_only() {
	[ $((RANDOM % 3)) = 0 ] || return 0
	mount_store "$store" "$mnt" -o ro
	verify_all verify
	unmount "$mnt"
}

# Recovery after the end of vhdfs: the images have no errors, and a new mount
# shows all flushed data.
recover() {
	check_images
	look_read_only
	mount_store "$store" "$mnt" "${mount_options[@]}"
	verify_all flush
}

# Prints a summary as a remark.
report_kills() {
	remark "$kills $1, $(awk '{ n += $4; w += $6; k += $9 } END {
		print n " sectors verified, " w \
			" of them written but not flushed, " k " of those new" }
		' "$scratch/verified")"
}
