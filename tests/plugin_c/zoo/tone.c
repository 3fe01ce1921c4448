/* A plugin in C with one kind, `tone.level`, that returns a number which is written in it, for tests that build it anew. If it
 * is to wait, it does so until it is cancelled.
 *
 *     cc -shared -fPIC -DLEVEL=7 -I crates/abi/include tests/plugin_c/zoo/tone.c -o libtone.so
 *
 * The number stands behind a mark in the file, so that a test may write another one without a compiler. */

#define _POSIX_C_SOURCE 199309L

#include "rondel.h"

#include <string.h>
#include <time.h>

#ifndef LEVEL
#define LEVEL 0
#endif

/* Text for the host; only for literals. */
#define STR(literal) ((rondel_str){(literal), sizeof(literal) - 1})

static const volatile struct {
    char mark[8];
    int64_t level;
} number = {"<level>", LEVEL};

static rondel_status level(const rondel_node *node, const rondel_call *call) {
    (void)node;
    const rondel_run *run = call->get_extension(call, STR(RONDEL_RUN));
    while (run && call->inputs[1].as.b) {
        if (run->cancelled(call)) return RONDEL_CANCELLED;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, 0);
    }
    return call->set_output(call, 0, &(rondel_value){.tag = RONDEL_INT, .as.i = number.level});
}

static const rondel_node nodes[] = {{
    .struct_size = sizeof(rondel_node),
    .spec_json = STR("{\"kind\": \"tone.level\", \"version\": 1, \"category\": \"test\", \"doc\": \"Returns a number.\","
                     " \"inputs\": [{\"name\": \"after\", \"type\": \"Int\", \"default\": 0},"
                     "  {\"name\": \"waits\", \"type\": \"Bool\", \"default\": false}],"
                     " \"outputs\": [{\"name\": \"level\", \"type\": \"Int\"}]}"),
    .run = level,
}};

static uint32_t count(const rondel_node_factory *factory) {
    (void)factory;
    return 1;
}

static const rondel_node *get(const rondel_node_factory *factory, uint32_t index) {
    return index < count(factory) ? &nodes[index] : 0;
}

static const rondel_node_factory factory = {.struct_size = sizeof(rondel_node_factory), .count = count, .get = get};

static const void *get_factory(rondel_str id) {
    const rondel_str known = STR(RONDEL_NODE_FACTORY);
    return id.len == known.len && memcmp(id.ptr, known.ptr, id.len) == 0 ? &factory : 0;
}

const rondel_entry rondel_entry_tone = {
    .struct_size = sizeof(rondel_entry),
    .abi_major = RONDEL_ABI_MAJOR,
    .abi_minor = RONDEL_ABI_MINOR,
    .name = STR("tone"),
    .version = STR("0.1.0"),
    .build = STR("c"),
    .get_factory = get_factory,
};
