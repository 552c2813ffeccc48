/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Target numbers and serial numbers, both hashes of the target's IQN.
 *
 * An initiator recognises its disk by these numbers.  They depend on the IQN
 * alone, so they survive every restart and every other change of fleet.conf.
 */
#ifndef TGT_GLUE_CONFIG_TID_H
#define TGT_GLUE_CONFIG_TID_H

#include <stdint.h>

/* The target number (tid): 1 to TID_MAX. */
uint32_t tid_of(const char *iqn);
/* The 64 bits that the disk's SCSI serial number is made of. */
uint64_t tid_serial(const char *iqn);

#endif
