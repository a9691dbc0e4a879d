/* The table of commands: names, arguments, options and what --help says about them. */
#include "tools/mstore/cli.h"

#define NO_MORE                                                                                    \
    {                                                                                              \
        NULL, 0, NULL, NULL                                                                        \
    }
#define MANY 1000000u

const struct ms_option ms_global_options[] = {
    {"--config", 0, "FILE", "configuration file"},
    {"--help", 'h', NULL, "show this help"},
    {"--jobs", 'j', "N", "calls in flight at once (default: what the storage is good at)"},
    {"--json", 0, NULL, "print results as JSON"},
    {"--levels", 0, "NS=L[,L]", "nesting levels of a namespace; may be repeated"},
    {"--stats", 0, "FILE", "save this process's statistics at exit, for mstore-stats"},
    {"--verbose", 'v', NULL, "say more; twice: much more"},
    {"--version", 0, NULL, "show the version"},
    NO_MORE,
};

static const struct ms_option passwd_options[] = {
    {"--file", 0, "FILE", "put the line into this file of users"},
    {"--token", 0, NULL, "make a token instead of asking for a password"},
    NO_MORE,
};
static const struct ms_option serve_options[] = {
    {"--audit-log", 0, "FILE", "a line for each request: FILE, stderr (default) or none"},
    {"--insecure", 0, NULL, "serve others than this machine even without TLS or users"},
    {"--listen", 0, "ADDRESS", "where (default: 127.0.0.1:5618); repeatable"},
    {"--password-file", 0, "FILE", "its first line is the user's password"},
    {"--permissions", 0, "MAP",
     "a JSON map, or borgbackup-all, -no-delete, -write-only, -read-only"},
    {"--quota", 0, "SIZE", "most bytes the store may hold"},
    {"--set", 0, "KEY=VALUE", "a key of [server], such as requests=100; repeatable"},
    {"--socket-activation", 0, NULL, "the sockets that systemd hands over (descriptor 3)"},
    {"--stdio", 0, NULL, "one client on standard input and output, for ssh"},
    {"--tls-cert", 0, "FILE", "certificate with its chain, PEM"},
    {"--tls-key", 0, "FILE", "key of the certificate, PEM"},
    {"--user", 0, "NAME", "the one user there is"},
    {"--users", 0, "FILE", "users with hashed passwords and tokens"},
    NO_MORE,
};
static const struct ms_option destroy_options[] = {
    {"--yes", 0, NULL, "really destroy the store with all it holds"},
    NO_MORE,
};
static const struct ms_option ls_options[] = {
    {"--all", 'a', NULL, "live and soft-deleted items"},
    {"--deleted", 0, NULL, "only the soft-deleted items"},
    {"--limit", 0, "N", "stop after N items"},
    {"--long", 'l', NULL, "with size, time of change (UTC) and a D for soft-deleted ones"},
    {"--prefix", 0, "TEXT", "only keys that start with TEXT"},
    {"--start-after", 0, "KEY", "only keys behind KEY: to go on with a listing"},
    NO_MORE,
};
static const struct ms_option put_options[] = {
    {"--if-absent", 0, NULL, "only when there is no such item yet, else exit status 4"},
    {"--if-tag", 0, "TAG", "only when the item has this tag (see info), else exit status 4"},
    NO_MORE,
};
static const struct ms_option get_options[] = {
    {"--deleted", 0, NULL, "the soft-deleted item"},
    {"--offset", 0, "N", "begin at byte N; a negative N counts from the end"},
    {"--size", 0, "N", "at most N bytes"},
    NO_MORE,
};
static const struct ms_option deleted_options[] = {
    {"--deleted", 0, NULL, "the soft-deleted item"},
    NO_MORE,
};
static const struct ms_option rm_options[] = {
    {"--deleted", 0, NULL, "delete the soft-deleted item for good"},
    {"--soft", 0, NULL, "only hide the item: undelete brings it back"},
    NO_MORE,
};
static const struct ms_option hash_options[] = {
    {"--algorithm", 0, "A", "sha256 (default), sha512, sha3-256, blake2b512, md5, ..."},
    {"--deleted", 0, NULL, "the soft-deleted item"},
    NO_MORE,
};
static const struct ms_option defrag_options[] = {
    {"--algorithm", 0, "A", "name the new item by this digest (default: sha256)"},
    {"--target", 0, "KEY", "name the new item KEY (without the namespace)"},
    NO_MORE,
};
static const struct ms_option copy_options[] = {
    {"--dry-run", 'n', NULL, "only say what would be copied"},
    {"--dst-levels", 0, "NS=L[,L]", "levels of DST, when they are not those of --levels"},
    {"--namespace", 0, "NS", "only this namespace"},
    {"--no-verify", 0, NULL, "trust that DST keeps what it took; it is not read back"},
    {"--size-only", 0, NULL, "items of the same size count as equal; hashes are not compared"},
    NO_MORE,
};
static const struct ms_option sweep_options[] = {
    {"--older", 0, "TIME", "only what is older than this (default: 1d)"},
    NO_MORE,
};
#define UPKEEP_OPTIONS                                                                             \
    {"--bandwidth", 0, "RATE", "read and write no faster than this, such as 50mbit"},              \
        {"--deep", 0, NULL, "read and verify every copy and every shard"},                         \
        {"--from-start", 0, NULL, "do not go on where an earlier run was interrupted"},            \
    {                                                                                              \
        "--namespace", 0, "NS", "only this namespace, and those inside it"                         \
    }
static const struct ms_option scrub_options[] = {
    UPKEEP_OPTIONS,
    {"--sample", 0, "SHARE", "only a share of the keys, others each time, such as 5%"},
    NO_MORE,
};
static const struct ms_option heal_options[] = {
    UPKEEP_OPTIONS,
    {"--dry-run", 'n', NULL, "only say what would be done"},
    NO_MORE,
};
static const struct ms_option plan_options[] = {
    {"--failure-rate", 0, "RATE", "share of the members that fail in a year (default: 2%)"},
    {"--read-price", 0, "N", "what 1000 gets cost, in whatever currency (default: 0)"},
    {"--repair-time", 0, "TIME", "until a failed one is replaced and filled (default: 12h)"},
    {"--value-size", 0, "SIZE", "bytes of a typical value (default: 1MiB)"},
    {"--write-price", 0, "N", "what 1000 puts or listings cost (default: 0)"},
    NO_MORE,
};
static const struct ms_option add_options[] = {
    {"--dry-run", 'n', NULL, "only say what would move"},
    {"--weight", 0, "N", "its share, relative to the others (default: 1)"},
    {"--witness", 0, NULL, "it votes, but keeps no data"},
    {"--zone", 0, "NAME", "copies are spread over zones (default: its own)"},
    NO_MORE,
};
static const struct ms_option drain_options[] = {
    {"--bandwidth", 0, "RATE", "read and write no faster than this, such as 50mbit"},
    {"--dry-run", 'n', NULL, "only say what would move"},
    NO_MORE,
};
static const struct ms_option replace_options[] = {
    {"--bandwidth", 0, "RATE", "read and write no faster than this, such as 50mbit"},
    {"--dry-run", 'n', NULL, "only say what would move"},
    {"--name", 0, "NAME", "what the new one is called (default: MEMBER-2, then MEMBER-3)"},
    {"--weight", 0, "N", "its share (default: that of the old one)"},
    {"--zone", 0, "NAME", "where it is (default: where the old one was)"},
    NO_MORE,
};
static const struct ms_option bench_options[] = {
    {"--count", 0, "N", "items (default: 256)"},
    {"--namespace", 0, "NS", "put them into this namespace (default: the root)"},
    {"--size", 0, "SIZE", "bytes of an item (default: 4k)"},
    NO_MORE,
};
static const struct ms_option get_tree_options[] = {
    {"--force", 0, NULL, "replace files that differ"},
    {"--links", 0, NULL, "make also symbolic links that lead out of DIR"},
    NO_MORE,
};

const struct ms_command ms_commands[] = {
    {"create", "STORE", "Make a new, empty store",
     "Its folder is made when it is not there; one that holds anything is refused.\n",
     "  mstore create file:///srv/store\n", NULL, 1, 1, ms_cmd_create},
    {"destroy", "STORE --yes", "Remove a store with all it holds", "",
     "  mstore destroy file:///srv/store --yes\n", destroy_options, 1, 1, ms_cmd_destroy},
    {"ls", "STORE [NAMESPACE]", "List items, sorted",
     "Whole names, NAMESPACE/NAME, one on a line, as other commands take them. --prefix and\n"
     "--start-after take whole names too, or names without NAMESPACE when one is given.\n"
     "On a terminal odd bytes of a name are shown as \\xNN; with --json each line is an object.\n",
     "  mstore ls nas\n"
     "  mstore ls nas data --long\n"
     "  mstore ls nas data --deleted | xargs -n 1 mstore undelete nas\n"
     "  mstore ls nas data --limit 1000 --start-after data/0123\n",
     ls_options, 1, 2, ms_cmd_ls},
    {"put", "STORE KEY [FILE|-]", "Store a file, or what comes in",
     "Without FILE, or with -, from standard input (which may not be a terminal then). The item\n"
     "appears when it is whole; one that is there is replaced. In a store of many a key of kind\n"
     "immutable keeps its value: in shards (ec) another one is refused, delete the key first.\n",
     "  mstore put nas data/notes notes.txt\n"
     "  tar c folder | mstore put nas backup/folder.tar\n"
     "  mstore put nas locks/me --if-absent </dev/null\n",
     put_options, 2, 3, ms_cmd_put},
    {"get", "STORE KEY [FILE|-]", "Load an item, or a part of it",
     "Without FILE, or with -, to standard output. FILE appears when it is whole, and replaces\n"
     "one that is there.\n",
     "  mstore get nas data/notes notes.txt\n"
     "  mstore get nas backup/folder.tar | tar x\n"
     "  mstore get nas data/notes --offset -100 --size 50\n",
     get_options, 2, 3, ms_cmd_get},
    {"info", "STORE KEY", "Show size and times of an item", "",
     "  mstore info nas data/notes\n  mstore info nas data/notes --json\n", deleted_options, 2, 2,
     ms_cmd_info},
    {"rm", "STORE KEY...", "Delete items",
     "All keys are tried; the exit status is that of the first one that failed.\n",
     "  mstore rm nas data/notes\n  mstore rm nas --soft data/a data/b\n", rm_options, 2, MANY,
     ms_cmd_rm},
    {"undelete", "STORE KEY...", "Bring back soft-deleted items",
     "Exit status 4 when a live item has the name by now.\n", "  mstore undelete nas data/notes\n",
     NULL, 2, MANY, ms_cmd_undelete},
    {"mv", "STORE KEY NEW", "Rename an item",
     "An item that is at NEW is replaced; where put would refuse that, so does mv.\n",
     "  mstore mv nas data/notes data/notes-2026\n", deleted_options, 3, 3, ms_cmd_mv},
    {"hash", "STORE KEY", "Print the digest of an item",
     "Computed where the data is, when the storage can.\n",
     "  mstore hash nas data/notes\n  mstore hash nas data/notes --algorithm sha512\n",
     hash_options, 2, 2, ms_cmd_hash},
    {"defrag", "STORE NAMESPACE KEY:OFFSET:LENGTH...", "Make a new item from parts of others",
     "KEY is without the namespace. The parts are joined in order; the key of the new item is\n"
     "printed, with its namespace.\n",
     "  mstore defrag nas data 0123:0:4096 4567:100:2k\n"
     "  mstore defrag nas data --target joined a:0:10 b:0:10\n",
     defrag_options, 3, MANY, ms_cmd_defrag},
    {"copy", "SRC DST", "Copy all items from one store to another",
     "Soft-deleted items stay soft-deleted. What is there already and equal (by size and SHA-256)\n"
     "is passed over, so a copy that was broken off goes on where it was: run it again. Each\n"
     "copied item is verified: DST hashes it again. Nothing is ever removed from DST. An item\n"
     "that fails is reported, the others go on, and the exit status is 1.\n",
     "  mstore copy nas file:///mnt/usb/store\n"
     "  mstore copy nas usb --namespace data --jobs 8\n"
     "  mstore copy nas usb --dry-run\n",
     copy_options, 2, 2, ms_cmd_copy},
    {"du", "STORE [NAMESPACE]", "Count items and bytes of each namespace", "",
     "  mstore du nas\n  mstore du nas --json\n", NULL, 1, 2, ms_cmd_du},
    {"check", "STORE", "Try out what works on a store, in seconds",
     "One line for each step: ok, not supported, or FAILED with the reason; a step that stands on\n"
     "one that failed is left out. Values go into a folder of their own with a random name, which\n"
     "is removed in the end, also after Ctrl-C; what the store holds is not touched. Permissions,\n"
     "quota and cache of the configuration play no part. Of a store of many (FILE.conf) each\n"
     "member is tried out by itself, then the layout, the members' marks, what each namespace\n"
     "bears, and a value of each kind. Exit status 0 when nothing failed, else that of the first\n"
     "failure: 3 no such store, 5 not reached, 6 not let in or not trusted, 1 anything else.\n",
     "  mstore check nas\n"
     "  mstore check home.conf\n"
     "  mstore check sftp://me@host/backup\n"
     "  mstore check s3:profile@https://s3.example.org/bucket/path --json\n",
     NULL, 1, 1, ms_cmd_check},
    {"status", "FILE.conf", "Show the members of a store of many, and what its namespaces bear",
     "Asks every member. Exit status 5 when one of them cannot be used.\n",
     "  mstore status home.conf\n  mstore status home.conf --json\n", NULL, 1, 1, ms_cmd_status},
    {"plan", "FILE.conf", "Say what a store of many will store, bear and cost",
     "For each namespace: bytes stored for a byte, members that may be lost, the chance that a\n"
     "value is lost within a year, and that any of very many is, requests of a put (over a value\n"
     "that is there) and a get, and their price. From the file alone: no member is asked, and the\n"
     "store need not exist yet. Members are taken to fail independently; one house or provider\n"
     "for all of them is not in the figures.\n",
     "  mstore plan home.conf\n"
     "  mstore plan home.conf --failure-rate 5% --repair-time 3d\n"
     "  mstore plan home.conf --value-size 64k --write-price 0.005 --read-price 0.0004 --json\n",
     plan_options, 1, 1, ms_cmd_plan},
    {"scrub", "FILE.conf", "Look for what is missing or damaged in a store of many",
     "Compares what all members list: copies and shards that are missing, superfluous, of a\n"
     "wrong size, older versions, leftovers. --deep also reads all of it. Nothing is changed. The\n"
     "first 20 findings are shown; --verbose shows all. Exit status 7 when something is not as it\n"
     "should be, 5 when a member did not answer. The next run goes on where one was interrupted.\n",
     "  mstore scrub home.conf\n"
     "  mstore scrub home.conf --deep --bandwidth 50mbit\n"
     "  mstore scrub home.conf --deep --sample 5% --namespace data --json\n",
     scrub_options, 1, 1, ms_cmd_scrub},
    {"heal", "FILE.conf", "Put right what is missing or damaged in a store of many",
     "Writes missing and damaged copies and shards from good ones, finishes deletions, removes\n"
     "leftovers. What contradicts itself is set aside, not destroyed. Run it after a member was\n"
     "away, or has lost its data and is there again, empty, under its mark. What was missing or\n"
     "superfluous and is put right is listed with --verbose alone. Exit status 7 when something\n"
     "is left, 5 when a member did not answer. The next run goes on where one was interrupted.\n",
     "  mstore heal home.conf\n"
     "  mstore heal home.conf --dry-run\n"
     "  mstore heal home.conf --deep --bandwidth 50mbit\n",
     heal_options, 1, 1, ms_cmd_heal},
    {"rebalance", "FILE.conf", "Heal, and bring all to where the layout wants it",
     "Moves copies and shards to the members they belong to, and no others; removes what is\n"
     "superfluous once the rest has been read and verified. Exit status as of heal.\n",
     "  mstore rebalance home.conf --dry-run\n"
     "  mstore rebalance home.conf --bandwidth 50mbit\n",
     heal_options, 1, 1, ms_cmd_rebalance},
    {"add", "FILE.conf MEMBER URL", "Give a store of many another member",
     "URL's storage is made when it is not there. [member MEMBER] is appended to FILE.conf; other\n"
     "clients' files need it too, and work without meanwhile. Clients may go on. It takes some 22\n"
     "seconds until all of them know. Data moves there with rebalance. Interrupted, run it again.\n"
     "Exit status 5 when too few members answer.\n",
     "  mstore add home.conf usb file:///mnt/usb/store\n"
     "  mstore add home.conf s3 s3:me@https://s3.example.org/bucket/store --zone cloud\n"
     "  mstore add home.conf usb file:///mnt/usb/store --dry-run\n",
     add_options, 3, 3, ms_cmd_add},
    {"drain", "FILE.conf MEMBER", "Take a member out of a store of many",
     "It gets nothing new, what it has moves to others, and when nothing is left it is gone for\n"
     "good. Clients may go on. Interrupted, or with members away, run it again: it goes on, also\n"
     "when MEMBER is gone and some keys are not where they belong yet. Exit status 7 until then,\n"
     "5 when too few members answer.\n",
     "  mstore drain home.conf usb --dry-run\n  mstore drain home.conf usb --bandwidth 50mbit\n",
     drain_options, 2, 2, ms_cmd_drain},
    {"replace", "FILE.conf MEMBER URL", "Let a new, empty member take the place of another",
     "That may be dead: what it had is made again from the others. The new one is called "
     "MEMBER-2,\n"
     "then MEMBER-3, and is appended to FILE.conf; the old one is drained and gone for good.\n"
     "After a disk was changed or wiped, URL may be that of MEMBER: what is there must be empty, "
     "and\n"
     "[member MEMBER] becomes a comment. Otherwise like add and drain; run again, it needs the\n"
     "same URL.\n",
     "  mstore replace home.conf usb file:///mnt/usb2/store\n"
     "  mstore replace home.conf usb file:///mnt/usb/store  # a new disk under the same mount "
     "point\n",
     replace_options, 3, 3, ms_cmd_replace},
    {"sweep", "STORE", "Remove what broken-off writers left behind",
     "A command that is interrupted cleans up behind it. One that was killed, or whose line broke\n"
     "for good, may leave temporaries, or parts of a large value in an S3 bucket: no item shows\n"
     "them, but they take room. What is younger than --older may belong to a writer that runs.\n",
     "  mstore sweep nas\n  mstore sweep nas --older 2h\n", sweep_options, 1, 1, ms_cmd_sweep},
    {"bench", "STORE", "Measure a store: rates and latencies",
     "Writes items of its own, loads, lists and deletes them; cleans up, also after Ctrl-C.\n",
     "  mstore bench nas\n  mstore bench nas --size 1MiB --count 64 --jobs 8\n", bench_options, 1,
     1, ms_cmd_bench},
    {"serve", "[STORE]", "Serve a store over HTTP to BorgStore clients, with a page for people",
     "BorgStore's REST protocol for its clients and Borg 2; /ui for browsers, /metrics for\n"
     "Prometheus. Several stores, users and limits: sections [server] and [serve NAME] of the\n"
     "configuration file, then without STORE; see docs/server.md. Others than this machine are\n"
     "served only over TLS and with users. SIGTERM or Ctrl-C ends it when what is under way is\n"
     "done; a second one at once. SIGHUP reads configuration, users and certificate again.\n"
     "ADDRESS is HOST:PORT, [IPV6]:PORT or unix:PATH. The password may also come from\n"
     "$MSTORE_SERVE_PASSWORD.\n",
     "  mstore serve nas\n  mstore serve nas --listen 0.0.0.0:5618 --tls-cert cert.pem --tls-key "
     "key.pem \\\n      --user alice --password-file secret\n  mstore --config "
     "/etc/mstore/server.conf serve\n",
     serve_options, 0, 1, ms_cmd_serve},
    {"passwd", "USER", "Make a line for the server's file of users",
     "Asks for the password twice, or reads it from standard input when that is no terminal. The\n"
     "file keeps a hash alone (scrypt). A token is shown once; programs send it as\n"
     "\"Authorization: Bearer TOKEN\". Without --file the line goes to standard output.\n",
     "  mstore passwd --file /etc/mstore/users alice\n"
     "  mstore passwd --file /etc/mstore/users --token prometheus\n",
     passwd_options, 1, 1, ms_cmd_passwd},
    {"stats", "[STORE|PID|FILE]", "Show the counters of running mstore programs, in short",
     "Without an argument those of all running processes of this user; of one process; of a\n"
     "saved file; or only the lines about one store. mstore-stats shows far more: histograms,\n"
     "a live view, differences, Prometheus text, an HTML report.\n",
     "  mstore stats\n  mstore stats 4711\n  mstore copy nas usb --stats copy.stats; mstore stats "
     "copy.stats\n",
     NULL, 0, 1, ms_cmd_stats},
    {"put-tree", "STORE NAMESPACE DIR", "Store the files of a folder",
     "Each content is stored once, under its SHA-256, and NAMESPACE/index maps the paths to\n"
     "them, with modes, times, symbolic links and empty folders. A namespace holds one tree: the\n"
     "next put-tree replaces the index. Links are not followed; sockets and devices are left\n"
     "out. A file that cannot be read, or changes meanwhile, is reported and left out (exit\n"
     "status 1). Run it again to go on after a break.\n",
     "  mstore put-tree nas photos ~/Photos\n", NULL, 3, 3, ms_cmd_put_tree},
    {"get-tree", "STORE NAMESPACE DIR", "Get back the files of a folder",
     "Each file is verified by its SHA-256 and appears when it is whole. Nothing is written\n"
     "outside DIR, whatever the index says. Files that are there already and equal (size, time,\n"
     "content) are passed over; others are left alone (exit status 4) without --force. Links\n"
     "that are absolute or lead out of DIR are left out (exit status 1) without --links. Modes\n"
     "are kept except set-user-ID, set-group-ID and sticky bits.\n",
     "  mstore get-tree nas photos ~/Photos-again\n", get_tree_options, 3, 3, ms_cmd_get_tree},
    {"help", "[COMMAND]", "Show help", "", "  mstore help copy\n", NULL, 0, 1, ms_cmd_help},
    {NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL},
};

const struct ms_command *ms_command_find(const char *name)
{
    for (const struct ms_command *c = ms_commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}
