/*
 * The public vectors: AWS's "Signature Version 4 test suite", and the examples of Amazon S3's
 * API Reference, "Signature Calculations for the Authorization Header".
 */
#include "store/s3/sign.h"

#include "base/test.h"

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SUITE_HEADERS                                                                              \
	{ "Host", "example.amazonaws.com" },                                                       \
	{                                                                                          \
		"X-Amz-Date", "20150830T123600Z"                                                   \
	}
#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

struct vector {
	const char *name;
	const char *method;
	const char *path;
	struct sign_parameter parameters[4]; /* ended by a NULL name */
	struct http_header headers[8];       /* likewise */
	const char *payload_hash;
	const char *signed_headers;
	const char *signature;
};

static const struct vector SUITE[] = {
	{ "get-vanilla", "GET", "/", { { 0 } }, { SUITE_HEADERS }, EMPTY_HASH, "host;x-amz-date",
		"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-vanilla-query-order-key-case", "GET", "/",
		{ { "Param2", "value2" }, { "Param1", "value1" } }, { SUITE_HEADERS }, EMPTY_HASH,
		"host;x-amz-date",
		"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
	{ "get-vanilla-query-order-encoded", "GET", "/",
		{ { "Param-3", "Value3" }, { "Param", "Value2" }, { "\u1234", "Value1" } },
		{ SUITE_HEADERS }, EMPTY_HASH, "host;x-amz-date",
		"371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac" },
	{ "get-vanilla-empty-query-key", "GET", "/", { { "Param1", "value1" } }, { SUITE_HEADERS },
		EMPTY_HASH, "host;x-amz-date",
		"a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb" },
	{ "get-vanilla-query-unreserved", "GET", "/", { { UNRESERVED, UNRESERVED } },
		{ SUITE_HEADERS }, EMPTY_HASH, "host;x-amz-date",
		"9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197" },
	{ "get-vanilla-utf8-query", "GET", "/", { { "\u1234", "bar" } }, { SUITE_HEADERS },
		EMPTY_HASH, "host;x-amz-date",
		"2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04" },
	{ "get-utf8", "GET", "/\u1234", { { 0 } }, { SUITE_HEADERS }, EMPTY_HASH, "host;x-amz-date",
		"8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" },
	{ "get-space", "GET", "/example space/", { { 0 } }, { SUITE_HEADERS }, EMPTY_HASH,
		"host;x-amz-date",
		"652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741" },
	{ "get-unreserved", "GET", "/" UNRESERVED, { { 0 } }, { SUITE_HEADERS }, EMPTY_HASH,
		"host;x-amz-date",
		"07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
	{ "get-slashes-unnormalized", "GET", "//example//", { { 0 } }, { SUITE_HEADERS },
		EMPTY_HASH, "host;x-amz-date",
		"87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5" },
	{ "get-header-key-duplicate", "GET", "/", { { 0 } },
		{ { "Host", "example.amazonaws.com" }, { "My-Header1", "value2" },
			{ "My-Header1", "value2" }, { "My-Header1", "value1" },
			{ "X-Amz-Date", "20150830T123600Z" } },
		EMPTY_HASH, "host;my-header1;x-amz-date",
		"c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea" },
	{ "get-header-value-order", "GET", "/", { { 0 } },
		{ SUITE_HEADERS, { "My-Header1", "value4" }, { "My-Header1", "value1" },
			{ "My-Header1", "value3" }, { "My-Header1", "value2" } },
		EMPTY_HASH, "host;my-header1;x-amz-date",
		"08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01" },
	{ "get-header-value-trim", "GET", "/", { { 0 } },
		{ SUITE_HEADERS, { "My-Header1", " value1" }, { "My-Header2", " \"a   b   c\"" } },
		EMPTY_HASH, "host;my-header1;my-header2;x-amz-date",
		"acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
	{ "post-vanilla", "POST", "/", { { 0 } }, { SUITE_HEADERS }, EMPTY_HASH, "host;x-amz-date",
		"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
	{ "post-header-key-sort", "POST", "/", { { 0 } },
		{ SUITE_HEADERS, { "My-Header1", "value1" } }, EMPTY_HASH,
		"host;my-header1;x-amz-date",
		"c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c" },
	{ "post-x-www-form-urlencoded", "POST", "/", { { 0 } },
		{ SUITE_HEADERS, { "Content-Type", "application/x-www-form-urlencoded" },
			{ "Content-Length", "13" },
			{ "x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc87"
						  "31a4a654192329106275f4c7b24d0b6e" } },
		"9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
		"content-length;content-type;host;x-amz-content-sha256;x-amz-date",
		"d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b" },
	{ "get-vanilla-with-session-token", "GET", "/", { { 0 } },
		{ SUITE_HEADERS, { "X-Amz-Security-Token", "6e86291e8372ff2a2260956d9b8aae1d"
							   "763fbf315fa00fa31553b73ebf194267" } },
		EMPTY_HASH, "host;x-amz-date;x-amz-security-token",
		"07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8" },
};

#define S3_HEADERS                                                                                 \
	{ "Host", "examplebucket.s3.amazonaws.com" },                                              \
	{                                                                                          \
		"x-amz-date", "20130524T000000Z"                                                   \
	}
#define WELCOME_HASH "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"

static const struct vector S3[] = {
	{ "GET Object", "GET", "/test.txt", { { 0 } },
		{ S3_HEADERS, { "Range", "bytes=0-9" }, { "x-amz-content-sha256", EMPTY_HASH } },
		EMPTY_HASH, "host;range;x-amz-content-sha256;x-amz-date",
		"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
	{ "PUT Object", "PUT", "/test$file.text", { { 0 } },
		{ S3_HEADERS, { "Date", "Fri, 24 May 2013 00:00:00 GMT" },
			{ "x-amz-storage-class", "REDUCED_REDUNDANCY" },
			{ "x-amz-content-sha256", WELCOME_HASH } },
		WELCOME_HASH, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
		"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
	{ "GET Bucket Lifecycle", "GET", "/", { { "lifecycle", "" } },
		{ S3_HEADERS, { "x-amz-content-sha256", EMPTY_HASH } }, EMPTY_HASH,
		"host;x-amz-content-sha256;x-amz-date",
		"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
	{ "Get Bucket (List Objects)", "GET", "/", { { "prefix", "J" }, { "max-keys", "2" } },
		{ S3_HEADERS, { "x-amz-content-sha256", EMPTY_HASH } }, EMPTY_HASH,
		"host;x-amz-content-sha256;x-amz-date",
		"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};

static void check(const struct vector *vector, const char *service, const char *time,
	const struct sign_credentials *credentials)
{
	struct arena arena = { 0 };
	struct sign_request request = {
		.method = vector->method,
		.path = vector->path,
		.parameters = vector->parameters,
		.headers = vector->headers,
		.payload_hash = vector->payload_hash,
		.time = time,
		.region = "us-east-1",
		.service = service,
	};
	while (vector->parameters[request.parameter_count].name != NULL)
		request.parameter_count++;
	while (vector->headers[request.header_count].name != NULL)
		request.header_count++;
	const char *expected = arena_format(&arena,
		"AWS4-HMAC-SHA256 Credential=%s/%.8s/us-east-1/%s/aws4_request, "
		"SignedHeaders=%s, Signature=%s",
		credentials->access_key, time, service, vector->signed_headers, vector->signature);
	const char *actual = sign_authorization(&request, credentials, &arena);
	const char *signed_headers;
	if (strcmp(actual, expected) != 0)
		test_fail(__FILE__, __LINE__, "%s: %s, not %s, of\n%s", vector->name, actual,
			expected, sign_canonical_request(&request, &signed_headers, &arena));
	arena_deinit(&arena);
}

TEST(requests_are_signed_as_in_the_test_suite_of_aws)
{
	static const struct sign_credentials CREDENTIALS = { "AKIDEXAMPLE",
		"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
	for (size_t i = 0; i < sizeof SUITE / sizeof *SUITE; i++)
		check(&SUITE[i], "service", "20150830T123600Z", &CREDENTIALS);
}

TEST(requests_are_signed_as_in_the_examples_of_s3)
{
	static const struct sign_credentials CREDENTIALS = { "AKIAIOSFODNN7EXAMPLE",
		"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };
	for (size_t i = 0; i < sizeof S3 / sizeof *S3; i++)
		check(&S3[i], "s3", "20130524T000000Z", &CREDENTIALS);
}

TEST(the_steps_of_a_signature_are_those_of_the_specification)
{
	struct arena arena = { 0 };
	const char *signed_headers;
	const struct sign_request request = {
		.method = "PUT",
		.path = S3[1].path,
		.headers = S3[1].headers,
		.header_count = 5,
		.payload_hash = WELCOME_HASH,
		.time = "20130524T000000Z",
		.region = "us-east-1",
		.service = "s3",
	};
	const char *canonical = sign_canonical_request(&request, &signed_headers, &arena);
	CHECK_TEXT(canonical,
		"PUT\n/test%24file.text\n\ndate:Fri, 24 May 2013 00:00:00 GMT\n"
		"host:examplebucket.s3.amazonaws.com\nx-amz-content-sha256:" WELCOME_HASH
		"\nx-amz-date:20130524T000000Z\nx-amz-storage-class:REDUCED_REDUNDANCY\n\n"
		"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class\n" WELCOME_HASH);
	CHECK_TEXT(sign_string_to_sign(&request, canonical, &arena),
		"AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
		"9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d");
	arena_deinit(&arena);
}

TEST(times_and_hashes_are_written_as_they_are_signed)
{
	char time[SIGN_TIME_SIZE], hash[SIGN_HASH_SIZE];
	CHECK_TEXT(sign_time(0, time), "19700101T000000Z");
	CHECK_TEXT(sign_time(INT64_C(1440938160999999), time), "20150830T123600Z");
	CHECK_TEXT(sign_hash(BYTES_LITERAL(""), hash), EMPTY_HASH);
	CHECK_TEXT(sign_hash(BYTES_LITERAL("Welcome to Amazon S3."), hash), WELCOME_HASH);
}

TEST(every_byte_of_a_path_is_encoded_once)
{
	struct buffer out = { 0 };
	sign_append_encoded(&out, "/a b/\u00e9=&+%20?#\x01", true);
	buffer_append_u8(&out, 0);
	CHECK_TEXT((const char *)out.data, "/a%20b/%C3%A9%3D%26%2B%2520%3F%23%01");
	buffer_reset(&out);
	sign_append_encoded(&out, "a/b", false);
	buffer_append_u8(&out, 0);
	CHECK_TEXT((const char *)out.data, "a%2Fb");
	buffer_deinit(&out);
}
