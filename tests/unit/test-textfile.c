/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of tgt-glue's text files. */
#define _GNU_SOURCE
#include "unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "tgt-glue/base/textfile.h"

/* The linker gives these names to the wrapped functions. */
ssize_t __real_getdelim(char **text, size_t *size, int delimiter, FILE *f);
ssize_t __wrap_getdelim(char **text, size_t *size, int delimiter, FILE *f);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

static bool strdup_fails, getdelim_fails;

ssize_t __wrap_getdelim(char **text, size_t *size, int delimiter, FILE *f)
{
	errno = ENOMEM;
	return getdelim_fails ? -1 : __real_getdelim(text, size, delimiter, f);
}

char *__wrap_strdup(const char *text)
{
	return strdup_fails ? NULL : __real_strdup(text);
}

static void reading_without_memory_has_a_message(void **state)
{
	const char *path = scratch_path(state, "none");
	char *text;
	int r;

	fail(-EIO, "the error before");
	strdup_fails = true;
	r = textfile_read(path, &text);
	strdup_fails = false;
	assert_errno(r, -ENOMEM);
	assert_non_null(strstr(error_text(), "out of memory"));
}

/* The caller must not take the file for an empty one. */
static void file_is_not_empty_without_memory(void **state)
{
	const char *path = scratch_path(state, "file");
	char *text;
	int r;

	assert_int_equal(textfile_write(path, "text", 0600, TEXTFILE_ANY_GROUP),
			 1);
	getdelim_fails = true;
	r = textfile_read(path, &text);
	getdelim_fails = false;
	assert_errno(r, -ENOMEM);
}

int main(void)
{
	const struct CMUnitTest textfile[] = {
		cmocka_unit_test_setup_teardown(
			reading_without_memory_has_a_message, scratch_setup,
			scratch_teardown),
		cmocka_unit_test_setup_teardown(
			file_is_not_empty_without_memory, scratch_setup,
			scratch_teardown),
	};

	return cmocka_run_group_tests(textfile, NULL, NULL);
}
