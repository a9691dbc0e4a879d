/* server/face.h - a served store in use: the handle that pages, background work and, for an MStore,
 * the REST protocol share. Sections that serve the same store (server_served.one_store) have one
 * face, of one site or of two that follow each other: one count for a quota, one look-after.
 *
 * The store is opened when it is first wanted, and again tried when that failed, at most every few
 * seconds: a store that is made later, or whose storage is away when the server starts, is served
 * as soon as it is there. Background work begins with the opening. Any thread, but begin and end.
 */
#ifndef SERVER_FACE_H
#define SERVER_FACE_H

#include "server/background.h"
#include "server/served.h"

/* The calls that a site needs: s->face becomes a struct server_face. begin touches no storage. */
extern const struct server_faces server_faces_usual;

struct server_face;

/* The open store, with its own settings but without `permissions` and `quota` of the [serve]
 * section: whoever uses it asks server_served_may first. Borrowed, as long as the served is.
 * Fails as opening did. */
int server_face_store(struct server_served *s, struct ms_store **out,
                      struct ms_error *err) MS_MUST_CHECK;
/* Tries that in the background, when it is not open. */
void server_face_try(struct server_served *s);
/* Whoever uses the store for as long as others might end it (server_face_alone) holds it meanwhile;
 * waits while it is being ended. Holding opens nothing. Once: who holds it already, and holds it
 * again, would wait for somebody who waits for them. */
void server_face_hold(struct server_served *s);
void server_face_drop(struct server_served *s);
/* Runs `act` on the closed store when nobody holds it and no background work is under way: creating
 * and destroying. What wants the store afterwards opens it anew. BUSY: others held it too long. */
int server_face_alone(struct server_served *s,
                      int (*act)(void *ctx, struct ms_store *closed, struct ms_error *err),
                      void *ctx, struct ms_error *err) MS_MUST_CHECK;
/* Whether it is an MStore, open or not. */
bool server_face_is_mstore(const struct server_served *s);
/* NULL: the store is not open yet. Borrowed while the store is held. */
struct server_background *server_face_background(struct server_served *s);
/* Applies what the site's configuration says of background work to all its stores, and tries to
 * open them in the background. When the server begins, and after each reload. */
void server_faces_follow(struct server_site *site);

/* The letters of enum ms_permission that the [serve] section grants at a path
 * ("namespace/key", "" the root). */
unsigned server_served_granted(const struct server_served *s, struct ms_view path);

/* For whoever has more to keep with a store, such as the REST protocol: what belongs to it is freed
 * before the store is. NULL at first; set once. */
void *server_face_more(const struct server_served *s);
void server_face_set_more(struct server_served *s, void *more, void (*free_more)(void *more));

#endif
