/* The files with names people know that the jobs of a plan write. */
#ifndef QG_GENERATOR_PUBLISHED_H
#define QG_GENERATOR_PUBLISHED_H

#include "graph/ninja.h"
#include "report/cell.h"

/* For ninja_write(). */
extern const struct ninja_files published_files;

/* The path of the report's file that is written last and so stands for all. The caller frees it. */
char *published_manifest(const struct plan_cell *cell);

/* The paths of all its files; the caller frees each. */
void published_report_paths(const struct plan_cell *cell, char *paths[REPORT_FILES]);

/* Where a job that writes a language model's folder writes it to; NULL for others. */
const char *published_model_dir(const struct plan_job *job);

/* A text of a view: view_string(view, "model", "name"). */
const char *view_string(const cJSON *view, const char *section, const char *key);

#endif
