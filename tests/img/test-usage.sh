#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Command line of vhdfs-img: an error is one line on standard error and exit
# status 2, and no file is made.
. "${0%/*}/../lib.sh"

test_missing_command_is_a_usage_error() {
	expect_error 2 '^vhdfs-img: expected a command' vhdfs-img
}

test_unknown_command_is_a_usage_error() {
	expect_error 2 "^vhdfs-img: unknown command 'frobnicate'; see .vhdfs-img --help'" \
		vhdfs-img frobnicate
}

test_unknown_option_is_a_usage_error() {
	local command

	for command in create info check map convert compare rebase snapshot \
		snapshots revert delete-snapshot rename; do
		expect_error 2 "unknown option --frob;.* $command --help" \
			vhdfs-img "$command" --frob "$scratch/a"
		expect_error 2 "unknown option -x;.* $command --help" \
			vhdfs-img "$command" "$scratch/a" -x
	done
	expect_error 2 'unknown option --frob;' vhdfs-img --frob
}

test_wrong_number_of_operands_is_a_usage_error() {
	local command

	for command in "create --size 1M" info check map snapshots; do
		# shellcheck disable=SC2086
		expect_error 2 'expected IMAGE, found 0 operands' \
			vhdfs-img $command
		# shellcheck disable=SC2086
		expect_error 2 "unexpected operand '$scratch/b'" \
			vhdfs-img $command "$scratch/a" "$scratch/b"
	done
	expect_error 2 'expected SOURCE TARGET, found 1 operand' \
		vhdfs-img convert "$scratch/a"
	expect_error 2 'expected RAW, found 0 operands' \
		vhdfs-img convert --in-place
	expect_error 2 "unexpected operand 'b'" \
		vhdfs-img convert --in-place a b
}

test_missing_or_unexpected_value_is_a_usage_error() {
	expect_error 2 '--size needs a value' vhdfs-img create --size
	expect_error 2 '--json=yes takes no value' \
		vhdfs-img info --json=yes "$scratch/a"
}

test_invalid_size_is_a_usage_error() {
	local size

	for size in '' 0 -1 +1 1X 1KK K 1.5G ' 1' '1 ' 0x10 99999999999999999999 \
		17179869184T; do
		expect_error 2 "^vhdfs-img: --size: expected a size.*'${size/+/.}'" \
			vhdfs-img create "--size=$size" "$scratch/a.vhdx"
		expect_error 2 "^vhdfs-img: --block-size: expected a size" \
			vhdfs-img create --size 1G "--block-size=$size" \
			"$scratch/a.vhdx"
	done
	equal "files" "" "$(find "$scratch" -type f ! -name 'std*')"
}

test_invalid_sector_size_is_a_usage_error() {
	local size

	for size in 0 1 511 1024 4097 8192 x; do
		expect_error 2 "--sector-size: expected 512 or 4096, found '$size'" \
			vhdfs-img create --size 1G --sector-size "$size" \
			"$scratch/a.vhdx"
	done
}

test_invalid_format_is_a_usage_error() {
	expect_error 2 "--format: expected vhd or vhdx, found 'raw'" \
		vhdfs-img create --format raw --size 1G "$scratch/a"
	expect_error 2 "--format: expected vhd or vhdx, found 'qcow2'" \
		vhdfs-img create --format qcow2 --size 1G "$scratch/a"
	expect_error 2 "--format: expected raw, vhd or vhdx, found 'VHD'" \
		vhdfs-img convert --format VHD "$scratch/a" "$scratch/b"
}

test_create_needs_a_size_or_a_parent() {
	expect_error 2 'one of --size and --parent, found neither' \
		vhdfs-img create "$scratch/a.vhdx"
	expect_error 2 'one of --size and --parent, found both' \
		vhdfs-img create --size 1G --parent "$scratch/p" "$scratch/a"
	expect_error 2 '--fixed and --parent exclude each other' \
		vhdfs-img create --fixed --parent "$scratch/p" "$scratch/a"
}

test_option_store_is_accepted_before_the_command() {
	vhdfs-img create --size 10M "$scratch/a.vhdx"
	mkdir "$scratch/s"
	expect 0 vhdfs-img --store "$scratch" info "$scratch/a.vhdx"
	expect 0 vhdfs-img "--store=$scratch" info --json "$scratch/a.vhdx"
	expect_error 1 'lies outside the store' \
		vhdfs-img --store "$scratch/s" info "$scratch/a.vhdx"
	expect_error 2 'expected IMAGE, found 0 operands' \
		vhdfs-img --store "$scratch" info
	expect_error 2 'expected a command' vhdfs-img --store "$scratch"
	expect_error 2 '--store needs a value' vhdfs-img --store
}

test_option_of_another_command_is_a_usage_error() {
	expect_error 2 "--size is not an option of 'info'" \
		vhdfs-img info --size 1G "$scratch/a"
	expect_error 2 "--size is not an option of 'info'" \
		vhdfs-img --size 1G info "$scratch/a"
}

# A shortened name must be unambiguous; of equal options the last is used; after
# "--" every word is an operand.
test_options_may_be_shortened_and_repeated() {
	cd "$scratch"
	expect 0 vhdfs-img create --si 4K --size=10M a.vhdx
	equal "size" 10485760 "$(vhdfs-img info --js a.vhdx |
		jq '."virtual-size"')"
	expect_error 2 'unknown option --s;' vhdfs-img create --s 10M b.vhdx
	mv a.vhdx ./--json
	expect 0 vhdfs-img info -- --json
	expect 0 vhdfs-img -- info --json
}

test_help_goes_to_standard_output() {
	local command

	for command in "" create info check map convert compare rebase snapshot \
		snapshots revert delete-snapshot rename; do
		# shellcheck disable=SC2086
		expect 0 vhdfs-img $command --help
		[ ! -s "$scratch/stderr" ] ||
			fail "$command: expected no standard error"
		grep -q "^Usage: vhdfs-img ${command:-COMMAND}" \
			"$scratch/stdout" || fail "$command: expected a usage"
	done
}

test_version_is_printed() {
	expect 0 vhdfs-img --version
	grep -Eqx 'vhdfs-img [0-9.]+' "$scratch/stdout"
}

test_full_standard_output_is_an_error() {
	local status=0

	vhdfs-img --help >/dev/full 2>"$scratch/stderr" || status=$?
	equal "exit status" 1 "$status"
	grep -q '^vhdfs-img: standard output: No space' "$scratch/stderr"
}

test_help_names_formats_of_the_registry() {
	vhdfs-img create --help >"$scratch/create"
	grep -q -e '--format FORMAT .*vhd or vhdx;' "$scratch/create"
	tr -s ' \n' ' ' <"$scratch/create" | grep -q "name, else vhdx; a child has"
	vhdfs-img convert --help >"$scratch/convert"
	tr -s ' \n' ' ' <"$scratch/convert" | grep -q "name, else vhdx --fixed"
	grep -q "make a fixed VHD of the file RAW" "$scratch/convert"
	vhdfs --help | grep -q "Shows each VHD or VHDX image of the directory STORE"
}

# helps COMMAND...: it prints help to standard output only.
helps() {
	expect 0 "$@"
	grep -qi '^usage: ' "$scratch/stdout" ||
		fail "$*: expected its help, found: $(cat "$scratch/stdout")"
	[ ! -s "$scratch/stderr" ] ||
		fail "$*: expected no error, found: $(cat "$scratch/stderr")"
}

# Prints the subcommands in the help of a program.
commands_of() {
	"$1" --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p'
}

test_each_form_of_help_is_accepted() {
	local program command

	for program in vhdfs vhdfs-img tgt-glue; do
		helps $program -h
		helps $program --help
		helps $program help
	done
	for program in vhdfs-img tgt-glue; do
		for command in $(commands_of $program); do
			helps $program "$command" -h
			helps $program "$command" --help
			helps $program help "$command"
			grep -q "$program.*$command\|$command.*help" \
				"$scratch/stdout" ||
				fail "$command: expected its help, found:" \
					"$(cat "$scratch/stdout")"
		done
		expect_error 2 "unknown command 'frob'" $program help frob
	done
	for program in demo bench check packages; do
		for command in -h --help help; do
			expect 0 "$top_srcdir/contrib/$program" $command
			grep -q "contrib/$program\|--help" "$scratch/stdout" ||
				fail "$program $command: expected its help," \
					"found: $(cat "$scratch/stdout")"
		done
	done
}

run_tests
