/* Files that a test compares with ones kept in the repository.
 *
 * With QUANTGRID_REWRITE=1 in the environment the kept ones are written anew: review the difference.
 */
#ifndef QG_TESTS_GOLDEN_TEXT_H
#define QG_TESTS_GOLDEN_TEXT_H

/* 0 when folder/name and the kept file (from the project's root) are equal; else -1, having printed the first line that
 * differs, or why one of them could not be read. */
int golden_text_compare(const char *folder, const char *name, const char *kept);

#endif
