/*
 * bounds.h: the least and greatest value of a column, and their form in Iceberg's manifests.
 *
 * Spec: Iceberg spec, "Appendix D: Single-value serialization", binary form; the truncation to 16
 * is that of the Java library's metrics mode truncate(16).
 */
#ifndef FORMAT_PARQUET_BOUNDS_H
#define FORMAT_PARQUET_BOUNDS_H

#include "base/buffer.h"
#include "event/value.h"

enum {
	BOUNDS_TRUNCATE_LENGTH = 16
};

/*
 * Least and greatest of the values seen.  NaN is counted and else passed over; -0.0 and +0.0 are
 * one.  Strings and binaries compare by unsigned bytes, which for UTF-8 is by code point.
 * A zeroed struct value_range is an empty one.
 */
struct value_range {
	bool has_values; /* any that is not NaN */
	uint64_t nan_count;
	uint8_t least[16], greatest[16];         /* types of fixed size, in the batch's form */
	struct buffer least_text, greatest_text; /* string and binary */
};

void value_range_deinit(struct value_range *range);
void value_range_reset(struct value_range *range);

/* values: count values of type in the batch's form; of string and binary, struct bytes. */
void value_range_update(
	struct value_range *range, struct column_type type, const void *values, size_t count);
void value_range_merge(
	struct value_range *range, struct column_type type, const struct value_range *other);

/* In the batch's form; a zero is -0.0 as a lower and +0.0 as an upper bound. */
struct bytes value_range_lower(struct value_range *range, struct column_type type);
struct bytes value_range_upper(struct value_range *range, struct column_type type);

/* Iceberg's single-value form of a value in the batch's form (the text of a string). */
struct bytes single_value_encode(struct arena *arena, struct column_type type, struct bytes value);

/*
 * No greater than value / no less than any value that starts as it does, in at most length code
 * points of a string or bytes of a binary.  False when there is no such upper bound.
 */
struct bytes bounds_truncate_lower(enum value_type type, struct bytes value, size_t length);
bool bounds_truncate_upper(struct arena *arena, enum value_type type, struct bytes value,
	size_t length, struct bytes *out);

#endif
