/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON output, with jansson. */
#include "config.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"

json_t *json_text(const char *text)
{
	json_t *json = text ? json_string(text) : NULL;
	_cleanup_free_ char *copy = NULL;

	if (json || !text)
		return json;
	copy = printable_copy(text);
	return copy ? json_string(copy) : NULL;
}

static int add_text(const char *bytes, size_t len, void *f)
{
	return fwrite(bytes, 1, len, f) == len ? 0 : -1;
}

int json_print(const json_t *json)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = json ? open_memstream(&text, &size) : NULL;
	int r = f ? json_dump_callback(json, add_text, f,
				       JSON_INDENT(2) | JSON_REAL_PRECISION(17))
		  : -1;

	/* jansson ignores the result of some of its calls of add_text. */
	if (f && (ferror(f) | fclose(f)))
		r = -1;
	/* fclose that runs out of memory sets no text and returns no error. */
	if (r < 0 || !text)
		return fail(-ENOMEM, "out of memory");
	print_json_text(stdout, text);
	putchar('\n');
	return 0;
}
