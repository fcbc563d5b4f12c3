/* --strict-tools: the programs of the stages are part of the keys. Private to generator/.
 *
 * A stage's version says when its results may change; who would rather not trust that its author raised it has every
 * build of a program compute anew. Programs must be there before keys are: ./configure builds them before the generator
 * runs, and in the graph they come before build/leaf/stamp, whose list names them (build.ninja.in, grid_files.c). So
 * ninja first builds what changed, then sees that programs have another content, and makes the graph again; a program
 * that was linked again to the same bytes changes nothing. A stage refuses jobs that are for another build of it
 * (job_check_program()).
 */
#ifndef QG_GENERATOR_STRICT_TOOLS_H
#define QG_GENERATOR_STRICT_TOOLS_H

#include "graph/leaf.h"
#include "graph/rules.h"

/* The program of a stage; the caller frees. */
char *strict_tools_path(const struct rule *rule);

/* Sets the rules' tools. -1 after fail() when a program is not there. */
int strict_tools_take(struct rules *rules, struct leaf_memo *memo);

#endif
