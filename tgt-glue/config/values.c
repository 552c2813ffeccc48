/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of fleet.conf: a syntax for each kind, and readers. */
#include "config.h"

#include "tgt-glue/config/values.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/size.h"
#include "format/registry.h"

enum { DIRECTORY_MAX = 179 };

/* The compiled pattern; the last ones are kept, because most lines of a
 * fleet.conf have the same keys.  Not thread-safe. */
static const regex_t *compiled(const char *pattern)
{
	static struct {
		const char *pattern; /* a literal */
		regex_t regex;
	} known[16];
	static unsigned next;
	unsigned i;

	for (i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].pattern == pattern)
			return &known[i].regex;
	i = next++ % (sizeof known / sizeof *known);
	if (known[i].pattern)
		regfree(&known[i].regex);
	if (regcomp(&known[i].regex, pattern, REG_EXTENDED) != 0)
		abort();
	known[i].pattern = pattern;
	return &known[i].regex;
}

bool value_matches(const char *value, const char *pattern)
{
	regmatch_t match;

	return regexec(compiled(pattern), value, 1, &match, 0) == 0 &&
	       !match.rm_so && !value[match.rm_eo];
}

const char *value_check(const struct value_syntax *syntax, const char *value)
{
	if ((syntax->max && strlen(value) > syntax->max) ||
	    (syntax->pattern && !value_matches(value, syntax->pattern)) ||
	    (syntax->is_valid && !syntax->is_valid(value)))
		return syntax->expected ? syntax->expected
					: format_or(image_format_names(
						  image_format_can_create));
	return NULL;
}

#define NAME "[A-Za-z0-9][A-Za-z0-9._-]*"

const struct value_syntax value_name = {
	"a name of letters, digits, '.', '_' and '-', at most 40 long, that begins with a letter or digit",
	NAME, CLIENT_NAME_MAX, NULL
};

const struct value_syntax value_disks = {
	"names of disks, separated by spaces, or none",
	NAME "([ \t]+" NAME ")*", 0, NULL
};

const struct value_syntax value_match = {
	"names of clients, or patterns of them as pc0*, separated by spaces",
	"[][A-Za-z0-9._*?!-]+([ \t]+[][A-Za-z0-9._*?!-]+)*", 0, NULL
};

const struct value_syntax value_flag = { "yes or no", "yes|no|on|off", 0,
					 NULL };
const struct value_syntax value_reset = { "boot or no", "boot|no", 0, NULL };

const struct value_syntax value_update = { "reset or keep", "reset|keep", 0,
					   NULL };

const struct value_syntax value_mac = {
	"a MAC address such as 52:54:00:12:34:56",
	"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}",
	0, NULL
};

const struct value_syntax value_initiator = {
	"an initiator's name such as iqn.2026-01.lan.example:pc1, of a-z, 0-9 and .:-",
	"(iqn|eui|naa)\\.[a-z0-9.:-]*", IQN_MAX, NULL
};

const struct value_syntax value_user = {
	"a user name of letters, digits and ._:-, at most 64 long",
	"[A-Za-z0-9._:-]+", 64, NULL
};

const struct value_syntax value_secret = {
	"a secret of 12 to 16 letters and digits", "[A-Za-z0-9]{12,16}", 0, NULL
};

const struct value_syntax value_file = { "the name of a file", ".+", 0, NULL };

const struct value_syntax value_include = {
	"the name of a file, or a pattern such as conf.d/*.conf whose last part alone has *, ? or [",
	"([^*?[]*/)?[^/]+", 0, NULL
};

const struct value_syntax value_command = {
	"the absolute path of a program, and its arguments", "/.*", 0, NULL
};

/* A colon and a client's name follow it in an IQN. */
const struct value_syntax value_iqn_prefix = {
	"a name such as iqn.2026-01.lan.example, of a-z, 0-9 and .:-",
	"iqn\\.[0-9]{4}-[0-9]{2}\\.[a-z0-9]([a-z0-9.:-]*[a-z0-9.-])?",
	IQN_MAX - CLIENT_NAME_MAX - 1, NULL
};

static bool is_utf8(const char *value)
{
	return !u8_check((const uint8_t *)value, strlen(value));
}

/* For a bracket expression: control characters, and characters that are special
 * to a shell even between double quotes. */
#define UNSAFE "[:cntrl:]\"$`\\"
/* A part of a path that does not begin with '.'. */
#define PART "[^./" UNSAFE "][^/" UNSAFE "]*"

const struct value_syntax value_master = {
	"an image's path in the store, without \", $, ` and \\, no part of it beginning with '.'",
	PART "(/" PART ")*", 0, is_utf8
};

const struct value_syntax value_store = {
	"an absolute path of less than 180 bytes, without \", $, ` and \\",
	"/[^" UNSAFE "]*", DIRECTORY_MAX, is_utf8
};

static bool is_mount(const char *value)
{
	return is_utf8(value) && !strstr(value, "HASH");
}

/*
 * tgt-admin passes the path to a shell in quotes (single ones in newer
 * versions), treats # as a comment and gives HASH a meaning of its own.  tgtd
 * ends the path at a comma.
 */
const struct value_syntax value_mount = {
	"an absolute path of less than 180 bytes that tgt-admin can read: without \", $, `, \\, ', #, comma, <, > and HASH",
	"/[^'#,<>" UNSAFE "]*", DIRECTORY_MAX, is_mount
};

/* The same for a file in the store that tgt-admin reads the name of. */
#define EXPORTED "[^./'#,<>" UNSAFE "][^/'#,<>" UNSAFE "]*"

const struct value_syntax value_exported_file = {
	"a file's path in the store that tgt-admin can read: without \", $, `, \\, ', #, comma, <, > and HASH, no part of it beginning with '.'",
	EXPORTED "(/" EXPORTED ")*", 0, is_mount
};

/* tgt-admin expands the file's name as a glob pattern. */
const struct value_syntax value_targets_file = {
	"an absolute path of less than 180 bytes that tgt-admin can read: without \", $, `, \\, ', # and *?[]{}~",
	"/[^]'#*?[{}~" UNSAFE "]*", DIRECTORY_MAX, is_utf8
};

static bool is_format(const char *value)
{
	const struct image_ops *format = image_format_by_name(value);

	return format && image_format_can_create(format);
}

const struct value_syntax value_format = { NULL, NULL, 0, is_format };

bool value_read_address(const char *value, char text[64])
{
	char copy[64], *prefix = copy, *end;
	uint8_t bytes[16] = { 0 };
	int family, bits, n;

	if (strlen(value) >= sizeof copy)
		return false;
	strcpy(copy, value);
	strsep(&prefix, "/");
	family = strchr(copy, ':') ? AF_INET6 : AF_INET;
	n = bits = family == AF_INET6 ? 128 : 32;
	if (inet_pton(family, copy, bytes) != 1)
		return false;
	if (prefix) {
		n = (int)strtol(prefix, &end, 10);
		if (!isdigit((unsigned char)*prefix) || *end || n < 1 ||
		    n > bits)
			return false;
	}
	for (int i = n; i < bits; i++)
		bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	inet_ntop(family, bytes, text, 48);
	if (n < bits)
		sprintf(text + strlen(text), "/%d", n);
	return true;
}

static bool is_address(const char *value)
{
	char text[64];

	return value_read_address(value, text);
}

const struct value_syntax value_address = {
	"an address or a network such as 10.0.0.7, 10.0.0.0/24 or fd00::/64 (to admit every client: `open = yes')",
	NULL, 0, is_address
};

bool value_is_number(const char *value, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(value, &end, 10);
	return isdigit((unsigned char)*value) && !*end && !errno && n >= min &&
	       n <= max;
}

/* UINT64_MAX for anything but NUMBER[K|M|G|T]. */
uint64_t value_read_size(const char *value)
{
	uint64_t n;

	return value_matches(value, "[0-9]+[KMGT]?") &&
			       size_parse(value, &n) == 0
		       ? n
		       : UINT64_MAX;
}

static bool is_block_size(const char *value)
{
	uint64_t n = value_read_size(value);

	return is_pow2(n) && n >= 512 && n <= MIB(256);
}

const struct value_syntax value_block_size = {
	"a power of two from 512 to 256M", NULL, 0, is_block_size
};

static bool is_disk_size(const char *value)
{
	uint64_t n = value_read_size(value);

	return n >= MIB(1) && n <= UINT64_C(64) << 40 && n % 512 == 0;
}

const struct value_syntax value_disk_size = {
	"a size from 1M to 64T such as 20G, a multiple of 512", NULL, 0,
	is_disk_size
};

static bool is_quota(const char *value)
{
	const uint64_t n = value_read_size(value);

	return !strcmp(value, "no") || (n && n <= INT64_MAX);
}

const struct value_syntax value_quota = { "a size such as 20G, or no", NULL, 0,
					  is_quota };

static bool is_reserve(const char *value)
{
	return value_read_size(value) <= INT64_MAX;
}

const struct value_syntax value_reserve = { "a size such as 4G, or 0", NULL, 0,
					    is_reserve };

const struct value_syntax value_age = { "a number and h, d or w, such as 7d",
					"[1-9][0-9]{0,3}[hdw]", 0, NULL };

int64_t value_read_age(const char *value)
{
	const char unit = value ? value[strlen(value) - 1] : 'h';
	const int64_t hours = unit == 'w' ? 7 * 24 : unit == 'd' ? 24 : 1;

	return value ? atoll(value) * hours * 3600 : 0;
}

static bool is_min_free(const char *value)
{
	return value_read_size(value) != UINT64_MAX ||
	       value_matches(value, "(0?[0-9]{1,2}|100)%");
}

const struct value_syntax value_min_free = {
	"a size such as 20G, or a percentage such as 5%", NULL, 0, is_min_free
};

uint64_t value_read_min_free(const char *value, uint64_t total)
{
	if (value[strlen(value) - 1] == '%')
		return total / 100 * strtoull(value, NULL, 10);
	return value_read_size(value);
}

/* A host name: it contains a letter. */
#define HOST_NAME "([0-9][0-9.-]*)?[A-Za-z][A-Za-z0-9.-]*"

/* Writes "[fd00::1]" for an IPv6 address without brackets.  Returns false for
 * any other value. */
static bool bracket_ipv6(const char *value, char address[PORTAL_SIZE])
{
	struct in6_addr in;
	char text[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET6, value, &in) != 1)
		return false;
	inet_ntop(AF_INET6, &in, text, sizeof text);
	snprintf(address, PORTAL_SIZE, "[%s]", text);
	return true;
}

int value_read_portal(const char *value, char address[PORTAL_SIZE],
		      int *ret_port)
{
	const char *end = strchrnul(value, *value == '[' ? ']' : ':');
	const bool bracketed = *value == '[' && *end;
	const char *rest = end + bracketed;
	struct in_addr in;

	*ret_port = 3260;
	/* An IPv6 address without brackets has no port. */
	if (bracket_ipv6(value, address))
		return 0;
	if (strlen(value) >= PORTAL_SIZE ||
	    (*rest && (*rest != ':' || !value_is_number(rest + 1, 1, 65535))))
		return -EINVAL;
	if (*rest)
		*ret_port = atoi(rest + 1);
	snprintf(address, PORTAL_SIZE, "%.*s", (int)(end - value) - bracketed,
		 value + bracketed);
	if (bracketed ? !bracket_ipv6(address, address)
		      : inet_pton(AF_INET, address, &in) != 1 &&
				!value_matches(address, HOST_NAME))
		return -EINVAL;
	return *rest == ':';
}

static bool is_portal(const char *value)
{
	char address[PORTAL_SIZE];
	int port;

	return value_read_portal(value, address, &port) >= 0;
}

const struct value_syntax value_portal = {
	"ADDRESS, ADDRESS:PORT or [IPV6]:PORT, where ADDRESS is an address or a host name",
	NULL, 0, is_portal
};

unsigned value_read_number(const char *value, unsigned otherwise)
{
	return value ? (unsigned)strtoul(value, NULL, 10) : otherwise;
}

bool value_is_yes(const char *value)
{
	return !strcmp(value, "yes") || !strcmp(value, "on");
}

void value_read_mac(const char *value, char text[18])
{
	for (int i = 0; i < 18; i++)
		text[i] = value[i] == '-'
				  ? ':'
				  : (char)tolower((unsigned char)value[i]);
}

void value_fold_name(char *name)
{
	for (; *name; name++)
		*name = *name == '_' ? '-'
				     : (char)tolower((unsigned char)*name);
}

const struct image_ops *value_image_format(const char *path)
{
	return image_format_by_image_name(path, strlen(path));
}
