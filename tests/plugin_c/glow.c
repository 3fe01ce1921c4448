/* A plugin in C: one kind, `c.glow`, that lifts the brightness of a picture.
 *
 *     cc -shared -fPIC -I crates/abi/include tests/plugin_c/glow.c -o libglow.so
 *
 * It needs the header and nothing else. Memory for its result comes from the host. */

#include "rondel.h"

#include <stddef.h>
#include <string.h>

/* Text for the host; only for literals. */
#define STR(literal) ((rondel_str){(literal), sizeof(literal) - 1})

static const rondel_host *host;

static const void *service(const rondel_call *call, rondel_str id) { return call->get_extension(call, id); }

static rondel_status fail(const rondel_call *call, rondel_status status, int32_t input, rondel_str message) {
    call->fail(call, input, message);
    return status;
}

/* The tensor with this name; null if there is none. */
static const rondel_tensor *tensor(const rondel_bundle *bundle, rondel_str name) {
    for (uint64_t i = 0; i < bundle->n_tensors; i++) {
        const rondel_tensor *found = &bundle->tensors[i];
        if (found->name.len == name.len && memcmp(found->name.ptr, name.ptr, name.len) == 0) return found;
    }
    return 0;
}

/* Whether its bytes lie in host memory, row by row. */
static bool is_plain_bytes(const rondel_tensor *pixels) {
    return pixels->dtype_code == 1 && pixels->dtype_bits == 8 && pixels->dtype_lanes == 1 && pixels->device_type == 1 &&
           pixels->ndim == 3 && !pixels->strides && pixels->data;
}

/* Lifts every colour by `lift` of what is missing to white; alpha stays. Tells of each row and stops when asked to. */
static rondel_status lift_rows(const rondel_call *call, const rondel_tensor *from, const rondel_tensor *to, double lift) {
    const rondel_run *run = service(call, STR(RONDEL_RUN));
    const int64_t height = from->shape[0], width = from->shape[1], channels = from->shape[2];
    const int64_t colours = channels == 4 ? 3 : channels;
    const uint8_t *source = (const uint8_t *)from->data + from->byte_offset;
    uint8_t *target = to->data;
    for (int64_t y = 0; y < height; y++) {
        if (run && run->cancelled(call)) return RONDEL_CANCELLED;
        for (int64_t x = 0; x < width; x++, source += channels, target += channels) {
            for (int64_t c = 0; c < channels; c++)
                target[c] = c < colours ? (uint8_t)(source[c] + lift * (255 - source[c]) + 0.5) : source[c];
        }
        if (run) run->progress(call, (uint64_t)y + 1, (uint64_t)height, STR("rows"));
    }
    return RONDEL_OK;
}

/* Shows the picture to whoever looks. A host that is older than the question has a shorter struct. */
static void show(const rondel_call *call, const rondel_bundle *picture) {
    const rondel_run *run = service(call, STR(RONDEL_RUN));
    const uint64_t needed = offsetof(rondel_run, preview_wanted) + sizeof(run->preview_wanted);
    if (run && run->struct_size >= needed && run->preview_wanted(call)) run->preview(call, picture);
}

static rondel_status brighten(const rondel_node *node, const rondel_call *call) {
    (void)node;
    const rondel_bundle *image = call->inputs[0].as.bundle;
    const double lift = call->inputs[1].as.f;
    const rondel_build *build = host->get_extension(host, STR(RONDEL_BUILD));
    if (!build) return fail(call, RONDEL_UNSUPPORTED, -1, STR("the host offers no rondel.build/1"));

    const rondel_tensor *pixels = tensor(image, STR("pixels"));
    if (!pixels || !is_plain_bytes(pixels)) return fail(call, RONDEL_INVALID_INPUT, 0, STR("8-bit pixels wanted"));

    rondel_bundle *lifted = build->bundle(host, STR("Image"), image->meta_json, pixels, 1);
    if (!lifted) return fail(call, RONDEL_OUT_OF_MEMORY, -1, STR("no memory for the picture"));
    rondel_status status = lift_rows(call, pixels, tensor(lifted, STR("pixels")), lift);
    if (status == RONDEL_OK) {
        show(call, lifted);
        rondel_value output = {.tag = RONDEL_BUNDLE, .as.bundle = lifted};
        status = call->set_output(call, 0, &output); /* the host takes a share of its own */
    }
    lifted->release(lifted); /* ours, whatever happened */
    return status;
}

static const rondel_node nodes[] = {{
    .struct_size = sizeof(rondel_node),
    .spec_json = STR("{\"kind\": \"c.glow\", \"version\": 1, \"category\": \"finish\","
                     " \"doc\": \"Lifts the brightness of a picture.\\n\\nBlack stays as dark as `lift` lets it.\","
                     " \"inputs\": [{\"name\": \"image\", \"type\": \"Image\", \"doc\": \"The picture; any size.\"},"
                     "  {\"name\": \"lift\", \"type\": \"Float\", \"default\": 0.5, \"range\": [0, 1],"
                     "   \"doc\": \"Share of the way to white.\"}],"
                     " \"outputs\": [{\"name\": \"image\", \"type\": \"Image\"}]}"),
    .run = brighten,
}};

static uint32_t count(const rondel_node_factory *factory) {
    (void)factory;
    return sizeof(nodes) / sizeof(nodes[0]);
}

static const rondel_node *get(const rondel_node_factory *factory, uint32_t index) {
    return index < count(factory) ? &nodes[index] : 0;
}

static const rondel_node_factory factory = {.struct_size = sizeof(rondel_node_factory), .count = count, .get = get};

static rondel_status init(const rondel_host *given, rondel_str path) {
    (void)path;
    host = given;
    return RONDEL_OK;
}

static const void *get_factory(rondel_str id) {
    const rondel_str known = STR(RONDEL_NODE_FACTORY);
    return id.len == known.len && memcmp(id.ptr, known.ptr, id.len) == 0 ? &factory : 0;
}

const rondel_entry rondel_entry_glow = {
    .struct_size = sizeof(rondel_entry),
    .abi_major = RONDEL_ABI_MAJOR,
    .abi_minor = RONDEL_ABI_MINOR,
    .name = STR("glow"),
    .version = STR("0.1.0"),
    .build = STR("c"),
    .init = init,
    .get_factory = get_factory,
};
