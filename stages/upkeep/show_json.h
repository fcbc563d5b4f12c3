/* JSON for people: a member a line, short values on one line, long lists cut. Private to upkeep/. */
#ifndef QG_UPKEEP_SHOW_JSON_H
#define QG_UPKEEP_SHOW_JSON_H

#include <cjson/cJSON.h>
#include <stdio.h>

/* Elements of a list that are shown unless all are asked for. */
enum { SHOW_ELEMENTS = 8 };

/* Prints the members of an object (or elements of an array), depth blanks times four in front. */
void show_json(FILE *to, const cJSON *value, int depth, int all);

#endif
