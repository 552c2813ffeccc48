/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes in bytes as text, with suffixes for powers of 1024. */
#ifndef VHDFS_BASE_SIZE_H
#define VHDFS_BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>

/* Parses decimal digits with an optional suffix K, M, G or T, in any case:
 * "40G".  Returns 0, or -EINVAL without a message. */
int size_parse(const char *text, uint64_t *ret);
/* Formats as "40 GiB (42949672960 bytes)" into buf.  Returns buf. */
const char *size_format(uint64_t size, char *buf, size_t buf_size);

#endif
