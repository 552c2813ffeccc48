/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command retire. */
#include "config.h"

#include "tgt-glue/versions/retire.h"

#include "base/cleanup.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/command/family.h"
#include "tgt-glue/command/version-operand.h"

int command_retire(const struct command_line *line)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_close_ int lock = -1;
	const char *family;
	unsigned number;

	if (version_operand(line->clients[1], &number) < 0)
		return command_failed();
	lock = command_load_locked(line, &fleet);
	if (lock < 0)
		return CLI_FAILED;
	if (command_family(&fleet, &arena, line->clients[0], NULL, &family) <
		    0 ||
	    retire_run(&fleet, family, number) < 0)
		return command_failed();
	return CLI_DONE;
}
