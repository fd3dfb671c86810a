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
