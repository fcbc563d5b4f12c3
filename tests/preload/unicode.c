/* A utf8proc of another version of Unicode, for what comes of that in keys: only its name is another one. */
const char *utf8proc_unicode_version(void);

const char *utf8proc_unicode_version(void)
{
	return "99.0.0";
}
