#include "net/postgres.h"

#include "base/test.h"

static enum error_kind open_fails(const char *url, struct error *err)
{
	struct postgres *postgres;
	const struct postgres_target target = { .url = url, .connect_timeout = 2000000 };
	CHECK(!postgres_open(&target, &postgres, err));
	CHECK(postgres == NULL);
	CHECK(err->hint[0] != '\0');
	return err->kind;
}

TEST(a_connection_string_that_cannot_be_understood_is_not_quoted)
{
	static const char *const urls[] = {
		"postgresql://walberg:top@secret@127.0.0.1/shop",
		"postgresql://walberg:top/secret@127.0.0.1/shop",
		"postgresql://walberg:top:secret@127.0.0.1:x/shop",
		"postgresql://walberg:secret@127.0.0.1:secret/shop",
		"postgresql://walberg:secret%zz@127.0.0.1/shop",
		"postgresql://walberg:x@127.0.0.1/shop?secret=1",
		"host=127.0.0.1 secret=secret",
		"secret",
	};
	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		struct error err;
		CHECK_EQUAL(open_fails(urls[i], &err), ERROR_SETUP);
		CHECK(strstr(err.text, "secret") == NULL);
		CHECK(strstr(err.hint, "secret") == NULL);
	}
}

TEST(a_server_that_does_not_answer_is_lost_with_a_hint)
{
	struct error err;
	/* Nobody can listen on port 1 without being root. */
	CHECK_EQUAL(open_fails("postgresql://walberg:secret@127.0.0.1:1/shop", &err), ERROR_LOST);
	CHECK(strstr(err.text, "port 1 failed: Connection refused. Is the server") != NULL);
	CHECK(strstr(err.text, "secret") == NULL);
	CHECK(strstr(err.hint, "PostgreSQL runs") != NULL);
}

static void check_place(const char *url, const char *database, const char *expected)
{
	struct arena arena = { 0 };
	const struct postgres_target target = { .url = url, .database = database };
	CHECK_TEXT(postgres_place(&target, &arena), expected);
	arena_deinit(&arena);
}

TEST(a_place_is_told_without_user_and_password)
{
	check_place("postgresql://me:secret@host:5433/shop?sslmode=require", NULL,
		"postgresql://host:5433/shop");
	check_place("postgresql://me:secret@host/shop", "other", "postgresql://host/other");
	check_place(
		"host=host user=me password=secret dbname=shop", NULL, "postgresql://host/shop");
	check_place("postgresql:///shop", NULL, "postgresql:///shop");
	check_place("secret", NULL, "postgresql:///");
}

TEST(parts_of_a_connection_string_are_found)
{
	struct arena arena = { 0 };
	const char *url = "postgresql://me:p%40ss@host/shop";
	CHECK_TEXT(postgres_url_part(url, "user", &arena), "me");
	CHECK_TEXT(postgres_url_part(url, "password", &arena), "p@ss");
	CHECK(postgres_url_part(url, "port", &arena) == NULL);
	CHECK(postgres_url_part("ill formed", "user", &arena) == NULL);
	arena_deinit(&arena);
}

TEST(names_and_texts_are_quoted_for_sql)
{
	struct arena arena = { 0 };
	CHECK_TEXT(postgres_identifier(&arena, "orders"), "\"orders\"");
	CHECK_TEXT(postgres_identifier(&arena, "a\"b\\c"), "\"a\"\"b\\c\"");
	CHECK_TEXT(postgres_identifier(&arena, ""), "\"\"");
	CHECK_TEXT(postgres_literal(&arena, "it's"), "'it''s'");
	CHECK_TEXT(postgres_literal(&arena, "a\\'b"), " E'a\\\\''b'");
	CHECK_TEXT(postgres_qualified(&arena, "public", "Bestellung \"1\""),
		"\"public\".\"Bestellung \"\"1\"\"\"");
	arena_deinit(&arena);
}
