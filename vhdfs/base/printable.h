/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Escaping of untrusted text (file names, strings in images) for output: the
 * result is one line of valid UTF-8 without control characters.
 *
 * Every message leaves the program in this form, so a file name cannot forge
 * log lines or control a terminal.
 *
 * THE ESCAPE.  \xHH, with two lower-case hexadecimal digits, replaces each byte
 *   - of a control character (C0, DEL, C1)
 *   - of a line or paragraph separator
 *   - of a zero-width character, or one that changes the text's direction
 *   - that is not part of valid UTF-8
 * All other characters, the backslash too, are unchanged.  So printable text is
 * not changed, and escaping twice is the same as once.  The escape is therefore
 * ambiguous: "\x0a" is a newline or these four characters.  A reader of escaped
 * file names tries both.
 *
 * All functions may be called from any thread.
 */
#ifndef VHDFS_BASE_PRINTABLE_H
#define VHDFS_BASE_PRINTABLE_H

#include <stddef.h>
#include <stdio.h>

/*
 * Escapes text into buf of size bytes, NUL-terminated, truncated between two
 * characters or escapes.  text and buf must not overlap.  Returns buf.
 */
char *printable(const char *text, char *buf, size_t size);
/* Returns an escaped copy that the caller frees; null: out of memory. */
char *printable_copy(const char *text);
/* Reverses the escape in place: each \xHH but \x00 becomes its byte. */
void printable_undo(char *text);
/* Escapes text in place, in a buffer of size bytes.  Of the text, 1023 bytes
 * are used. */
void printable_in_place(char *text, size_t size);

/* Formats, escapes and prints one line to f, and a newline.  If memory is out,
 * a line of more than 12 KiB is truncated. */
void print_line(FILE *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Prints JSON text (RFC 8259, valid UTF-8) to f.  A character of a string that
 * is not printable is written as \uHHHH: a JSON parser restores it.
 */
void print_json_text(FILE *f, const char *json);

#endif
