/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes in bytes as people write and read them, with powers of 1024. */
#ifndef VHDFS_BASE_SIZE_H
#define VHDFS_BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>

/* "40G": digits, then K, M, G, T or none. 0, or -EINVAL without words. */
int size_parse(const char *text, uint64_t *ret);
/* "40 GiB (42949672960 bytes)"; in buf. */
const char *size_format(uint64_t size, char *buf, size_t buf_size);

#endif
