/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The space that the mount keeps free. */
#include "config.h"

#include "tgt-glue/reconcile/mount-reserve.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "store/reserve.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/space.h"

bool mount_reserve_read(const struct fleet *fleet, uint64_t *ret)
{
	char text[24];
	ssize_t n = getxattr(fleet->mount, RESERVE_ATTRIBUTE, text,
			     sizeof text - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	*ret = strtoull(text, NULL, 10);
	return true;
}

/* The name of the mount's unit, as systemd-escape(1) --path. */
static const char *unit_name(struct arena *arena, const char *path)
{
	const char *name = "";

	path += strspn(path, "/");
	for (const char *c = path; *c; c++) {
		if (*c == '/' && (!c[1] || c[1] == '/'))
			continue;
		if (*c == '/')
			name = arena_printf(arena, "%s-", name);
		else if (isalnum((unsigned char)*c) || strchr(":_", *c) ||
			 (*c == '.' && c != path))
			name = arena_printf(arena, "%s%c", name, *c);
		else
			name = arena_printf(arena, "%s\\x%02x", name,
					    (unsigned char)*c);
	}
	return *name ? name : "-";
}

const char *mount_reserve_differs(struct arena *arena,
				  const struct fleet *fleet)
{
	const char *wanted = fleet->reserve, *unit;
	uint64_t found;

	if (!wanted || fleet->mount_silent || !client_images_mounted(fleet))
		return NULL;
	if (!mount_reserve_read(fleet, &found))
		return arena_printf(
			arena,
			"reserve: expected a mount at %s that tells its reserve, found none; reload it, as UPGRADING says",
			fleet->mount);
	if (found == value_read_size(wanted))
		return NULL;
	unit = unit_name(arena, fleet->mount);
	return arena_printf(
		arena,
		"reserve: expected that the mount at %s keeps %s free, found %s; add reserve=%s to OPTIONS in " CONFDIR
		"/%s.mount and type `systemctl restart vhdfs@%s', or to its options in /etc/fstab and mount it again",
		fleet->mount, wanted, size_text(found), wanted, unit,
		shell_word(unit));
}
