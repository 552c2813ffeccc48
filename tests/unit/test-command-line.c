/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines: the members and operands that parsing sets, and exit codes. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/command-line.h"

struct command_line {
	bool quick, all;
	const char *size, *config;
	struct cli_list dirs;
};

static const struct cli_option copy_options[] = {
	CLI_FLAG(quick, "quick", "a flag"),
	CLI_VALUE(size, "size", "SIZE", NULL, "a value"),
	CLI_FLAG(all, "all", "replaces the operands"),
	CLI_END,
};

static const struct cli_command copy_command = {
	.name = "copy",
	.options = copy_options,
	.operands = { "FROM TO", 2, 2, NULL },
	.variant_option = "all",
	.variant = { "TO", 1, 1, NULL },
};

static const struct cli_option list_options[] = {
	CLI_FLAG(quick, "quiet", "begins like quick"),
	CLI_END,
};

static const struct cli_command list_command = {
	.name = "list",
	.options = list_options,
};

static const struct cli_command *const commands[] = { &copy_command,
						      &list_command, NULL };

static const struct cli_option common_options[] = {
	CLI_VALUE(config, "config", "FILE", NULL, "of every command"),
	CLI_LIST(dirs, "dir", "DIR", NULL, "repeatable"),
	CLI_END,
};

static bool never_exists(const struct command_line *line, const char *name)
{
	(void)line;
	(void)name;
	return false;
}

static const struct cli_program program = {
	.name = "program",
	.options = common_options,
	.commands = commands,
	.operand_exists = never_exists,
};

static struct command_line line;
static char text[200];
static char *words[20];

/* Parses a command line whose words are separated by spaces. */
static struct cli_call parse(const char *command_line)
{
	int n = 0;

	free(line.dirs.at);
	line = (struct command_line){ 0 };
	snprintf(text, sizeof text, "%s", command_line);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		words[n++] = word;
	words[n] = NULL;
	return cli_parse(&program, n, words, &line);
}

/* The error goes to standard error, which the test does not read. */
static void assert_usage_error(const char *command_line)
{
	const struct cli_call call = parse(command_line);

	assert_null(call.command);
	assert_int_equal(call.status, CLI_USAGE);
}

static void options_and_operands_are_accepted_in_any_order(void **state)
{
	static const char *const lines[] = {
		"program copy --quick --size 4 --config=f a b",
		"program --config f copy a --size=4 b --quick",
		"program --quick --size 4 --config f copy a b",
		"program copy --size 9 --qu --si 4 --conf f -- a b",
	};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		const struct cli_call call = parse(lines[i]);

		assert_ptr_equal(call.command, &copy_command);
		assert_true(line.quick);
		assert_string_equal(line.size, "4");
		assert_string_equal(line.config, "f");
		assert_int_equal(call.n_operands, 2);
		assert_string_equal(call.operands[0], "a");
		assert_string_equal(call.operands[1], "b");
		assert_null(call.operands[2]);
	}
}

static void words_after_two_dashes_are_operands(void **state)
{
	const struct cli_call call = parse("program copy -- --quick -");

	(void)state;
	assert_ptr_equal(call.command, &copy_command);
	assert_false(line.quick);
	assert_string_equal(call.operands[0], "--quick");
	assert_string_equal(call.operands[1], "-");
}

static void repeatable_option_keeps_all_values(void **state)
{
	(void)state;
	assert_non_null(parse("program --dir a list --dir=b --dir c").command);
	assert_int_equal(line.dirs.n, 3);
	assert_string_equal(line.dirs.at[0], "a");
	assert_string_equal(line.dirs.at[2], "c");
}

static void variant_option_replaces_the_operands(void **state)
{
	(void)state;
	assert_non_null(parse("program copy --all a").command);
	assert_non_null(parse("program --all copy a").command);
	assert_usage_error("program copy --all a b");
	assert_usage_error("program copy a");
}

static void wrong_command_line_is_a_usage_error(void **state)
{
	static const char *const lines[] = {
		"program",
		"program --config",
		"program --config f",
		"program move",
		"program list a",
		"program list --size 4",
		"program --size 4 list",
		"program copy a b --size",
		"program copy a b --quick=yes",
		"program copy a b -q",
		"program --qui list",
		"program --nonsense list",
		"program help move",
	};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		assert_usage_error(lines[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			options_and_operands_are_accepted_in_any_order),
		cmocka_unit_test(words_after_two_dashes_are_operands),
		cmocka_unit_test(repeatable_option_keeps_all_values),
		cmocka_unit_test(variant_option_replaces_the_operands),
		cmocka_unit_test(wrong_command_line_is_a_usage_error),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(line.dirs.at);
	return failed;
}
