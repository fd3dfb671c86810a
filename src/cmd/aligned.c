#include "cmd/aligned.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdlib.h>

enum {
	KEPT_ROWS_MAX = 2000,
	KEPT_BYTES_MAX = 4 << 20,
	TAB_WIDTH = 8,
};

/* ---- characters ---- */

struct range {
	uint32_t first;
	uint32_t last;
};

/* Unicode's East Asian Width "Wide" and "Fullwidth", in blocks. */
static const struct range wide[] = {
	{ 0x1100, 0x115F },
	{ 0x2E80, 0x303E },
	{ 0x3041, 0x33FF },
	{ 0x3400, 0x4DBF },
	{ 0x4E00, 0x9FFF },
	{ 0xA000, 0xA4CF },
	{ 0xAC00, 0xD7A3 },
	{ 0xF900, 0xFAFF },
	{ 0xFE30, 0xFE6F },
	{ 0xFF00, 0xFF60 },
	{ 0xFFE0, 0xFFE6 },
	{ 0x1F300, 0x1F64F },
	{ 0x1F680, 0x1F6FF },
	{ 0x1F900, 0x1F9FF },
	{ 0x20000, 0x3FFFD },
};

/* Combining marks and what joins or directs text. */
static const struct range narrow[] = {
	{ 0x0300, 0x036F },
	{ 0x0483, 0x0489 },
	{ 0x0591, 0x05BD },
	{ 0x0610, 0x061A },
	{ 0x064B, 0x065F },
	{ 0x0E34, 0x0E3A },
	{ 0x0E47, 0x0E4E },
	{ 0x1AB0, 0x1AFF },
	{ 0x1DC0, 0x1DFF },
	{ 0x200B, 0x200F },
	{ 0x202A, 0x202E },
	{ 0x2060, 0x2064 },
	{ 0x20D0, 0x20FF },
	{ 0xFE00, 0xFE0F },
	{ 0xFE20, 0xFE2F },
	{ 0xFEFF, 0xFEFF },
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool is_in(uint32_t code, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count && ranges[i].first <= code; i++)
		if (code <= ranges[i].last)
			return true;
	return false;
}

static uint32_t code_point(struct bytes sequence)
{
	if (sequence.size == 1)
		return sequence.data[0];
	uint32_t code = sequence.data[0] & (0x7Fu >> sequence.size);
	for (size_t i = 1; i < sequence.size; i++)
		code = code << 6 | (sequence.data[i] & 0x3Fu);
	return code;
}

static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7F && code < 0xA0);
}

/*
 * Append what is shown of text to out and return its width.  Without out, only measure.
 */
static size_t show(struct bytes text, struct buffer *out)
{
	struct buffer shown = { 0 };
	size_t width = 0;
	for (size_t at = 0; at < text.size;) {
		struct bytes rest = bytes_of(text.data + at, text.size - at);
		size_t size = utf8_sequence_size(rest);
		uint32_t code = size > 0 ? code_point(bytes_of(rest.data, size)) : rest.data[0];
		if (code == '\t') {
			size_t blanks = TAB_WIDTH - width % TAB_WIDTH;
			buffer_append(&shown, "        ", blanks);
			width += blanks;
		} else if (size == 0 || is_control(code)) {
			buffer_append_format(&shown, "\\x%02X", code);
			width += 4;
		} else {
			buffer_append(&shown, rest.data, size);
			width += is_in(code, narrow, COUNT(narrow)) ? 0
				 : is_in(code, wide, COUNT(wide))   ? 2
								    : 1;
		}
		at += size > 0 ? size : 1;
	}
	if (out != NULL)
		buffer_append_bytes(out, buffer_bytes(&shown));
	buffer_deinit(&shown);
	return width;
}

/* Takes one line off text; *has_more says that another follows. */
static struct bytes take_line(struct bytes *text, bool *has_more)
{
	const uint8_t *end = text->size > 0 ? memchr(text->data, '\n', text->size) : NULL;
	*has_more = end != NULL;
	struct bytes line = *text;
	if (end != NULL)
		line.size = (size_t)(end - text->data);
	size_t used = line.size + (end != NULL);
	*text = bytes_of(text->data + used, text->size - used);
	return line;
}

size_t aligned_text_width(struct bytes text)
{
	size_t width = 0;
	bool has_more = true;
	while (has_more) {
		size_t line = show(take_line(&text, &has_more), NULL);
		width = line > width ? line : width;
	}
	return width;
}

/* ---- printing ---- */

static void pad(struct buffer *out, size_t count)
{
	while (count-- > 0)
		buffer_append_u8(out, ' ');
}

/* One column of one line.  Behind the last column nothing is padded, as in psql. */
static void append_cell(const struct aligned *aligned, size_t column, struct bytes line,
	bool has_more, struct buffer *out)
{
	bool is_last = column + 1 == aligned->column_count;
	struct buffer shown = { 0 };
	size_t width = show(line, &shown);
	size_t blanks = aligned->widths[column] > width ? aligned->widths[column] - width : 0;
	buffer_append_u8(out, ' ');
	if (aligned->is_right[column])
		pad(out, blanks);
	buffer_append_bytes(out, buffer_bytes(&shown));
	if (!aligned->is_right[column] && (!is_last || has_more))
		pad(out, blanks);
	if (has_more)
		buffer_append_u8(out, '+');
	else if (!is_last)
		buffer_append_u8(out, ' ');
	buffer_append_u8(out, is_last ? '\n' : '|');
	buffer_deinit(&shown);
}

/* As many lines as the cell with the most has. */
static void append_row(const struct aligned *aligned, struct bytes *cells, struct buffer *out)
{
	bool has_more = true;
	while (has_more) {
		has_more = false;
		for (size_t i = 0; i < aligned->column_count; i++) {
			bool cell_has_more;
			struct bytes line = take_line(&cells[i], &cell_has_more);
			append_cell(aligned, i, line, cell_has_more, out);
			has_more = has_more || cell_has_more;
		}
	}
}

static void append_header(const struct aligned *aligned, struct buffer *out)
{
	for (size_t i = 0; i < aligned->column_count; i++) {
		struct buffer shown = { 0 };
		size_t blanks =
			aligned->widths[i] - show(bytes_of_cstring(aligned->names[i]), &shown);
		pad(out, 1 + blanks / 2);
		buffer_append_bytes(out, buffer_bytes(&shown));
		pad(out, blanks - blanks / 2 + 1);
		buffer_append_u8(out, i + 1 == aligned->column_count ? '\n' : '|');
		buffer_deinit(&shown);
	}
	for (size_t i = 0; i < aligned->column_count; i++) {
		for (size_t j = 0; j < aligned->widths[i] + 2; j++)
			buffer_append_u8(out, '-');
		buffer_append_u8(out, i + 1 == aligned->column_count ? '\n' : '+');
	}
}

static struct bytes next_cell(const struct aligned *aligned, size_t *at)
{
	size_t size;
	memcpy(&size, aligned->cells.data + *at, sizeof size);
	*at += sizeof size + size;
	return bytes_of(aligned->cells.data + *at - size, size);
}

static void measure(struct aligned *aligned)
{
	size_t at = 0;
	for (size_t i = 0; i < aligned->kept_count * aligned->column_count; i++) {
		size_t width = aligned_text_width(next_cell(aligned, &at));
		size_t *widest = &aligned->widths[i % aligned->column_count];
		*widest = width > *widest ? width : *widest;
	}
}

static void print_kept(struct aligned *aligned)
{
	struct buffer text = { 0 };
	struct bytes *row = memory_allocate(aligned->column_count + 1, sizeof *row);
	if (!aligned->has_header) {
		measure(aligned);
		append_header(aligned, &text);
		aligned->has_header = true;
	}
	size_t at = 0;
	for (size_t i = 0; i < aligned->kept_count; i++) {
		for (size_t j = 0; j < aligned->column_count; j++)
			row[j] = next_cell(aligned, &at);
		append_row(aligned, row, &text);
	}
	fwrite(text.data, 1, text.size, aligned->out);
	buffer_reset(&aligned->cells);
	aligned->kept_count = 0;
	free(row);
	buffer_deinit(&text);
}

void aligned_init(struct aligned *aligned, FILE *out, size_t column_count, const char *const *names,
	const bool *is_right)
{
	assert(column_count > 0);
	*aligned = (struct aligned){ .out = out, .column_count = column_count };
	aligned->is_right = is_right;
	aligned->names = arena_array(&aligned->arena, const char *, column_count);
	aligned->widths = arena_array(&aligned->arena, size_t, column_count);
	for (size_t i = 0; i < column_count; i++) {
		aligned->names[i] = arena_copy_cstring(&aligned->arena, names[i]);
		aligned->widths[i] = show(bytes_of_cstring(names[i]), NULL);
	}
}

void aligned_add(struct aligned *aligned, struct bytes cell)
{
	buffer_append(&aligned->cells, &cell.size, sizeof cell.size);
	buffer_append_bytes(&aligned->cells, cell);
	aligned->column = (aligned->column + 1) % aligned->column_count;
	if (aligned->column > 0)
		return;
	aligned->row_count++;
	aligned->kept_count++;
	if (aligned->kept_count >= KEPT_ROWS_MAX || aligned->cells.size >= KEPT_BYTES_MAX)
		print_kept(aligned);
}

void aligned_finish(struct aligned *aligned)
{
	assert(aligned->column == 0);
	if (!aligned->has_header || aligned->kept_count > 0)
		print_kept(aligned);
	fprintf(aligned->out, "(%zu row%s)\n", aligned->row_count,
		aligned->row_count == 1 ? "" : "s");
}

void aligned_deinit(struct aligned *aligned)
{
	arena_deinit(&aligned->arena);
	buffer_deinit(&aligned->cells);
}
