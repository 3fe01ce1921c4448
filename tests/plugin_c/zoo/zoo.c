/* A plugin in C whose kinds do what no plugin may do, and one whole plugin for each way of not loading. For tests of what
 * the program says about each, and of what it keeps all the same.
 *
 *     cc -shared -fPIC -pthread -I crates/abi/include tests/plugin_c/zoo/zoo.c -o libzoo.so
 *
 * -DMAJOR=2        is built for another version of the boundary
 * -DSIZE=16        says that its entry is smaller, or bigger, than it is
 * -DKIND='"solid"' offers a kind of this name, which may be taken
 * -DNAME='"a\033b"' calls itself so
 * -DAT_LOAD        crashes while it is opened
 * -DAT_INIT        leaves from `init`
 * -DHANGS          never comes out of `init`
 * -DRAISES=SIGINT  ends in `init` by this signal
 * -DPRINTS         prints in `init` without end */

#define _GNU_SOURCE

#include "rondel.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef MAJOR
#define MAJOR RONDEL_ABI_MAJOR
#endif
#ifndef SIZE
#define SIZE sizeof(rondel_entry)
#endif
#ifndef NAME
#define NAME "zoo"
#endif
#ifndef KIND
#define KIND "zoo.echo"
#endif

/* Text for the host; only for literals. */
#define STR(literal) ((rondel_str){(literal), sizeof(literal) - 1})

static void sleep_milliseconds(long n) {
    nanosleep(&(struct timespec){.tv_sec = n / 1000, .tv_nsec = n % 1000 * 1000000}, 0);
}

static rondel_status set(const rondel_call *call, int64_t value) {
    return call->set_output(call, 0, &(rondel_value){.tag = RONDEL_INT, .as.i = value});
}

/* ---- at one's own expense ---- */

static rondel_status panics(const rondel_node *node, const rondel_call *call) {
    (void)node;
    call->fail(call, -1, STR("index out of bounds"));
    return RONDEL_PANICKED;
}

/* Colours what follows, and names the window. */
static rondel_status paints_the_terminal(const rondel_node *node, const rondel_call *call) {
    (void)node;
    call->fail(call, -1, STR("no \x1b[31mluck\x1b]0;mine\a"));
    return RONDEL_FAILED;
}

static rondel_status wrong_type(const rondel_node *node, const rondel_call *call) {
    (void)node;
    call->set_output(call, 0, &(rondel_value){.tag = RONDEL_TEXT, .as.text = STR("seven")});
    return RONDEL_OK;
}

static rondel_status nothing(const rondel_node *node, const rondel_call *call) {
    (void)node;
    (void)call;
    return RONDEL_OK;
}

static rondel_status both(const rondel_node *node, const rondel_call *call) {
    (void)node;
    call->fail(call, -1, STR("no luck"));
    set(call, 7);
    return RONDEL_OK;
}

/* ---- at the expense of the process ---- */

static rondel_status aborts(const rondel_node *node, const rondel_call *call) {
    (void)node;
    (void)call;
    fprintf(stderr, "nothing is as it should be\n");
    abort();
}

static rondel_status null_pointer(const rondel_node *node, const rondel_call *call) {
    (void)call;
    volatile int *nowhere = (int *)node->plugin_data; /* null */
    *nowhere = 1;
    return RONDEL_OK;
}

static rondel_status leaves(const rondel_node *node, const rondel_call *call) {
    (void)node;
    set(call, 7);
    exit(0);
}

static rondel_status spins(const rondel_node *node, const rondel_call *call) {
    (void)node;
    const rondel_run *run = call->get_extension(call, STR(RONDEL_RUN));
    if (run) run->progress(call, 1, 1, STR("spinning"));
    for (volatile uint64_t n = 0;; n++) {
    }
    return RONDEL_OK;
}

static rondel_status hoards(const rondel_node *node, const rondel_call *call) {
    (void)node;
    (void)call;
    for (;;) {
        char *more = malloc(1 << 20);
        if (more) memset(more, 7, 1 << 20);
        sleep_milliseconds(1); /* so that a test does not take the memory of others */
    }
    return RONDEL_OK;
}

static rondel_status hoards_shared(const rondel_node *node, const rondel_call *call) {
    (void)node;
    (void)call;
    for (;;) {
        char *more = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (more != MAP_FAILED) memset(more, 7, 1 << 20);
        sleep_milliseconds(1);
    }
    return RONDEL_OK;
}

/* Memory that is nowhere mapped. */
static rondel_status hoards_unseen(const rondel_node *node, const rondel_call *call) {
    (void)node;
    (void)call;
    static const char some[1 << 20] = {7};
    const int hoard = memfd_create("hoard", 0);
    for (;;) {
        if (write(hoard, some, sizeof some) < 0) return RONDEL_FAILED;
        sleep_milliseconds(1);
    }
}

/* ---- with threads ---- */

static void *outlives(void *unused) {
    for (;;) sleep_milliseconds(1000);
    return unused;
}

static rondel_status leaves_a_thread(const rondel_node *node, const rondel_call *call) {
    (void)node;
    pthread_t thread;
    if (pthread_create(&thread, 0, outlives, 0) || pthread_detach(thread)) return RONDEL_FAILED;
    return set(call, 7);
}

/* Whether a thread is about to call too late, and whether another run has begun, which is what it waits for. */
static atomic_bool someone_is_late;
static atomic_bool next_has_begun;

static void *is_late(void *call) {
    while (!atomic_load(&next_has_begun)) sleep_milliseconds(1);
    const rondel_run *run = ((const rondel_call *)call)->get_extension(call, STR(RONDEL_RUN));
    if (run) run->progress(call, 1, 1, STR("late"));
    atomic_store(&someone_is_late, false);
    return 0;
}

static rondel_status calls_late(const rondel_node *node, const rondel_call *call) {
    (void)node;
    pthread_t thread;
    atomic_store(&next_has_begun, false);
    atomic_store(&someone_is_late, true);
    if (pthread_create(&thread, 0, is_late, (void *)call) || pthread_detach(thread)) return RONDEL_FAILED;
    return set(call, 7);
}

/* For whoever is late, or else for two seconds. */
static rondel_status waits(const rondel_node *node, const rondel_call *call) {
    (void)node;
    const rondel_run *run = call->get_extension(call, STR(RONDEL_RUN));
    if (run) run->progress(call, 1, 1, STR("waiting"));
    const bool has_company = atomic_load(&someone_is_late);
    atomic_store(&next_has_begun, true);
    for (int i = 0; has_company ? atomic_load(&someone_is_late) : i < 2000; i++) {
        if (run && run->cancelled(call)) return RONDEL_CANCELLED;
        sleep_milliseconds(1);
    }
    return set(call, call->n_inputs ? call->inputs[0].as.i : 7);
}

/* ---- and some that behave ---- */

static rondel_status echoes(const rondel_node *node, const rondel_call *call) {
    (void)node;
    return call->set_output(call, 0, &call->inputs[0]);
}

static rondel_status prints(const rondel_node *node, const rondel_call *call) {
    (void)node;
    for (int64_t i = 0; i < call->inputs[0].as.i; i++) printf("on standard output\n");
    return set(call, 7);
}

static const rondel_host *host;

static bool gives_back(void *data) {
    (void)data;
    return true;
}

/* Keeps so many bytes, or says that it may not: 1 or 0. */
static rondel_status keeps(const rondel_node *node, const rondel_call *call) {
    (void)node;
    const rondel_memory *memory = host->get_extension(host, STR(RONDEL_MEMORY));
    if (!memory || memory->budget(host) != 100) return RONDEL_UNSUPPORTED;
    return set(call, memory->reserve(host, (uint64_t)call->inputs[0].as.i, STR("kept"), gives_back, 0) != 0);
}

static void hear_picture(void *data, const rondel_bundle *image) {
    const rondel_call *call = data;
    call->set_output(call, 0, &(rondel_value){.tag = RONDEL_BUNDLE, .as.bundle = image});
}

static void hear_text(void *data, rondel_str text) {
    const rondel_call *call = data;
    const rondel_log *log = call->get_extension(call, STR(RONDEL_LOG));
    if (log) log->log(call, RONDEL_INFO, text);
}

/* Asks a hosted model for one picture after this one, and tells what it hears besides. */
static rondel_status paints(const rondel_node *node, const rondel_call *call) {
    (void)node;
    const rondel_hosted *hosted = call->get_extension(call, STR(RONDEL_HOSTED));
    const rondel_str request = STR("{\"model\": \"fox\", \"prompt\": \"a fox\", \"n\": 1, \"route\": \"Cheapest\"}");
    if (!hosted) return RONDEL_UNSUPPORTED;
    return hosted->paint(call, request, call->inputs, 1, hear_picture, hear_text, (void *)call);
}

/* Thinks for ever about what a run would need. */
static rondel_status muses(const rondel_node *node, const rondel_call *call, rondel_text_sink sink, void *data) {
    (void)node, (void)call, (void)sink, (void)data;
    for (;;) sleep_milliseconds(1000);
    return RONDEL_OK;
}

static const rondel_cost musing = {.struct_size = sizeof(rondel_cost), .cost = muses};

static const void *thinks(const rondel_node *node, rondel_str id) {
    (void)node;
    const rondel_str known = STR(RONDEL_COST);
    return id.len == known.len && memcmp(id.ptr, known.ptr, id.len) == 0 ? &musing : 0;
}

static rondel_status talks(const rondel_node *node, const rondel_call *call) {
    (void)node;
    const rondel_log *log = call->get_extension(call, STR(RONDEL_LOG));
    if (!log) return RONDEL_UNSUPPORTED;
    static char words[1 << 16];
    memset(words, 'x', sizeof(words));
    for (int i = 0; i < 1500; i++) log->log(call, RONDEL_INFO, (rondel_str){words, sizeof(words)});
    return set(call, 7);
}

#define LANE(kind, lane, inputs, type)                                                                                  \
    STR("{\"kind\": \"" kind "\", \"version\": 1, \"category\": \"test\", \"doc\": \"Is not to be used.\"," lane   \
        " \"inputs\": [" inputs "], \"outputs\": [{\"name\": \"value\", \"type\": \"" type "\"}]}")
#define SPEC(kind, inputs, type) LANE(kind, "", inputs, type)
#define NODE(kind, function) {.struct_size = sizeof(rondel_node), .spec_json = SPEC(kind, "", "Int"), .run = function}

static const rondel_node nodes[] = {
    {.struct_size = sizeof(rondel_node),
     .spec_json = SPEC(KIND, "{\"name\": \"image\", \"type\": \"Image\"}", "Image"),
     .run = echoes},
    {.struct_size = sizeof(rondel_node),
     .spec_json = SPEC("zoo.waits", "{\"name\": \"after\", \"type\": \"Int\"}", "Int"),
     .run = waits},
    {.struct_size = sizeof(rondel_node),
     .spec_json = LANE("zoo.waits_outside", " \"effect\": true,", "{\"name\": \"after\", \"type\": \"Int\"}", "Int"),
     .run = waits},
    {.struct_size = sizeof(rondel_node),
     .spec_json = LANE("zoo.calls_late_outside", " \"effect\": true,", "", "Int"),
     .run = calls_late},
    {.struct_size = sizeof(rondel_node),
     .spec_json = SPEC("zoo.keeps", "{\"name\": \"bytes\", \"type\": \"Int\"}", "Int"),
     .run = keeps},
    {.struct_size = sizeof(rondel_node),
     .spec_json = LANE("zoo.paints", " \"lane\": \"Net\",", "{\"name\": \"image\", \"type\": \"Image\"}", "Image"),
     .run = paints},
    {.struct_size = sizeof(rondel_node),
     .spec_json = SPEC("zoo.paints_here", "{\"name\": \"image\", \"type\": \"Image\"}", "Image"),
     .run = paints},
    NODE("zoo.panics", panics),
    NODE("zoo.paints_the_terminal", paints_the_terminal),
    NODE("zoo.wrong_type", wrong_type),
    NODE("zoo.nothing", nothing),
    NODE("zoo.both", both),
    NODE("zoo.aborts", aborts),
    NODE("zoo.null_pointer", null_pointer),
    NODE("zoo.leaves", leaves),
    NODE("zoo.spins", spins),
    NODE("zoo.hoards", hoards),
    NODE("zoo.hoards_shared", hoards_shared),
    NODE("zoo.hoards_unseen", hoards_unseen),
    NODE("zoo.leaves_a_thread", leaves_a_thread),
    NODE("zoo.calls_late", calls_late),
    NODE("zoo.talks", talks),
    {.struct_size = sizeof(rondel_node),
     .spec_json = SPEC("zoo.muses", "", "Int"),
     .run = leaves_a_thread,
     .get_extension = thinks},
    {.struct_size = sizeof(rondel_node),
     .spec_json = SPEC("zoo.prints", "{\"name\": \"lines\", \"type\": \"Int\"}", "Int"),
     .run = prints},
};

static uint32_t count(const rondel_node_factory *factory) {
    (void)factory;
    return sizeof(nodes) / sizeof(nodes[0]);
}

static const rondel_node *get(const rondel_node_factory *factory, uint32_t index) {
    return index < count(factory) ? &nodes[index] : 0;
}

static const rondel_node_factory factory = {.struct_size = sizeof(rondel_node_factory), .count = count, .get = get};

#ifdef AT_LOAD
__attribute__((constructor)) static void at_load(void) { abort(); }
#endif

static rondel_status init(const rondel_host *given, rondel_str path) {
    (void)path;
    host = given;
#ifdef AT_INIT
    exit(3);
#endif
#ifdef RAISES
    raise(RAISES);
#endif
#ifdef PRINTS
    static char line[1 << 20];
    memset(line, 'x', sizeof(line));
    for (;;) (void)!write(2, line, sizeof(line));
#endif
#ifdef HANGS
    for (;;) sleep_milliseconds(1000);
#endif
    return RONDEL_OK;
}

static const void *get_factory(rondel_str id) {
    const rondel_str known = STR(RONDEL_NODE_FACTORY);
    return id.len == known.len && memcmp(id.ptr, known.ptr, id.len) == 0 ? &factory : 0;
}

const rondel_entry rondel_entry_zoo = {
    .struct_size = SIZE,
    .abi_major = MAJOR,
    .abi_minor = RONDEL_ABI_MINOR,
    .name = STR(NAME),
    .version = STR("0.1.0"),
    .build = STR("c"),
    .init = init,
    .get_factory = get_factory,
};
