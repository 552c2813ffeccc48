/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a machine is told until its disk is there: scripts for iPXE.  The
 * scripts are texts; who serves them, over TFTP or HTTP, is none of ours.
 */
#ifndef TGT_GLUE_COMMAND_BOOT_SCRIPT_H
#define TGT_GLUE_COMMAND_BOOT_SCRIPT_H

#include "tgt-glue/config/fleet.h"

/* The script that every machine begins with, and the ending of all. */
#define BOOT_DISPATCHER "boot.ipxe"
#define BOOT_ENDING ".ipxe"
/* By the second line of a file we know it for ours. */
#define BOOT_MARK "# Written by tgt-glue from fleet.conf."
/* Where TFTP servers of Debian look. */
#define BOOT_DIRECTORY "/srv/tftp"

/*
 * The name that the client's initiator is told to use: the first that the
 * client admits, or, where it admits no names, one of our own making.
 */
const char *boot_initiator(struct fleet *fleet, const struct client *client);

/* The client's script. All texts and names are of the fleet's pool. */
const char *boot_script(struct fleet *fleet, const struct client *client);
/* What its file is called: the MAC as iPXE's ${mac:hexhyp} has it. */
const char *boot_file_name(struct fleet *fleet, const struct client *client);
/*
 * The script that hands over to the one of the machine's MAC, and says on the
 * machine's screen where there is none.
 */
const char *boot_dispatcher(struct fleet *fleet);

/*
 * Makes the directory have all of them, each whole or not at all, and removes
 * what we wrote there for machines that are gone.  1 where files of somebody
 * else are in the way, which are named and left.
 */
int boot_write_all(struct fleet *fleet, const char *directory);

#endif
