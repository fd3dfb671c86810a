"""A start that ends by itself, with what a user is told then."""

SECRETS = ["s3.secret_key", "s3.session_token"]


def assert_one_error(code, said, *parts, expected=1):
    """One error, one hint, the expected exit code, and the parts."""
    assert code == expected, said
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    hints = [line for line in said.splitlines() if line.startswith(" hint: ")]
    assert len(errors) == 1 and len(hints) == 1, said
    assert len(hints[0]) > 20 and hints[0].endswith((".", ";")), said
    for part in parts:
        assert part in said, said


def assert_refused(lake, *parts):
    code, said = lake.run_to_its_end()
    assert_one_error(code, said, *parts)
    settings = {**lake.place.settings, **lake.settings}
    for name in SECRETS:
        assert name not in settings or settings[name] not in said, said
