/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/config/tid.h"

#include "tgt-glue/config/values.h"

/*
 * FNV-1a, and then its bits mixed (the last steps of MurmurHash3): names that
 * differ in their last digits only shall differ everywhere.  It must never
 * change.
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

	/* All of the hash takes part; 0 is no target's number. */
	hash = (hash ^ hash >> 28 ^ hash >> 56) & TID_MAX;
	return hash ? (uint32_t)hash : 1;
}
