/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command dnsmasq: prints a configuration for dnsmasq.  It gives each
 * machine its address, gives iPXE over TFTP to firmware that is not iPXE, and
 * gives the boot script to iPXE.
 */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "tgt-glue/command/boot-script.h"
#include "tgt-glue/config/values.h"

/* Whether the address is one IPv4 address, not a network. */
static bool is_host(const char *address)
{
	struct in_addr in;

	return inet_pton(AF_INET, address, &in) == 1;
}

/* Whether another client has this address too.  Then it restricts access, but
 * cannot be given to one machine. */
static bool is_shared(const struct fleet *fleet, const struct client *client,
		      const char *address)
{
	for (size_t i = 0; i < fleet->n; i++)
		if (&fleet->clients[i] != client &&
		    strings_have(&fleet->clients[i].addresses, address))
			return true;
	return false;
}

/* The address for the client's machine, or null. */
static const char *address_of(const struct fleet *fleet,
			      const struct client *client)
{
	for (size_t i = 0; i < client->addresses.n; i++) {
		const char *address = client->addresses.v[i];

		if (is_host(address) && !is_shared(fleet, client, address))
			return address;
	}
	return NULL;
}

/* Whether dnsmasq takes the label for a name in dhcp-host.  It takes 12h for a
 * time, and 10.0.0.1 for an address. */
static bool is_host_name(const char *label)
{
	return value_matches(label, "[a-z]([a-z0-9-]*[a-z0-9])?") &&
	       strcmp(label, "ignore") != 0 && strcmp(label, "infinite") != 0;
}

static void print_host(const struct fleet *fleet, const struct client *client)
{
	const char *address = address_of(fleet, client);

	if (!client->mac) {
		printf("# %s: no mac in fleet.conf\n", client->name);
		return;
	}
	if (!address)
		printf("# %s has no address of its own in fleet.conf: it needs a dhcp-range with\n# dynamic addresses, dhcp-range=FIRST,LAST\n",
		       client->name);
	printf("dhcp-host=%s", client->mac);
	if (address)
		printf(",%s", address);
	if (is_host_name(client->label))
		printf(",%s", client->label);
	putchar('\n');
}

/* Prints a static range once, which answers listed machines only: the network
 * may have another DHCP server for other machines. */
static void print_range(struct arena *arena, struct strings *printed,
			const char *network)
{
	if (strings_have(printed, network))
		return;
	strings_add(arena, printed, arena_strdup(arena, network));
	printf("dhcp-range=%s,static\n", network);
}

static void print_ranges(const struct fleet *fleet)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const struct strings *portals = &fleet->shards[0].portals;
	struct strings printed = { 0 };
	bool guess = !portals->n;
	char address[PORTAL_SIZE];
	int port;

	for (size_t i = 0; i < portals->n; i++) {
		value_read_portal(portals->v[i], address, &port);
		guess = guess || !is_host(address);
		if (is_host(address) && strcmp(address, "0.0.0.0") != 0 &&
		    strncmp(address, "127.", 4) != 0)
			print_range(&arena, &printed, address);
	}
	/* Without a portal's address: guess /24 networks of the machines. */
	for (size_t i = 0; guess && i < fleet->n; i++) {
		const char *own = address_of(fleet, &fleet->clients[i]);

		if (own && fleet->clients[i].mac)
			print_range(&arena, &printed,
				    arena_printf(&arena, "%.*s.0",
						 (int)(strrchr(own, '.') - own),
						 own));
	}
	if (!printed.n)
		puts("# No network is known from fleet.conf: add dhcp-range=ADDRESS,static");
}

static void print_boot(const char *tftp_root)
{
	printf("\n# Firmware fetches iPXE over TFTP; iPXE (it sends option 175) the script.\n"
	       "enable-tftp\n"
	       "tftp-root=%s\n"
	       "dhcp-match=set:ipxe,175\n"
	       "dhcp-match=set:uefi,option:client-arch,7\n"
	       "dhcp-match=set:uefi,option:client-arch,9\n"
	       "dhcp-boot=tag:!ipxe,tag:!uefi,undionly.kpxe\n"
	       "dhcp-boot=tag:!ipxe,tag:uefi,ipxe.efi\n"
	       "dhcp-boot=tag:ipxe," BOOT_DISPATCHER "\n",
	       tftp_root);
}

int command_dnsmasq(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet;

	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	puts(BOOT_MARK
	     "\n# For /etc/dnsmasq.d/vhdfs.conf.\n\n"
	     "# Machines that are listed here, and no others, get an address.");
	print_ranges(&fleet);
	for (size_t i = 0; i < fleet.n; i++)
		print_host(&fleet, &fleet.clients[i]);
	print_boot(line->tftp_root ? line->tftp_root : BOOT_DIRECTORY);
	return CLI_DONE;
}
