/* What an overview finds out by comparing cells, for its Markdown and its JSON. */
#ifndef QG_REPORT_OVERVIEW_FINDINGS_H
#define QG_REPORT_OVERVIEW_FINDINGS_H

#include "report/overview_agreement.h"
#include "report/overview_budgets.h"
#include "report/overview_checks.h"

struct overview_findings {
	struct overview_budgets budgets;
	struct overview_comparisons sizes, methods;
	struct overview_checks checks;
};

/* -1 after fail(); then nothing is held. */
int overview_findings_make(struct overview_findings *findings, const struct overview *overview,
	const struct overview_table *table);
void overview_findings_release(struct overview_findings *findings);

#endif
