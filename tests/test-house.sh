#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The rules of the source that a program can check: layers, style, sizes.
. "${0%/*}/lib.sh"

cd "$top_srcdir" || exit 1
shopt -s nullglob

# Prints the names of all C files of the project.
c_files() {
	find vhdfs tgt-glue tests -name '*.[ch]' | sort
}

# Prints the names of the sources of the Cockpit page.
page_files() {
	find cockpit/src cockpit/index.html \( -name '*.js' -o -name '*.css' \
		-o -name '*.html' \) | sort
}

# search ARGUMENT...: runs grep; a search without a match succeeds, too.
search() {
	grep "$@" || [ $? -le 2 ]
}

# nothing SUBJECT: expects that standard input is empty; the message shows it.
nothing() {
	local found
	found=$(cat)
	[ -z "$found" ] || fail "expected no $1, found:
$found"
}

# includes_point_downward LAYER ALLOWED: prints the includes of the layer that name
# none of the allowed layers.
includes_point_downward() {
	local layer=$1 allowed=$2
	search -n '^#include "' "$layer"/*.[ch] /dev/null |
		sed -n 's/^\([^:]*:[0-9]*\):#include "\([a-z-]*\)\/.*/\1 \2/p' |
		awk -v ok=" $allowed " 'index(ok, " " $2 " ") == 0'
}

# The same for a folder of tgt-glue, which may also include the layers of vhdfs
# below a program.
glue_includes_point_downward() {
	local folder=$1 allowed=$2
	search -n '^#include "' tgt-glue/"$folder"/*.[ch] /dev/null |
		sed -n -e 's/^\([^:]*:[0-9]*\):#include "tgt-glue\/\([a-z-]*\)\/.*/\1 \2/p' \
			-e 's/^\([^:]*:[0-9]*\):#include "\([a-z-]*\)\/.*/\1 vhdfs-\2/p' |
		awk -v ok=" $allowed vhdfs-store vhdfs-chain vhdfs-format vhdfs-io vhdfs-base " \
			'index(ok, " " $2 " ") == 0'
}

test_includes_name_the_own_or_lower_layers() {
	{
		includes_point_downward vhdfs/base "base"
		includes_point_downward vhdfs/io "io base"
		includes_point_downward vhdfs/format "format io base"
		includes_point_downward vhdfs/chain "chain format io base"
		includes_point_downward vhdfs/store "store chain format io base"
		includes_point_downward vhdfs/fuse \
			"fuse store chain format io base"
		includes_point_downward vhdfs/img "img store chain format io base"
		includes_point_downward vhdfs/nbdkit \
			"nbdkit store chain format io base"
		glue_includes_point_downward base "base"
		glue_includes_point_downward config "config base"
		glue_includes_point_downward tgtd "tgtd config base"
		glue_includes_point_downward reconcile \
			"reconcile tgtd config base"
		glue_includes_point_downward versions \
			"versions reconcile tgtd config base"
		glue_includes_point_downward backup \
			"backup reconcile tgtd config base"
		glue_includes_point_downward command \
			"command backup versions reconcile tgtd config base"
	} | nothing "include that points upward"
}

# Prints "A B" for each unit A (NAME.c and NAME.h) that includes unit B.  NAME may
# share its data in NAME-internal.h, which then includes NAME.h.
includes_between_units() {
	awk -F'"' '
		FNR == 1 {
			unit = FILENAME
			sub(/\.[ch]$/, "", unit)
		}
		/^#include "[^"]*\// {
			other = $2
			sub(/\.h$/, "", other)
			if (other !~ /^tgt-glue\//)
				other = "vhdfs/" other
			if (other != unit && other != unit "-internal")
				print unit, other
		}' vhdfs/*/*.[ch] tgt-glue/*/*.[ch]
}

test_units_include_each_other_in_no_circle() {
	includes_between_units >"$scratch/includes"
	[ "$(wc -l <"$scratch/includes")" -gt 300 ] ||
		fail "expected more than 300 includes," \
			"found: $(wc -l <"$scratch/includes")"
	{ tsort "$scratch/includes" 2>&1 >"$scratch/order" || true; } |
		nothing "circle of units that include each other"
}

# Except base/log.c and base/command-*.c, which print the log and the help.
test_library_never_prints() {
	search -nE '\b(printf|puts|fputs|perror|exit) ?\(' \
		vhdfs/base/[!cl]*.c vhdfs/base/crc32c.c vhdfs/io/*.c vhdfs/format/*.c \
		vhdfs/chain/*.c vhdfs/store/*.c /dev/null | nothing "printing in the library"
}

test_only_io_touches_image_files() {
	search -nE '\b(pread|pwrite|fdatasync|ftruncate|fallocate) ?\(' \
		vhdfs/format/*.c vhdfs/chain/*.c vhdfs/img/*.c vhdfs/fuse/*.c \
		vhdfs/nbdkit/*.c tgt-glue/*/*.c /dev/null |
		nothing "access to image files outside vhdfs/io"
}

test_every_file_names_its_licence() {
	{
		c_files
		page_files
		find . -path ./build -prune -o \( -name '*.sh' -o -name '*.mk' \
			-o -name '*.ac' -o -name Makefile.am \) -print |
			grep -v -e '/build-aux/' -e '/autom4te'
		echo contrib/bench contrib/check contrib/demo contrib/package \
			contrib/packages contrib/release contrib/reload-mounts .ci/run tgt-glue/look-into \
			cockpit/vendor/update contrib/systemd/*.in tests/boot/boot.test \
			tests/debian/make-root tests/*/*.test \
			tests/boot/make-disk tests/boot/guest/* \
			tests/bench/plot.gp tests/bench/report.jq \
			tests/bench/requirements tests/run-unit | xargs -n 1
	} >"$scratch/files"
	xargs awk '
		FNR == 1 { all[FILENAME] }
		FNR <= 3 && /SPDX.License-Identifier: GPL-2\.0-or-later/ {
			named[FILENAME]
		}
		END { for (file in all) if (!(file in named)) print file }' \
		<"$scratch/files" | nothing "file without its SPDX line"
}

test_clang_format_changes_no_c_file() {
	requires clang-format
	c_files | xargs clang-format --dry-run 2>&1 |
		sed -n 's/:.*warning: code should be clang-formatted.*//p' |
		sort -u | nothing "file that clang-format would change"
}

test_files_have_at_most_600_lines() {
	{ c_files && page_files; } | xargs wc -l | awk '$2 != "total" && $1 > 600' |
		nothing "file of more than 600 lines"
}

test_functions_have_at_most_80_lines() {
	# clang-format puts the "{" and the "}" of a function into the first
	# column.
	c_files | xargs awk '
		FNR == 1 { open = 0 }
		/^\{/ { open = FNR }
		/^\}/ && open {
			if (FNR - open - 1 > 80)
				print FILENAME ":" open ": " FNR - open - 1
			open = 0
		}' | nothing "function of more than 80 lines"
}

test_no_file_names_a_path_of_its_development_machine() {
	search -rsnIE '/work/|/tmp/h/|deb\.debian\.org|registry\.npmjs' \
		--exclude=test-house.sh vhdfs tgt-glue cockpit tests contrib man \
		debian README NEWS BENCHMARK HACKING UPGRADING SECURITY AUTHORS configure.ac \
		Makefile.am | nothing "path of a machine"
}

# After the SPDX line; index.html begins with its type.
test_files_of_the_page_begin_with_what_they_are() {
	page_files | xargs awk '
		/SPDX/ { after[FILENAME] = FNR + 1 }
		FNR == after[FILENAME] && !/^(\/\/|\/\*|<!--) [A-Z]/ {
			print FILENAME ": " $0
		}' | nothing "file of the page without a line that says what it is"
}

test_makefile_lists_the_files_of_the_page() {
	sed -n 's|^\t\(cockpit/src/[^ ]*\) .*|\1|p' cockpit/local.mk | sort |
		diff - <(page_files | grep /src/) |
		nothing "difference between cockpit/src and cockpit/local.mk"
}

# What a guest or a network can influence reaches the page as text alone.
test_page_makes_no_markup_of_text() {
	search -nE 'innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|javascript:' \
		cockpit/src/*.js /dev/null | nothing "markup that is made of text"
}

# tgt-glue is started in one place, with a list of arguments.
test_page_starts_programs_in_one_file() {
	search -nE 'cockpit\.(spawn|script)|"(ba)?sh"' cockpit/src/*.js |
		sed '/^cockpit.src.tgt-glue[.]js:/d' |
		nothing "program that another file than tgt-glue.js starts"
	search -n 'cockpit\.script' cockpit/src/*.js | nothing "script of a shell"
}

test_style_sheet_of_the_page_has_the_components_it_uses() {
	page_files | xargs grep -hoE 'pf-v6-c-[a-z]+(-[a-z]+)*' | sort -u |
		while read -r class; do
			grep -q "\.$class\b" cockpit/vendor/patternfly.css ||
				echo "$class: run cockpit/vendor/update"
		done | nothing "component that patternfly.css does not have"
}

# The walks through the code in HACKING have lines "  FILE.c  FUNCTION()".
test_hacking_names_functions_that_exist() {
	local line file="" name

	while IFS= read -r line; do
		[[ ! $line =~ ^\ \ ([a-z/-]+\.c)\  ]] || file=${BASH_REMATCH[1]}
		while read -r name; do
			grep -qs "\b$name(" "vhdfs/$file" "tgt-glue/$file" ||
				echo "$file: $name()"
		done < <(grep -oE '[a-z_0-9]+\(\)' <<<"$line" | tr -d '()' || true)
	done < <(sed -n "/^A guest's write/,/^How to add/p" HACKING) |
		nothing "function that does not exist"
}

test_lists_of_long_and_slow_tests_name_files() {
	local name

	sed -n '/^\(long\|slow\)_tests = /,/(NULL)/s/^\t\(tests[^ ]*\).*/\1/p' \
		tests/local.mk >"$scratch/listed"
	[ "$(wc -l <"$scratch/listed")" -gt 15 ] ||
		fail "expected two lists in tests/local.mk," \
			"found: $(cat "$scratch/listed")"
	while read -r name; do
		[ -f "${name%.sh}.sh" ] || [ -f "$name.c" ] || echo "$name"
	done <"$scratch/listed" | nothing "test that does not exist"
}

# Prints the variables VHDFS_* that scripts and programs read.
variables_read() {
	search -rhoIE 'getenv\("VHDFS_[A-Z_]+|\$\{?VHDFS_[A-Z_]+' vhdfs tgt-glue \
		tests contrib .ci | grep -o 'VHDFS_.*' | sort -u
}

test_readme_of_tests_lists_the_variables_that_are_read() {
	variables_read >"$scratch/read"
	grep -o 'VHDFS_[A-Z_]*' tests/README | sort -u >"$scratch/listed"
	[ "$(wc -l <"$scratch/read")" -gt 10 ] ||
		fail "expected more than 10 variables, found: $(cat "$scratch/read")"
	comm -23 "$scratch/read" "$scratch/listed" |
		nothing "variable that tests/README does not list"
	comm -13 "$scratch/read" "$scratch/listed" |
		nothing "variable in tests/README that nothing reads"
}

# tests/local.mk lists the tests themselves.
test_readme_of_tests_lists_the_folders_and_shared_files() {
	find tests -mindepth 1 -maxdepth 1 \( -type d -o -type f \) \
		! -name 'test-*' ! -name README ! -name '.*' -printf '%f\n' |
		while read -r name; do
			grep -qE "^ .*\b${name//./\\.}\b|^$name\b" tests/README ||
				echo "tests/$name"
		done | nothing "file or folder that tests/README does not list"
}

# The test of the mutants takes an hour, and would tell of it late.
test_scripts_of_the_mutants_of_the_store_change_their_files() {
	local mutant

	# shellcheck source=/dev/null
	. <(sed -e '/^run_tests/d' -e '/lib\.sh"$/d' -e '/MUTANT_CC:-/d' \
		tests/faults/test-order-mutants.sh)
	for mutant in "${!script[@]}"; do
		sed -E "${script[$mutant]}" "vhdfs/${changed_file[$mutant]}" |
			cmp -s - "vhdfs/${changed_file[$mutant]}" || continue
		echo "$mutant"
	done | nothing "mutants that equal their source"
}

test_shellcheck_finds_nothing_in_scripts() {
	requires shellcheck
	shellcheck -S warning -e SC1091,SC3013,SC2154,SC2034,SC2164 contrib/bench \
		contrib/check contrib/demo contrib/package contrib/packages \
		contrib/release contrib/reload-mounts .ci/run tests/lib.sh \
		tgt-glue/look-into cockpit/vendor/update tests/boot/boot.test tests/boot/make-disk \
		tests/boot/guest/vhdfs-boot tests/debian/make-root \
		tests/packages/packages.test tests/releases/releases.test \
		tests/systemd/machine.test \
		tests/bench/*.sh tests/test-*.sh tests/*/test-*.sh \
		debian/*.bug-script debian/*.postinst debian/*.postrm \
		debian/*.prerm debian/tests/installed
}

run_tests
