/* The Ninja file of a plan, build/cells.ninja: one rule a stage, then one edge a unit of work. One file, so that a
 * generator that is killed leaves the graph of before or the new one, never edges beside the rules of others.
 *
 * A grouped stage becomes one group edge, which fills the cache for all its jobs in one process, and a commit edge a
 * job, ordered after it, which turns the cached result into a reference file or reports that job's failure:
 *
 *     build build/ref/group/score-layers-<G16>.stamp: group_score_layers | refs and stamps of the inputs || programs
 *     build build/ref/score-layers/${l}-$k.ref: stage_score_layers | refs of the inputs || $g<N>
 *       l = <label>
 *       k = <K16>
 *
 * A grid of ten thousand cells is read by every ninja, so what repeats is a variable: $l label, $k key, $g<N>
 * stamp of a group, also in the names of inputs; and of a job's inputs only those that no other input stands behind.
 *
 * The stamp is order-only: a changed group never dirties a finished cell. A group waits for the stamps of grouped
 * inputs, not for their reference files, so that one failed calibration does not hold up the others.
 *
 * cells/NAME is a command that computes this cell alone; of one that cannot exist it says why.
 *
 * Reports, and whatever else is published, are edges whose outputs have names that people know; all belong to the
 * target "grid", which is the default. Their commands end with the turn of the job, if it is not the first that has
 * those files (generator/turns.h).
 *
 * Cached stages have restat and generator set: their output paths contain the recipe key, so neither a changed command
 * line nor a lost .ninja_log may make them run. No edge has a depfile: Ninja deletes outputs of those on Ctrl-C.
 * A missing output after exit 0 would count as unchanged, so stages never exit 0 without their output. Nothing newer
 * than Ninja 1.8 is used.
 */
#ifndef QG_GRAPH_NINJA_H
#define QG_GRAPH_NINJA_H

#include "graph/plan.h"

struct ninja_grid {
	const char *path;             /* build/grid.json, which overview and report read */
	const char *const *overview;  /* [overview_count] files the overview writes */
	size_t overview_count;
	const char *const *excluded;  /* [excluded_count] names of cells that cannot exist; none of them is in the plan */
	size_t excluded_count;
	int report_only;              /* render edges only */
	size_t slots;                 /* depth of pool compute: processes that each use all processors; at least 1 */
};

/* The files that published jobs write: of a cell's report the name, in its folder, of the one that is written last and
 * stands for all (six outputs a report would make Ninja look at 60,000 files on every run of 10,000 cells, and take
 * twice as long); of a job that stands beside the reports the paths. The caller frees each and the array. */
struct ninja_files {
	char *(*of_report)(const struct plan_cell *cell);
	int (*of_job)(const struct plan_job *job, char ***paths, size_t *count);
};

/* A file that would not change stays as it is. -1 after fail(). */
int ninja_write(const struct plan *plan, const struct ninja_grid *grid, const struct ninja_files *files);

#endif
