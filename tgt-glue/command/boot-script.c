/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/command/boot-script.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tgt-glue/config/values.h"

enum {
	RETRY_SECONDS = 10,         /* after a disk did not boot */
	RETRY_SECONDS_UNKNOWN = 30, /* on a machine without a script */
};

const char *boot_initiator(struct fleet *fleet, const struct client *client)
{
	if (client->initiators.n)
		return client->initiators.v[0];
	/* A client's name has no colon, so no target has this name. */
	return arena_printf(&fleet->conf.arena, "%s:initiator:%s",
			    fleet->iqn_prefix, client->label);
}

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

/* The URIs for sanboot: one for each portal. */
static struct strings disk_uris(struct fleet *fleet,
				const struct client *client)
{
	static const char *const none[] = { "0.0.0.0" };
	struct arena *arena = &fleet->conf.arena;
	struct strings portals = { (const char **)none, 1 }, uris = { 0 };
	char address[PORTAL_SIZE];
	int port;

	if (client->home->portals.n)
		portals = client->home->portals;
	for (size_t i = 0; i < portals.n; i++) {
		const char *uri;

		value_read_portal(portals.v[i], address, &port);
		uri = arena_printf(arena, "iscsi:%s::%d:1:%s",
				   is_reachable(address) ? address
							 : "${next-server}",
				   port, client->iqn);
		if (!strings_have(&uris, uri))
			strings_add(arena, &uris, uri);
	}
	return uris;
}

static void print_chap(FILE *f, const struct client *client)
{
	if (client->user)
		fprintf(f, "set username %s\nset password %s\n", client->user,
			client->secret);
	if (client->mutual_user)
		fprintf(f, "set reverse-username %s\nset reverse-password %s\n",
			client->mutual_user, client->mutual_secret);
}

/*
 * Two attempts, first without a gateway.  Windows sends all traffic of its disk
 * to the gateway that iPXE hands over, even when the server is on its own
 * network (ipxe issue 1599).  Without a gateway iPXE only reaches servers on
 * its own network, so the second attempt has one.
 */
static void print_sanboot(FILE *f, const struct strings *uris)
{
	for (int gateway = 0; gateway < 2; gateway++) {
		fputs(gateway ? "clear netX/gateway ||\n"
			      : "set netX/gateway 0.0.0.0 ||\n",
		      f);
		fputs("set keep-san 1\nsanboot", f);
		for (size_t i = 0; i < uris->n; i++)
			fprintf(f, " %s", uris->v[i]);
		/* Release the disk that keep-san holds after a failure. */
		fputs(" ||\nclear keep-san ||\nsanunhook ||\n", f);
	}
}

/* The end of a script: waits, with a key for a shell, and starts again. */
static void print_wait(FILE *f, int seconds)
{
	fprintf(f,
		"prompt --key s --timeout %d000 Trying again in %d seconds. Press s for a shell... && shell ||\n"
		"echo\ngoto start\n",
		seconds, seconds);
}

static FILE *open_text(char **text, size_t *size)
{
	FILE *f = open_memstream(text, size);

	if (!f)
		abort();
	fputs("#!ipxe\n" BOOT_MARK "\n", f);
	return f;
}

static const char *close_text(struct fleet *fleet, FILE *f, char **text)
{
	if (fclose(f) != 0)
		abort();
	return arena_strdup(&fleet->conf.arena, *text);
}

const char *boot_script(struct fleet *fleet, const struct client *client)
{
	struct strings uris = disk_uris(fleet, client);
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_text(&text, &size);

	fprintf(f,
		"# %s\n:start\nisset ${netX/ip} || dhcp || goto failed\n"
		"isset ${next-server} || set next-server ${netX/dhcp-server} ||\n"
		"set initiator-iqn %s\n",
		client->name, boot_initiator(fleet, client));
	print_chap(f, client);
	print_sanboot(f, &uris);
	fprintf(f,
		":failed\necho\n"
		"echo %s: the disk did not boot; above is why.\n"
		"echo This machine is ${netX/mac}, at ${netX/ip}.\n",
		client->name);
	print_wait(f, RETRY_SECONDS);
	return close_text(fleet, f, &text);
}

const char *boot_file_name(struct fleet *fleet, const struct client *client)
{
	char *name =
		arena_printf(&fleet->conf.arena, "%s" BOOT_ENDING, client->mac);

	for (char *c = name; (c = strchr(c, ':'));)
		*c = '-';
	return name;
}

const char *boot_dispatcher(struct fleet *fleet)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_text(&text, &size);

	fputs("# Starts the script of the machine's MAC address.\n"
	      ":start\nisset ${netX/ip} || dhcp || goto failed\n"
	      "chain --replace ${netX/mac:hexhyp}" BOOT_ENDING " ||\n"
	      ":failed\necho\n"
	      "echo The boot server has no disk for this machine, ${netX/mac}.\n"
	      "echo In the server's fleet.conf, a line\n"
	      "echo . . . . NAME = ${netX/mac}\n"
	      "echo gives it one, after: tgt-glue apply, tgt-glue ipxe --all DIR\n",
	      f);
	print_wait(f, RETRY_SECONDS_UNKNOWN);
	return close_text(fleet, f, &text);
}
