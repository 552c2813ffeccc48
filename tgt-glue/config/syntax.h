/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Syntax of a value of fleet.conf: quotes and comments.
 *
 * A comment begins with # or ; at the beginning of a line, or after a space
 * outside quotes.  In a value in double quotes, \" is a quote and \\ is a
 * backslash; all other characters stand for themselves.
 */
#ifndef TGT_GLUE_CONFIG_SYNTAX_H
#define TGT_GLUE_CONFIG_SYNTAX_H

/* Removes the white space at the text's end, in place. */
void syntax_trim_end(char *text);
/* The beginning of the comment in a text without quotes, or the text's end. */
char *syntax_find_comment(char *text);
/* Replaces the quotes and escapes of a quoted value in place.  Returns the text
 * after the closing quote, or null without a closing quote. */
char *syntax_unquote(char *value);

#endif
