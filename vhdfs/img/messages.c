/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of vhdfs-img on standard error. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "base/printable.h"
#include "img/command.h"

void note(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	print_line(stderr, "vhdfs-img: %s", text);
}

int failed(void)
{
	print_line(stderr, "vhdfs-img: %s", error_text());
	return STATUS_FAILED;
}
