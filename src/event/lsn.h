/*
 * lsn.h: a position in PostgreSQL's WAL, in bytes, and its text form "0/16B3748".
 */
#ifndef EVENT_LSN_H
#define EVENT_LSN_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/micros.h"

typedef uint64_t lsn_t; /* 0 is no position */

enum {
	LSN_TEXT_SIZE = 18 /* with the NUL */
};

const char *lsn_format(lsn_t lsn, char text[LSN_TEXT_SIZE]); /* returns text */
bool lsn_parse(const char *text, lsn_t *out);                /* the whole of text, or false */

#endif
