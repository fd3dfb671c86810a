#include "cmd/cmd.h"

#include "base/buffer.h"
#include "base/test.h"

enum {
	TEXT_SIZE_MAX = 1 << 20
};

/* The text is the arena's. */
static char *printed_yaml(struct setting_assignments given, struct arena *arena)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	cmd_print_yaml(&given, out);
	fclose(out);
	char *copy = arena_copy_cstring(arena, text);
	free(text);
	return copy;
}

static void load_yaml(const char *text, struct arena *arena, struct configuration *out)
{
	struct error err;
	struct setting_sources sources = { .yaml = { "walberg.yaml", bytes_of_cstring(text) } };
	CHECK_OK(setting_load(&CONFIGURATION_SETTINGS, &sources, arena, out, &err), &err);
}

TEST(the_configuration_that_init_writes_holds_what_is_given)
{
#define URL "host=db dbname=shop password='a\\'b \"c\" # d\t'"
	static const char *const GIVEN[] = { "lake.warehouse=s3://bucket/shop", "source.url=" URL };
	struct arena arena = { 0 };
	struct configuration configuration = { 0 };
	load_yaml(printed_yaml((struct setting_assignments){ GIVEN, 2 }, &arena), &arena,
		&configuration);
	CHECK_TEXT(configuration.source_url, URL);
	CHECK_TEXT(configuration.lake_warehouse, "s3://bucket/shop");
	CHECK_TEXT(configuration.lake_directory, "./lake");
	arena_deinit(&arena);
}

TEST(the_configuration_that_init_writes_is_all_commented_out_when_nothing_is_given)
{
	struct arena arena = { 0 };
	char *rest = printed_yaml((struct setting_assignments){ 0 }, &arena);
	for (char *line; (line = strsep(&rest, "\n")) != NULL;)
		CHECK(line[0] == '#' || line[0] == '\0');
	arena_deinit(&arena);
}

/* Each setting may be set where it stands: the file is valid with every comment taken away. */
TEST(the_configuration_that_init_writes_is_valid_without_its_comment_signs)
{
	struct arena arena = { 0 };
	struct configuration configuration = { 0 };
	struct buffer plain = { 0 };
	char *rest = strstr(printed_yaml((struct setting_assignments){ 0 }, &arena), "\n\n") +
		     2; /* behind what is said about the file */
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		buffer_append_cstring(&plain, strncmp(line, "# ", 2) == 0 ? line + 2 : line);
		buffer_append_u8(&plain, '\n');
	}
	buffer_append_u8(&plain, '\0');
	load_yaml((const char *)plain.data, &arena, &configuration);
	CHECK_TEXT(configuration.lake_catalog_name, "walberg");
	buffer_deinit(&plain);
	arena_deinit(&arena);
}

TEST(the_page_about_the_configuration_is_up_to_date)
{
	static const char PATH[] = WALBERG_CORPUS "/../../docs/configuration.md";
	char *expected = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&expected, &size);
	cmd_print_configuration(out);
	fclose(out);
	FILE *file = fopen(PATH, "r");
	CHECK(file != NULL);
	char *page = memory_allocate(TEXT_SIZE_MAX, 1);
	const size_t got = fread(page, 1, TEXT_SIZE_MAX - 1, file);
	fclose(file);
	if (got != size || memcmp(page, expected, size) != 0)
		test_fail(__FILE__, __LINE__, "docs/configuration.md is old: run \"make docs\"");
	free(page);
	free(expected);
}
