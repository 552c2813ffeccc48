/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What identifies a target for ever: everything follows from its name, so that
 * an initiator finds the same disk again after any restart and any change of
 * the fleet.
 */
#ifndef TGT_GLUE_CONFIG_TID_H
#define TGT_GLUE_CONFIG_TID_H

#include <stdint.h>

/* Of an IQN: 1 to 2^28 - 1. */
uint32_t tid_of(const char *iqn);
/* 64 bits, for the disk's serial number. */
uint64_t tid_serial(const char *iqn);

#endif
