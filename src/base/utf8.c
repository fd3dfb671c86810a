#include "base/utf8.h"

/* RFC 3629, section 4: the second byte's range depends on the first; later ones are 80..BF. */
size_t utf8_sequence_size(struct bytes text)
{
	const uint8_t first = text.size ? text.data[0] : 0xff;
	if (first < 0x80)
		return 1;
	const size_t size = first < 0xc2   ? 0
			    : first < 0xe0 ? 2
			    : first < 0xf0 ? 3
			    : first < 0xf5 ? 4
					   : 0;
	if (size == 0 || text.size < size)
		return 0;
	const uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	const uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (text.data[1] < low || text.data[1] > high)
		return 0;
	for (size_t i = 2; i < size; i++)
		if ((text.data[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

static bool is_ascii_word(const uint8_t *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof word);
	return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool utf8_is_valid(struct bytes text)
{
	while (text.size > 0) {
		/* Most text is ASCII, and every row has some: a word at a time. */
		const bool is_ascii = text.size >= 8 && is_ascii_word(text.data);
		const size_t size = is_ascii ? 8 : utf8_sequence_size(text);
		if (size == 0)
			return false;
		text = bytes_of(text.data + size, text.size - size);
	}
	return true;
}
