/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operand VERSION of a command. */
#ifndef TGT_GLUE_COMMAND_VERSION_OPERAND_H
#define TGT_GLUE_COMMAND_VERSION_OPERAND_H

/* Reads the number of a version.  0, or -EINVAL with a message. */
int version_operand(const char *text, unsigned *ret);

#endif
