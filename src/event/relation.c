#include "event/relation.h"

struct relation *relation_copy(const struct relation *relation, struct arena *arena)
{
	struct relation *copy = arena_copy(arena, relation, sizeof *relation);
	copy->namespace_name = arena_copy_cstring(arena, relation->namespace_name);
	copy->name = arena_copy_cstring(arena, relation->name);
	copy->columns = arena_copy(
		arena, relation->columns, relation->column_count * sizeof *relation->columns);
	for (size_t i = 0; i < relation->column_count; i++) {
		const struct relation_column *column = &relation->columns[i];
		copy->columns[i].name = arena_copy_cstring(arena, column->name);
		if (column->type_name != NULL)
			copy->columns[i].type_name = arena_copy_cstring(arena, column->type_name);
	}
	return copy;
}
