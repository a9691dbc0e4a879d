/* example.c - the smallest useful program: keep a value, get it back, list what is there.
 *
 *   cc example.c $(pkg-config --cflags --libs mstore) -o example && ./example file:///tmp/my-store
 */
#include <mstore/mstore.h>

#include <stdio.h>

static int use(struct ms_store *store, struct ms_error *err)
{
    struct ms_buf_borrowed place;
    struct ms_buf *value = ms_buf_borrow(&place, ms_str("hello, store"));
    int code = ms_store_store(store, ms_str("greetings/hello"), value, NULL, NULL, err);
    if (code)
        return code;

    struct ms_buf *loaded;
    code = ms_store_load(store, ms_str("greetings/hello"), NULL, &loaded, err);
    if (code)
        return code;
    struct ms_view bytes = ms_buf_view(loaded);
    printf("loaded: %.*s\n", (int)bytes.size, (const char *)bytes.data);
    ms_buf_unref(loaded);

    struct ms_store_lister *lister;
    code = ms_store_list(store, "greetings", NULL, &lister, err);
    if (code)
        return code;
    const struct ms_item *item;
    while ((code = ms_store_lister_next(lister, &item, err)) == 0 && item)
        printf("listed: %.*s, %llu bytes\n", (int)item->key.size, (const char *)item->key.data,
               (unsigned long long)item->info.size_bytes);
    ms_store_lister_close(lister);
    return code;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: example URL\n");
        return 2;
    }
    struct ms_error err = {0};
    struct ms_store *store = NULL;
    int code = ms_store_new(argv[1], NULL, &store, &err);
    if (!code) {
        code = ms_store_create(store, &err);
        if (code == MS_ERR_STORE_EXISTS)
            code = 0;
    }
    if (!code)
        code = ms_store_open(store, &err);
    if (!code)
        code = use(store, &err);
    if (code)
        fprintf(stderr, "example: %s\n", err.text);
    ms_store_free(store);
    return code ? 1 : 0;
}
