/* Functions of the value grammar: casts, sort() and the sweeps choice(), range(), glob(). Private to config/. */
#ifndef QG_CONFIG_VALUE_CALL_H
#define QG_CONFIG_VALUE_CALL_H

#include "config/value.h"

/* A call as parsed. */
struct value_call {
	const char *name;
	struct origin at;
	struct value *arguments;   /* plain ones */
	size_t count, capacity;
	char *names[3];            /* named ones */
	struct value named[3];
	size_t named_count;
};

/* Runs it; value takes over what it needs of the arguments. -1 after fail(). */
int value_call_run(struct value_call *c, struct value *value);
void value_call_release(struct value_call *c);

#endif
