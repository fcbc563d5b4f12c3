#include "report/overview_findings.h"

int overview_findings_make(struct overview_findings *f, const struct overview *o, const struct overview_table *t)
{
	*f = (struct overview_findings){0};
	if (overview_budgets_make(&f->budgets, o, t))
		return -1;
	overview_sizes_make(&f->sizes, o, t);
	overview_methods_make(&f->methods, o, t);
	overview_checks_make(&f->checks, o, t);
	return 0;
}

void overview_findings_release(struct overview_findings *f)
{
	overview_budgets_release(&f->budgets);
	overview_comparisons_release(&f->sizes);
	overview_comparisons_release(&f->methods);
	overview_checks_release(&f->checks);
}
