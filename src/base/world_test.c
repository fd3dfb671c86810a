#include "base/test.h"
#include "base/world_sim.h"

#include <sys/stat.h>
#include <unistd.h>

/* What every world promises, checked in an empty directory of it. */
struct place {
	struct world *world;
	const char *root;
	struct arena arena;
	struct error err;
};

static const char *at(struct place *place, const char *name)
{
	return arena_format(&place->arena, "%s/%s", place->root, name);
}

static struct file *open_file(struct place *place, const char *name, enum file_mode mode)
{
	struct file *file;
	CHECK_OK(world_open(place->world, at(place, name), mode, &file, &place->err), &place->err);
	return file;
}

static void check_open_fails(
	struct place *place, const char *name, enum file_mode mode, enum error_kind kind)
{
	struct file *file;
	CHECK(!world_open(place->world, at(place, name), mode, &file, &place->err));
	CHECK_TEXT(error_kind_name(place->err.kind), error_kind_name(kind));
	CHECK(file == NULL);
}

static void check_modes(struct place *place)
{
	check_open_fails(place, "a", FILE_READ, ERROR_MISSING);
	check_open_fails(place, "a", FILE_WRITE, ERROR_MISSING);
	check_open_fails(place, "none/a", FILE_CREATE, ERROR_MISSING);
	file_close(open_file(place, "a", FILE_CREATE_NEW));
	check_open_fails(place, "a", FILE_CREATE_NEW, ERROR_CONFLICT);
	check_open_fails(place, "a/b", FILE_CREATE, ERROR_SETUP);
	check_open_fails(place, "", FILE_READ, ERROR_SETUP);
	file_close(open_file(place, "a", FILE_CREATE));
	file_close(open_file(place, "a", FILE_READ));
}

static void check_bytes(struct place *place)
{
	struct error *err = &place->err;
	struct file *file = open_file(place, "bytes", FILE_CREATE_NEW);
	struct file *other = open_file(place, "bytes", FILE_READ);
	CHECK_OK(file_write_at(file, 3, BYTES_LITERAL("def"), err), err);
	CHECK_OK(file_write_at(file, 1, BYTES_LITERAL("bc"), err), err);
	CHECK_OK(file_sync(file, err), err);
	char out[10];
	size_t got;
	CHECK_OK(file_read_at(other, 0, out, sizeof out, &got, err), err);
	CHECK(got == 6 && memcmp(out, "\0bcdef", 6) == 0);
	CHECK_OK(file_read_at(other, 4, out, 1, &got, err), err);
	CHECK(got == 1 && out[0] == 'e');
	CHECK_OK(file_read_at(other, 99, out, 1, &got, err), err);
	CHECK_EQUAL(got, 0);
	CHECK_OK(file_truncate(file, 2, err), err);
	CHECK_OK(file_truncate(file, 4, err), err);
	uint64_t size;
	CHECK_OK(file_size(other, &size, err), err);
	CHECK_EQUAL(size, 4);
	struct buffer buffer = { 0 };
	CHECK_OK(world_read_file(place->world, at(place, "bytes"), 4, &buffer, err), err);
	CHECK(bytes_equal(buffer_bytes(&buffer), BYTES_LITERAL("\0b\0\0")));
	CHECK(!world_read_file(place->world, at(place, "bytes"), 3, &buffer, err));
	CHECK(err->kind == ERROR_LIMIT);
	buffer_deinit(&buffer);
	file_close(file);
	file_close(other);
}

static void check_names(struct place *place)
{
	struct world *world = place->world;
	struct error *err = &place->err;
	CHECK_OK(world_make_directories(world, at(place, "names/deep/er/"), err), err);
	CHECK_OK(world_make_directories(world, at(place, "names/deep/er"), err), err);
	file_close(open_file(place, "names/one", FILE_CREATE_NEW));
	struct file *two = open_file(place, "names/two", FILE_CREATE_NEW);
	CHECK_OK(file_write_at(two, 0, BYTES_LITERAL("2"), err), err);
	CHECK_OK(world_rename(world, at(place, "names/two"), at(place, "names/one"), err), err);
	CHECK_OK(file_write_at(two, 1, BYTES_LITERAL("2"), err), err);
	file_close(two);
	file_close(open_file(place, "names/a", FILE_CREATE));
	CHECK_OK(world_sync_directory(world, at(place, "names"), err), err);
	struct file_info *infos;
	size_t count;
	CHECK_OK(world_list(world, at(place, "names"), &place->arena, &infos, &count, err), err);
	CHECK_EQUAL(count, 3);
	CHECK_TEXT(infos[0].name, "a");
	CHECK_TEXT(infos[1].name, "deep");
	CHECK_TEXT(infos[2].name, "one");
	CHECK(infos[1].is_directory && !infos[2].is_directory);
	CHECK_EQUAL(infos[2].size_bytes, 2);
	CHECK(infos[2].modified_at > 0);
	CHECK_OK(world_remove(world, at(place, "names/one"), err), err);
	CHECK(!world_remove(world, at(place, "names/one"), err));
	CHECK(err->kind == ERROR_MISSING);
	CHECK(!world_remove(world, at(place, "names/deep"), err));
	CHECK(err->kind == ERROR_SETUP);
	CHECK(!world_rename(world, at(place, "no"), at(place, "yes"), err));
	CHECK(err->kind == ERROR_MISSING);
	CHECK(!world_list(world, at(place, "no"), &place->arena, &infos, &count, err));
	CHECK(err->kind == ERROR_MISSING);
	CHECK(!world_sync_directory(world, at(place, "no"), err));
	CHECK(err->kind == ERROR_MISSING);
	CHECK(!world_make_directories(world, at(place, "names/a"), err));
	CHECK(err->kind == ERROR_SETUP);
}

static void check_removed_file_lives_while_open(struct place *place)
{
	struct file *file = open_file(place, "gone", FILE_CREATE_NEW);
	struct error *err = &place->err;
	CHECK_OK(world_remove(place->world, at(place, "gone"), err), err);
	CHECK_OK(file_write_at(file, 0, BYTES_LITERAL("x"), err), err);
	char out;
	size_t got;
	CHECK_OK(file_read_at(file, 0, &out, 1, &got, err), err);
	CHECK(got == 1 && out == 'x');
	file_close(file);
	check_open_fails(place, "gone", FILE_READ, ERROR_MISSING);
}

static void check_time_and_chance(struct place *place)
{
	struct world *world = place->world;
	const int64_t started = world_monotonic(world), now = world_now(world);
	world_sleep(world, 2000);
	CHECK(world_monotonic(world) >= started + 2000);
	CHECK(world_now(world) > now);
	char a[UUID_TEXT_SIZE], b[UUID_TEXT_SIZE];
	world_uuid(world, a);
	CHECK(strcmp(a, world_uuid(world, b)) != 0);
	CHECK(strlen(a) == 36 && a[8] == '-' && a[14] == '4' && strchr("89ab", a[19]) != NULL);
}

static void check_world(struct world *world, const char *root)
{
	struct place place = { .world = world, .root = root };
	check_modes(&place);
	check_bytes(&place);
	check_names(&place);
	check_removed_file_lives_while_open(&place);
	check_time_and_chance(&place);
	arena_deinit(&place.arena);
}

TEST(the_machine_keeps_the_contract_of_a_world)
{
	check_world(world_posix(), test_directory());
}

TEST(the_simulation_keeps_the_contract_of_a_world)
{
	struct world *world = world_sim_open(test_seed());
	struct error err;
	CHECK_OK(world_make_directories(world, "/root", &err), &err);
	check_world(world, "/root");
	world_sim_close(world);
}

TEST(a_full_disk_is_a_limit_with_a_hint)
{
	struct file *file;
	struct error err;
	CHECK_OK(world_open(world_posix(), "/dev/full", FILE_WRITE, &file, &err), &err);
	CHECK(!file_write_at(file, 0, BYTES_LITERAL("x"), &err));
	CHECK(err.kind == ERROR_LIMIT);
	CHECK(err.hint[0]);
	file_close(file);
}

TEST(a_forbidden_directory_is_the_operators_to_open)
{
	struct place place = { .world = world_posix(), .root = test_directory() };
	CHECK(chmod(place.root, 0500) == 0);
	const uid_t user = geteuid();
	if (user == 0)
		CHECK(seteuid(65534) == 0); /* nothing is forbidden to root */
	struct file *file;
	const bool opened =
		world_open(place.world, at(&place, "file"), FILE_CREATE, &file, &place.err);
	if (user == 0)
		CHECK(seteuid(0) == 0);
	CHECK(!opened);
	CHECK(place.err.kind == ERROR_SETUP && place.err.hint[0]);
	CHECK(chmod(place.root, 0700) == 0);
	arena_deinit(&place.arena);
}
