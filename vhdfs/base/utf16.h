/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conversion between UTF-8 and UTF-16 of either byte order. */
#ifndef VHDFS_BASE_UTF16_H
#define VHDFS_BASE_UTF16_H

#include <stddef.h>
#include <stdint.h>

/*
 * Converts len bytes at p to NUL-terminated UTF-8, up to the first NUL.
 * Returns 0, -EBADMSG if len is odd or the text is not valid UTF-16, or
 * -ENOMEM, all without a message.  The caller frees *ret_utf8.
 */
int utf16le_decode(const void *p, size_t len, char **ret_utf8);
int utf16be_decode(const void *p, size_t len, char **ret_utf8);

/*
 * Converts UTF-8 to UTF-16 without a terminating NUL.  Returns 0, -EINVAL if
 * the text is not valid UTF-8, or -ENOMEM, without a message.  The caller frees
 * *ret; *ret_len is in bytes.
 */
int utf16le_encode(const char *utf8, uint8_t **ret, size_t *ret_len);
int utf16be_encode(const char *utf8, uint8_t **ret, size_t *ret_len);

#endif
