/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Boot scripts for iPXE: the script of a client, and the common first one. */
#include "config.h"

#include "tgt-glue/command/boot-script.h"

#include <string.h>

#include "tgt-glue/config/values.h"

/*
 * Whether machines can connect to this address of a portal: it is neither the
 * wildcard address nor a loopback address.
 */
static bool is_reachable(const char *address)
{
	return strcmp(address, "0.0.0.0") != 0 &&
	       strncmp(address, "127.", 4) != 0 &&
	       strcmp(address, "[::]") != 0 && strcmp(address, "[::1]") != 0;
}

/* The arguments of sanboot: a URI for each portal, and a space before each. */
static const char *disk_uris(struct arena *arena, const struct client *client)
{
	static const char *every_address = "0.0.0.0";
	struct strings portals = client->home->portals, uris = { 0 };
	const char *text = "";

	if (!portals.n)
		portals = (struct strings){ &every_address, 1 };
	for (size_t i = 0; i < portals.n; i++) {
		char address[PORTAL_SIZE];
		const char *uri;
		int port;

		value_read_portal(portals.v[i], address, &port);
		uri = arena_printf(arena, " iscsi:%s::%d:1:%s",
				   is_reachable(address) ? address
							 : "${next-server}",
				   port, client->iqn);
		if (strings_have(&uris, uri))
			continue;
		strings_add(arena, &uris, uri);
		text = arena_printf(arena, "%s%s", text, uri);
	}
	return text;
}

static const char *chap_text(struct arena *arena, const struct client *client)
{
	const char *text = "";

	if (client->user)
		text = arena_printf(arena, "set username %s\nset password %s\n",
				    client->user, client->secret);
	if (client->mutual_user)
		text = arena_printf(
			arena,
			"%sset reverse-username %s\nset reverse-password %s\n",
			text, client->mutual_user, client->mutual_secret);
	return text;
}

/*
 * Two attempts, first without a gateway.  Windows sends all traffic of its disk
 * to the gateway that iPXE hands over, even when the server is on its own
 * network (ipxe issue 1599).  Without a gateway iPXE only reaches servers on
 * its own network, so the second attempt has one.
 *
 * After a failure keep-san still holds the disk, so each attempt releases it.
 */
const char *boot_script(struct arena *arena, const struct fleet *fleet,
			const struct client *client)
{
	const char *uris = disk_uris(arena, client);

	return arena_printf(
		arena,
		"#!ipxe\n" BOOT_MARK "\n# %s\n"
		":start\nisset ${netX/ip} || dhcp || goto failed\n"
		"isset ${next-server} || set next-server ${netX/dhcp-server} ||\n"
		"set initiator-iqn %s\n%s"
		"set netX/gateway 0.0.0.0 ||\n"
		"set keep-san 1\nsanboot%s ||\nclear keep-san ||\nsanunhook ||\n"
		"clear netX/gateway ||\n"
		"set keep-san 1\nsanboot%s ||\nclear keep-san ||\nsanunhook ||\n"
		":failed\necho\n"
		"echo %s: the disk did not boot; above is why.\n"
		"echo This machine is ${netX/mac}, at ${netX/ip}.\n"
		"prompt --key s --timeout 10000 Trying again in 10 seconds. Press s for a shell... && shell ||\n"
		"echo\ngoto start\n",
		client->name, fleet_initiator_name(arena, fleet, client),
		chap_text(arena, client), uris, uris, client->name);
}

const char *boot_file_name(struct arena *arena, const struct client *client)
{
	char *name = arena_printf(arena, "%s" BOOT_ENDING, client->mac);

	for (char *c = name; (c = strchr(c, ':'));)
		*c = '-';
	return name;
}

const char *boot_dispatcher(void)
{
	return "#!ipxe\n" BOOT_MARK "\n"
	       "# Starts the script of the machine's MAC address.\n"
	       ":start\nisset ${netX/ip} || dhcp || goto failed\n"
	       "chain --replace ${netX/mac:hexhyp}" BOOT_ENDING " ||\n"
	       ":failed\necho\n"
	       "echo The boot server has no disk for this machine, ${netX/mac}.\n"
	       "echo In the server's fleet.conf, a line\n"
	       "echo . . . . NAME = ${netX/mac}\n"
	       "echo gives it one, after: tgt-glue apply, tgt-glue ipxe --all DIR\n"
	       "prompt --key s --timeout 30000 Trying again in 30 seconds. Press s for a shell... && shell ||\n"
	       "echo\ngoto start\n";
}
