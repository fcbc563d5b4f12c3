/* The part of the summary that tells of cells that differ in name only. Private to generator/. */
#ifndef QG_GENERATOR_SUMMARY_TWINS_H
#define QG_GENERATOR_SUMMARY_TWINS_H

#include "graph/plan.h"

void summary_print_twins(const struct plan *plan);

#endif
