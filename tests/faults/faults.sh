# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Fault injection for shell tests; to be sourced after lib.sh.  A command runs again
# and again; in each run another system call or allocation of it fails.
# tests/tools/faults.c, the library that is loaded into the command, says which calls
# can fail.
#
# By default VHDFS_FAULT_POINTS calls of each kind fail, which the printed seed
# chooses (2 with VHDFS_SAMPLE); with VHDFS_LONG each call fails once.

faults_so=$top_builddir/tests/tools/faults.so
# The number of calls that fail, for each command and kind of fault.
points=4
[ -z "${VHDFS_SAMPLE:-}" ] || points=2
points=${VHDFS_FAULT_POINTS:-$points}
each_point=${VHDFS_LONG:-}
# The number of errors that end a test.
most_wrongs=${VHDFS_ERRORS:-20}
# Kinds of faults; see faults.c.  A command must not fail after short and EINTR.
file_faults="EIO:once EIO:ever ENOSPC:once full:ever torn:once short:ever
	EINTR:once"
# With VHDFS_FAULT_KINDS "inject" injects these kinds only.
# sound_status may be set to the exit status without a fault, if that is not 0.
# wrapper may be set to a command that runs the command, such as valgrind.
wrapper=()
memory_faults="ENOMEM:once ENOMEM:ever"

# requires_faults: prepares fault injection; each test calls it first, as only a test
# has $scratch.  Sets $dir to an empty directory, and RANDOM from the seed.
requires_faults() {
	control=${scratch:?}/control
	dir=$scratch/work
	mkdir "$dir"
	[ -f "$faults_so" ] ||
		fail "expected $faults_so; make check builds it"
	! grep -q __asan_init "$(command -v vhdfs-img)" ||
		skip "built with a sanitizer, whose allocator is its own"
	: "${VHDFS_SEED:=$((RANDOM * 32768 + RANDOM))}"
	echo "VHDFS_SEED=$VHDFS_SEED"
	RANDOM=$VHDFS_SEED
}

# arm KIND FORM AT [ONLY [LOSE]]: arms a fault: the call number AT from now on fails,
# once or from then on (FORM once or ever); with ONLY, of the calls of this type.
# LOSE: what a power cut loses.
arm() {
	printf '%-127s\n%-127s\n' \
		"$((generation += 1)) $1 $2 $3 ${4:--} ${5:-none}" "" \
		1<>"$control"
}

disarm() {
	arm none once 0
}

# ask: reads the counts of faults.so since arm: $seen calls that could fail, $fired
# faults, the first failed $call and its caller, $where, the failed removals, $unlinks,
# the leaked allocations and descriptors, $live and $files, and the number of changes
# that a power cut could lose, $losable.
ask() {
	{
		read -r _
		read -r seen fired call where unlinks live files losable
	} <"$control"
}

# under KIND FORM AT COMMAND...: arms a fault, runs the command, and sets $status to
# its exit status.
under() {
	arm "$1" "$2" "$3"
	run_armed "${@:4}"
}

# run_armed COMMAND...: runs the command after arm, and sets $status.  It starts no
# other process, as a test calls it hundreds of times.
run_armed() {
	status=0
	# The shell prints a message when a signal kills a program.
	{
		faulty "$@" >"$scratch/stdout" 2>"$scratch/stderr" ||
			status=$?
	} 2>/dev/null
	ask
}

faulty() {
	if [ ${#wrapper[@]} = 0 ]; then
		FAULTS=$control LD_PRELOAD=$faults_so "$@"
	else
		"${wrapper[@]}" env FAULTS="$control" \
			LD_PRELOAD="$faults_so" "$@"
	fi
}

# guard FILE...: remembers the files and the time for "untouched".
guard() {
	guarded=("$@")
	touch "$scratch/stamp"
	# The kernel's clock advances in steps of some milliseconds.
	sleep 0.05
}

# untouched: expects that the guarded files exist and were not modified since guard.
untouched() {
	local file

	for file in "${guarded[@]}"; do
		[ -e "$file" ] || wrong "expected the file ${file##*/}"
		[ ! "$file" -nt "$scratch/stamp" ] ||
			wrong "expected no change of ${file##*/}"
	done
}

# output FILE: sets $output to the lines of the file.
output() {
	mapfile output <"$1"
}

# wrong MESSAGE: prints an error and continues, so that the output of a failed test has
# the errors of several faults; the test fails at its end.
wrong() {
	echo "$what: $fault ($call, called at $where): $*"
	wrongs=$((wrongs + 1))
	[ "$wrongs" -lt "$most_wrongs" ] ||
		fail "expected fewer than $most_wrongs errors"
}

# Expects what holds for each command of vhdfs-img after each fault: success with the
# same output, or exit status 1 with one line of error; and no leak.
check_common() {
	local lines

	case $fault in
	kill*without*) ;;
	kill*)
		[ "$status" = 137 ] || wrong "exit status $status, not killed"
		return
		;;
	esac
	# The fault has hit valgrind's own start.
	! grep -q '^valgrind: ' "$scratch/stderr" || return 0
	mapfile -t lines <"$scratch/stderr"
	case $status in
	"${sound_status:-0}")
		[ ${#lines[@]} = 0 ] ||
			wrong "success: expected no error, found: ${lines[*]}"
		output "$scratch/stdout"
		[ "${output[*]}" = "$sound_output" ] ||
			wrong "success: expected the output without a fault," \
				"found: ${output[*]:0:3}"
		;;
	1)
		[ ${#lines[@]} = 1 ] && [[ ${lines[0]} == "vhdfs-img: "?* ]] ||
			wrong "expected one line of error, found:" \
				"${#lines[@]}: ${lines[*]}"
		;;
	*) wrong "expected exit status 0 or 1, found $status: ${lines[*]}" ;;
	esac
	case $fault in
	short* | EINTR*)
		[ "$status" = "${sound_status:-0}" ] ||
			wrong "expected success, found: ${lines[*]}"
		;;
	esac
	[ "$live" = 0 ] || wrong "expected no leak, found $live allocations"
	[ "$files" = 0 ] || wrong "expected no leak, found $files descriptors"
}

# protected FILE...: expects that the files are without write permission, and that none
# is lent.
protected() {
	local file mode

	for file; do
		[ -e "$file" ] || continue
		mode=$(stat -c %a "$file")
		[ $((0$mode & 01222)) = 0 ] ||
			wrong "expected no write permission of ${file##*/}," \
				"found mode $mode"
	done
}

# Do the calls that undo an unfinished command fail, too?  Then parts of it may remain.
undoing_fails() {
	[[ $fault == EIO:ever* ]]
}

# choose_points TOTAL: sets $ats to the numbers of the calls that are to fail.
choose_points() {
	local total=$1 i

	ats=()
	if [ -n "$each_point" ] || [ "$total" -le "$points" ]; then
		for ((i = 1; i <= total; i++)); do
			ats+=("$i")
		done
		return
	fi
	for ((i = 0; i < points; i++)); do
		ats+=($((1 + i * total / points +
			RANDOM % ((i + 1) * total / points - i * total / points))))
	done
}

# inject SUBJECT KINDS COMMAND...: runs the command with each kind of fault at each
# chosen call.  The test defines "prepare", which runs before the command, and
# "outcome", which checks the result.
inject() {
	local kinds=${VHDFS_FAULT_KINDS:-$2} kind total injected=0 at

	what=$1
	shift 2
	for kind in $kinds; do
		fault="$kind without a fault"
		prepare
		under "${kind%:*}" once 1000000 "$@"
		[ "$status" = "${sound_status:-0}" ] ||
			fail "$what: expected success without a fault, found" \
				"status $status: $(cat "$scratch/stderr")"
		output "$scratch/stdout"
		sound_output=${output[*]}
		check_common
		outcome
		total=$seen
		choose_points "$total"
		for at in "${ats[@]}"; do
			fault="$kind $at of $total"
			prepare
			under "${kind%:*}" "${kind#*:}" "$at" "$@"
			[ "$fired" != 0 ] || continue
			injected=$((injected + 1))
			check_common
			outcome
		done
		[ "$injected" != 0 ] ||
			fail "$what: $kind: expected calls that can fail"
	done
	remark "$what: $injected faults"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

# complain MESSAGE: as wrong, with what was lost.
complain() {
	wrong "$*; $(sed -n 's/^lost.*/&;/p' "$FAULTS_JOURNAL/lost" | tr '\n' ' ')"
}

# Had the command ended with success before the cut?  Then all of it is durable.
has_ended() {
	[ "$ended" = exit ]
}

# choose_loses: after a power cut, sets $loses to the sets of changes to lose, of
# $losable: of more than five, all single ones only with VHDFS_LONG, else those that
# the seed chooses.
choose_loses() {
	local i

	loses=()
	[ "$losable" -gt 0 ] || return 0
	loses=(none)
	[ "$losable" -le 3 ] || loses+=("s$RANDOM" "s$RANDOM")
	for ((i = 1; i <= losable; i++)); do
		[ "$losable" -le 5 ] || [ -n "$each_point" ] ||
			[ $((RANDOM % losable)) -lt 3 ] || continue
		[ "$losable" = 1 ] || loses+=("-$i")
		[ "$losable" -le 2 ] || loses+=("+$i")
	done
}

# A vhdfs in $scratch/bin into which faults.so is loaded.
wrap_vhdfs() {
	mkdir -p "$scratch/bin"
	cat >"$scratch/bin/vhdfs" <<-END
		#!/bin/sh
		exec env FAULTS='$control' LD_PRELOAD='$faults_so' \
			'$(command -v vhdfs)' "\$@"
	END
	chmod +x "$scratch/bin/vhdfs"
	disarm
	at_exit disarm
}

# Mounts the store with that vhdfs.
mount_with_faults() {
	wrap_vhdfs
	PATH=$scratch/bin:$PATH mount_store "$store" "$mnt"
}
