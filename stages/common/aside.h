/* Names of files that are written beside the one they become: NAME.PID@HOST.tmp beside NAME. They say whose they are, so
 * that what a killed process left can be told from what is being written: ninja gc does (upkeep/gc.h).
 */
#ifndef QG_COMMON_ASIDE_H
#define QG_COMMON_ASIDE_H

#include <stddef.h>

enum aside_writer {
	ASIDE_NONE,         /* no name of that kind */
	ASIDE_ALIVE,        /* a process of that number runs here: perhaps another one by now */
	ASIDE_GONE,         /* none does */
	ASIDE_ELSEWHERE,    /* the name is of another host, or of none */
};

/* PATH.PID@HOST.tmp of this process; the caller frees. */
char *aside_name(const char *path);

/* The length of NAME in a name, with or without a folder, that aside_name() made; 0 when it did not. */
size_t aside_base(const char *name);

/* Whose it is. */
enum aside_writer aside_writer(const char *name);

#endif
