/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "io/wait.h"

#include <stddef.h>

static void (*before_wait)(void);

void io_set_before_wait(void (*what)(void))
{
	before_wait = what;
}

void io_may_wait(void)
{
	if (before_wait)
		before_wait();
}
