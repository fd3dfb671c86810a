/*
 * data_file_internal.h: the Avro record of a data file, for manifest.c.
 */
#ifndef ICEBERG_DATA_FILE_INTERNAL_H
#define ICEBERG_DATA_FILE_INTERNAL_H

#include "format/avro/avro_record.h"
#include "iceberg/data_file.h"

extern const struct avro_record_type DATA_FILE_RECORD; /* of struct data_file */

/* After decoding: one item per column, by ascending field id. */
void data_file_merge_columns(struct data_file *file);

#endif
