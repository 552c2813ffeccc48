# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests of what tgtd reports in the journal, after tgt.sh: a
# journalctl of the test's own prints the messages of a real tgtd.

# make_journal: a journalctl that prints the entries of $scratch/journal, those
# behind the cursor, and follows it.
make_journal() {
	mkdir "$scratch/journal-bin"
	: >"$scratch/journal"
	cat >"$scratch/journal-bin/journalctl" <<-END
		#!/bin/bash
		printf '%s\n' "\$@" >>"$scratch/journalctl.args"
		from=1
		for a; do
			case \$a in
			--after-cursor=*) from=\$((\${a#*=c} + 1)) ;;
			esac
		done
		echo \$\$ >>"$scratch/journalctl.pid"
		exec tail -n +\$from -f "$scratch/journal"
	END
	chmod 755 "$scratch/journal-bin/journalctl"
	PATH=$scratch/journal-bin:$PATH
}

# entry MESSAGE: an entry of the journal.
entry() {
	jq -cn --arg m "$1" --arg c "c$(($(wc -l <"$scratch/journal") + 1))" \
		--arg t "$(date +%s)000000" \
		'{__CURSOR: $c, __REALTIME_TIMESTAMP: $t, MESSAGE: $m}' \
		>>"$scratch/journal"
}

# wrong_secret CLIENT [NAME]: an initiator of that name with a wrong secret; what
# the real tgtd says of it becomes entries of the journal.
wrong_secret() {
	local line before

	before=$(wc -c <"$scratch/tgtd.log")
	! initiator ${2:+-i "$2"} read "$(url "$1" "$1%wrongwrong123@")" \
		2>"$scratch/refusal" || fail "expected a refusal"
	wait_until 10 has_more_than "$before"
	tail -c "+$((before + 1))" "$scratch/tgtd.log" >"$scratch/said"
	while IFS= read -r line || [ -n "$line" ]; do
		entry "$line"
	done <"$scratch/said"
}

has_more_than() {
	[ "$(wc -c <"$scratch/tgtd.log")" -gt "$1" ]
}
