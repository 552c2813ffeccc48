/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Free space of the file system that holds the store. */
#include "config.h"

#include "tgt-glue/reconcile/space.h"

#include <stdio.h>
#include <sys/statvfs.h>

#include "tgt-glue/config/values.h"

void free_space_read(const struct fleet *fleet, struct free_space *ret)
{
	struct statvfs st;

	*ret = (struct free_space){ 0 };
	if (statvfs(fleet->store, &st) < 0)
		return;
	ret->free = (uint64_t)st.f_bavail * st.f_frsize;
	ret->size = (uint64_t)st.f_blocks * st.f_frsize;
	if (fleet->min_free)
		ret->min_free = value_read_min_free(fleet->min_free, ret->size);
}

bool free_space_is_low(const struct free_space *space)
{
	return space->free < space->min_free;
}

const char *size_text(uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	static char ring[8][16];
	static unsigned next;
	char *text = ring[next++ % 8];
	double n = (double)bytes;
	int unit = 0;

	/* Not 1000.0K, which is as long again. */
	for (; n >= 999.5; unit++)
		n /= 1024;
	snprintf(text, sizeof ring[0], unit && n < 99.95 ? "%.1f%c" : "%.0f%c",
		 n, units[unit]);
	return text;
}
