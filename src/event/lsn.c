#include "event/lsn.h"

#include <stdio.h>
#include <stdlib.h>

const char *lsn_format(lsn_t lsn, char text[LSN_TEXT_SIZE])
{
	snprintf(text, LSN_TEXT_SIZE, "%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);
	return text;
}

static bool parse_half(const char **at, uint32_t *out)
{
	uint64_t value = 0;
	size_t digits = 0;
	for (; **at != '\0' && **at != '/'; (*at)++, digits++) {
		static const char DIGITS[] = "0123456789abcdefABCDEF";
		const char *found = strchr(DIGITS, **at);
		if (found == NULL || digits == 8)
			return false;
		uint64_t digit = (uint64_t)(found - DIGITS);
		value = value << 4 | (digit < 16 ? digit : digit - 6);
	}
	*out = (uint32_t)value;
	return digits > 0;
}

bool lsn_parse(const char *text, lsn_t *out)
{
	uint32_t high, low;
	if (!parse_half(&text, &high) || *text++ != '/')
		return false;
	if (!parse_half(&text, &low) || *text != '\0')
		return false;
	*out = (lsn_t)high << 32 | low;
	return true;
}
