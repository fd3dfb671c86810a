#include "event/batch.h"

#include <stdlib.h>

void column_init(struct column *column, struct column_type type)
{
	*column = (struct column){ .type = type, .width = (uint8_t)column_type_width(type) };
}

void column_deinit(struct column *column)
{
	buffer_deinit(&column->valid);
	buffer_deinit(&column->fixed);
	buffer_deinit(&column->offsets);
	buffer_deinit(&column->data);
	column->count = column->null_count = 0;
}

void column_reset(struct column *column)
{
	buffer_reset(&column->valid);
	buffer_reset(&column->fixed);
	buffer_reset(&column->offsets);
	buffer_reset(&column->data);
	column->count = column->null_count = 0;
}

void column_truncate(struct column *column, size_t count)
{
	if (count >= column->count)
		return;
	for (size_t row = count; row < column->count; row++)
		column->null_count -= column_is_null(column, row);
	column->valid.size = count;
	if (column->width) {
		column->fixed.size = count * column->width;
	} else {
		column->data.size = count ? column_end(column, count - 1) : 0;
		column->offsets.size = count * sizeof(uint32_t);
	}
	column->count = count;
}

void column_append_null(struct column *column)
{
	buffer_append_u8(&column->valid, 0);
	if (column->width) {
		buffer_reserve(&column->fixed, column->width);
		memset(column->fixed.data + column->fixed.size, 0, column->width);
		column->fixed.size += column->width;
	} else {
		const uint32_t end = (uint32_t)column->data.size;
		buffer_append(&column->offsets, &end, sizeof end);
	}
	column->count++;
	column->null_count++;
}

void column_append_fixed(struct column *column, const void *value)
{
	void *room = column_push_fixed(column);
	switch (column->width) { /* a copy of known size is one instruction */
	case 8:
		memcpy(room, value, 8);
		break;
	case 4:
		memcpy(room, value, 4);
		break;
	case 16:
		memcpy(room, value, 16);
		break;
	default:
		memcpy(room, value, 1);
	}
}

void column_append_from(struct column *to, const struct column *from, size_t row)
{
	assert(to->width == from->width);
	if (column_is_null(from, row))
		column_append_null(to);
	else if (to->width)
		column_append_fixed(to, column_fixed(from, row));
	else
		column_append_bytes(to, column_bytes(from, row));
}

void batch_init(struct batch *batch, const struct column_type *types, size_t column_count)
{
	*batch = (struct batch){ .column_count = column_count };
	batch->columns = memory_allocate(column_count, sizeof(struct column));
	for (size_t i = 0; i < column_count; i++)
		column_init(&batch->columns[i], types[i]);
}

void batch_init_for(struct batch *batch, const struct relation *relation)
{
	*batch = (struct batch){ .column_count = relation->column_count };
	batch->columns = memory_allocate(batch->column_count, sizeof(struct column));
	for (size_t i = 0; i < batch->column_count; i++)
		column_init(&batch->columns[i], relation->columns[i].type);
}

void batch_deinit(struct batch *batch)
{
	for (size_t i = 0; i < batch->column_count; i++)
		column_deinit(&batch->columns[i]);
	free(batch->columns);
	*batch = (struct batch){ 0 };
}

void batch_reset(struct batch *batch)
{
	for (size_t i = 0; i < batch->column_count; i++)
		column_reset(&batch->columns[i]);
	batch->row_count = 0;
}

void batch_finish_row(struct batch *batch)
{
	batch->row_count++;
	for (size_t i = 0; i < batch->column_count; i++)
		assert(batch->columns[i].count == batch->row_count);
}

void batch_cancel_row(struct batch *batch)
{
	for (size_t i = 0; i < batch->column_count; i++)
		column_truncate(&batch->columns[i], batch->row_count);
}

void batch_append_from(struct batch *to, const struct batch *from, size_t row)
{
	assert(to->column_count == from->column_count);
	for (size_t i = 0; i < to->column_count; i++)
		column_append_from(&to->columns[i], &from->columns[i], row);
	batch_finish_row(to);
}

size_t batch_used_bytes(const struct batch *batch)
{
	size_t used = 0;
	for (size_t i = 0; i < batch->column_count; i++) {
		const struct column *column = &batch->columns[i];
		used += column->valid.size + column->fixed.size + column->offsets.size +
			column->data.size;
	}
	return used;
}
