#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Printable output for every name of a file, image, initiator or client:
# standard output, standard error, the log and extended attributes contain no
# control characters.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# A line break with a forged line, an escape sequence, DEL, C1's CSI, a
# character that reverses text; and bytes that are not UTF-8.
valid=$'a\nFAKE \e[2J\x7f\xc2\x9b\xe2\x80\xae'
hostile=$valid$'\xff'

# printable FILE WHAT: expects printable UTF-8, without a forged line.
printable() {
	! grep -anP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|^FAKE' \
		"$1" ||
		fail "$2: expected no control characters and no forged line"
	iconv -f utf-8 -t utf-8 "$1" >/dev/null || fail "$2: expected UTF-8"
}

# shows PATTERN COMMAND...: expects the pattern in the command's output, and all
# of it printable, for any exit status; valid JSON with an option of JSON.
shows() {
	local pattern=$1 status=0

	shift
	"$@" >"$scratch/out" 2>"$scratch/err" || status=$?
	[ "$status" -le 4 ] ||
		fail "$*: expected exit status 0 to 4, found $status: $(cat "$scratch/err")"
	cat "$scratch/out" "$scratch/err" >"$scratch/both"
	printable "$scratch/both" "output of $*"
	[ -z "$pattern" ] || grep -Eq -e "$pattern" "$scratch/both" ||
		fail "$*: expected '$pattern', found: $(cat "$scratch/both")"
	if [[ " $* " == *" --json "* ]] && [ "$status" = 0 ]; then
		jq -e . "$scratch/out" >/dev/null ||
			fail "$*: expected valid JSON"
	fi
}

# Makes $store: hostile names, damaged images, children with hostile paths in
# their locators; $images lists all of them.
make_hostile_store() {
	local ending

	store="$scratch/$valid"
	mkdir -p "$store/masters" "$store/clients"
	for ending in vhd vhdx; do
		vhdfs-img create --size 8M "$store/masters/$hostile.$ending"
		disk-io "$store/masters/$hostile.$ending" write 0 4096 1
		vhdfs-img create --size 8M "$store/masters/m.$ending"
		(cd "$store" && forge-child masters/m.$ending \
			"clients/$hostile.$ending" "$(locator_key "$ending")")
		cp "$store/masters/$hostile.$ending" \
			"$store/clients/cut$hostile.$ending"
		truncate -s 3000 "$store/clients/cut$hostile.$ending"
	done
	# A child finds this parent by its name, which is UTF-8.
	vhdfs-img create --size 8M "$store/masters/$valid.vhdx"
	vhdfs-img create --parent "$store/masters/$valid.vhdx" \
		"$store/clients/child$hostile.vhdx"
	images=("$store"/*/*)
}

locator_key() {
	case $1 in
	vhd) printf '%s' "W2ru=.\\${valid}.vhd" ;;
	vhdx) printf '%s' "relative_path=.\\${valid}.vhdx" ;;
	esac
}

# named: the escaped form of the hostile name.
named='\\x0aFAKE \\x1b\[2J\\x7f\\xc2\\x9b\\xe2\\x80\\xae'
in_json='\\nFAKE \\u001[bB]\[2J\\u007f\\u009b\\u202e|x0aFAKE'

test_vhdfs_img_prints_escaped_names() {
	local image

	make_hostile_store
	for image in "${images[@]}"; do
		[[ ${image##*/} == *FAKE* ]] || continue
		shows "$named" vhdfs-img info --chain "$image"
		shows "$in_json|$named" vhdfs-img info --chain --json "$image"
		shows "$named" vhdfs-img check "$image"
		shows "$in_json|$named" vhdfs-img check --json "$image"
		shows "$named|zero" vhdfs-img map "$image"
		shows "$named" vhdfs-img check --repair "$image"
		shows "$named" vhdfs-img create --parent "$image" "$image"
		shows "$named" vhdfs-img convert "$image" "$image"
	done
	shows "$named" vhdfs-img convert --in-place "$image"
	shows "$named" vhdfs-img create --size 8M --store "$store" "$image"
	shows "$named" vhdfs-img info --store "$store" "$scratch"
	shows "$named" vhdfs-img info "$scratch/$hostile/none"
	shows "$named" vhdfs-img info --parents "$scratch/none$hostile" x
	shows "$named" vhdfs-img info --json "--$hostile"
	shows "$named" vhdfs-img "$hostile"
	shows "$named" vhdfs-img help "$hostile"
	shows "$named" vhdfs-img create --size "$hostile" x
	shows "$named" vhdfs-img create --format "$hostile" x
	# One name is escaped, and the one beside it is another.
	touch "$scratch/$valid"
	equal "name in JSON" "$scratch/$valid" "$(vhdfs-img create --size 8M \
		"$scratch/$valid.vhdx" && vhdfs-img info --json \
		"$scratch/$valid.vhdx" | jq -r .file | sed 's/\.vhdx$//')"
}

test_attributes_and_log_of_a_mount_are_printable() {
	local view name value

	requires_fuse
	make_hostile_store
	mount_store "$store" "$scratch/mnt" -o "parents=$store/masters"
	find "$scratch/mnt" -type f -exec cat {} + >/dev/null 2>&1 || true
	for view in "$scratch"/mnt/*/*; do
		for name in format type id parent depth error readonly-reason \
			warning; do
			getfattr --only-values --absolute-names \
				-n "user.vhdfs.$name" "$view" 2>/dev/null || true
			echo
		done
	done >"$scratch/attributes"
	printable "$scratch/attributes" attributes
	grep -q "^/.*$named" "$scratch/attributes" ||
		grep -q "$named" "$scratch/attributes" ||
		fail "expected a hostile name in an attribute, found: $(cat "$scratch/attributes")"
	unmount "$scratch/mnt"
	printable "$scratch/mnt.log" log
	grep -q "$named" "$scratch/mnt.log" ||
		fail "expected hostile names in the log, found: $(cat "$scratch/mnt.log")"
	shows "$named" vhdfs "$store" "$scratch/none$hostile" -f
	shows "$named" vhdfs "$scratch/none$hostile" "$scratch/mnt" -f
	shows "$named" vhdfs "$store" "$scratch/mnt" -f -o "x$hostile"
	shows "$named" vhdfs "$store" "$scratch/mnt" "--x$hostile"
}

# A client's image is the child of another master, which has a hostile name;
# next to it lies an old image with an invalid stamp.
make_hostile_fleet() {
	start_server
	mkdir -p "$scratch/store/clients"
	vhdfs-img create --size 8M "$scratch/store/masters/$valid.vhdx"
	vhdfs-img create --parent "$scratch/store/masters/$valid.vhdx" \
		"$scratch/store/clients/pc2.vhdx"
	touch "$scratch/store/clients/.pc1.vhdx.$hostile"
	write_fleet pc1 pc2 pc3 </dev/null
	shows 'pc2: skipped: ' glue apply
	# A foreign target exports pc3's disk under a hostile path.
	ln -s "$scratch/mnt/clients/pc3.vhdx.raw" "$scratch/l$hostile"
	adm --op new --mode target --tid 900 -T iqn.2026-01.x:other
	adm --op new --mode logicalunit --tid 900 --lun 1 -b "$scratch/l$hostile"
}

test_tgt_glue_prints_escaped_names() {
	requires_initiator
	make_hostile_fleet
	mkfifo "$scratch/fifo"
	initiator -i "iqn.2026-01.x${hostile#*FAKE }" hold "$(url pc1)" \
		<"$scratch/fifo" >"$scratch/held" &
	holder_pid=$!
	exec {holder}>"$scratch/fifo"
	wait_until 10 grep -q ready "$scratch/held"
	shows 'iqn.2026-01.x.*x1b' glue status --json
	for command in check status "status --json" "status --prometheus" plan \
		apply "reset pc1" "reset pc2" "apply --force pc1"; do
		# shellcheck disable=SC2086
		shows '' glue $command
	done
	shows "$named" glue "reset" "$hostile"
	shows "$named" glue "$hostile"
	shows "$named" glue status "--$hostile"
	shows "$named" tgt-glue --config "$scratch/$hostile" check
	end_session
	shows "pc1.vhdx.a$named" glue reset pc1
}

test_mistakes_in_fleet_conf_are_printed_escaped() {
	make_store
	for line in "$hostile = 1" "store = /$hostile" "[client $hostile]" \
		"[$hostile]" $'[client pc2]\nmaster = \xe2\x80\xae' \
		$'[client pc2]\nsecret-file = /a\x1b\x7f\xc2\x9b' \
		$'[client pc2]\nmac = \xe2\x80\xae\xff'; do
		write_fleet pc1 <<<"$line"
		shows 'fleet.conf:[0-9]+: ' glue check
	done
	write_fleet pc1 <<<$'[client pc2]\nmac = x\e[2J\x7f\xc2\x9b'
	shows "found 'x\\\\x1b\[2J\\\\x7f\\\\xc2\\\\x9b'" glue check
}

run_tests
