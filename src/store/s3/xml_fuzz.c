#include "base/test.h"
#include "store/s3/xml.h"

FUZZ(s3_xml)
{
	struct arena arena = { 0 };
	struct error err;
	const struct bytes document = bytes_of(data, size);
	struct xml_error error;
	struct xml_page page;
	struct xml_failure *failures;
	struct xml_unfinished_page unfinished;
	const char *upload_id;
	size_t count;
	if (xml_read_error(document, &arena, &error))
		CHECK(error.code[0] != '\0');
	if (xml_read_page(document, &arena, &page, &err) && page.count > 0)
		CHECK(page.objects[page.count - 1].key[0] != '\0');
	if (xml_read_failures(document, &arena, &failures, &count, &err) && count > 0)
		CHECK(failures[count - 1].error.code != NULL);
	if (xml_read_upload_id(document, &arena, &upload_id, &err))
		CHECK(!xml_is_completion(document));
	if (xml_read_unfinished(document, &arena, &unfinished, &err) && unfinished.count > 0)
		CHECK(unfinished.uploads[unfinished.count - 1].upload_id[0] != '\0');
	arena_deinit(&arena);
}
