/*
 * relation.h: a captured table's definition, as the lake keeps it.
 *
 * It joins what the stream's Relation message says (oid, names, types) with what only the catalog
 * of the source knows (nullability, primary key, enum or not).  Immutable once made; its memory is
 * that of the arena it was made in.
 */
#ifndef EVENT_RELATION_H
#define EVENT_RELATION_H

#include "base/arena.h"
#include "event/value.h"

struct relation_column {
	const char *name;
	uint32_t type_oid;       /* PostgreSQL's */
	int32_t type_modifier;   /* -1 when the type has none */
	struct column_type type; /* the lake's; VALUE_NONE: not captured, the table is paused */
	bool is_required;        /* NOT NULL */
	bool is_key;             /* part of the primary key that identifies rows in the lake */
	int32_t number; /* pg_attribute.attnum: the same name may be another column; 0: not known */
	uint32_t xid;   /* that wrote the row in pg_attribute: of the column's last change; 0 */
	/* As PostgreSQL writes it, "text[]", when type is VALUE_NONE and it was asked; NULL. */
	const char *type_name;
};

struct relation {
	uint32_t oid;
	uint32_t filenode; /* pg_relation_filenode when it was read; a rewrite changes it */
	const char *namespace_name;
	const char *name;
	char replica_identity; /* 'd' default, 'f' full, 'i' index, 'n' nothing */
	bool is_append;        /* no usable identity: only inserts and truncates are seen */
	size_t column_count;
	struct relation_column *columns;
	bool is_unpublished;  /* when it was read, its publication did not send all its changes */
	bool refuses_updates; /* likewise: the publication wants an identity that it has lost */
};

/* With its columns and texts, all in arena. */
struct relation *relation_copy(const struct relation *relation, struct arena *arena);

#endif
