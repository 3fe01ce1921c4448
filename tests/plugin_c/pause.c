/* A plugin in C with two kinds that never come to an end: `c.nap` looks every millisecond whether it is to stop, `c.deaf`
 * does not look at all. For tests of what a run does about them.
 *
 *     cc -shared -fPIC -I crates/abi/include tests/plugin_c/pause.c -o libpause.so */

#define _POSIX_C_SOURCE 199309L

#include "rondel.h"

#include <string.h>
#include <time.h>

/* Text for the host; only for literals. */
#define STR(literal) ((rondel_str){(literal), sizeof(literal) - 1})

static void sleep_a_millisecond(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, 0); }

/* Says that it has begun, as if that were the end: progress on the way may be dropped. */
static const rondel_run *begin(const rondel_call *call) {
    const rondel_run *run = call->get_extension(call, STR(RONDEL_RUN));
    if (run) run->progress(call, 1, 1, STR("waiting"));
    return run;
}

static rondel_status nap(const rondel_node *node, const rondel_call *call) {
    (void)node;
    const rondel_run *run = begin(call);
    while (run && !run->cancelled(call)) sleep_a_millisecond();
    return RONDEL_CANCELLED;
}

static rondel_status deaf(const rondel_node *node, const rondel_call *call) {
    (void)node;
    begin(call);
    while (call) sleep_a_millisecond();
    return RONDEL_OK;
}

#define SPEC(kind) \
    STR("{\"kind\": \"" kind "\", \"version\": 1, \"category\": \"test\", \"doc\": \"Waits.\", \"inputs\": []," \
        " \"outputs\": [{\"name\": \"value\", \"type\": \"Int\"}]}")

static const rondel_node nodes[] = {
    {.struct_size = sizeof(rondel_node), .spec_json = SPEC("c.nap"), .run = nap},
    {.struct_size = sizeof(rondel_node), .spec_json = SPEC("c.deaf"), .run = deaf},
};

static uint32_t count(const rondel_node_factory *factory) {
    (void)factory;
    return sizeof(nodes) / sizeof(nodes[0]);
}

static const rondel_node *get(const rondel_node_factory *factory, uint32_t index) {
    return index < count(factory) ? &nodes[index] : 0;
}

static const rondel_node_factory factory = {.struct_size = sizeof(rondel_node_factory), .count = count, .get = get};

static rondel_status init(const rondel_host *host, rondel_str path) {
    (void)host;
    (void)path;
    return RONDEL_OK;
}

static const void *get_factory(rondel_str id) {
    const rondel_str known = STR(RONDEL_NODE_FACTORY);
    return id.len == known.len && memcmp(id.ptr, known.ptr, id.len) == 0 ? &factory : 0;
}

const rondel_entry rondel_entry_pause = {
    .struct_size = sizeof(rondel_entry),
    .abi_major = RONDEL_ABI_MAJOR,
    .abi_minor = RONDEL_ABI_MINOR,
    .name = STR("pause"),
    .version = STR("0.1.0"),
    .build = STR("c"),
    .init = init,
    .get_factory = get_factory,
};
