/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Foreign text (file names, what images say) made printable: one line of valid
 * UTF-8 without control characters, as which every message leaves the program.
 *
 * THE ESCAPE: each byte of a control character (C0, DEL, C1), of a line or
 * paragraph separator, of a character of zero width or one that changes the
 * direction of text, and each byte that is no part of valid UTF-8, becomes
 * \xHH, two lower-case hexadecimal digits.  All else, the backslash too, stays
 * as it is: text that is printable is not changed, and a second pass changes
 * nothing. So one escaped text may stand for several texts (that with a byte,
 * and that with the four characters of its escape): what reads it back tries
 * both.
 */
#ifndef VHDFS_BASE_PRINTABLE_H
#define VHDFS_BASE_PRINTABLE_H

#include <stddef.h>
#include <stdio.h>

/*
 * Copies text to buf, NUL-ended, as much of it as there is room for: never a
 * part of a character or of an escape.  Returns buf.  text and buf do not
 * overlap.
 */
char *printable(const char *text, char *buf, size_t size);
/* A copy of all of it, the caller's to free; null: out of memory. */
char *printable_copy(const char *text);
/* The opposite, in place: each escape becomes its byte, \x00 stays. */
void printable_undo(char *text);
/* Makes it printable in place, in a buffer of that size (at most 1 KiB of it
 * counts). */
void printable_in_place(char *text, size_t size);

/* Prints fmt to f as one line: made printable, and a newline after it.  Without
 * memory, a line of more than 12 KiB is cut. */
void print_line(FILE *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Prints JSON text (RFC 8259, valid UTF-8) to f.  A character of a string that
 * is not printable is written as \uHHHH, so a program reads it as it was.
 */
void print_json_text(FILE *f, const char *json);

#endif
