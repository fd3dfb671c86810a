/*
 * definition.h: a relation as the JSON that the catalog keeps of each table.
 *
 *	{"oid":16385,"filenode":16385,"replica_identity":"d","append":false,"columns":[
 *	 {"name":"id","oid":20,"modifier":-1,"type":"long","required":true,"key":true,
 *	  "number":1,"xid":731}, ...]}
 */
#ifndef ENGINE_DEFINITION_H
#define ENGINE_DEFINITION_H

#include "base/arena.h"
#include "event/relation.h"

const char *definition_encode(const struct relation *relation, struct arena *arena);

/* namespace_name and name are those of the catalog's row. Kinds: CORRUPT. */
bool definition_decode(const char *json, const char *namespace_name, const char *name,
	struct arena *arena, struct relation *out, struct error *err) MUST_CHECK;

#endif
