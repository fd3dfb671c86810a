/*
 * layout_internal.h: how a column of the lake lies in a Parquet file.
 */
#ifndef FORMAT_PARQUET_LAYOUT_INTERNAL_H
#define FORMAT_PARQUET_LAYOUT_INTERNAL_H

#include "format/parquet/metadata_internal.h"
#include "format/parquet/parquet.h"

struct layout {
	enum physical_type type;
	uint8_t width; /* bytes of a PLAIN value; 0 for BYTE_ARRAY and BOOLEAN */
};

struct layout layout_of(struct column_type type);

/* The schema's element of a column, logical and converted type included; name as given. */
struct schema_element layout_schema_element(const struct parquet_column *column, struct bytes name);

/* The name in Avro's alphabet, as Java's AvroSchemaUtil.makeCompatibleName spells it. */
struct bytes layout_compatible_name(struct arena *arena, const char *name);

/*
 * Whether values stored as element says can be read as the type; *out is then how they lie.
 * Accepts what Iceberg promotes, and decimals of any storage.
 */
bool layout_find(const struct schema_element *element, struct column_type type, struct layout *out);

#endif
