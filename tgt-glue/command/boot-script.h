/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Boot scripts for iPXE, which connects a machine to its disk.  A TFTP or HTTP
 * server, which is not a part of tgt-glue, gives them to the machines.
 *
 * All texts and names are of the given arena, or constant.
 */
#ifndef TGT_GLUE_COMMAND_BOOT_SCRIPT_H
#define TGT_GLUE_COMMAND_BOOT_SCRIPT_H

#include "tgt-glue/config/fleet.h"

/* The dispatcher, with which every machine begins, and the ending of all
 * scripts. */
#define BOOT_DISPATCHER "boot.ipxe"
#define BOOT_ENDING ".ipxe"
/* The second line of every script; it marks a file of tgt-glue. */
#define BOOT_MARK "# Written by tgt-glue from fleet.conf."
/* The directory of Debian's TFTP servers. */
#define BOOT_DIRECTORY "/srv/tftp"

/* The client's script. */
const char *boot_script(struct arena *arena, const struct fleet *fleet,
			const struct client *client);
/* The script's file name: the MAC address as iPXE's ${mac:hexhyp} writes it. */
const char *boot_file_name(struct arena *arena, const struct client *client);
/*
 * The dispatcher: chains to the script of the machine's MAC address.  Where it
 * does not exist, the machine's screen says so.
 */
const char *boot_dispatcher(void);

/*
 * Writes all scripts to the directory, each atomically, and removes the scripts
 * of machines that fleet.conf no longer names.  Returns 0; 1 after skipping
 * files that tgt-glue did not write, with a message for each; or -errno with a
 * message.
 */
int boot_write_all(const struct fleet *fleet, const char *directory);

#endif
