#include "store/cache_internal.h"

#include <stdlib.h>

static int compare_ranges(const void *a, const void *b)
{
	const struct byte_range *first = a, *second = b;
	return (first->start > second->start) - (first->start < second->start);
}

/* Ranges in order that lie at most gap_max bytes apart become one. */
static struct byte_ranges join(struct byte_range *items, size_t count, uint64_t gap_max)
{
	struct byte_ranges out = { 0, items };
	for (size_t i = 0; i < count; i++) {
		struct byte_range *last = out.count > 0 ? &items[out.count - 1] : NULL;
		if (items[i].start >= items[i].end)
			continue;
		if (last == NULL ||
			(items[i].start > last->end && items[i].start - last->end > gap_max))
			items[out.count++] = items[i];
		else if (items[i].end > last->end)
			last->end = items[i].end;
	}
	return out;
}

struct byte_ranges ranges_of(const struct byte_range *items, size_t count, struct arena *arena)
{
	struct byte_range *copy = arena_copy(arena, items, count * sizeof *items);
	if (count > 0)
		qsort(copy, count, sizeof *copy, compare_ranges);
	return join(copy, count, 0);
}

struct byte_ranges ranges_missing(
	const struct byte_ranges *wanted, const struct byte_ranges *present, struct arena *arena)
{
	/* each range of present cuts at most one of wanted in two */
	struct byte_ranges out = { 0,
		arena_array(arena, struct byte_range, wanted->count + present->count) };
	size_t at = 0;
	for (size_t i = 0; i < wanted->count; i++) {
		struct byte_range rest = wanted->items[i];
		while (at < present->count && present->items[at].end <= rest.start)
			at++;
		for (size_t j = at; j < present->count && present->items[j].start < rest.end; j++) {
			const struct byte_range *there = &present->items[j];
			if (there->start > rest.start)
				out.items[out.count++] =
					(struct byte_range){ rest.start, there->start };
			rest.start = there->end < rest.end ? there->end : rest.end;
		}
		if (rest.start < rest.end)
			out.items[out.count++] = rest;
	}
	return out;
}

struct byte_ranges ranges_bridged(
	const struct byte_ranges *ranges, uint64_t gap_max, struct arena *arena)
{
	struct byte_range *copy =
		arena_copy(arena, ranges->items, ranges->count * sizeof *ranges->items);
	return join(copy, ranges->count, gap_max);
}

uint64_t ranges_disk_bytes(const struct byte_ranges *ranges)
{
	uint64_t blocks = 0;
	for (size_t i = 0; i < ranges->count; i++)
		blocks += (ranges->items[i].end + CACHE_BLOCK_SIZE - 1) / CACHE_BLOCK_SIZE -
			  ranges->items[i].start / CACHE_BLOCK_SIZE;
	return blocks * CACHE_BLOCK_SIZE;
}
