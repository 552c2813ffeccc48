# SPDX-License-Identifier: GPL-2.0-or-later
# Converts the output of iscsi-test-cu: a line for each test with its name, its
# verdict and all of its output, separated by tabs.  A test may print lines
# before its verdict (why it is skipped, what failed) and after it (which
# assertions failed); the verdict is at the start of a line, or behind the
# test's name.  A test without a verdict gets that of the variable "unfinished";
# so does the variable "tests" when there is no output.

function close_test()
{
	if (name == "")
		return
	print name "\t" (verdict == "" ? unfinished : verdict) "\t" said
	name = ""
	closed++
}

function hear(line)
{
	if (line ~ /^FAILED/)
		verdict = "failed"
	else if (line ~ /^passed/)
		verdict = said ~ /\[SKIPPED\]/ ? "skipped" : "passed"
	sub(/^(FAILED|passed)/, "", line)
	sub(/^ +/, "", line)
	if (line != "")
		said = said (said == "" ? "" : " / ") line
}

/^Suite: / {
	close_test()
	suite = $2
	next
}

/^  Test: / {
	close_test()
	name = suite "." $2
	verdict = said = ""
	line = $0
	sub(/^  Test: [^ ]* \.\.\./, "", line)
	hear(line)
	next
}

/^Run Summary:/ { close_test() }

name != "" { hear($0) }

END {
	close_test()
	sub(/^ALL\./, "", tests)
	if (!closed)
		print tests "\t" unfinished "\t"
}
