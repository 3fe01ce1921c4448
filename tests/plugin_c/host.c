/* A host in C, to test the plugin without the program: it asks and is asked in the same way.
 *
 *     cc -g -fsanitize=address,undefined -I crates/abi/include tests/plugin_c/host.c tests/plugin_c/glow.c -o host && ./host
 *
 * Every bundle is counted, and the sanitizer sees what is used after it was let go. */

#include "rondel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const rondel_entry rondel_entry_glow;

/* Text for the plugin; only for literals. */
#define STR(literal) ((rondel_str){(literal), sizeof(literal) - 1})

static bool is(rondel_str text, const char *other) {
    return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

static void expect(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "not so: %s\n", what);
    exit(1);
}

/* ---- pictures ---- */

/* A picture of 8-bit pixels, with everything that its bundle points at. */
typedef struct picture {
    rondel_bundle bundle; /* first, so that a pointer to it is one to the whole */
    int shares;
    rondel_tensor pixels;
    int64_t shape[3]; /* rows, columns, channels */
    uint8_t bytes[];
} picture;

static int pictures_alive;

static void retain(const rondel_bundle *bundle) { ((picture *)bundle)->shares++; }

static void release(const rondel_bundle *bundle) {
    picture *this = (picture *)bundle;
    expect(this->shares > 0, "a share is let go once");
    if (--this->shares > 0) return;
    pictures_alive--;
    free(this);
}

static rondel_status read(const rondel_bundle *bundle, uint64_t tensor, void *to, uint64_t len) {
    const picture *this = (const picture *)bundle;
    if (tensor != 0 || len != this->pixels.byte_len) return RONDEL_INVALID_INPUT;
    memcpy(to, this->bytes, len);
    return RONDEL_OK;
}

/* A black picture with one share. */
static picture *make(const int64_t shape[3]) {
    const uint64_t n_bytes = (uint64_t)(shape[0] * shape[1] * shape[2]);
    picture *this = calloc(1, sizeof(picture) + n_bytes);
    expect(this, "there is memory");
    memcpy(this->shape, shape, sizeof this->shape);
    this->shares = 1;
    this->pixels = (rondel_tensor){
        .name = STR("pixels"), .dtype_code = 1, .dtype_bits = 8, .dtype_lanes = 1, .device_type = 1,
        .ndim = 3, .shape = this->shape, .data = this->bytes, .byte_len = n_bytes,
    };
    this->bundle = (rondel_bundle){
        .struct_size = sizeof(rondel_bundle), .retain = retain, .release = release, .kind = STR("Image"),
        .meta_json = STR(""), .tensors = &this->pixels, .n_tensors = 1, .read = read,
    };
    pictures_alive++;
    return this;
}

static rondel_bundle *build(const rondel_host *host, rondel_str kind, rondel_str meta_json, const rondel_tensor *shapes,
                            uint64_t n) {
    (void)host;
    (void)meta_json;
    if (!is(kind, "Image") || n != 1 || shapes[0].ndim != 3) return 0;
    return &make(shapes[0].shape)->bundle;
}

static const rondel_build build_service = {.struct_size = sizeof(rondel_build), .bundle = build};

static const void *of_host(const rondel_host *host, rondel_str id) {
    (void)host;
    return is(id, RONDEL_BUILD) ? &build_service : 0;
}

/* ---- one run ---- */

/* What the node said. */
typedef struct record {
    const rondel_bundle *output;
    char reason[200];
    int32_t input; /* the one at fault */
    uint64_t n_reports;
    uint64_t cancels_after; /* reports; 0 is never */
} record;

static record *of(const rondel_call *call) { return call->host_data; }

static rondel_status set_output(const rondel_call *call, uint32_t port, const rondel_value *value) {
    expect(port == 0 && value->tag == RONDEL_BUNDLE, "the output is a picture");
    value->as.bundle->retain(value->as.bundle);
    of(call)->output = value->as.bundle;
    return RONDEL_OK;
}

static void fail(const rondel_call *call, int32_t input, rondel_str message) {
    of(call)->input = input;
    snprintf(of(call)->reason, sizeof of(call)->reason, "%.*s", (int)message.len, message.ptr);
}

static bool cancelled(const rondel_call *call) {
    return of(call)->cancels_after && of(call)->n_reports >= of(call)->cancels_after;
}

static void progress(const rondel_call *call, uint64_t done, uint64_t total, rondel_str note) {
    (void)note;
    expect(done <= total, "nothing is more than done");
    of(call)->n_reports++;
}

static void preview(const rondel_call *call, const rondel_bundle *image) {
    (void)call;
    expect(image->struct_size >= sizeof(rondel_bundle), "a preview is a bundle");
}

static bool preview_wanted(const rondel_call *call) {
    (void)call;
    return true;
}

static const rondel_run run_service = {sizeof(rondel_run), 0, cancelled, progress, preview, preview_wanted};

static const void *of_call(const rondel_call *call, rondel_str id) {
    (void)call;
    return is(id, RONDEL_RUN) ? &run_service : 0;
}

/* The kind with this name; the host itself reads the specification with a reader for JSON. */
static const rondel_node *kind(const char *name) {
    const rondel_node_factory *factory = rondel_entry_glow.get_factory(STR(RONDEL_NODE_FACTORY));
    expect(factory, "there is a factory");
    for (uint32_t i = 0; i < factory->count(factory); i++) {
        const rondel_node *node = factory->get(factory, i);
        const size_t len = strlen(name);
        for (uint64_t at = 0; at + len + 2 <= node->spec_json.len; at++) {
            const char *text = node->spec_json.ptr + at;
            if (text[0] == '"' && memcmp(text + 1, name, len) == 0 && text[len + 1] == '"') return node;
        }
    }
    expect(false, "there is a kind of this name");
    return 0;
}

/* Runs the kind `c.glow`. */
static rondel_status run(const picture *input, double lift, record *said) {
    const rondel_value inputs[] = {
        {.tag = RONDEL_BUNDLE, .as.bundle = &input->bundle},
        {.tag = RONDEL_FLOAT, .as.f = lift},
    };
    const rondel_call call = {
        .struct_size = sizeof(rondel_call), .host_data = said, .inputs = inputs, .n_inputs = 2,
        .set_output = set_output, .fail = fail, .get_extension = of_call,
    };
    const rondel_node *node = kind("c.glow");
    return node->run(node, &call);
}

/* ---- the tests ---- */

static picture *two_rows(void) {
    picture *input = make((const int64_t[]){2, 1, 3});
    memcpy(input->bytes, (const uint8_t[]){0, 100, 255, 50, 60, 70}, 6);
    return input;
}

static void a_picture_is_lifted(void) {
    picture *input = two_rows();
    record said = {0};
    expect(run(input, 0.5, &said) == RONDEL_OK && said.output, "there is a result");
    const uint8_t expected[] = {128, 178, 255, 153, 158, 163};
    expect(memcmp(((const picture *)said.output)->bytes, expected, sizeof expected) == 0, "it is lifted half way to white");
    said.output->release(said.output);
    release(&input->bundle);
}

static void a_cancelled_run_stops_and_gives_nothing(void) {
    picture *input = two_rows();
    record said = {.cancels_after = 1};
    expect(run(input, 0.5, &said) == RONDEL_CANCELLED, "it says that it was cancelled");
    expect(said.n_reports == 1 && !said.output, "it stopped after one row");
    release(&input->bundle);
}

static void a_picture_of_floats_is_refused(void) {
    picture *input = two_rows();
    input->pixels.dtype_code = 2;
    record said = {0};
    expect(run(input, 0.5, &said) == RONDEL_INVALID_INPUT && said.input == 0, "the first input is at fault");
    expect(strlen(said.reason) > 0, "it says why");
    release(&input->bundle);
}

int main(void) {
    const rondel_host host = {
        .struct_size = sizeof(rondel_host), .abi_major = RONDEL_ABI_MAJOR, .abi_minor = RONDEL_ABI_MINOR,
        .name = STR("test"), .version = STR("1"), .get_extension = of_host,
    };
    expect(rondel_entry_glow.init(&host, STR("")) == RONDEL_OK, "it starts");
    a_picture_is_lifted();
    a_cancelled_run_stops_and_gives_nothing();
    a_picture_of_floats_is_refused();
    expect(pictures_alive == 0, "every picture is let go");
    puts("all tests passed");
    return 0;
}
