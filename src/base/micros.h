/*
 * micros.h: spans and moments, in microseconds.
 */
#ifndef BASE_MICROS_H
#define BASE_MICROS_H

#include <stdint.h>

typedef int64_t micros_t; /* a span, or a time since 1970-01-01 UTC */

#define MICROS_PER_MILLI INT64_C(1000)
#define MICROS_PER_SECOND INT64_C(1000000)
#define MICROS_PER_HOUR (3600 * MICROS_PER_SECOND)
#define MICROS_PER_DAY (24 * MICROS_PER_HOUR)

#endif
