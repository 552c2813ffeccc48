/* SPDX-License-Identifier: GPL-2.0-or-later */
/* File names of the versions of a master. */
#include "config.h"

#include "chain/version-name.h"

#include <stdlib.h>
#include <string.h>

unsigned version_number(const char *file, const char *name)
{
	const char *ending = strrchr(name, '.');
	const size_t stem = ending ? (size_t)(ending - name) : strlen(name);
	size_t digits;

	if (strncmp(file, name, stem) != 0 || file[stem] != '@')
		return 0;
	file += stem + 1;
	digits = strspn(file, "0123456789");
	if (!digits || digits > 9 || *file == '0' ||
	    strcmp(file + digits, name + stem) != 0)
		return 0;
	return (unsigned)strtoul(file, NULL, 10);
}
