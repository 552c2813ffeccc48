/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Remote disk: recognize NBD URIs, and hide their passwords in messages. */
#include "config.h"

#include <string.h>

#include "img/remote.h"

/* "nbd" or "nbds", optionally "+" and a transport, and "://". */
bool remote_is_uri(const char *name)
{
	if (strncmp(name, "nbd", 3) != 0)
		return false;
	name += 3;
	if (*name == 's')
		name++;
	if (*name == '+')
		name += 1 + strspn(name + 1, "abcdefghijklmnopqrstuvwxyz");
	return !strncmp(name, "://", 3);
}

/* After "://" there may be "USER:PASSWORD@". */
char *remote_name(const char *uri)
{
	const char *user = strstr(uri, "://") + 3;
	const char *end = user + strcspn(user, "/?#");
	const char *at = memrchr(user, '@', end - user);
	const char *colon = at ? memchr(user, ':', at - user) : NULL;
	char *name = NULL;

	if (!colon)
		return strdup(uri);
	if (asprintf(&name, "%.*s***%s", (int)(colon + 1 - uri), uri, at) < 0)
		return NULL;
	return name;
}
