/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/values.h"
#include "tgt-glue/shard.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool made_of(const char *value, const char *characters)
{
	return *value && value[strspn(value, characters)] == '\0';
}

const char *value_name(const char *value)
{
	if (made_of(value, LOWER DIGITS ".-") &&
	    strlen(value) <= CLIENT_NAME_MAX && isalnum((unsigned char)*value))
		return NULL;
	return "a name of a-z, 0-9, '.' and '-', at most 40 long, that begins with a letter or digit";
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

/* Does a part of the path begin with a dot, or is it empty? */
static bool has_odd_part(const char *path)
{
	for (const char *p = path;; p++) {
		if (*p == '.' || *p == '/' || *p == '\0')
			return true;
		p = strchr(p, '/');
		if (!p)
			return false;
	}
}

#define PATH_CHARACTERS LOWER UPPER DIGITS "._/@:+-"

const char *value_master(const char *value)
{
	if (made_of(value, PATH_CHARACTERS) && !has_odd_part(value))
		return NULL;
	return "an image's path in the store, of letters, digits and ._@:+-, no part of it beginning with '.'";
}

const char *value_format(const char *value)
{
	return !strcmp(value, "vhd") || !strcmp(value, "vhdx") ? NULL
							       : "vhd or vhdx";
}

char value_ending(const char *path)
{
	const char *dot = strrchr(path, '.');

	if (!dot || strchr(dot, '/'))
		return 0;
	if (!strcasecmp(dot, ".vhd") || !strcasecmp(dot, ".avhd"))
		return 'd';
	if (!strcasecmp(dot, ".vhdx") || !strcasecmp(dot, ".avhdx"))
		return 'x';
	return 0;
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

/* Splits ADDRESS[/BITS]; the number of the address's bits, or 0 for none. */
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
	return "an address or a network such as 10.0.0.7, 10.0.0.0/24 or fd00::/64 (everybody is `open = yes')";
}

void value_read_address(const char *value, char *text)
{
	uint8_t bytes[16];
	int prefix, bits = read_address(value, bytes, &prefix);

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

/* A number from min to max, or false. */
static bool number_within(const char *value, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(value, &end, 10);
	return isdigit((unsigned char)*value) && !*end && !errno && n >= min &&
	       n <= max;
}

const char *value_keep(const char *value)
{
	return number_within(value, 0, 1000) ? NULL : "a number from 0 to 1000";
}

const char *value_tid(const char *value)
{
	return number_within(value, 1, TID_MAX)
		       ? NULL
		       : "a number from 1 to 268435455";
}

const char *value_control_port(const char *value)
{
	return number_within(value, 0, CONTROL_PORT_MAX)
		       ? NULL
		       : "a number from 0 to 32767";
}

const char *value_shards(const char *value)
{
	return number_within(value, 1, SHARDS_MAX) ? NULL
						   : "a number from 1 to 16";
}

const char *value_shard(const char *value)
{
	return number_within(value, 0, SHARDS_MAX - 1)
		       ? NULL
		       : "a number from 0 to 15";
}

/* NUMBER[K|M|G|T]; UINT64_MAX for anything else. */
static uint64_t read_size(const char *value)
{
	static const char units[] = "KMGT";
	unsigned shift = 0;
	const char *unit;
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(value, &end, 10);
	if (!isdigit((unsigned char)*value) || errno)
		return UINT64_MAX;
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	return *end || n > UINT64_MAX >> shift ? UINT64_MAX : n << shift;
}

uint64_t value_read_size(const char *value)
{
	return read_size(value);
}

const char *value_block_size(const char *value)
{
	uint64_t n = read_size(value);

	if (is_pow2(n) && n >= 512 && n <= MIB(256))
		return NULL;
	return "a power of two from 512 to 256M";
}

const char *value_min_free(const char *value)
{
	size_t n = strlen(value);
	char percent[8];

	if (read_size(value) != UINT64_MAX)
		return NULL;
	if (n >= 2 && n <= 4 && value[n - 1] == '%') {
		memcpy(percent, value, n - 1);
		percent[n - 1] = '\0';
		if (number_within(percent, 0, 100))
			return NULL;
	}
	return "a size such as 20G, or a part such as 5%";
}

uint64_t value_read_min_free(const char *value, uint64_t total)
{
	if (value[strlen(value) - 1] == '%')
		return total / 100 * strtoull(value, NULL, 10);
	return read_size(value);
}

const char *value_directory(const char *value)
{
	if (*value == '/' && made_of(value, PATH_CHARACTERS) &&
	    strlen(value) < 180)
		return NULL;
	return "an absolute path of letters, digits and ._@:+-";
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

const char *value_portal(const char *value)
{
	const char *expected = "ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT";
	char copy[64], *port = NULL, *close;
	uint8_t bytes[16];
	int family = AF_INET;

	if (strlen(value) >= sizeof copy)
		return expected;
	strcpy(copy, value);
	close = strchr(copy, ']');
	if (*copy == '[' && close) {
		family = AF_INET6;
		*close = '\0';
		port = close[1] == ':' ? close + 2 : NULL;
		if (close[1] && !port)
			return expected;
	} else if ((port = strchr(copy, ':'))) {
		*port++ = '\0';
	}
	if (inet_pton(family, copy + (family == AF_INET6), bytes) != 1 ||
	    (port && !number_within(port, 1, 65535)))
		return expected;
	return NULL;
}

void value_read_portal(const char *value, char address[64], int *ret_port)
{
	char *close, *colon;

	snprintf(address, 64, "%s", value);
	close = strrchr(address, ']');
	colon = strchr(close ? close : address, ':');
	*ret_port = colon ? atoi(colon + 1) : 3260;
	if (colon)
		*colon = '\0';
}
