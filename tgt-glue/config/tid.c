/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Target numbers and serial numbers: hashes of the IQN. */
#include "config.h"

#include "tgt-glue/config/tid.h"

#include "tgt-glue/config/values.h"

/*
 * FNV-1a, then the last steps of MurmurHash3, so that names that differ in one
 * digit give numbers that differ in all bits.  The function must never change:
 * clients would see another disk.
 */
uint64_t tid_serial(const char *iqn)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *iqn; iqn++)
		hash = (hash ^ (unsigned char)*iqn) * UINT64_C(0x100000001b3);
	hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
	hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return hash ^ hash >> 33;
}

uint32_t tid_of(const char *iqn)
{
	uint64_t hash = tid_serial(iqn);

	/* Fold all 64 bits into 28.  0 is not a valid target number. */
	hash = (hash ^ hash >> 28 ^ hash >> 56) & TID_MAX;
	return hash ? (uint32_t)hash : 1;
}
