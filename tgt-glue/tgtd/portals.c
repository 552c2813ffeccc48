/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Check that tgtd listens on the portals of fleet.conf. */
#include "config.h"

#include "tgt-glue/tgtd/portals.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "tgt-glue/config/values.h"

/* True if tgtd's portal open, "ADDRESS:PORT", includes the portal. */
static bool covers(const char *open, const char *portal)
{
	const char *colon = strrchr(portal, ':'), *has = strrchr(open, ':');
	const char *port = colon && !strchr(colon, ']') ? colon + 1 : "3260";
	size_t n = has ? (size_t)(has - open) : 0;

	if (!has || strcmp(has + 1, port) != 0)
		return false;
	if (!strncmp(open, "0.0.0.0", n) || !strncmp(open, "[::]", n))
		return true;
	return !strncmp(open, portal, n) && (!portal[n] || portal[n] == ':');
}

/* The same for a portal with a host name.  True if the name cannot be
 * resolved. */
static bool covers_name(const char *open, const char *portal)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char host[PORTAL_SIZE], address[INET6_ADDRSTRLEN], text[300];
	bool found = false;
	int port;

	value_read_portal(portal, host, &port);
	if (*host == '[' || !host[strcspn(host, "abcdefghijklmnopqrstuvwxyz"
						"ABCDEFGHIJKLMNOPQRSTUVWXYZ")])
		return false;
	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return true;
	for (const struct addrinfo *a = list; a && !found; a = a->ai_next) {
		const bool v6 = a->ai_family == AF_INET6;

		getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof address,
			    NULL, 0, NI_NUMERICHOST);
		snprintf(text, sizeof text, v6 ? "[%s]:%d" : "%s:%d", address,
			 port);
		found = covers(open, text);
	}
	freeaddrinfo(list);
	return found;
}

void portals_check(const struct tgtd *tgtd, struct tgtd_state *live,
		   const struct shard *shard, struct messages *messages)
{
	struct strings open = { 0 };

	if (!shard->portals.n || tgtd_state_portals(tgtd, live, &open) < 0)
		return;
	for (size_t i = 0; i < shard->portals.n; i++) {
		const char *portal = shard->portals.v[i];
		bool found = false;

		for (size_t k = 0; k < open.n; k++)
			found = found || covers(open.v[k], portal) ||
				covers_name(open.v[k], portal);
		if (!found)
			messages_print(
				messages,
				"warning: %s does not listen on portal %s; start it with --iscsi portal=ADDRESS:PORT",
				shard->tgtd, portal);
	}
}
