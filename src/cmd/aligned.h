/*
 * aligned.h: rows in columns for people, laid out as psql does.
 *
 *	 id |  name
 *	----+--------
 *	  1 | 张三
 *	(1 row)
 *
 * The first rows decide how wide a column is; a wider value later pushes its line out, so that
 * memory does not grow with the result.  Control characters are shown as \x1B, so that data cannot
 * steer a terminal; a line break continues on a line of its own, marked with '+'.
 */
#ifndef CMD_ALIGNED_H
#define CMD_ALIGNED_H

#include "base/buffer.h"

struct aligned {
	FILE *out;
	struct arena arena;
	size_t column_count;
	const char **names;
	const bool *is_right; /* numbers */
	size_t *widths;
	size_t column;       /* of the next cell */
	size_t row_count;    /* whole rows so far */
	size_t kept_count;   /* of these, in cells and not yet printed */
	struct buffer cells; /* text of the cells, each behind its size_t */
	bool has_header;
};

/* names are copied, is_right is borrowed. */
void aligned_init(struct aligned *aligned, FILE *out, size_t column_count, const char *const *names,
	const bool *is_right);
void aligned_add(struct aligned *aligned, struct bytes cell); /* by rows; empty for NULL */
void aligned_finish(struct aligned *aligned); /* prints what is left and the count */
void aligned_deinit(struct aligned *aligned);

/* Columns that text takes on a terminal. */
size_t aligned_text_width(struct bytes text);

#endif
