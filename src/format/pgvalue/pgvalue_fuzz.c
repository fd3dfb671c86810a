#include "base/test.h"
#include "format/pgvalue/pgvalue.h"

/* Whatever is accepted is shown and, where the form is text, accepted again as the same value. */
static void decode_and_show(uint32_t type_oid, int32_t type_modifier, uint8_t kind, struct bytes in)
{
	struct column_type type;
	if (!pgvalue_type(type_oid, type_modifier, 'b', &type))
		return;
	const struct pgvalue_decoder decoder = pgvalue_decoder_of(type_oid, type);
	struct column column;
	struct buffer text = { 0 };
	column_init(&column, type);
	if (pgvalue_append(&decoder, kind, in, &column) == PGVALUE_FITS) {
		pgvalue_format(&text, &column, 0);
		assert(pgvalue_append(&decoder, 't', buffer_bytes(&text), &column) == PGVALUE_FITS);
		assert(column.width == 0 || memcmp(column_fixed(&column, 0),
						    column_fixed(&column, 1), column.width) == 0);
	}
	assert(column.count == 0 || column.count == 2);
	column_deinit(&column);
	buffer_deinit(&text);
}

/* A byte for the type, one for precision and scale each, then the value. */
FUZZ(pgvalue)
{
	static const uint32_t oids[] = { 16, 17, 19, 20, 21, 23, 25, 114, 700, 701, 1042, 1043,
		1082, 1083, 1114, 1184, 1700, 2950, 3802 };
	if (size < 3)
		return;
	const uint32_t type_oid = oids[data[0] % (sizeof oids / sizeof oids[0])];
	const int32_t modifier = (data[1] % 40 << 16 | data[2]) + 4;
	decode_and_show(type_oid, modifier, 'b', bytes_of(data + 3, size - 3));
	decode_and_show(type_oid, modifier, 't', bytes_of(data + 3, size - 3));
}
