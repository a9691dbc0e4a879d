/* backends/secret.h - where the text of a URL holds secrets, also when it is no good URL.
 *
 * A secret is a password in "//USER:PASSWORD@", the SECRET in "s3:KEY:SECRET@…", or the value of an
 * option that is called so. A login in an opaque URL ends at the last '@' that an endpoint or a
 * bucket follows, so that a secret with an '@' or a '/' in it is never cut short. No state; any
 * thread. */
#ifndef BACKENDS_SECRET_H
#define BACKENDS_SECRET_H

#include <mstore/base.h>

/* Overwrites each secret in a URL with as many 'x'; true when there was one. Where it is in doubt,
 * rather more is overwritten. */
bool ms_secret_mask(char *url);
/* How long "LOGIN@" in front of an opaque URL's rest (behind "SCHEME:") is; 0: there is none. */
size_t ms_secret_login(struct ms_view rest);
/* MS_ERR_URL when a secret may have been cut at a character that has to be written as %XX: what
 * comes behind could then be shown. `rest` is all behind "SCHEME:". */
int ms_secret_check(struct ms_view rest, struct ms_error *err) MS_MUST_CHECK;

#endif
