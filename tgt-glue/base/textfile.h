/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text files of tgt-glue: configuration, state and scripts. */
#ifndef TGT_GLUE_BASE_TEXTFILE_H
#define TGT_GLUE_BASE_TEXTFILE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "io/atomic-file.h"

#define TEXTFILE_ANY_GROUP ATOMIC_FILE_ANY_GROUP

/*
 * Gives the file at path this text, mode and group, atomically and durably
 * (atomic_file_write).  Returns 1 if it was written, 0 if it was so already:
 * then nothing is synced, as an apply with nothing to do must be quick.  A
 * process that was killed before the last sync of atomic_file_write leaves a
 * file whose name a power cut may still take back to the one before.
 */
int textfile_write(const char *path, const char *text, mode_t mode,
		   gid_t group);
/* Reads the file up to its first NUL byte; "" if it does not exist.  The caller
 * frees *ret_text. */
int textfile_read(const char *path, char **ret_text);

/* The length in bytes of the UTF-8 byte-order mark at the text's beginning: 3
 * or 0.  Some editors write one. */
size_t text_byte_order_mark(const char *text);
/* Whether the text begins with a UTF-16 byte-order mark. */
bool text_is_utf16(const char *text);
/* The mode of a regular file to which group or others have access; 0 for any
 * other file. */
unsigned textfile_open_mode(int fd);

/* A stream into *ret_text, which the caller frees after text_close.  Without
 * memory the program aborts. */
FILE *text_open(char **ret_text, size_t *ret_size);
void text_close(FILE *f);

#endif
