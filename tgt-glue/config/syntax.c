/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Syntax of a value of fleet.conf: quotes and comments. */
#include "config.h"

#include "tgt-glue/config/syntax.h"

#include <ctype.h>
#include <string.h>

void syntax_trim_end(char *text)
{
	size_t n = strlen(text);

	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
}

char *syntax_find_comment(char *text)
{
	for (char *c = text; *c; c++)
		if ((*c == '#' || *c == ';') &&
		    (c == text || c[-1] == ' ' || c[-1] == '\t'))
			return c;
	return text + strlen(text);
}

char *syntax_unquote(char *value)
{
	char *to = value, *from = value + 1;

	for (; *from && *from != '"'; from++) {
		if (*from == '\\' && (from[1] == '"' || from[1] == '\\'))
			from++;
		*to++ = *from;
	}
	if (!*from)
		return NULL;
	*to = '\0';
	return from + 1;
}
