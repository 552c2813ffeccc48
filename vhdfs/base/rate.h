/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rate of copies: --rate. */
#ifndef VHDFS_BASE_RATE_H
#define VHDFS_BASE_RATE_H

#include <stdint.h>

/* Waits until `copied' bytes since the time began (clock_us) are not more than
 * rate bytes a second; 0: any. */
void rate_keep(uint64_t rate, uint64_t copied, int64_t began);

#endif
