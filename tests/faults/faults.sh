# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests that make calls fail, after lib.sh: runs a command again and again,
# and each time another of its system calls or allocations fails, over
# tests/tools/faults.c, which says which calls count.
#
# By default a sample of the calls, which the seed that is printed chooses;
# with VHDFS_LONG each of them, 1, 2, 3, ... until it is never called any more.

faults_so=$top_builddir/tests/tools/faults.so
# Of each kind of failure of each command, so many calls.
points=${VHDFS_FAULT_POINTS:-4}
each_point=${VHDFS_LONG:-}
# Kinds of failure; see faults.c.  Of short and EINTR nothing may be seen.
file_faults="EIO:once EIO:ever ENOSPC:once full:ever torn:once short:ever
	EINTR:once"
# Exit status without a failure: sound_status, else 0.  What runs the command:
wrapper=()
memory_faults="ENOMEM:once ENOMEM:ever"

# Called by each test first: only in a test there is a $scratch.  The directory
# to work in is $dir, empty.
requires_faults() {
	control=${scratch:?}/control
	dir=$scratch/work
	mkdir "$dir"
	[ -f "$faults_so" ] || fail "no $faults_so; make check builds it"
	! grep -q __asan_init "$(command -v vhdfs-img)" ||
		skip "built with a sanitizer, whose allocator is its own"
	: "${VHDFS_SEED:=$((RANDOM * 32768 + RANDOM))}"
	echo "VHDFS_SEED=$VHDFS_SEED"
	RANDOM=$VHDFS_SEED
}

# arm KIND FORM AT [ONLY]: what is to fail from now on, counted from now on.
arm() {
	printf '%-127s\n%-127s\n' "$((generation += 1)) $1 $2 $3 ${4:--}" "" \
		1<>"$control"
}

disarm() {
	arm none once 0
}

# What has failed: $seen, $fired, $call, $where, $unlinks, $live, $files.
ask() {
	{
		read -r _
		read -r seen fired call where unlinks live files
	} <"$control"
}

# under KIND FORM AT COMMAND...: runs it so; its exit status is $status.  As few
# processes as can be: a test does this hundreds of times.
under() {
	arm "$1" "$2" "$3"
	status=0
	# A program that a signal ends would make the shell speak.
	{
		faulty "${@:4}" >"$scratch/stdout" 2>"$scratch/stderr" ||
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

# guard FILE...: from now on "untouched" tells whether they were written, by
# their times.
guard() {
	guarded=("$@")
	touch "$scratch/stamp"
	# The kernel's clock goes on in steps of some milliseconds.
	sleep 0.05
}

untouched() {
	local file

	for file in "${guarded[@]}"; do
		[ -e "$file" ] || wrong "${file##*/} is gone"
		[ ! "$file" -nt "$scratch/stamp" ] ||
			wrong "${file##*/} was written"
	done
}

# output FILE: its lines, in $output.
output() {
	mapfile output <"$1"
}

# Notes what is wrong, and goes on: a list tells more than its first line.
wrong() {
	echo "$what: $fault ($call, called at $where): $*"
	wrongs=$((wrongs + 1))
	[ "$wrongs" -lt 20 ] || fail "and so on"
}

# What holds for every command of vhdfs-img, whatever failed.
check_common() {
	local lines

	# It was valgrind's own start that had no memory.
	! grep -q '^valgrind: ' "$scratch/stderr" || return 0
	mapfile -t lines <"$scratch/stderr"
	case $status in
	"${sound_status:-0}")
		[ ${#lines[@]} = 0 ] || wrong "success, but: ${lines[*]}"
		output "$scratch/stdout"
		[ "${output[*]}" = "$sound_output" ] ||
			wrong "success, but another output: ${output[*]:0:3}"
		;;
	1)
		[ ${#lines[@]} = 1 ] && [[ ${lines[0]} == "vhdfs-img: "?* ]] ||
			wrong "expected one line of error, found:" \
				"${#lines[@]}: ${lines[*]}"
		;;
	*) wrong "exit status $status: ${lines[*]}" ;;
	esac
	case $fault in
	short* | EINTR*)
		[ "$status" = "${sound_status:-0}" ] ||
			wrong "it was not borne: ${lines[*]}"
		;;
	esac
	[ "$live" = 0 ] || wrong "$live allocations were not freed"
	[ "$files" = 0 ] || wrong "$files descriptors were not closed"
}

# Whether all may fail that undoes something: what was begun stays then.
undoing_fails() {
	[[ $fault == EIO:ever* ]]
}

# The calls to fail out of $1, in $ats.
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

# inject WHAT KINDS COMMAND...: with each kind of failure, and each call.  The
# test's function "prepare" makes what the command needs, before each run;
# "outcome" looks at what became of it.
inject() {
	local kinds=$2 kind total injected=0 at

	what=$1
	shift 2
	for kind in $kinds; do
		fault="$kind without a failure"
		prepare
		under "${kind%:*}" once 1000000 "$@"
		[ "$status" = "${sound_status:-0}" ] ||
			fail "$what: exit status $status, with no failure:" \
				"$(cat "$scratch/stderr")"
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
		[ "$injected" != 0 ] || fail "$what: $kind: no call counted"
	done
	remark "$what: $injected faults"
	[ "${wrongs:-0}" = 0 ] || fail "$wrongs were wrong"
}
