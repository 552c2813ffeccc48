/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operand VERSION of a command. */
#include "config.h"

#include "tgt-glue/command/version-operand.h"

#include <errno.h>

#include "base/error.h"
#include "chain/version-name.h"
#include "tgt-glue/config/values.h"

int version_operand(const char *text, unsigned *ret)
{
	if (!value_is_number(text, 1, VERSION_MAX))
		return fail(
			-EINVAL,
			"VERSION: expected a number from 1 to %d, found '%s'",
			VERSION_MAX, text);
	*ret = value_read_number(text, 0);
	return 0;
}
