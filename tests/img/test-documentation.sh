#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Documentation: --help, the manual page and the completion of a program have
# the same options and the same subcommands.
. "${0%/*}/../lib.sh"

# Prints the long options in standard input, each once.
long_options() {
	grep -Eo -e '(^|[^-[:alnum:]])--[a-z][a-z-]*' | grep -Eo -e '--.*' |
		sort -u
}

# grep that reads all of its input, so that its writer gets no SIGPIPE.
has() {
	grep "$@" >/dev/null
}

# Prints the subcommands in --help: the first words of indented lines.
subcommands_of() {
	"$1" --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p' | sort -u
}

help_of() {
	local command

	"$1" --help
	for command in $(subcommands_of "$1"); do
		"$1" "$command" --help
	done
}

page_of() {
	local page

	for page in "$top_builddir/man/$1".[0-9]; do
		[ -f "$page" ] || fail "no manual page of $1"
		sed 's/\\-/-/g; s/\\f[A-Z]//g; s/^\.OP \([^ ]*\).*/ \1 /' "$page"
	done
}

# The completion script of vhdfs has a list of options; the other programs
# print their candidates.
completion_of() {
	local command

	if [ "$1" = vhdfs ]; then
		cat "$top_srcdir/contrib/completion/$1"
		return
	fi
	complete_line "$1" --
	for command in $(subcommands_of "$1"); do
		complete_line "$1" "$command" --
	done
}

same_options() {
	help_of "$1" | long_options >"$scratch/help"
	page_of "$1" | long_options >"$scratch/page"
	completion_of "$1" | long_options >"$scratch/completion"
	[ -s "$scratch/help" ] || fail "$1 --help names no options"
	diff -u "$scratch/help" "$scratch/page" ||
		fail "$1: the manual page (+) differs from --help (-)"
	diff -u "$scratch/help" "$scratch/completion" ||
		fail "$1: the completion (+) differs from --help (-)"
}

same_subcommands() {
	local command

	[ -n "$(subcommands_of "$1")" ] || fail "$1 --help lists no subcommands"
	for command in $(subcommands_of "$1"); do
		page_of "$1" | has -Ei "^\.S[HSY] .*\b$command\b" ||
			fail "$1: the manual page has no section on $command"
		complete_line "$1" "${command:0:1}" | has -x "$command" ||
			fail "$1: $command is not completed"
	done
}

# complete_line PROGRAM WORD...: prints bash's candidates for the last word.
complete_line() {
	bash -c '
		. "$1"
		shift
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		handler=$(complete -p "${1##*/}" | sed "s/.*-F \([^ ]*\) .*/\1/")
		COMP_LINE="$*"
		COMP_POINT=${#COMP_LINE}
		"$handler" "$1" "${@: -1}" "${@: -2:1}"
		printf "%s\n" "${COMPREPLY[@]}"
	' bash "$top_srcdir/contrib/completion/${1##*/}" "$@"
}

test_help_page_and_completion_of_vhdfs_have_the_same_options() {
	same_options vhdfs
}

test_help_page_and_completion_of_vhdfs_img_have_the_same_options() {
	same_options vhdfs-img
}

test_help_page_and_completion_of_tgt_glue_have_the_same_options() {
	same_options tgt-glue
}

test_subcommands_of_vhdfs_img_are_documented_and_completed() {
	same_subcommands vhdfs-img
}

test_subcommands_of_tgt_glue_are_documented_and_completed() {
	same_subcommands tgt-glue
}

# Values of -o.
test_mount_options_are_documented_and_completed() {
	local option

	complete_line vhdfs -o '' >"$scratch/completion"
	[ -s "$scratch/completion" ] || fail "no option is completed"
	while read -r option; do
		vhdfs --help | has -w -e "${option%=}" ||
			fail "--help does not name $option"
		page_of vhdfs | has -w -e "${option%=}" ||
			fail "the manual page does not name $option"
	done <"$scratch/completion"
	vhdfs --help | sed -n 's/^  -o \([a-z_]*=\{0,1\}\).*/\1/p' |
		while read -r option; do
			has -x -e "$option" <"$scratch/completion" ||
				fail "$option is not completed"
		done
}

test_short_options_are_documented_and_completed() {
	local option

	vhdfs --help | sed -n 's/^  -\([a-zA-Z]\), --.*/\1/p' >"$scratch/help"
	[ -s "$scratch/help" ] || fail "--help names no short option"
	while read -r option; do
		complete_line vhdfs - | has -x -e "-$option" ||
			fail "-$option is not completed"
		page_of vhdfs | has -e "^\.B.* \"\{0,1\}-${option}[, ]" ||
			fail "the manual page does not name -$option"
	done <"$scratch/help"
}

test_help_and_completion_of_each_subcommand_are_equal() {
	local program command

	for program in vhdfs-img tgt-glue; do
		for command in $(subcommands_of $program); do
			"$program" "$command" --help | long_options \
				>"$scratch/help"
			complete_line $program "$command" -- | long_options \
				>"$scratch/completion"
			diff -u "$scratch/help" "$scratch/completion" ||
				fail "$program $command: completion (+)" \
					"differs from --help (-)"
		done
	done
}

# Prints what SYNOPSIS says of each subcommand: a line for each option, with
# VALUE if the option takes one, and for each list of operands.
synopsis_of() {
	awk -v commands=" $(subcommands_of "$1" | xargs) " '
		function print_form(n, i, lines)
		{
			end_option(0)
			n = split(common options, lines, "\n")
			for (i = 1; i < n && command != ""; i++)
				print command lines[i]
			if (command != "")
				print command " operands:" operands
			command = options = operands = ""
		}
		function end_option(has_value)
		{
			if (option != "" && command == "")
				common = common " " option (has_value ? " VALUE\n" : "\n")
			else if (option != "")
				options = options " " option (has_value ? " VALUE\n" : "\n")
			option = ""
		}
		function read_word(word)
		{
			gsub(/[][|]/, "", word)
			if (word ~ /^--/) {
				end_option(0)
				option = word
			} else if (word != "" && option != "")
				end_option(1)
			else if (index(commands, " " word " "))
				command = word
			else if (word != "")
				operands = operands " " word
		}
		/^\.SH/ { in_synopsis = /SYNOPSIS/; next }
		!in_synopsis { next }
		{ gsub(/\\-/, "-"); gsub(/\\f[A-Z]|\\c$/, "") }
		/^\.SY|^\.YS|^\|$/ { print_form() }
		/^\.SY/ { common = ""; gsub(/"/, ""); read_word($3); next }
		/^\.OP/ { read_word($2); end_option(NF > 2); next }
		/^\.[BIR][BIR]/ { # arguments without spaces between them
			sub(/^\.[BIR]* /, "")
			if (!gsub(/ *"/, ""))
				gsub(/ /, "")
		}
		/^\.[BI] / { sub(/^\.[BI] /, "") }
		/^[^.]/ {
			for (i = 1; i <= NF; i++)
				read_word($i)
		}' "$top_builddir/man/$1".[0-9] | grep -v '^help ' | sort -u
}

# The same from the help of each subcommand.
synopsis_of_help() {
	local command

	for command in $(subcommands_of "$1"); do
		[ "$command" != help ] || continue
		"$1" "$command" --help | sed -n -e '/--version /d' \
			-e 's/^  -[a-z], --/  --/; /--help /d' -e 's/\[OPTION...\]/|/' \
			-e "s/^\(Usage:\|  *\) $1 $command/operands:/" \
			-e '/^operands/{s/--[a-z-]*\( [A-Z]\{1,\}\)\{0,1\}//
				s/[][|]//g; s/  */ /g; s/ $//; p}' \
			-e 's/^  \(--[a-z-]*\)  .*/\1/p' \
			-e 's/^  \(--[a-z-]*\) [A-Z]\{1,\}  .*/\1 VALUE/p' |
			sed "s/^/$command /"
	done | sort -u
}

same_synopsis() {
	synopsis_of_help "$1" >"$scratch/help"
	synopsis_of "$1" >"$scratch/page"
	[ -s "$scratch/help" ] || fail "$1: expected subcommands in --help"
	diff -u "$scratch/help" "$scratch/page" ||
		fail "$1: expected SYNOPSIS (+) as --help (-) says"
}

test_synopsis_of_vhdfs_img_equals_its_help() {
	same_synopsis vhdfs-img
}

test_synopsis_of_tgt_glue_equals_its_help() {
	same_synopsis tgt-glue
}

# vhdfs has no subcommands: the first form of SYNOPSIS is the line "usage:".
test_synopsis_of_vhdfs_equals_its_help() {
	equal "SYNOPSIS of vhdfs" \
		"$(vhdfs --help | sed -n 's/^usage: //p')" \
		"$(sed -n '/^\.SY vhdfs/,/^\.YS/p' "$top_builddir/man/vhdfs.1" |
			sed -e '/^\.YS/,$d' -e 's/^\.OP \(.*\)/[\1]/' \
				-e 's/^\.[A-Z]* //; s/\\-/-/g; s/\\f[A-Z]//g' |
			paste -sd ' ')"
}

test_synopsis_of_the_nbdkit_plugin_has_its_parameters() {
	sed -n '/settings_help\[\] =/,/";$/s/^\t"\[*\([a-z]*=\).*/\1/p' \
		"$top_srcdir/vhdfs/nbdkit/settings.c" | sort -u >"$scratch/help"
	sed -n '/^\.SH SYNOPSIS/,/^\.SH [^S]/p' \
		"$top_builddir/man/nbdkit-vhdfs-plugin.1" |
		grep -o '[a-z]*=' | sort -u >"$scratch/page"
	[ -s "$scratch/help" ] || fail "expected parameters in settings.c"
	diff -u "$scratch/help" "$scratch/page" ||
		fail "expected SYNOPSIS (+) with the parameters (-)"
}

test_vhdfs_img_accepts_the_options_in_its_help() {
	local command option

	for command in $(subcommands_of vhdfs-img); do
		for option in $(vhdfs-img "$command" --help | long_options); do
			vhdfs-img "$command" "$option" >"$scratch/out" 2>&1 ||
				true
			! grep 'unknown option' "$scratch/out" ||
				fail "$command $option is not taken"
		done
	done
}

# Parameters of the nbdkit plugin; nbdkit itself is not needed.
test_nbdkit_parameters_are_documented() {
	sed -n '/settings_help\[\] =/,/";$/s/^\t"\[*\([a-z]*=\).*/\1/p' \
		"$top_srcdir/vhdfs/nbdkit/settings.c" >"$scratch/help"
	sed -n '/^\.SH PARAMETERS/,/^\.SH REQUESTS/s/^\.BI \([a-z]*=\).*/\1/p' \
		"$top_builddir/man/nbdkit-vhdfs-plugin.1" >"$scratch/page"
	[ -s "$scratch/help" ] || fail "--help names no parameter"
	diff -u "$scratch/help" "$scratch/page" ||
		fail "the manual page (+) differs from --help (-)"
}

test_nbdkit_plugin_accepts_and_shows_its_parameters() {
	local plugin=$top_builddir/vhdfs/nbdkit/nbdkit-vhdfs-plugin.so key

	requires nbdkit
	[ -f "$plugin" ] || skip "no nbdkit plugin in this build"
	nbdkit "$plugin" --help >"$scratch/help"
	for key in $(page_of nbdkit-vhdfs-plugin |
		sed -n 's/^\.BI \([a-z]*=\).*/\1/p'); do
		has -e "$key" <"$scratch/help" ||
			fail "nbdkit vhdfs --help does not name $key"
		nbdkit "$plugin" "${key}1" --run true >"$scratch/out" 2>&1 ||
			true
		! grep 'unknown parameter' "$scratch/out" ||
			fail "$key is not taken"
	done
}

test_values_are_completed() {
	equal "formats" "raw vhd vhdx" \
		"$(complete_line vhdfs-img convert --format '' | paste -sd ' ')"
	equal "sector sizes" "512 4096" "$(complete_line vhdfs-img create \
		--sector-size '' | paste -sd ' ')"
	equal "after =" "raw" \
		"$(complete_line vhdfs-img convert --format = r)"
	equal "before the command" "info" \
		"$(complete_line vhdfs-img --store /tmp inf)"
}

# The program takes the formats from its registry; the page is written by hand.
test_formats_in_the_page_help_and_completion_are_equal() {
	local command formats

	for command in create convert; do
		formats=$(complete_line vhdfs-img $command --format '' |
			paste -sd ' ')
		equal "formats in the page" "$formats" "$(sed -n \
			"/^\.SY \"vhdfs.*$command\"/,/^\.YS/s/^\.OP .*format //p" \
			"$top_builddir/man/vhdfs-img.1" | head -n 1 |
			sed 's/\\fR|\\fP/ /g')"
		vhdfs-img $command --help | tr -d ',' |
			has -e "FORMAT *${formats% *} or ${formats##* };" ||
			fail "$command --help does not name $formats"
	done
}

test_files_and_directories_are_completed() {
	cd "$scratch"
	mkdir 'a dir'
	: >'a file'
	equal "operands" "a dir,a file" \
		"$(complete_line vhdfs-img info a | sort | paste -sd ,)"
	equal "directories" "a dir" "$(complete_line vhdfs-img info --store a)"
	equal "too many operands" "" "$(complete_line vhdfs-img info x a)"
}

test_clients_are_completed() {
	cd "$scratch"
	mkdir m
	vhdfs-img create --size 4M master.vhdx
	printf '%s\n' '[fleet]' "store = $scratch" "mount = $scratch/m" \
		'iqn-prefix = iqn.2026-01.lan' 'master = master' \
		'[machines]' 'pc1 = 52:54:00:00:00:01 10.0.0.1' \
		'[client admin]' 'address = 10.0.0.2' \
		'[group room]' 'match = pc*' >fleet.conf
	equal "clients and groups" "@room admin pc1" "$(complete_line tgt-glue \
		--config fleet.conf reset '' | sort | paste -sd ' ')"
	equal "groups" "@room" "$(complete_line tgt-glue --config \
		fleet.conf secret @)"
	equal "no operand after --all" "" "$(complete_line tgt-glue --config \
		fleet.conf reset --all p)"
	equal "one client" "admin pc1" "$(complete_line tgt-glue --config \
		fleet.conf ipxe '' | sort | paste -sd ' ')"
	equal "another client" "pc1" "$(complete_line tgt-glue --config \
		fleet.conf reset admin p)"
	equal "client to force" "pc1" "$(complete_line tgt-glue --config = \
		fleet.conf apply --force p)"
}

# The script asks the program on the command line, wherever it is installed.
test_states_of_disks_are_completed() {
	local disk glue=(tgt-glue --config fleet.conf)

	cd "$scratch"
	mkdir -p m clients disks/home
	printf '%s\n' '[fleet]' "store = $scratch" "mount = $scratch/m" \
		'iqn-prefix = iqn.2026-01.lan' '[defaults]' \
		'master = master' 'disks = home' '[disk home]' 'lun = 2' 'size = 4M' \
		'[client pc1]' 'address = 10.0.0.1' \
		'[client pc2]' 'address = 10.0.0.2' >fleet.conf
	vhdfs-img create --size 4M master.vhdx
	for disk in clients/pc1 clients/pc2 disks/home/pc1; do
		vhdfs-img create --parent master.vhdx $disk.vhdx
		vhdfs-img snapshot $disk.vhdx "in-${disk//\//-}"
	done
	cp clients/pc1.vhdx clients/.pc1.vhdx.20260131T235959.000001Z
	equal "client first" "pc1 pc2" "$(complete_line "${glue[@]}" \
		restore '' | sort | paste -sd ' ')"
	equal "states" "20260131T235959.000001Z in-clients-pc1" \
		"$(complete_line "${glue[@]}" restore pc1 '' | sort | paste -sd ' ')"
	equal "states of a data disk" "in-disks-home-pc1" \
		"$(complete_line "${glue[@]}" disks --remove --disk home pc1 '')"
	equal "snapshots" "in-clients-pc1 in-clients-pc2" \
		"$(complete_line "${glue[@]}" revert in | sort | paste -sd ' ')"
	equal "client after it" "pc2" "$(complete_line "${glue[@]}" \
		revert in-clients-pc2 pc2)"
}

test_program_outside_of_path_is_completed() {
	equal "commands" "map" "$(PATH=/usr/bin:/bin complete_line \
		"$(command -v vhdfs-img)" m)"
}

test_nbd_uris_are_completed_for_convert() {
	cd "$scratch"
	equal "URIs" "nbd:// nbd+unix:///" \
		"$(complete_line vhdfs-img convert nb | paste -sd ' ')"
	equal "URIs of info" "" "$(complete_line vhdfs-img info nb)"
}

test_manual_pages_have_no_warnings() {
	local page

	requires man groff
	for page in "$top_builddir"/man/*.[0-9]; do
		man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null |
			tee "$scratch/warnings"
		[ ! -s "$scratch/warnings" ] || fail "$page: warnings"
		groff -man -ww -z -Tutf8 "$page" 2>"$scratch/warnings"
		[ ! -s "$scratch/warnings" ] ||
			fail "$page: $(cat "$scratch/warnings")"
	done
}

test_manual_pages_have_the_usual_sections() {
	local page

	for page in "$top_builddir"/man/*.[18]; do
		equal "${page##*/}" "NAME SYNOPSIS DESCRIPTION EXIT SEE" \
			"$(sed -n 's/^\.SH "\{0,1\}\([A-Z]*\).*/\1/p' "$page" |
			grep -Ex 'NAME|SYNOPSIS|DESCRIPTION|EXIT|SEE' |
			paste -sd ' ')"
	done
}

test_word_help_after_a_command_prints_its_help() {
	local program command

	cd "$scratch"
	for program in tgt-glue vhdfs-img; do
		for command in $(subcommands_of $program); do
			[ "$command" != help ] || continue
			"$program" "$command" --help >option || fail "$command"
			"$program" "$command" help >word || fail "$command help"
			cmp option word
		done
	done
}

# In these cases the word is an operand.
test_file_or_client_named_help_is_an_operand() {
	cd "$scratch"
	vhdfs-img create --format vhd --size 4M help
	[[ $(vhdfs-img info help) == *[Ff]ormat*vhd* ]] ||
		fail "expected the image called help"
	mkdir m
	vhdfs-img create --size 4M master.vhdx
	printf '%s\n' '[fleet]' "store = $scratch" "mount = $scratch/m" \
		'iqn-prefix = iqn.2026-01.lan' '[client help]' \
		'master = master' 'address = 10.0.0.1' >fleet.conf
	expect 0 tgt-glue --config fleet.conf ipxe help
	grep -q 'iqn.2026-01.lan:help' stdout ||
		fail "expected the client called help"
}

run_tests
