/* An object (formats/object.h) as text: header, digests, description, arrays and their statistics. Private to upkeep/. */
#ifndef QG_UPKEEP_SHOW_OBJECT_H
#define QG_UPKEEP_SHOW_OBJECT_H

#include <stdio.h>

/* Checks every hash, and that a file in a cache has the name of its content. all: every element of lists and arrays. -1
 * after fail() saying what is damaged. */
int show_object(FILE *to, const char *path, int all);

#endif
