/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UTF-16 of either byte order to UTF-8 and back, over libunistring. */
#ifndef VHDFS_BASE_UTF16_H
#define VHDFS_BASE_UTF16_H

#include <stddef.h>
#include <stdint.h>

/*
 * The len bytes at p as NUL-ended UTF-8, cut at the first NUL character.
 * Returns 0, -EBADMSG where len is odd or the text is not UTF-16, or -ENOMEM,
 * all without words; *ret_utf8 is the caller's to free.
 */
int utf16le_decode(const void *p, size_t len, char **ret_utf8);
int utf16be_decode(const void *p, size_t len, char **ret_utf8);

/*
 * UTF-8 as UTF-16 without a NUL. Returns 0, -EINVAL where it is not UTF-8, or
 * -ENOMEM, without words; *ret is the caller's to free, *ret_len is in bytes.
 */
int utf16le_encode(const char *utf8, uint8_t **ret, size_t *ret_len);
int utf16be_encode(const char *utf8, uint8_t **ret, size_t *ret_len);

#endif
