/* Who uses a cache now. Private to upkeep/. */
#ifndef QG_UPKEEP_USERS_H
#define QG_UPKEEP_USERS_H

/* The other processes of this host that have the cache's file of locks open, as far as we may see them: "score-layers of
 * CELL (process 12), fsck (process 34)". NULL when none is seen. The caller frees. */
char *cache_users(const char *cache);

#endif
