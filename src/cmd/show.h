/*
 * show.h: times, sizes and spans as people read them, and times as programs do.
 *
 * Each writes into text and returns it.
 */
#ifndef CMD_SHOW_H
#define CMD_SHOW_H

#include "event/lsn.h"

enum {
	SHOW_SIZE = 40
};

const char *show_time(micros_t at, char text[SHOW_SIZE]);      /* 2024-01-31 09:08:07.123 UTC */
const char *show_time_json(micros_t at, char text[SHOW_SIZE]); /* 2024-01-31T09:08:07.123456Z */
const char *show_bytes(uint64_t bytes, char text[SHOW_SIZE]);  /* 184 bytes, 1.2 MB */
const char *show_span(micros_t span, char text[SHOW_SIZE]);    /* 0.4 s, 12 s, 3 min, 2 h, 5 d */

#endif
