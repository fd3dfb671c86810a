/*
 * utf8.h: is this text well formed?  (RFC 3629: no overlong forms, surrogates, or past U+10FFFF.)
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/bytes.h"

size_t utf8_sequence_size(struct bytes text); /* of the first character, or 0 when ill formed */
bool utf8_is_valid(struct bytes text);

#endif
