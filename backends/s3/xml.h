/* backends/s3/xml.h - reads the XML of S3 answers: a flat walk over elements and their text.
 *
 * XML 1.0 as far as such answers need it: elements, attributes (skipped), character data, the five
 * named entities, character references, CDATA, comments, processing instructions. A document type
 * is refused, and so is anything deeper than 16 or malformed. Pure.
 */
#ifndef BACKENDS_S3_XML_H
#define BACKENDS_S3_XML_H

#include <mstore/base.h>

/* Called at the end of every element with its path ("ListBucketResult/Contents/Key", prefixes of
 * name spaces cut) and the text in it, decoded; borrowed. A code other than 0 ends the walk. */
typedef int ms_xml_fn(void *ctx, const char *path, struct ms_view text, struct ms_error *err);

/* PROTOCOL when it is no such XML, else what fn gave. */
int ms_xml_walk(struct ms_view xml, ms_xml_fn *fn, void *ctx, struct ms_error *err);

/* Text for an element's content, with & < > " ' and control characters escaped; malloc'ed. */
char *ms_xml_escape(struct ms_view text);

#endif
