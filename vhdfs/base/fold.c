/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Case folding of file names, with libunistring. */
#include "config.h"

#include "base/fold.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>

static char *fold_ascii(const char *name)
{
	char *folded = strdup(name);

	for (char *p = folded; p && *p; p++)
		if ((unsigned char)*p < 0x80)
			*p = (char)tolower((unsigned char)*p);
	return folded;
}

char *name_fold(const char *name)
{
	size_t len;
	/* The terminating NUL is included: it folds to itself. */
	uint8_t *folded = u8_casefold((const uint8_t *)name, strlen(name) + 1,
				      NULL, UNINORM_NFD, NULL, &len);

	if (!folded && errno != ENOMEM)
		return fold_ascii(name);
	return (char *)folded;
}
