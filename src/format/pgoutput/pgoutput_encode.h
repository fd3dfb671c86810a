/*
 * pgoutput_encode.h: the server's side of pgoutput.h, for replays, simulations and tests.
 *
 * Appends the bytes that pgoutput_decode() turns into an equal message.  Pure, cannot fail.
 */
#ifndef FORMAT_PGOUTPUT_PGOUTPUT_ENCODE_H
#define FORMAT_PGOUTPUT_PGOUTPUT_ENCODE_H

#include "base/buffer.h"
#include "format/pgoutput/pgoutput.h"

void pgoutput_encode(struct buffer *out, const struct pgoutput_message *message, bool in_stream);

#endif
