/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/config/values.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistr.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/size.h"
#include "format/registry.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool made_of(const char *value, const char *characters)
{
	return *value && value[strspn(value, characters)] == '\0';
}

const char *value_name(const char *value)
{
	if (made_of(value, LOWER UPPER DIGITS "._-") &&
	    strlen(value) <= CLIENT_NAME_MAX && isalnum((unsigned char)*value))
		return NULL;
	return "a name of letters, digits, '.', '_' and '-', at most 40 long, that begins with a letter or digit";
}

void value_fold_name(char *name)
{
	for (; *name; name++)
		*name = *name == '_' ? '-'
				     : (char)tolower((unsigned char)*name);
}

const char *value_flag(const char *value)
{
	static const char *const words[] = { "yes", "no", "on", "off" };

	for (int i = 0; i < 4; i++)
		if (!strcmp(value, words[i]))
			return NULL;
	return "yes or no";
}

bool value_is_yes(const char *value)
{
	return !strcmp(value, "yes") || !strcmp(value, "on");
}

/* Whether a component of the path is empty or begins with a dot. */
static bool has_invalid_component(const char *path)
{
	for (const char *p = path;; p++) {
		if (*p == '.' || *p == '/' || *p == '\0')
			return true;
		p = strchr(p, '/');
		if (!p)
			return false;
	}
}

/* Whether the value is non-empty UTF-8 without control characters and without
 * the characters in forbidden. */
static bool is_text(const char *value, const char *forbidden)
{
	if (!*value || value[strcspn(value, forbidden)] ||
	    u8_check((const uint8_t *)value, strlen(value)))
		return false;
	for (; *value; value++)
		if ((unsigned char)*value < ' ' || *value == 0x7f)
			return false;
	return true;
}

/* Special to a shell even between double quotes. */
#define SHELL_SPECIAL "\"$`\\"

const char *value_master(const char *value)
{
	if (is_text(value, SHELL_SPECIAL) && !has_invalid_component(value))
		return NULL;
	return "an image's path in the store, without \", $, ` and \\, no part of it beginning with '.'";
}

const char *value_format(const char *value)
{
	const struct image_ops *format = image_format_by_name(value);

	return format && image_format_can_create(format)
		       ? NULL
		       : format_or(image_format_names(image_format_can_create));
}

const struct image_ops *value_image_format(const char *path)
{
	return image_format_by_image_name(path, strlen(path));
}

const char *value_mac(const char *value)
{
	for (int i = 0; i < 17; i++)
		if (i % 3 == 2 ? value[i] != value[2] || !strchr(":-", value[i])
			       : !isxdigit((unsigned char)value[i]))
			return "a MAC address such as 52:54:00:12:34:56";
	return value[17] ? "a MAC address such as 52:54:00:12:34:56" : NULL;
}

void value_read_mac(const char *value, char text[18])
{
	for (int i = 0; i < 18; i++)
		text[i] = value[i] == '-'
				  ? ':'
				  : (char)tolower((unsigned char)value[i]);
}

/* Parses ADDRESS[/PREFIX].  Returns the address's length in bits (32 or 128),
 * or 0 for an invalid value. */
static int read_address(const char *value, uint8_t bytes[16], int *ret_prefix)
{
	char copy[64];
	char *slash, *end;
	int bits = 0;

	if (strlen(value) >= sizeof copy)
		return 0;
	strcpy(copy, value);
	slash = strchr(copy, '/');
	if (slash)
		*slash++ = '\0';
	if (inet_pton(AF_INET, copy, bytes) == 1)
		bits = 32;
	else if (inet_pton(AF_INET6, copy, bytes) == 1)
		bits = 128;
	*ret_prefix = bits;
	if (bits && slash) {
		*ret_prefix = (int)strtol(slash, &end, 10);
		if (!isdigit((unsigned char)*slash) || *end ||
		    *ret_prefix < 1 || *ret_prefix > bits)
			return 0;
	}
	return bits;
}

const char *value_address(const char *value)
{
	uint8_t bytes[16];
	int prefix;

	if (read_address(value, bytes, &prefix))
		return NULL;
	return "an address or a network such as 10.0.0.7, 10.0.0.0/24 or fd00::/64 (to admit every client: `open = yes')";
}

void value_read_address(const char *value, char *text)
{
	uint8_t bytes[16] = { 0 };
	int prefix = 0, bits = read_address(value, bytes, &prefix);

	for (int i = prefix; i < bits; i++)
		bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	inet_ntop(bits == 32 ? AF_INET : AF_INET6, bytes, text, 48);
	if (prefix < bits)
		sprintf(text + strlen(text), "/%d", prefix);
}

const char *value_initiator(const char *value)
{
	if (made_of(value, LOWER DIGITS ".:-") && strlen(value) <= IQN_MAX &&
	    (!strncmp(value, "iqn.", 4) || !strncmp(value, "eui.", 4) ||
	     !strncmp(value, "naa.", 4)))
		return NULL;
	return "an initiator's name such as iqn.2026-01.lan.example:pc1, of a-z, 0-9 and .:-";
}

const char *value_user(const char *value)
{
	if (made_of(value, LOWER UPPER DIGITS "._:-") && strlen(value) <= 64)
		return NULL;
	return "a user name of letters, digits and ._:-, at most 64 long";
}

const char *value_secret(const char *value)
{
	size_t n = strlen(value);

	if (made_of(value, LOWER UPPER DIGITS) && n >= SECRET_MIN &&
	    n <= SECRET_MAX)
		return NULL;
	return "a secret of 12 to 16 letters and digits";
}

const char *value_file(const char *value)
{
	return *value ? NULL : "the name of a file";
}

const char *value_reset(const char *value)
{
	return !strcmp(value, "boot") || !strcmp(value, "no") ? NULL
							      : "boot or no";
}

bool value_is_number(const char *value, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(value, &end, 10);
	return isdigit((unsigned char)*value) && !*end && !errno && n >= min &&
	       n <= max;
}

/* NUMBER[K|M|G|T], the unit in upper case; UINT64_MAX for anything else. */
uint64_t value_read_size(const char *value)
{
	uint64_t n;

	return made_of(value, DIGITS "KMGT") && size_parse(value, &n) == 0
		       ? n
		       : UINT64_MAX;
}

const char *value_block_size(const char *value)
{
	uint64_t n = value_read_size(value);

	if (is_pow2(n) && n >= 512 && n <= MIB(256))
		return NULL;
	return "a power of two from 512 to 256M";
}

const char *value_min_free(const char *value)
{
	size_t n = strlen(value);
	char percent[8];

	if (value_read_size(value) != UINT64_MAX)
		return NULL;
	if (n >= 2 && n <= 4 && value[n - 1] == '%') {
		memcpy(percent, value, n - 1);
		percent[n - 1] = '\0';
		if (value_is_number(percent, 0, 100))
			return NULL;
	}
	return "a size such as 20G, or a percentage such as 5%";
}

const char *value_command(const char *value)
{
	return *value == '/'
		       ? NULL
		       : "the absolute path of a program, and its arguments";
}

uint64_t value_read_min_free(const char *value, uint64_t total)
{
	if (value[strlen(value) - 1] == '%')
		return total / 100 * strtoull(value, NULL, 10);
	return value_read_size(value);
}

enum { DIRECTORY_MAX = 180 };

static bool is_absolute(const char *value, const char *forbidden)
{
	return *value == '/' && strlen(value) < DIRECTORY_MAX &&
	       is_text(value, forbidden);
}

const char *value_store(const char *value)
{
	return is_absolute(value, SHELL_SPECIAL)
		       ? NULL
		       : "an absolute path of less than 180 bytes, without \", $, ` and \\";
}

/*
 * tgt-admin passes the path to a shell in quotes (single ones in newer
 * versions), treats # as a comment and gives HASH a meaning of its own.  tgtd
 * ends the path at a comma.
 */
const char *value_mount(const char *value)
{
	if (is_absolute(value, SHELL_SPECIAL "'#,<>") && !strstr(value, "HASH"))
		return NULL;
	return "an absolute path of less than 180 bytes that tgt-admin can read: without \", $, `, \\, ', #, comma, <, > and HASH";
}

/* tgt-admin expands the file's name as a glob pattern. */
const char *value_targets_file(const char *value)
{
	return is_absolute(value, SHELL_SPECIAL "'#*?[]{}~")
		       ? NULL
		       : "an absolute path of less than 180 bytes that tgt-admin can read: without \", $, `, \\, ', # and *?[]{}~";
}

const char *value_iqn_prefix(const char *value)
{
	const char *form = "iqn.dddd-dd.";
	bool good = made_of(value, LOWER DIGITS ".:-") &&
		    strlen(value) < IQN_MAX - CLIENT_NAME_MAX;

	for (int i = 0; good && form[i]; i++)
		good = form[i] == 'd' && i >= 4
			       ? isdigit((unsigned char)value[i])
			       : value[i] == form[i];
	if (good && isalnum((unsigned char)value[12]) &&
	    value[strlen(value) - 1] != ':')
		return NULL;
	return "a name such as iqn.2026-01.lan.example, of a-z, 0-9 and .:-";
}

static bool is_host_name(const char *value)
{
	return made_of(value, LOWER UPPER DIGITS ".-") &&
	       value[strcspn(value, LOWER UPPER)] &&
	       isalnum((unsigned char)*value);
}

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

/* Splits a portal.  *ret_port points into value, or is "" where the value names
 * no port.  Returns false for an invalid value. */
static bool split_portal(const char *value, char address[PORTAL_SIZE],
			 const char **ret_port)
{
	const char *close = *value == '[' ? strchr(value, ']') : NULL;
	const char *colon = strchr(close ? close : value, ':');
	char copy[PORTAL_SIZE];
	struct in_addr in;

	*ret_port = "";
	/* Two colons without brackets: an IPv6 address without a port. */
	if (!close && colon && strchr(colon + 1, ':'))
		return bracket_ipv6(value, address);
	if (strlen(value) >= PORTAL_SIZE || (close && close[1] && !colon) ||
	    (close && colon && colon != close + 1))
		return false;
	snprintf(copy, sizeof copy, "%.*s",
		 (int)(colon ? (size_t)(colon - value) : strlen(value)), value);
	if (colon)
		*ret_port = colon + 1;
	if (colon && !value_is_number(*ret_port, 1, 65535))
		return false;
	if (close) {
		copy[close - value] = '\0';
		return bracket_ipv6(copy + 1, address);
	}
	snprintf(address, PORTAL_SIZE, "%s", copy);
	return inet_pton(AF_INET, copy, &in) == 1 || is_host_name(copy);
}

const char *value_portal(const char *value)
{
	char address[PORTAL_SIZE];
	const char *port;

	return split_portal(value, address, &port)
		       ? NULL
		       : "ADDRESS, ADDRESS:PORT or [IPV6]:PORT, where ADDRESS is an address or a host name";
}

unsigned value_read_number(const char *value, unsigned otherwise)
{
	return value ? (unsigned)strtoul(value, NULL, 10) : otherwise;
}

bool value_read_portal(const char *value, char address[PORTAL_SIZE],
		       int *ret_port)
{
	const char *port;

	split_portal(value, address, &port);
	*ret_port = *port ? atoi(port) : 3260;
	return *port;
}
