/* The leaves of a job: files that the build reads but does not make. Private to graph/. */
#ifndef QG_GRAPH_PLAN_LEAVES_H
#define QG_GRAPH_PLAN_LEAVES_H

#include "graph/plan.h"
#include "graph/view.h"

/* Fills input->files with the file or the files of the folder that from->leaf names, and their digests. */
int plan_read_leaf(struct plan *plan, struct plan_input *input, const struct rule *rule, const struct rule_input *from,
	const struct view *view);

void plan_files_free(struct plan_file *files, size_t count);

#endif
