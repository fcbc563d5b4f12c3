/* Whose files lie where people look for them: build/published (build_folder.md).
 *
 * The files of a report have the same names whatever they are made of, so that they belong to one job now and to
 * another after the next ./configure. Ninja knows which command wrote them by its log, but what "ninja report" and
 * "ninja cells/NAME" write does not stand there, nor what the last command of a ninja that was killed wrote. When the
 * graph went back, Ninja would take the files of the other job for those of this one. So the command of each such
 * edge tells the turn, which is another one whenever the files went from one job to another: no command that Ninja
 * remembers comes again.
 */
#ifndef QG_GENERATOR_TURNS_H
#define QG_GENERATOR_TURNS_H

#include "graph/plan.h"

/* Sets the turn of every published job and takes note of it; to be called before the Ninja files are written. -1 after
 * fail(). */
int turns_take(struct plan *plan);

#endif
