/* What ./configure prints. */
#ifndef QG_GENERATOR_SUMMARY_H
#define QG_GENERATOR_SUMMARY_H

#include "generator/generator.h"

/* What was found, what will run, and what to type next; after generator_write(). */
void summary_print(struct generator *g);

#endif
