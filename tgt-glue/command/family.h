/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operand MASTER of a command. */
#ifndef TGT_GLUE_COMMAND_FAMILY_H
#define TGT_GLUE_COMMAND_FAMILY_H

#include "tgt-glue/config/fleet.h"

/*
 * The family (config/versions.h) that the operand names, as `master' in
 * fleet.conf does; the directory masters/ may be left out.  ending, of a master
 * that need not exist: ".vhdx"; null: it must exist.  *ret is in arena.  0, or
 * -errno with a message.
 */
int command_family(const struct fleet *fleet, struct arena *arena,
		   const char *name, const char *ending, const char **ret);

#endif
