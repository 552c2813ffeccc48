/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A parent and a child of each format, for tests of chains. */
#include "unit/pairs.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

const char *const endings[] = { "vhd", "vhdx" };

const char *named(const char *stem, const char *ending)
{
	static char ring[8][64];
	static unsigned next;
	char *name = ring[next++ % 8];

	snprintf(name, sizeof ring[0], "%s.%s", stem, ending);
	return name;
}

void make_base(const char *dir, const char *name)
{
	disk_create(dir, name,
		    &(struct image_params){ .type = IMAGE_DYNAMIC,
					    .size = 4 * M,
					    .block_size = 1 * M });
}

void make_pair(const char *dir, struct store *store, const char *e)
{
	char sector[512], relative[80];
	struct chain *base;

	make_base(dir, named("base", e));
	base = disk_open(store, named("base", e), CHAIN_WRITABLE);
	memset(sector, 'b', sizeof sector);
	assert_ok(chain_write(base, sector, M, sizeof sector));
	assert_ok(chain_close(base));
	snprintf(relative, sizeof relative, "./%s", named("base", e));
	disk_create_child(dir, named("child", e), named("base", e), relative,
			  2 * M);
}

void write_byte(struct store *store, const char *name, uint64_t off)
{
	struct chain *chain = disk_open(store, name, CHAIN_WRITABLE);

	assert_ok(chain_write(chain, "x", off, 1));
	assert_ok(chain_close(chain));
}

char first_byte(struct store *store, const char *name, uint64_t off)
{
	struct chain *chain = disk_open(store, name, 0);
	char c;

	assert_ok(chain_read(chain, &c, off, 1));
	assert_ok(chain_close(chain));
	return c;
}

void open_fails(struct store *store, const char *name, int flags, int code,
		const char *text)
{
	struct chain *chain = NULL;

	assert_errno(chain_open(store->cache, name, flags, &chain), code);
	if (!strstr(error_text(), text)) {
		print_error("expected a message with \"%s\", found \"%s\"\n",
			    text, error_text());
		_fail(__FILE__, __LINE__);
	}
}
