/* mstore/immutable_move.c - soft delete and undelete of an immutable key: the live item goes where
 * the soft-deleted one is, or back.
 *
 * The two are items of their own, told apart by the mark in their objects' names, each with
 * tombstones of its own. No bytes are copied: each member renames what it has.
 *
 *     1  is the one there, and for an undelete: is the other not? A soft delete deletes another
 *        value that was soft-deleted before, where every write has names of its own
 *     2  an intent on a majority: from here on heal finishes it, or takes it back
 *     3  a deletion of the one item (mstore/immutable_delete.c), whose objects are not deleted but
 *        renamed; what is left at members that do not answer is a leftover of that deletion
 *     4  the intent goes
 *
 * Until 3 is done some objects are live, others soft-deleted. A copy is found under both names;
 * shards count for both as long as neither has enough (ms_value_find): so one of the two can be
 * read at any moment. */
#include "mstore/immutable_parts.h"

#include "base/text.h"
#include "mstore/intent.h"
#include "mstore/tombs.h"

/* NOT_FOUND, or who may have it. *most: ms_immutable_most. */
static int must_exist(const struct ms_site *site, unsigned *most, struct ms_error *err)
{
    struct ms_value_finding f = {0};
    int code = ms_value_find(site, 0, true, &f, err);
    if (code)
        return code;
    code = f.complete ? ms_immutable_alive(site, &f, err) : ms_immutable_judge(site, &f, err);
    *most = ms_immutable_most(&f);
    ms_value_finding_fini(&f);
    return code;
}

static int must_not_exist(const struct ms_site *site, struct ms_error *err)
{
    struct ms_error own = {0};
    unsigned most;
    int code = must_exist(site, &most, &own);
    if (code == MS_ERR_NOT_FOUND)
        return 0;
    if (!code)
        return ms_error_set(err, MS_ERR_EXISTS, "%s has been stored again since it was deleted",
                            MS_SHOW(site->key));
    return ms_error_set(err, code, "%s", own.text);
}

static int change(const struct ms_site *from, enum ms_own_op op, unsigned most, struct ms_ids *ids,
                  struct ms_error *err)
{
    struct ms_tomb newest = {0};
    struct ms_intent intent;
    int code = ms_tombs_look(from, &newest, err);
    if (code)
        return code;
    struct ms_write_id id = {newest.last + 1, ms_ids_draw(ids)};
    code = ms_intent_init(&intent, op, id, false, ms_view(NULL, 0), err);
    if (!code)
        code = ms_intent_put(from, &intent, err);
    if (!code)
        code = ms_immutable_turn(from, id, most, err);
    if (code == MS_ERR_NOT_FOUND) /* deleted in the same moment */
        (void)!ms_intent_drop(from, &intent, NULL);
    return code ? code : ms_intent_drop(from, &intent, err);
}

/* Another value that was soft-deleted before is deleted, where it would lie beside the new one.
 * Broken off behind this, it is gone, and the live item as it was. */
static int make_room(const struct ms_site *live, struct ms_ids *ids, struct ms_error *err)
{
    struct ms_site deleted = *live;
    deleted.deleted = true;
    struct ms_immutable_rival r;
    struct ms_error own = {0};
    int code = ms_immutable_rival_open(&deleted, &r, &own);
    if (!code && r.reader)
        code = ms_immutable_rival_read(&r, live, &own);
    ms_immutable_rival_close(&r);
    if (code == MS_ERR_CONFLICT)
        code = ms_immutable_delete(&deleted, ids, &own);
    return code && code != MS_ERR_NOT_FOUND ? ms_error_set(err, code, "%s", own.text) : 0;
}

int ms_immutable_soft_delete(const struct ms_site *site, struct ms_ids *ids, struct ms_error *err)
{
    struct ms_site live = *site;
    live.deleted = false;
    unsigned most = 0;
    int code = must_exist(&live, &most, err);
    if (!code)
        code = make_room(&live, ids, err);
    return code ? code : change(&live, MS_OWN_SOFT_DELETE, most, ids, err);
}

int ms_immutable_undelete(const struct ms_site *site, struct ms_ids *ids, struct ms_error *err)
{
    struct ms_site live = *site, deleted = *site;
    live.deleted = false;
    deleted.deleted = true;
    unsigned most = 0;
    int code = must_exist(&deleted, &most, err);
    if (!code)
        code = must_not_exist(&live, err);
    return code ? code : change(&deleted, MS_OWN_UNDELETE, most, ids, err);
}
