#include "iceberg/update.h"

static bool check_create(const struct metadata *base, struct error *err)
{
	if (base == NULL)
		return true;
	return error_set(err, ERROR_CONFLICT, "there is a table at \"%s\" already", base->location);
}

static bool check_uuid(
	const struct metadata *base, const struct requirement *requirement, struct error *err)
{
	if (base != NULL && strcmp(base->table_uuid, requirement->uuid) == 0)
		return true;
	return error_set(err, ERROR_CONFLICT, "the table is not \"%.40s\", but \"%.40s\"",
		requirement->uuid, base ? base->table_uuid : "gone");
}

static bool check_ref(
	const struct metadata *base, const struct requirement *requirement, struct error *err)
{
	const struct snapshot_ref *ref =
		base ? metadata_find_ref(base, requirement->ref_name) : NULL;
	if (ref == NULL && !requirement->has_snapshot_id)
		return true;
	if (ref == NULL)
		return error_set(err, ERROR_CONFLICT, "there is no branch or tag \"%.100s\"",
			requirement->ref_name);
	if (requirement->has_snapshot_id && ref->snapshot_id == requirement->snapshot_id)
		return true;
	return error_set(err, ERROR_CONFLICT, "\"%.100s\" of the table at \"%s\" has moved to %lld",
		requirement->ref_name, base->location, (long long)ref->snapshot_id);
}

static bool check_one(
	const struct metadata *base, const struct requirement *requirement, struct error *err)
{
	switch (requirement->kind) {
	case REQUIRE_CREATE:
		return check_create(base, err);
	case REQUIRE_TABLE_UUID:
		return check_uuid(base, requirement, err);
	case REQUIRE_REF_SNAPSHOT_ID:
		return check_ref(base, requirement, err);
	}
	return error_set(err, ERROR_UNSUPPORTED, "a requirement of unknown kind");
}

bool requirements_check(const struct metadata *base, const struct requirement *requirements,
	size_t requirement_count, struct error *err)
{
	for (size_t i = 0; i < requirement_count; i++)
		if (!check_one(base, &requirements[i], err))
			return false;
	return true;
}
