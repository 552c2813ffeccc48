/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Check that tgtd listens on the portals of fleet.conf. */
#include "config.h"

#include "tgt-glue/tgtd/portals.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "tgt-glue/config/values.h"

/* True if one of tgtd's portals, "ADDRESS:PORT", includes that one. */
static bool cover(const struct strings *open, const char *address, int port)
{
	char text[300], all[32], all_v6[32];

	snprintf(text, sizeof text, "%s:%d", address, port);
	snprintf(all, sizeof all, "0.0.0.0:%d", port);
	snprintf(all_v6, sizeof all_v6, "[::]:%d", port);
	return strings_have(open, text) || strings_have(open, all) ||
	       strings_have(open, all_v6);
}

/* The same for a host.  True if its name cannot be resolved. */
static bool cover_host(const struct strings *open, const char *host, int port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char address[INET6_ADDRSTRLEN], text[64];
	bool found = false;

	if (*host == '[')
		return false;
	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return true;
	for (const struct addrinfo *a = list; a && !found; a = a->ai_next) {
		getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof address,
			    NULL, 0, NI_NUMERICHOST);
		snprintf(text, sizeof text,
			 a->ai_family == AF_INET6 ? "[%s]" : "%s", address);
		found = cover(open, text, port);
	}
	freeaddrinfo(list);
	return found;
}

/* Reads the portals that tgtd listens on, "ADDRESS:PORT", into arena. */
static int read_portals(const struct tgtd *tgtd, struct arena *arena,
			struct strings *ret)
{
	_cleanup_free_ char *text = NULL;
	int r = tgtd_ask(tgtd, TGTD_PORTAL, TGTD_SHOW, TGTD_NO_TID, &text);
	const char *value;
	char *rest = text;

	for (char *line; (line = tgtd_state_next_line(&rest));)
		if ((value = tgtd_state_value(line, "Portal: ")))
			strings_add(arena, ret,
				    arena_printf(arena, "%.*s",
						 (int)strcspn(value, ","),
						 value));
	return r;
}

void portals_check(const struct tgtd *tgtd, struct tgtd_state *live,
		   const struct shard *shard, struct messages *messages)
{
	struct strings open = { 0 };

	if (!shard->portals.n || read_portals(tgtd, &live->arena, &open) < 0)
		return;
	for (size_t i = 0; i < shard->portals.n; i++) {
		const char *portal = shard->portals.v[i];
		char host[PORTAL_SIZE];
		int port;

		value_read_portal(portal, host, &port);
		if (!cover(&open, host, port) && !cover_host(&open, host, port))
			messages_print(
				messages,
				"warning: %s does not listen on portal %s; start it with --iscsi portal=ADDRESS:PORT",
				shard->tgtd, portal);
	}
}
